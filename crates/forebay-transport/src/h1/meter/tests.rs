//! The meter on its own: each fault at its byte, and the same verdict however the bytes were cut.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { head_bytes: 64 * 1024, head_fields: 100 };

/// The bytes that passed, and the fault, when they come in these pieces.
fn meter<'a>(bodiless: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> (usize, Option<Fault>, Meter) {
    let mut meter = Meter::new(BOUNDS);
    meter.begin(bodiless, Aim::Exchange);
    let mut passed = 0;
    for piece in pieces {
        let good = meter.pass(piece);
        assert!(good <= piece.len());
        assert_eq!(good < piece.len(), meter.fault().is_some() && !piece.is_empty(), "all pass, or there is a fault");
        passed += good;
        if meter.fault().is_some() {
            assert_eq!(meter.pass(b"HTTP/1.1 200 OK\r\n"), 0, "nothing after a fault");
            break;
        }
    }
    let fault = meter.fault();
    (passed, fault, meter)
}

/// The fault of a response to a GET, whole and byte by byte.
fn fault_of(response: impl AsRef<[u8]>) -> Option<Fault> {
    let response = response.as_ref();
    let whole = meter(false, [response]).1;
    assert_eq!(whole, meter(false, response.chunks(1)).1, "byte by byte");
    whole
}

/// The same for a head with this line.
fn line(line: &str) -> Option<Fault> {
    fault_of(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n"))
}

/// The same for a chunked body.
fn chunks(body: &str) -> Option<Fault> {
    fault_of(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))
}

#[test]
fn sound_heads_pass() {
    for status in ["HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 999 ", "HTTP/1.0 200 a b c"] {
        assert_eq!(fault_of(format!("{status}\r\nx: y\r\n\r\n")), None, "{status}");
        assert_eq!(fault_of(format!("\r\n{status}\r\nx: y\r\n\r\n")), None, "an empty line, then {status}");
    }
    for sound in ["content-length: 0", "CONTENT-LENGTH:\t7 ", "transfer-encoding: Chunked", "Transfer-Encoding:gzip"] {
        assert_eq!(line(sound), None, "{sound}");
    }
    assert_eq!(line("content-lengths: x"), None, "another name");
    assert_eq!(line("content-length2: x"), None, "another name");
    assert_eq!(line("t: x"), None, "another name");
}

#[test]
fn status_lines_are_strict() {
    for bad in [
        "HTTP/1.2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.11 200 OK",
        "HTTP/1.1 99 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 1000 OK",
        "HTTP/1.1 -1 OK",
        "HTTP/1.1 2 0 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1",
        "ICY 200 OK",
        "http/1.1 200 OK",
    ] {
        assert_eq!(fault_of(format!("{bad}\r\n\r\n")), Some(Fault::StatusLine), "{bad}");
    }
    assert_eq!(fault_of("HTTP/1.1 101 Switching\r\n\r\n"), Some(Fault::Upgrade));
    assert_eq!(fault_of("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Some(Fault::EmptyLines));
    assert_eq!(fault_of("\rHTTP/1.1 200 OK\r\n\r\n"), Some(Fault::StatusLine));
    assert_eq!(fault_of([0x16, 3, 3, 0, 2]), Some(Fault::LooksLikeTls));
    assert_eq!(fault_of([0, 0, 12, 4, 0]), Some(Fault::LooksLikeHttp2));
}

#[test]
fn lines_end_in_cr_lf() {
    assert_eq!(fault_of("HTTP/1.1 200 OK\nx: y\r\n\r\n"), Some(Fault::LineEnd));
    assert_eq!(fault_of("HTTP/1.1 200 OK\r\nx: y\n\r\n"), Some(Fault::LineEnd));
    assert_eq!(fault_of("HTTP/1.1 200 OK\r\nx: y\r\n\n"), Some(Fault::LineEnd));
    assert_eq!(fault_of("\nHTTP/1.1 200 OK\r\n\r\n"), Some(Fault::LineEnd));
}

#[test]
fn a_length_in_doubt_is_refused() {
    for bad in ["+5", "-1", "0x5", "5 5", "", "5, 5", "5,", "18446744073709551616", "1e1"] {
        assert_eq!(line(&format!("content-length: {bad}")), Some(Fault::Length), "{bad}");
    }
    assert_eq!(line(&format!("content-length: {}5", "0".repeat(399))), Some(Fault::Length));
    assert_eq!(line("content-length: 5\r\ncontent-length: 5"), Some(Fault::TwoLengths));
    assert_eq!(line("content-length: 5\r\ntransfer-encoding: chunked"), Some(Fault::LengthAndCoding));
    assert_eq!(line("transfer-encoding: gzip\r\ncontent-length: 5"), Some(Fault::LengthAndCoding));
    for bad in ["chunked, identity", "chunked, chunked", "xchunked", "", "identity", "gzip, chunked", "chunked;q=1"] {
        assert_eq!(line(&format!("transfer-encoding: {bad}")), Some(Fault::Coding), "{bad}");
    }
    assert_eq!(line("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), Some(Fault::Coding));
    assert_eq!(fault_of("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Some(Fault::Coding));
}

#[test]
fn what_has_no_body_may_not_announce_one() {
    for (status, field, fault) in [
        (204, "content-length: 5", Some(Fault::BodyAnnounced)),
        (204, "transfer-encoding: chunked", Some(Fault::BodyAnnounced)),
        (204, "content-length: 0", None),
        (103, "content-length: 5", Some(Fault::BodyAnnounced)),
        (100, "transfer-encoding: chunked", Some(Fault::BodyAnnounced)),
        (304, "content-length: 5", None),
        (304, "transfer-encoding: chunked", None),
    ] {
        let response = format!("HTTP/1.1 {status} x\r\n{field}\r\n\r\n");
        assert_eq!(fault_of(&response), fault, "{status} {field}");
    }
}

#[test]
fn a_response_ends_where_its_framing_says() {
    for (bodiless, response) in [
        (false, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        (false, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        (false, "HTTP/1.1 204 x\r\n\r\n"),
        (false, "HTTP/1.1 304 x\r\ncontent-length: 5\r\n\r\n"),
        (true, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (true, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        (false, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (false, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0005 ;a=\"\\\"b\"\r\nhello\r\n0\r\nx: y\r\n\r\n"),
        (false, "HTTP/1.1 103 x\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nz"),
    ] {
        let followed = format!("{response}HTTP/1.1 200 OK\r\n");
        for size in [1, 7, followed.len()] {
            let (passed, fault, _) = meter(bodiless, followed.as_bytes().chunks(size));
            assert_eq!((passed, fault.is_some()), (response.len(), true), "{response:?} in pieces of {size}");
        }
    }
    let (_, _, mut used) = meter(false, [&b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"[..]]);
    used.begin(true, Aim::Exchange);
    assert_eq!(used.pass(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), 38, "the next one");
    assert_eq!((used.pass(b"x"), used.fault()), (0, Some(Fault::Stray)));
}

#[test]
fn bytes_without_a_request_are_stray_but_for_a_notice() {
    let idle = |bytes: &[u8]| {
        let mut meter = Meter::new(BOUNDS);
        assert_eq!(meter.pass(bytes), 0);
        meter.fault()
    };
    assert_eq!(idle(b"HTTP/1.1 200 OK\r\n"), Some(Fault::Stray));
    assert_eq!(idle(b"\r\n"), Some(Fault::Stray));
    assert_eq!(idle(b"HTTP/1.1 408 Request Timeout\r\n\r\n"), Some(Fault::IdleTimeoutNotice));
    assert_eq!(idle(b"HTTP/1.0 408"), Some(Fault::IdleTimeoutNotice));
    assert_eq!(idle(b"HTT"), Some(Fault::IdleTimeoutNotice), "it may become one");
}

#[test]
fn heads_are_bounded_while_they_are_read() {
    let fields = |count: usize| "x: y\r\n".repeat(count);
    assert_eq!(fault_of(format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(100))), None);
    assert_eq!(fault_of(format!("HTTP/1.1 200 OK\r\n{}", fields(101))), Some(Fault::TooManyFields));
    let head = |value: usize| format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(value));
    let most = BOUNDS.head_bytes - head(0).len();
    assert_eq!(fault_of(head(most)), None);
    assert_eq!(fault_of(head(most + 1)), Some(Fault::HeadTooLarge));
    assert_eq!(fault_of(&head(1 << 20)[..=BOUNDS.head_bytes]), Some(Fault::HeadTooLarge), "the end never came");
}

#[test]
fn interim_responses_are_bounded_together() {
    let interim = |count| "HTTP/1.1 100 Continue\r\n\r\n".repeat(count);
    assert_eq!(fault_of(interim(100) + "HTTP/1.1 200 OK\r\n\r\n"), None);
    assert_eq!(fault_of(interim(101)), Some(Fault::TooManyInterim));
    let large = format!("HTTP/1.1 103 x\r\nlink: {}\r\n\r\n", "v".repeat(30_000));
    assert_eq!(fault_of(large.repeat(2)), None);
    assert_eq!(fault_of(large.repeat(3)), Some(Fault::TooManyInterim));
}

#[test]
fn chunk_lines_are_strict_and_the_chunks_before_pass() {
    for (bad, fault) in [
        ("Z\r\n", Fault::ChunkSize),
        ("-5\r\n", Fault::ChunkSize),
        ("\r\n", Fault::ChunkSize),
        (" 5\r\n", Fault::ChunkSize),
        ("0x5\r\n", Fault::ChunkSize),
        ("5 5\r\n", Fault::ChunkSize),
        ("00000000000000005\r\n", Fault::ChunkSize),
        ("5\n", Fault::LineEnd),
        ("5\rhello", Fault::LineEnd),
        ("5 \n", Fault::ChunkSize),
        ("5;a\n", Fault::ChunkExtension),
        ("5;a=\"x\r\ny\"\r\n", Fault::ChunkExtension),
        ("5;a=\"\\\r\n", Fault::ChunkExtension),
        ("5;\0\r\n", Fault::ChunkExtension),
        ("2\r\nhi\n", Fault::ChunkEnd),
        ("2\r\nhi\r5", Fault::ChunkEnd),
        ("2\r\nhi5\r\n", Fault::ChunkEnd),
        ("0\r\nx: y\n\r\n", Fault::LineEnd),
        ("0\r\n\n", Fault::LineEnd),
    ] {
        assert_eq!(chunks(bad), Some(fault), "{bad:?}");
        assert_eq!(chunks(&format!("5\r\nhello\r\n{bad}")), Some(fault), "after a chunk: {bad:?}");
    }
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let good = format!("{head}5\r\nhello\r\n");
    assert_eq!(meter(false, [format!("{good}Z\r\n").as_bytes()]).0, good.len());
    assert_eq!(chunks("ffffffffffffffff\r\nx"), None, "a length that never comes true is the body's matter");
}

#[test]
fn framing_may_not_outweigh_what_it_carries() {
    let extension = |length: usize| format!("5;{}\r\nhello\r\n", "a".repeat(length - 1));
    assert_eq!(chunks(&extension(16 * 1024)), None);
    assert_eq!(chunks(&extension(16 * 1024 + 1)), Some(Fault::TooManyExtensions));
    assert_eq!(chunks(&extension(100).repeat(163)), None);
    assert_eq!(chunks(&extension(100).repeat(164)), Some(Fault::TooManyExtensions), "of the whole body");
    // Overhead 20 for each byte, against 6.
    let padded = "0000000000000001\r\nx\r\n".repeat(60_000);
    assert_eq!(chunks(&padded[..20 * 50_000]), None, "the first MiB is free");
    assert_eq!(chunks(&padded), Some(Fault::Overhead));
    assert_eq!(chunks(&"1\r\nx\r\n".repeat(300_000)), None, "small chunks alone are no fault");
}

#[test]
fn trailers_are_bounded() {
    let trailers = |count: usize| format!("0\r\n{}\r\n", "x: y\r\n".repeat(count));
    assert_eq!(chunks(&trailers(100)), None);
    assert_eq!(chunks(&trailers(101)), Some(Fault::TooManyTrailers));
    let long = |length: usize| format!("0\r\nx: {}\r\n", "v".repeat(length));
    assert_eq!(chunks(&long(16 * 1024 - 5)), None);
    assert_eq!(chunks(&long(16 * 1024 - 4)), Some(Fault::TrailersTooLarge));
}

/// Parts of responses, sound and not; put together at random they reach every state.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "content-length: 5\r\n",
        "content-length: 12\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "x-filler: some value\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "hello",
        "5\r\nhello\r\n",
        "a;b=\"c\"\r\n0123456789\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..6),
        1 => (250_usize..300).prop_map(|n| [b"content-length: ", "0".repeat(n).as_bytes(), b"5\r\n"].concat()),
    ]
}

/// Mostly begins as a response does.
fn response() -> impl Strategy<Value = Vec<u8>> {
    (prop::bool::weighted(0.8), vec(part(), 0..12)).prop_map(|(begins, parts)| {
        let first: &[u8] = if begins { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        [first, &parts.concat()].concat()
    })
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_the_cuts(
        bytes in response(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        bodiless in any::<bool>(),
    ) {
        let (whole, fault, _) = meter(bodiless, [&bytes[..]]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let (cut, cut_fault, _) = meter(bodiless, at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
        let (single, single_fault, _) = meter(bodiless, bytes.chunks(1));
        // Which notice a stray byte is taken for depends on what came with it; both end the connection.
        let kind = |fault: Option<Fault>| match fault {
            Some(Fault::IdleTimeoutNotice) => Some(Fault::Stray),
            other => other,
        };
        prop_assert_eq!(kind(fault), kind(cut_fault));
        prop_assert_eq!(kind(fault), kind(single_fault));
        // Of a head or trailer at fault more may have passed when it came in pieces; hyper cannot use it.
        prop_assert!(whole <= cut && cut <= single);
    }

    #[test]
    fn sound_responses_pass_whole_and_nothing_after_them(
        body in vec(any::<u8>(), 0..2_000),
        sizes in vec(1_usize..200, 1..20),
        fields in vec("x-[a-z]{1,12}: [ -~]{0,40}\r\n", 0..20),
        chunked in any::<bool>(),
        extra in vec(any::<u8>(), 0..20),
        piece in 1_usize..3_000,
    ) {
        let fields = fields.concat();
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{fields}").into_bytes();
        if chunked {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            let (mut rest, mut sizes) = (&body[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().expect("it cycles")));
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
                rest = after;
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        }
        let end = bytes.len();
        bytes.extend_from_slice(&extra);
        let (passed, fault, _) = meter(false, bytes.chunks(piece));
        prop_assert_eq!(passed, end);
        prop_assert_eq!(fault.is_some(), !extra.is_empty());
    }

    #[test]
    fn any_bytes_are_survived(pieces in vec(vec(any::<u8>(), 0..300), 0..20), bodiless in any::<bool>()) {
        meter(bodiless, pieces.iter().map(Vec::as_slice));
    }
}
