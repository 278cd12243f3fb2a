//! What holds for any bytes and any fields.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use bytes::BytesMut;
use forebay_h3::{Limits, encode_trailers, qpack::huffman};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{HEADERS, SETTINGS, Setting, Told, cuts, frame, number, ok, peer, read, read_in_pieces};

fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let known =
        prop::sample::select(vec!["content-type", "cookie", "vary", "x-frame-options", "date", "accept-ranges"]);
    let name = prop_oneof![known.prop_map(str::to_owned), "x[a-z0-9!#$%&'*+.^_`|~-]{0,12}"];
    let known = prop::sample::select(vec!["text/plain", "accept-encoding", "deny", "bytes", "", "0"]);
    let inner = prop_oneof![Just(b' '), Just(b'\t'), 0x21..=0x7e_u8, 0x80..=0xff_u8];
    let any = (0x21..=0x7e_u8, vec(inner, 0..40), 0x80..=0xff_u8)
        .prop_map(|(first, middle, last)| [&[first][..], &middle, &[last]].concat());
    (name, prop_oneof![known.prop_map(|value| value.as_bytes().to_vec()), any])
}

/// Bytes that look like a stream: frames that mean something, frames that do not, and noise.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![4 => Just(0_u64), 4 => Just(HEADERS), 1 => 0..0x10_u64, 1 => Just(0x21_u64)];
    let line = prop_oneof![
        Just(vec![0xd9_u8]),
        Just(support::literal(b"content-length", b"3")),
        Just(support::literal(b"x-name", b"value")),
        vec(any::<u8>(), 0..6),
    ];
    let section = vec(line, 0..6).prop_map(|lines| [vec![0, 0], lines.concat()].concat());
    let payload = prop_oneof![3 => section, 1 => vec(any::<u8>(), 0..20), 1 => Just(b"abc".to_vec())];
    let whole = (kind, payload).prop_map(|(kind, payload)| frame(kind, &payload));
    let part = prop_oneof![6 => whole, 2 => Just(ok()), 1 => vec(any::<u8>(), 0..12)];
    vec(part, 0..10).prop_map(|parts| parts.concat())
}

/// A stream without how much of it is kept on the way, which depends on the pieces.
fn told(reading: support::Reading) -> (Vec<Told>, Result<(), forebay_h3::Error>, bool) {
    (reading.told, reading.result, reading.complete)
}

proptest! {
    #[test]
    fn fields_come_back_as_they_were_written(fields in vec(field(), 0..12)) {
        let mut map = HeaderMap::new();
        for (name, value) in &fields {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        let mut out = BytesMut::from(&ok()[..]);
        encode_trailers(&map, None, &mut out).unwrap();
        let expected: Vec<_> = map
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let reading = read(&out);
        prop_assert_eq!(reading.result, Ok(()));
        prop_assert_eq!(&reading.told[1], &Told::Trailers(expected));
    }

    #[test]
    fn any_cut_gives_the_same(bytes in stream(), seed in any::<u64>(), fin in any::<bool>()) {
        let setting = Setting { fin, ..Setting::default() };
        let whole = told(read_in_pieces(&bytes, &[], setting));
        prop_assert_eq!(&whole, &told(read_in_pieces(&bytes, &cuts(bytes.len(), seed), setting)));
        let each: Vec<usize> = (1..bytes.len()).collect();
        prop_assert_eq!(&whole, &told(read_in_pieces(&bytes, &each, setting)));
    }

    #[test]
    fn no_bytes_make_a_response_keep_more_than_its_bound(bytes in vec(any::<u8>(), 0..400), seed in any::<u64>()) {
        let reading = read_in_pieces(&bytes, &cuts(bytes.len(), seed), Setting::default());
        prop_assert!(reading.most_kept <= Limits::default().head.bytes);
    }

    #[test]
    fn any_section_is_decoded_or_refused(section in vec(any::<u8>(), 0..200)) {
        let reading = read(&frame(HEADERS, &[&[0, 0, 0xd9][..], &section].concat()));
        prop_assert!(reading.told.len() <= 1);
    }

    #[test]
    fn any_streams_of_a_peer_are_taken_or_refused(streams in vec(vec(any::<u8>(), 0..60), 0..5)) {
        let streams: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
        // It compares several ways of cutting them.
        let _ = peer(&streams);
    }

    #[test]
    fn any_control_stream_is_taken_or_refused(frames in vec((0..0x10_u64, vec(any::<u8>(), 0..10)), 0..10)) {
        let frames: Vec<u8> = frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
        let _ = peer(&[&[&[0][..], &number(SETTINGS), &[0], &frames].concat()]);
    }

    #[test]
    fn text_in_huffman_code_comes_back(text in vec(any::<u8>(), 0..300)) {
        let (mut coded, mut back) = (BytesMut::new(), BytesMut::new());
        huffman::encode(&text, &mut coded);
        prop_assert_eq!(coded.len(), huffman::encoded_len(&text));
        prop_assert_eq!(huffman::decode(&coded, &mut back, text.len()), Ok(()));
        prop_assert_eq!(&back[..], &text[..]);
    }

    #[test]
    fn what_is_no_huffman_code_of_a_text_is_refused(coded in vec(any::<u8>(), 0..60)) {
        let (mut text, mut again) = (BytesMut::new(), BytesMut::new());
        if huffman::decode(&coded, &mut text, usize::from(u16::MAX)).is_ok() {
            huffman::encode(&text, &mut again);
            prop_assert_eq!(&again[..], &coded[..]);
        }
    }
}
