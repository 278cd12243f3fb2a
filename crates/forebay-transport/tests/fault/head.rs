//! H: heads of HTTP/1.1 responses.

use forebay_core::{Class, Stat};
use forebay_testkit::script::{Pieces, Script};
use forebay_transport::error::{Code, Phase};

use super::support::trial::{GOOD, Left, Trial, WAYS, answer_with, good, malformed, refuses, serve};
use super::support::{PATIENCE, World, config};
use std::time::Duration;

/// A head with these lines, no body.
fn with(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n")
}

#[test]
fn h01_unlike_or_unsound_content_lengths_are_malformed() {
    malformed(with("content-length: 5\r\ncontent-length: 6") + "hello!");
    for value in ["+5", "-1", "0x5", "5 5", "", "18446744073709551616", &"1".repeat(400)] {
        malformed(with(&format!("content-length: {value}")) + "hello");
    }
}

#[test]
fn h02_alike_content_lengths_are_malformed() {
    malformed(with("content-length: 5\r\ncontent-length: 5") + "hello");
    malformed(with("content-length: 5, 5") + "hello");
}

#[test]
fn h03_a_length_and_chunks_are_malformed() {
    malformed(with("content-length: 5\r\ntransfer-encoding: chunked") + "0\r\n\r\n");
    malformed(with("transfer-encoding: chunked\r\ncontent-length: 5") + "0\r\n\r\n");
}

#[test]
fn h04_a_coding_that_is_not_chunked_ends_with_the_connection() {
    for way in WAYS {
        let trial = Trial::get(answer_with(with("transfer-encoding: gzip") + "\x1f\x08 as sent", way).close());
        trial.succeeded(200, "\x1f\x08 as sent").breaches(0);
        trial.then(Left::Closed);
    }
}

#[test]
fn h05_codings_around_chunked_are_malformed() {
    for value in ["chunked, identity", "chunked, chunked", "chunked\r\ntransfer-encoding: chunked", "xchunked"] {
        malformed(with(&format!("transfer-encoding: {value}")) + "5\r\nhello\r\n0\r\n\r\n");
    }
}

#[test]
fn h06_unsound_fields_are_malformed() {
    for line in ["x: y\r\n folded", "x : y", "nocolon", ": empty", "x\u{80}: y", "x\x7f: y", "x: a\rb", "x: a\0b"] {
        let bytes: Vec<u8> = with(line).chars().map(|c| c as u8).collect();
        malformed(bytes);
    }
}

#[test]
fn h07_lines_that_end_in_lf_alone_are_malformed() {
    malformed("HTTP/1.1 200 OK\ncontent-length: 2\n\nok");
    malformed("HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok");
    malformed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok");
}

#[test]
fn h08_unsound_status_lines_are_malformed() {
    for status in ["99", "1000", "-1", "2 0", &"2".repeat(100)] {
        malformed(format!("HTTP/1.1 {status} OK\r\ncontent-length: 0\r\n\r\n"));
    }
    for version in ["1.2", "2.0", &format!("1.{}", "1".repeat(100))] {
        malformed(format!("HTTP/{version} 200 OK\r\ncontent-length: 0\r\n\r\n"));
    }
}

#[test]
fn h09_any_status_to_999_and_no_reason_are_sound() {
    for (line, status) in [("HTTP/1.1 999 What", 999), ("HTTP/1.1 200", 200), ("HTTP/1.1 200 ", 200)] {
        for way in WAYS {
            let trial = Trial::get(answer_with(format!("{line}\r\ncontent-length: 2\r\n\r\nhi"), way));
            trial.succeeded(status, "hi").breaches(0);
            trial.then(Left::Kept);
        }
    }
}

#[test]
fn h10_a_peer_that_speaks_tls_or_http2_is_named() {
    for (first, name) in [
        (&b"\x15\x03\x03\x00\x02\x02\x28"[..], "TLS"),
        (b"\x16\x03\x03\x00\x10aaaaaaaaaaaaaaaa", "TLS"),
        (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "HTTP/2"),
    ] {
        for way in WAYS {
            let trial = Trial::get(answer_with(first, way));
            trial.failed(Code::ProtocolError, Phase::Head, Class::Never).breaches(1);
            let text = &trial.answer.failure.as_ref().unwrap().text;
            assert!(text.contains(name), "{text}");
            trial.then(Left::Closed);
        }
    }
}

#[test]
fn h11_one_empty_line_may_come_first() {
    for way in WAYS {
        let trial = Trial::get(answer_with(format!("\r\n{GOOD}"), way));
        trial.succeeded(200, "ok").breaches(0);
        trial.then(Left::Kept);
    }
    malformed(format!("\r\n\r\n{GOOD}"));
}

#[test]
fn h12_a_long_value_is_taken_and_a_longer_one_refused() {
    let value = |length: usize| with(&format!("content-length: 0\r\nx: {}", "v".repeat(length)));
    for way in WAYS {
        let trial = Trial::get(answer_with(value(20_000), way));
        trial.succeeded(200, "").breaches(0);
        assert_eq!(trial.answer.fields[1].1.len(), 20_000);
        trial.then(Left::Kept);
    }
    refuses(value(200_000), Code::HeadersTooLarge, Phase::Head, None);
}

#[test]
fn h13_too_many_fields_are_refused() {
    let fields = |count: usize| with(&format!("content-length: 0{}", "\r\nx: y".repeat(count - 1)));
    for way in WAYS {
        let trial = Trial::get(answer_with(fields(100), way));
        trial.succeeded(200, "");
        assert_eq!(trial.answer.fields.len(), 100);
        trial.then(Left::Kept);
    }
    refuses(fields(101), Code::HeadersTooLarge, Phase::Head, None);
    refuses(fields(5_000), Code::HeadersTooLarge, Phase::Head, None);
}

#[test]
fn h13_a_million_fields_are_refused_at_the_bound() {
    let trial = Trial::get(Script::new().request().send("HTTP/1.1 200 OK\r\n").send_times("x: y\r\n", 1_000_000));
    trial.failed(Code::HeadersTooLarge, Phase::Head, Class::Never).breaches(1);
    trial.then(Left::Closed);
}

#[test]
fn h14_a_dripped_head_meets_its_limit() {
    // Ten bytes and interim responses come, a part each second; none of them restarts the clock.
    let mut first = Script::new().request();
    for part in
        ["HTTP", "/1.1 ", "100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\n\r\n", "HTTP/1.1 200 OK\r\n", "x: y\r\n"]
    {
        first = first.signal().send(part);
    }
    let server = serve([first]);
    let mut configured = config(server.addr());
    configured.headers_timeout = Some(Duration::from_secs(6));
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    world.until_connected(1);
    world.until("the request to be sent", |_| server.connections().first().is_some_and(|c| c.requests == 1));
    world.settle();
    let mut sent = 0;
    for _ in 0..5 {
        world.pass(Duration::from_secs(1));
        server.signal(0);
        assert!(server.wait_until(PATIENCE, |all| all[0].sent > sent), "a part");
        sent = server.connections()[0].sent;
        world.settle();
        assert!(!world.has_ended(id));
    }
    world.pass(Duration::from_secs(1));
    let answer = world.answer(id);
    let failure = answer.failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::HeadersTimeout, Phase::Head, Class::Maybe));
    assert_eq!(failure.number, 6_000);
    assert_eq!(world.stat(Stat::CxProtocolError), 0);
    server.signal(0);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}

#[test]
fn h15_an_end_inside_the_head_is_no_answer() {
    for part in ["HTTP/1.1 200 OK\r\nx", "H", "HTTP/1.1 200 OK\r\n\r", "HTTP/1.1 100 Continue\r\n\r\n"] {
        for way in WAYS {
            let trial = Trial::get(answer_with(part, way).close());
            trial.failed(Code::ConnectionClosed, Phase::Head, Class::Maybe).breaches(0);
            trial.then(Left::Closed);
        }
        // The bytes are read before the reset ends what was not.
        let mut script = answer_with(part, Pieces::Whole).signal();
        script = script.reset();
        let server = serve([script]);
        let mut world = World::new(config(server.addr()));
        let id = world.get("/");
        world.until("the part", |_| server.connections().first().is_some_and(|c| c.sent == part.len() as u64));
        world.settle();
        server.signal(0);
        let failure = world.answer(id).failure.unwrap();
        assert_eq!((failure.code, failure.phase, failure.class), (Code::ConnectionReset, Phase::Head, Class::Maybe));
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok");
        world.finish();
    }
}

#[test]
fn h16_all_values_arrive_in_order_and_close_wins() {
    let connection = "connection: keep-alive\r\n".repeat(4);
    let lines = format!(
        "set-cookie: a=1\r\n{connection}connection: x, Close\r\n{connection}set-cookie: b=2\r\ncontent-length: 2\r\nset-cookie: a=1"
    );
    for way in WAYS {
        let trial = Trial::get(answer_with(with(&lines) + "ok", way));
        trial.succeeded(200, "ok").breaches(0);
        let cookies: Vec<_> =
            trial.answer.fields.iter().filter(|(n, _)| n == "set-cookie").map(|(_, v)| &v[..]).collect();
        assert_eq!(cookies, [&b"a=1"[..], b"b=2", b"a=1"]);
        assert_eq!(trial.world.stat(Stat::CxCloseNotify), 1);
        trial.then(Left::Closed);
    }
}

#[test]
fn h17_names_that_mean_something_to_a_language_are_names() {
    for way in WAYS {
        let trial = Trial::get(answer_with(with("content-length: 0\r\n__proto__: a\r\nconstructor: b"), way));
        trial.succeeded(200, "").breaches(0);
        let names: Vec<_> = trial.answer.fields.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["content-length", "__proto__", "constructor"]);
        trial.then(Left::Kept);
    }
}

#[test]
fn h18_content_codings_are_left_alone() {
    // A gzip of nothing but zeros: 45 bytes that stand for far more.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03 not inflated, not looked at ...";
    let codings = vec!["gzip"; 5_000].join(", ");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {codings}\r\ncontent-length: {}\r\n\r\n", packed.len());
    for way in WAYS {
        let trial = Trial::get(answer_with([head.as_bytes(), packed].concat(), way));
        trial.succeeded(200, packed).breaches(0);
        trial.then(Left::Kept);
    }
}

#[test]
fn never_a_pool_that_stays_broken() {
    // Ten bad connections in a row, then a good one: what failed left nothing behind.
    let bad = || answer_with("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", Pieces::Whole);
    let server = serve((0..10).map(|_| bad()).chain([good()]));
    let mut world = World::new(config(server.addr()));
    for _ in 0..10 {
        let id = world.get("/");
        assert_eq!(world.answer(id).code(), Some(Code::ResponseMalformed));
    }
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    assert_eq!(world.stat(Stat::CxProtocolError), 10);
    assert_eq!(world.stat(Stat::CxActive), 1);
    world.finish();
}
