//! Requests as they go out: the order of fields, the table, what must never be indexed, what the peer does not take.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use bytes::BytesMut;
use forebay_h3::{DataHead, Target, Unsendable, encode_head, encode_trailers};
use http::{HeaderMap, HeaderName, HeaderValue};
use support::written;

const GET: Target<'static> = Target::Request { scheme: "https", authority: "!", path: "/" };

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.iter().map(pair).collect()
}

/// The section of a HEADERS frame, whose length has two bytes.
fn head(method: &str, target: Target<'_>, fields: &HeaderMap) -> Vec<u8> {
    let frame = written(|out| encode_head(method, target, fields, None, out).unwrap());
    let len = usize::from(frame[1] & 0x3f) << 8 | usize::from(frame[2]);
    assert_eq!((frame[0], frame[1] >> 6, frame.len() - 3), (1, 1, len));
    frame[3..].to_vec()
}

#[test]
fn a_small_request_is_a_few_bytes() {
    // :method GET (17), :scheme https (23), :authority (0) "!", :path / (1).
    assert_eq!(head("GET", GET, &HeaderMap::new()), [0, 0, 0xc0 + 17, 0xc0 + 23, 0x50, 1, b'!', 0xc0 + 1]);
}

#[test]
fn fields_follow_the_pseudo_fields_in_lower_case() {
    let fields = map(&[("accept", "*/*"), ("x~", "!")]);
    let section = head("~", GET, &fields);
    // :method is literal after the name of entry 15, which needs a second byte.
    let expected = [0, 0, 0x5f, 0, 1, b'~', 0xc0 + 23, 0x50, 1, b'!', 0xc1, 0xc0 + 29, 0x22, b'x', b'~', 1, b'!'];
    assert_eq!(section, expected);
}

#[test]
fn a_tunnel_names_where_it_leads_and_nothing_more() {
    assert_eq!(head("CONNECT", Target::Connect { authority: "!" }, &HeaderMap::new()), [0, 0, 0xcf, 0x50, 1, b'!']);
    let target = Target::Protocol { protocol: "~", scheme: "https", authority: "!", path: "/" };
    let section = head("CONNECT", target, &HeaderMap::new());
    // ":protocol" is not in the table: nine letters, seven bytes of Huffman code.
    assert_eq!(section[..4], [0, 0, 0xcf, 0x2f]);
    assert!(section.ends_with(&[1, b'~', 0xc0 + 23, 0x50, 1, b'!', 0xc1]));
}

#[test]
fn secrets_are_never_indexed() {
    for (name, first) in [("authorization", 0x7f), ("cookie", 0x75), ("set-cookie", 0x7e)] {
        assert_eq!(head("GET", GET, &map(&[(name, "")]))[8], first, "{name}");
    }
    let section = head("GET", GET, &map(&[("proxy-authorization", "!")]));
    assert_eq!(section[8] & 0xf0, 0x30);
    let mut fields = map(&[("accept", "*/*")]);
    fields.get_mut("accept").unwrap().set_sensitive(true);
    assert_eq!(head("GET", GET, &fields)[8..10], [0x7f, 29 - 15]);
}

#[test]
fn what_the_peer_does_not_take_is_not_sent() {
    let mut out = BytesMut::from(&b"before"[..]);
    let fields = map(&[("x", "y")]);
    let size = (7 + 3) + (7 + 5) + (10 + 1) + (5 + 1) + (1 + 1) + 5 * 32;
    let refused = encode_head("GET", GET, &fields, Some(size - 1), &mut out);
    assert_eq!(refused, Err(Unsendable::TooLarge { size, max: size - 1 }));
    let refused = encode_trailers(&fields, Some(33), &mut out);
    assert_eq!(refused, Err(Unsendable::TooLarge { size: 34, max: 33 }));
    assert_eq!(&out[..], b"before");
    encode_head("GET", GET, &fields, Some(size), &mut out).unwrap();
    encode_trailers(&fields, Some(34), &mut out).unwrap();
}

#[test]
fn fields_that_http3_does_not_have_are_not_sent() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "te"] {
        let mut out = BytesMut::new();
        let fields = map(&[(name, "gzip")]);
        assert_eq!(encode_head("GET", GET, &fields, None, &mut out), Err(Unsendable::Field), "{name}");
        assert!(out.is_empty());
    }
    encode_head("GET", GET, &map(&[("te", "trailers")]), None, &mut BytesMut::new()).unwrap();
}

#[test]
fn a_large_head_says_its_length_in_eight_bytes() {
    let mut fields = HeaderMap::new();
    fields.insert("x", HeaderValue::from_str(&"~".repeat(20_000)).unwrap());
    let frame = written(|out| encode_head("GET", GET, &fields, None, out).unwrap());
    let len = u64::try_from(frame.len() - 9).unwrap();
    assert_eq!(frame[..9], [&[1][..], &(len | 0xc000_0000_0000_0000).to_be_bytes()].concat());
}

#[test]
fn trailers_are_a_section_without_pseudo_fields() {
    let frame = written(|out| encode_trailers(&map(&[("x~", "!")]), None, out).unwrap());
    assert_eq!(frame, [1, 0x40, 7, 0, 0, 0x22, b'x', b'~', 1, b'!']);
}

#[test]
fn a_part_of_a_body_follows_its_head() {
    assert_eq!(DataHead::new(5).as_bytes(), [0, 5]);
    assert_eq!(DataHead::new(16_384).as_bytes(), [0, 0x80, 0, 0x40, 0]);
}
