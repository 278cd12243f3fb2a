#![allow(clippy::unwrap_used)]
use forebay_testkit::h2::frame::{self, frame, goaway, headers, ping, setting, settings, settings_ack, window_update};

use super::*;

/// Each way to cut the bytes gives the same end; the last pass is what came of it.
fn ends(bytes: &[u8]) -> Option<Fault> {
    let mut seen = Vec::new();
    for size in [1, 2, 7, bytes.len()] {
        let mut meter = Meter::new(Rc::default());
        let mut fault = None;
        for piece in bytes.chunks(size) {
            if let Pass::Fault(_, found) = meter.pass(piece) {
                fault = Some(found);
                break;
            }
            meter.go_on();
        }
        seen.push(fault);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    seen[0]
}

fn after_settings(more: &[u8]) -> Option<Fault> {
    ends(&[settings(&[]), more.to_vec()].concat())
}

#[test]
fn f01_the_first_frame_is_settings() {
    assert_eq!(ends(&settings(&[(setting::MAX_CONCURRENT_STREAMS, 5)])), None);
    for bad in [settings_ack(), ping(false), goaway(0, 0, b""), headers(1, &[(":status", "200")], true)] {
        assert_eq!(ends(&bad), Some(Fault::NotSettings));
    }
    assert_eq!(ends(&frame(frame::kind::SETTINGS, 0, 1, &[])), Some(Fault::NotSettings), "on a stream");
    assert_eq!(ends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Some(Fault::LooksLikeHttp1));
}

#[test]
fn f06_push_and_a_withdrawn_connect_protocol_are_faults() {
    for value in [1, 2] {
        assert_eq!(
            ends(&settings(&[(setting::MAX_FRAME_SIZE, 16_384), (setting::ENABLE_PUSH, value)])),
            Some(Fault::Push)
        );
    }
    assert_eq!(ends(&settings(&[(setting::ENABLE_PUSH, 0)])), None);
    let on = settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1)]);
    let off = settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 0)]);
    assert_eq!(ends(&[on.clone(), on.clone()].concat()), None);
    assert_eq!(ends(&off), None);
    assert_eq!(ends(&[on, off].concat()), Some(Fault::ConnectProtocolTakenBack));
}

#[test]
fn control_frames_are_bounded_and_open_requests_allow_more() {
    let pings = ping(false).repeat(999);
    assert_eq!(after_settings(&pings), None, "1,000 with SETTINGS");
    assert_eq!(after_settings(&ping(false).repeat(1_000)), Some(Fault::TooManyControlFrames));
    let unknown = frame(0x42, 0xff, 7, b"grease").repeat(1_000);
    assert_eq!(after_settings(&unknown), Some(Fault::TooManyControlFrames));

    let mut meter = Meter::new(Rc::default());
    meter.pass(&settings(&[]));
    meter.sent(&[&frame::PREFACE[..], &headers(1, &[(":method", "GET")], true)].concat());
    meter.allow();
    for n in 0..1_019 {
        meter.go_on();
        assert_eq!(meter.pass(&ping(false)), Pass::All, "{n}");
    }
    meter.go_on();
    assert_eq!(meter.pass(&ping(false)), Pass::Fault(0, Fault::TooManyControlFrames));
}

#[test]
fn no_more_heads_pass_in_one_go_than_one_response_may_have() {
    let one = headers(1, &[(":status", "103")], false);
    let mut meter = Meter::new(Rc::default());
    meter.pass(&settings(&[]));
    meter.go_on();
    let many = one.repeat(250);
    let Pass::Later(first) = meter.pass(&many) else { panic!("a pause") };
    assert_eq!(first, one.len() * 100);
    assert!(meter.is_full());
    assert_eq!(meter.pass(&many[first..]), Pass::Later(0));
    meter.go_on();
    let Pass::Later(second) = meter.pass(&many[first..]) else { panic!("a pause") };
    meter.go_on();
    assert_eq!(meter.pass(&many[first + second..]), Pass::All);
}

#[test]
fn no_more_bytes_pass_in_one_go_than_a_few_reads() {
    let mut meter = Meter::new(Rc::default());
    meter.pass(&settings(&[]));
    let data = frame::data(1, b"x", false).repeat(20_000);
    let Pass::Later(good) = meter.pass(&data) else { panic!("a pause") };
    assert!((BYTES_AT_ONCE - 15..BYTES_AT_ONCE + 20).contains(&good), "{good}");
    assert_eq!(good % 10, 0, "between two frames");
}

#[test]
fn what_is_sent_is_counted() {
    let mut meter = Meter::new(Rc::default());
    let out = [
        frame::PREFACE.to_vec(),
        headers(1, &[(":method", "GET")], false),
        headers(3, &[(":method", "GET")], true),
        frame::data(1, &[0; 1_000], true),
        frame::reset(3, 8),
    ]
    .concat();
    for piece in out.chunks(5) {
        meter.sent(piece);
    }
    let counts = meter.counts();
    assert_eq!((counts.highest, counts.resets, counts.window), (3, 1, FIRST_WINDOW - 1_000));
    meter.pass(&[settings(&[]), window_update(0, 500), window_update(1, 9_999), settings_ack()].concat());
    let counts = meter.counts();
    assert_eq!((counts.window, counts.settings, counts.acknowledged), (FIRST_WINDOW - 500, 1, 1));
    assert_eq!(counts.frames, 4);
}
