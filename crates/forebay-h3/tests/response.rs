//! Responses, good and bad: rows of the hostile upstreams that the codec alone decides, each in one piece, byte by byte and cut at random.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_h3::{Answers, Bounds, Code, Kind, Limits, Scope, grease};
use support::{
    DATA, HEADERS, Reading, Setting, Told, data, frame, headers, literal, number, numbers, ok, read, read_with, section,
};

fn open() -> Setting {
    Setting { fin: false, ..Setting::default() }
}

fn answering(answers: Answers) -> Setting {
    Setting { answers, ..Setting::default() }
}

fn is_malformed(reading: &Reading) {
    let error = reading.error();
    assert_eq!((error.scope, error.code, error.kind), (Scope::Stream, Code::MESSAGE_ERROR, Kind::Malformed), "{error}");
}

fn is_too_large(reading: &Reading) {
    let error = reading.error();
    assert_eq!((error.scope, error.kind), (Scope::Stream, Kind::TooLarge), "{error}");
}

fn breaks_the_connection(reading: &Reading, code: Code) {
    let error = reading.error();
    assert_eq!((error.scope, error.code, error.kind), (Scope::Connection, code, Kind::Protocol), "{error}");
}

fn fields(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_response_is_read_to_its_end() {
    let bytes = [
        headers(&[(":status", "200"), ("content-length", "10"), ("set-cookie", "a"), ("set-cookie", "b")]),
        data("hello"),
        data("world"),
        headers(&[("x-sum", "1")]),
    ]
    .concat();
    let reading = read(&bytes);
    let head = fields(&[("content-length", "10"), ("set-cookie", "a"), ("set-cookie", "b")]);
    assert_eq!(
        reading.told,
        [
            Told::Head(200, head, Some(10)),
            Told::Body(b"helloworld".to_vec()),
            Told::Trailers(fields(&[("x-sum", "1")])),
        ]
    );
    assert_eq!(reading.result, Ok(()));
    assert!(reading.complete);
}

#[test]
fn a_body_is_handed_out_without_a_copy() {
    let bytes = bytes::Bytes::from([ok(), data("hello")].concat());
    let place = bytes.as_ptr() as usize + bytes.len() - 5;
    let mut reader = forebay_h3::ResponseReader::new(Answers::Request, Limits::default());
    let (mut input, mut budget) = (bytes, forebay_h3::Budget::default());
    reader.receive(&mut input, &mut budget).unwrap();
    let Some(forebay_h3::Event::Data(part)) = reader.receive(&mut input, &mut budget).unwrap() else {
        panic!("no data");
    };
    assert_eq!((part.as_ptr() as usize, &part[..]), (place, &b"hello"[..]));
}

#[test]
fn k03_settings_and_goaway_on_a_request_stream() {
    for kind in [0x3, 0x4, 0x7, 0xd, 0xf_0700, 0xf_0701] {
        breaks_the_connection(&read_with(&frame(kind, &[]), open()), Code::FRAME_UNEXPECTED);
        breaks_the_connection(&read_with(&[ok(), frame(kind, &[])].concat(), open()), Code::FRAME_UNEXPECTED);
    }
}

#[test]
fn frames_of_http2_have_no_place() {
    for kind in [0x2, 0x6, 0x8, 0x9] {
        breaks_the_connection(&read_with(&frame(kind, &[]), open()), Code::FRAME_UNEXPECTED);
    }
}

#[test]
fn k04_grease_frames_are_skipped_wherever_they_stand() {
    let grease = frame(grease(5), b"anything at all");
    let parts = [ok(), data("hello"), headers(&[("x-sum", "1")])];
    let bytes = [&grease[..], &parts[0], &grease, &parts[1], &grease, &parts[2], &grease].concat();
    assert_eq!(read(&bytes), Reading { most_kept: read(&parts.concat()).most_kept, ..read(&parts.concat()) });
    assert_eq!(read(&bytes).result, Ok(()));
}

#[test]
fn k05_headers_that_announce_too_much_are_refused_from_the_length_alone() {
    for len in [65_537, 4 << 30, (1 << 62) - 1] {
        let reading = read_with(&numbers(&[HEADERS, len]), open());
        is_too_large(&reading);
        assert_eq!(reading.most_kept, 0);
    }
    let within = read_with(&numbers(&[HEADERS, 65_536]), open());
    assert_eq!(within.result, Ok(()), "so much may still come");
}

#[test]
fn trailers_that_announce_too_much_are_refused_from_the_length_alone() {
    let bytes = |len| [ok(), numbers(&[HEADERS, len])].concat();
    is_too_large(&read_with(&bytes(16_385), open()));
    assert_eq!(read_with(&bytes(16_384), open()).result, Ok(()));
}

#[test]
fn k06_an_unknown_frame_of_any_length_is_skipped_as_it_comes() {
    for len in [4 << 30, (1 << 62) - 1] {
        let bytes = [numbers(&[0x21, len]), vec![7; 10_000]].concat();
        let reading = read_with(&bytes, open());
        assert_eq!((reading.result, reading.most_kept), (Ok(()), 0));
        assert!(reading.told.is_empty());
    }
}

#[test]
fn k07_data_first_or_after_the_trailers() {
    let trailers = headers(&[("x-sum", "1")]);
    breaks_the_connection(&read_with(&data("hello"), open()), Code::FRAME_UNEXPECTED);
    let early = [headers(&[(":status", "103")]), data("hello")].concat();
    breaks_the_connection(&read_with(&early, open()), Code::FRAME_UNEXPECTED);
    for late in [data("hello"), data(""), trailers.clone()] {
        let bytes = [ok(), data("x"), trailers.clone(), late].concat();
        breaks_the_connection(&read_with(&bytes, open()), Code::FRAME_UNEXPECTED);
    }
}

#[test]
fn k08_fin_without_headers() {
    is_malformed(&read(&[]));
    is_malformed(&read(&frame(0x21, b"skipped")));
    is_malformed(&read(&headers(&[(":status", "103")])));
}

#[test]
fn fin_within_a_frame_breaks_the_connection() {
    let whole = [ok(), data("hello"), headers(&[("x-sum", "1")]), frame(0x21, b"skipped")].concat();
    let ends =
        [0, ok().len(), [ok(), data("hello")].concat().len(), whole.len() - frame(0x21, b"skipped").len(), whole.len()];
    for len in 1..whole.len() {
        let reading = read(&whole[..len]);
        if ends.contains(&len) {
            assert_eq!(reading.result, Ok(()), "{len} bytes");
        } else {
            breaks_the_connection(&reading, Code::FRAME_ERROR);
        }
    }
}

#[test]
fn k09_103_then_200() {
    let bytes = [headers(&[(":status", "103"), ("link", "</a>")]), ok(), data("hello")].concat();
    let reading = read(&bytes);
    assert_eq!(
        reading.told,
        [Told::Interim(103, fields(&[("link", "</a>")])), Told::Head(200, vec![], None), Told::Body(b"hello".to_vec())]
    );
    assert_eq!(reading.result, Ok(()));
}

#[test]
fn interim_heads_are_counted() {
    let interim = headers(&[(":status", "100")]);
    let within = [interim.repeat(100), ok()].concat();
    assert_eq!(read(&within).result, Ok(()));
    let error = read_with(&interim.repeat(101), open()).error();
    assert_eq!((error.scope, error.kind), (Scope::Stream, Kind::Flood));
}

#[test]
fn bytes_of_interim_heads_are_counted() {
    let value = "v".repeat(32 * 1024 - 42 - 33);
    let interim = headers(&[(":status", "103"), ("x", &value)]);
    assert_eq!(read(&[interim.repeat(2), ok()].concat()).result, Ok(()), "64 KiB");
    let error = read_with(&[interim.repeat(2), headers(&[(":status", "100")])].concat(), open()).error();
    assert_eq!((error.scope, error.kind), (Scope::Stream, Kind::Flood));
}

#[test]
fn the_switch_to_another_protocol_is_not_for_http3() {
    is_malformed(&read_with(&headers(&[(":status", "101")]), open()));
}

#[test]
fn k10_a_body_unlike_its_announced_length() {
    let announcing = |length: &str| headers(&[(":status", "200"), ("content-length", length)]);
    let short = read(&[announcing("10"), data("hello")].concat());
    is_malformed(&short);
    assert_eq!(short.told.len(), 2, "what came before the end was told");
    let long = read_with(&[announcing("5"), data("hello"), data("x")].concat(), open());
    is_malformed(&long);
    assert_eq!(long.told[1], Told::Body(b"hello".to_vec()), "and no byte more");
    let at_once = read_with(&[announcing("5"), numbers(&[DATA, 6])].concat(), open());
    is_malformed(&at_once);
    let before_trailers = read_with(&[announcing("6"), data("hello"), headers(&[("x-sum", "1")])].concat(), open());
    is_malformed(&before_trailers);
    assert_eq!(read(&[announcing("5"), data("hello"), data("")].concat()).result, Ok(()));
}

#[test]
fn a_length_in_doubt_is_refused() {
    for value in ["", "+5", "5,5", "0x5", "5 5", "5e1", "-1", "18446744073709551616"] {
        is_malformed(&read_with(&headers(&[(":status", "200"), ("content-length", value)]), open()));
    }
    for second in ["5", "6"] {
        let twice = headers(&[(":status", "200"), ("content-length", "5"), ("content-length", second)]);
        is_malformed(&read_with(&twice, open()));
    }
}

#[test]
fn where_there_can_be_no_body_there_is_none() {
    let announcing = |status: &str| headers(&[(":status", status), ("content-length", "5")]);
    for (setting, status) in [(answering(Answers::Head), "200"), (Setting::default(), "304")] {
        let reading = read_with(&announcing(status), setting);
        assert_eq!((reading.result, reading.complete), (Ok(()), true));
        assert_eq!(reading.told, [Told::Head(status.parse().unwrap(), fields(&[("content-length", "5")]), Some(5))]);
        is_malformed(&read_with(&[announcing(status), data("hello")].concat(), setting));
    }
    is_malformed(&read(&announcing("204")));
    is_malformed(&read(&[headers(&[(":status", "204")]), data("x")].concat()));
    is_malformed(&read_with(&announcing("103"), open()));
    assert_eq!(read(&headers(&[(":status", "204"), ("content-length", "0")])).result, Ok(()));
}

#[test]
fn k11_names_and_values_that_no_field_has() {
    let with = |name: &[u8], value: &[u8]| {
        let payload = [section(&[(":status", "200")]), literal(name, value)].concat();
        read_with(&frame(HEADERS, &payload), open())
    };
    for name in [&b"X-Upper"[..], b"", b"a b", b"a:b", b"\xe4", b"a\0"] {
        is_malformed(&with(name, b"v"));
    }
    for value in [&b"a\0b"[..], b"a\rb", b"a\nb", b" a", b"a\t", b"\x7f", b"\x01"] {
        is_malformed(&with(b"x", value));
    }
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"] {
        is_malformed(&with(name.as_bytes(), b"trailers"));
    }
    for value in [&b""[..], b"a b\tc", b"\xe4"] {
        assert_eq!(with(b"x", value).result, Ok(()));
    }
}

#[test]
fn what_a_head_may_not_hold_trailers_may_not_either() {
    for (name, value) in [("X-Upper", "v"), ("x", "a\0b"), ("connection", "close"), (":status", "200"), (":path", "/")]
    {
        is_malformed(&read_with(&[ok(), headers(&[(name, value)])].concat(), open()));
    }
}

#[test]
fn k12_pseudo_fields_that_are_missing_doubled_wrong_or_late() {
    for head in [
        &[][..],
        &[("x", "y")],
        &[(":status", "200"), (":status", "200")],
        &[(":method", "GET"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
        &[(":status", "200"), (":unknown", "x")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "+20")],
        &[(":status", "099")],
        &[(":status", "")],
    ] {
        is_malformed(&read_with(&headers(head), open()));
    }
    // The same from the static table: :method GET, and :status 200 twice.
    for lines in [&[0xd9, 0xd1][..], &[0xd9, 0xd9]] {
        is_malformed(&read_with(&frame(HEADERS, &[&[0, 0], lines].concat()), open()));
    }
    assert_eq!(read(&frame(HEADERS, &[0, 0, 0xd9])).result, Ok(()));
}

#[test]
fn k13_a_section_that_grows_past_its_bound_while_it_is_decoded() {
    // One byte each: content-security-policy (85) counts 109 bytes, content-length: 0 (4) 47.
    let of = |line: &[u8], count: usize| [&[0, 0, 0xd9][..], &line.repeat(count)].concat();
    let many = |count| read_with(&frame(HEADERS, &of(&[0xc4], count)), open());
    is_too_large(&many(10_000));
    is_too_large(&many(101));
    let wide = Limits { head: Bounds { bytes: 64 * 1024, fields: 10_000 }, ..Limits::default() };
    let by_bytes = |count| read_with(&frame(HEADERS, &of(&[0xff, 0x16], count)), Setting { limits: wide, ..open() });
    // 42 for :status.
    let fits = (64 * 1024 - 42) / (23 + 53 + 32);
    assert_eq!(by_bytes(fits).result, Ok(()));
    is_too_large(&by_bytes(fits + 1));
    is_too_large(&by_bytes(10_000));
}

#[test]
fn a_hundred_fields_are_taken_and_one_more_is_not() {
    let with = |count: usize| {
        let mut head = vec![(":status", "200")];
        head.resize(count + 1, ("x", "y"));
        read_with(&headers(&head), open())
    };
    assert_eq!(with(100).result, Ok(()));
    is_too_large(&with(101));
}

#[test]
fn a_section_counts_names_values_and_32_bytes_for_each_field() {
    let with = |bytes| {
        let limits = Limits { head: Bounds { bytes, fields: 100 }, ..Limits::default() };
        read_with(&headers(&[(":status", "200"), ("name", "value")]), Setting { limits, ..open() })
    };
    let size = 7 + 3 + 32 + 4 + 5 + 32;
    assert_eq!(with(size).result, Ok(()));
    is_too_large(&with(size - 1));
}

#[test]
fn trailers_are_counted_apart() {
    let with = |value: usize| read_with(&[ok(), headers(&[("x", &"v".repeat(value))])].concat(), open());
    assert_eq!(with(16 * 1024 - 33).result, Ok(()));
    is_too_large(&with(16 * 1024 - 32));
}

#[test]
fn a_string_of_huffman_code_is_bounded_by_its_text() {
    // A zero is five bits: 60,000 bytes on the wire are 96,000 of text.
    let zeros = vec![0_u8; 60_000];
    let mut coded = vec![0, 0, 0xd9, 0x21, b'x'];
    // H, and a length of 60,000 after a prefix of 7 bits: 127 + 0x61 + (0x53 << 7) + (3 << 14).
    coded.extend([0xff, 0xe1, 0xd3, 0x03]);
    coded.extend(&zeros);
    let reading = read_with(&frame(HEADERS, &coded), open());
    is_too_large(&reading);
}

#[test]
fn k14_a_section_that_needs_a_dynamic_table() {
    let refused = |section: &[u8]| {
        breaks_the_connection(&read_with(&frame(HEADERS, section), open()), Code::QPACK_DECOMPRESSION_FAILED);
    };
    // Required Insert Count 1; an index, a name and two indexes past the base that are not the static table's.
    for section in [&[1, 0, 0xd9][..], &[0, 0, 0x80], &[0, 0, 0x40, 0], &[0, 0, 0x10], &[0, 0, 0x00, 0]] {
        refused(section);
    }
    // A base below 0; an entry 99; strings and numbers past the end.
    for section in
        [&[0, 0x80][..], &[0, 0, 0xff, 36], &[0, 0, 0xd9, 0x21], &[0, 0, 0xff], &[0], &[], &[0, 0, 0x22, b'x']]
    {
        refused(section);
    }
}

#[test]
fn k21_a_response_is_complete_by_fin_or_by_all_of_its_length() {
    let announcing = headers(&[(":status", "200"), ("content-length", "5")]);
    let complete = |bytes: &[u8], setting| read_with(bytes, setting).complete;
    assert!(complete(&[announcing.clone(), data("hello")].concat(), open()));
    assert!(!complete(&[announcing.clone(), data("hell")].concat(), open()));
    assert!(!complete(&[ok(), data("hello")].concat(), open()));
    assert!(complete(&[ok(), data("hello")].concat(), Setting::default()));
    assert!(complete(&headers(&[(":status", "204")]), open()));
    assert!(complete(&[ok(), headers(&[("x-sum", "1")])].concat(), open()), "nothing can follow trailers");
    assert!(!complete(&headers(&[(":status", "100")]), open()));
}

#[test]
fn k23_a_promise_on_a_request_stream() {
    for before in [vec![], ok()] {
        let promise = [before, numbers(&[0x5, 1_000])].concat();
        breaks_the_connection(&read_with(&promise, open()), Code::ID_ERROR);
    }
}

#[test]
fn a_tunnel_carries_data_and_nothing_else() {
    let connect = Setting { fin: false, ..answering(Answers::Connect) };
    let open = headers(&[(":status", "200"), ("content-length", "3")]);
    let reading = read_with(&[open.clone(), data("hello"), frame(0x21, b"x"), data("!")].concat(), connect);
    assert_eq!(reading.told, [Told::Tunnel(200), Told::Body(b"hello!".to_vec())]);
    assert_eq!((reading.result, reading.complete), (Ok(()), false));
    breaks_the_connection(&read_with(&[open, ok()].concat(), connect), Code::FRAME_UNEXPECTED);
    let refused = read_with(&headers(&[(":status", "403"), ("content-length", "0")]), connect);
    assert_eq!(refused.told, [Told::Head(403, fields(&[("content-length", "0")]), Some(0))]);
}

#[test]
fn frames_that_carry_nothing_end_in_a_flood() {
    let empty = [ok(), data("").repeat(101)].concat();
    let unknown = [ok(), frame(0x21, b"").repeat(1_011)].concat();
    for bytes in [empty, unknown] {
        let error = read_with(&bytes, open()).error();
        assert_eq!((error.scope, error.code, error.kind), (Scope::Connection, Code::EXCESSIVE_LOAD, Kind::Flood));
    }
    assert_eq!(read(&[ok(), data("").repeat(100), frame(0x21, b"x").repeat(910)].concat()).result, Ok(()));
    let paced = [ok(), [data("x"), frame(0x21, b"").repeat(10)].concat().repeat(500)].concat();
    assert_eq!(read(&paced).result, Ok(()), "what a body explains is no flood");
}

#[test]
fn numbers_may_be_longer_than_they_must() {
    let section = section(&[(":status", "200")]);
    let mut bytes = vec![0x40, 0x01, 0xc0, 0, 0, 0, 0, 0, 0];
    bytes.extend(number(section.len() as u64));
    bytes.extend(&section);
    assert_eq!(read(&bytes).told, read(&ok()).told);
}
