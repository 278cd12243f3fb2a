#![allow(clippy::unwrap_used)]
use super::*;

fn submission(method: &'static str, path: &'static str, fields: &'static [u8]) -> Submission {
    Submission {
        id: 0,
        pool: 0,
        method: Bytes::from_static(method.as_bytes()),
        path: Bytes::from_static(path.as_bytes()),
        fields: Bytes::from_static(fields),
        body: Content::None,
        aim: Aim::Exchange,
        expect: false,
        informational: false,
        priority: Priority::Default,
        idempotent: true,
        credit: 0,
        timeouts: None,
        retry: None,
    }
}

fn build(method: &'static str, path: &'static str, fields: &'static [u8]) -> Result<Request<RequestBody>, String> {
    message(&submission(method, path, fields)).map_err(|f| f.text)
}

fn message(submission: &Submission) -> Result<Request<RequestBody>, Failure> {
    submission.head().map(|head| submission.to_h1(head, None, &HeaderValue::from_static("up.test")))
}

#[test]
fn fields_arrive_in_order_with_the_pools_host() {
    let request = build("GET", "/a?b=c", b"x-one\x001\0x-two\0\xe4\0").unwrap();
    assert_eq!(request.uri(), "/a?b=c");
    assert_eq!(request.headers()["x-one"], "1");
    assert_eq!(request.headers()["x-two"].as_bytes(), b"\xe4");
    assert_eq!(request.headers()[HOST], "up.test");
}

#[test]
fn an_authority_of_the_callers_replaces_the_pools() {
    assert_eq!(build("GET", "/", b"host\0other.test\0").unwrap().headers()[HOST], "other.test");
}

#[test]
fn a_post_without_a_body_says_so() {
    assert_eq!(build("POST", "/", b"").unwrap().headers()[CONTENT_LENGTH], "0");
    assert!(!build("GET", "/", b"").unwrap().headers().contains_key(CONTENT_LENGTH));
}

/// What is refused names the part, and never shows what was in it.
fn refused(part: &str, cases: &[(&'static str, &'static str, &'static [u8])]) {
    for (method, path, fields) in cases {
        assert_eq!(build(method, path, fields).unwrap_err(), part, "{method:?} {path:?} {fields:?}");
    }
}

#[test]
fn r01_values_with_line_ends_or_controls_are_refused() {
    refused(
        "headers",
        &[
            ("GET", "/", b"x\0a\r\nb\0"),
            ("GET", "/", b"x\0a\nb\0"),
            ("GET", "/", b"x\0a\rb\0"),
            ("GET", "/", b"x\0a\x7fb\0"),
            ("GET", "/", b"x\0a\0b\0"),
            ("GET", "/", b"x\0unfinished"),
            ("GET", "/", b"x"),
        ],
    );
}

#[test]
fn r03_values_beyond_ascii_are_sent_as_they_are() {
    let request = build("GET", "/", b"x\0\x80\xff\t.\0").unwrap();
    assert_eq!(request.headers()["x"].as_bytes(), b"\x80\xff\t.");
}

#[test]
fn r05_unsound_names_are_refused() {
    refused(
        "headers",
        &[
            ("GET", "/", b"x y\0a\0"),
            ("GET", "/", b"x:\0a\0"),
            ("GET", "/", b":path\0a\0"),
            ("GET", "/", b"x\r\0a\0"),
            ("GET", "/", b"x\n\0a\0"),
            ("GET", "/", b"x\xe4\0a\0"),
            ("GET", "/", b"\0a\0"),
        ],
    );
}

#[test]
fn r07_unsound_methods_are_refused() {
    const LONG: &str = "ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDE";
    for method in ["G T", "", "GET\r\nx: y", "GET\n", LONG, "CONNECT"] {
        refused("method", &[(method, "/", b"")]);
    }
    assert!(build(&LONG[1..], "/", b"").is_ok());
}

#[test]
fn r08_r09_paths_that_are_more_than_a_path_are_refused() {
    for path in
        ["/a b", "/a\r\nx: y", "/a\tb", "/\u{7f}", "/\u{e4}", "a", "", "http://other.test/", "/a#b", "other.test:80"]
    {
        refused("path", &[("GET", path, b"")]);
    }
}

#[test]
fn r10_r12_a_host_is_one_authority() {
    for fields in [
        &b"host\0a\r\nb\0"[..],
        b"host\0a.test\0host\0b.test\0",
        b"x\0y\0host\0a.test\0",
        b"host\0user@a.test\0",
        b"host\0a.test/b\0",
        b"host\0a.test b\0",
        b"host\0a.test\\b\0",
        b"host\0a%00.test\0",
        b"host\0a\xe3\x80\x82test\0",
        b"host\0\0",
    ] {
        assert_eq!(submission("GET", "/", fields).head().unwrap_err().text, "headers");
    }
    assert_eq!(build("GET", "/", b"host\0[::1]:80\0").unwrap().headers()[HOST], "[::1]:80");
}

#[test]
fn r13_r14_r17_framing_is_ours() {
    for name in [
        "transfer-encoding\0chunked\0",
        "content-length\x001\0",
        "connection\0close\0",
        "keep-alive\0timeout=5\0",
        "proxy-connection\0close\0",
        "upgrade\0h2c\0",
        "expect\x00100-continue\0",
        "http2-settings\0AAMAAABk\0",
        "te\0gzip\0",
        "Transfer-Encoding\0chunked\0",
    ] {
        refused("headers", &[("GET", "/", name.as_bytes())]);
    }
    assert_eq!(build("GET", "/", b"te\0trailers\0").unwrap().headers()[TE], "trailers");
}

#[test]
fn r19_more_fields_than_a_map_can_hold_are_refused() {
    let fields = (0..40_000).map(|n| format!("x-{n}\0v\0")).collect::<Vec<_>>().concat();
    let submission = Submission { fields: fields.into(), ..submission("GET", "/", b"") };
    assert_eq!(submission.head().unwrap_err().text, "headers");
}
