//! The peer's unidirectional streams: rows of the hostile upstreams that the codec alone decides, in pieces of several sizes.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_h3::{Code, Error, Kind, Peer, PeerEvent, Scope, Settings, UniStream, grease};
use support::{
    CANCEL_PUSH, DATA, GOAWAY, HEADERS, MAX_PUSH_ID, PUSH_PROMISE, SETTINGS, control, frame, number, numbers, peer,
};

const PUSH_STREAM: [u8; 1] = [1];
const ENCODER: [u8; 1] = [2];
const DECODER: [u8; 1] = [3];

fn breaks<T: std::fmt::Debug>(result: Result<T, Error>, code: Code) {
    let error = result.unwrap_err();
    assert_eq!((error.scope, error.code, error.kind), (Scope::Connection, code, Kind::Protocol), "{error}");
}

fn set(settings: &[u64]) -> Result<Vec<PeerEvent>, Error> {
    peer(&[&[&[0][..], &frame(SETTINGS, &numbers(settings))].concat()])
}

#[test]
fn settings_come_first() {
    let settings =
        Settings { max_field_section_size: Some(4_096), enable_connect_protocol: true, ..Settings::default() };
    assert_eq!(set(&[0x06, 4_096, 0x08, 1]), Ok(vec![PeerEvent::Settings(settings)]));
}

#[test]
fn k01_settings_that_are_late_doubled_or_of_http2() {
    for kind in [GOAWAY, DATA, HEADERS, 0x21, MAX_PUSH_ID] {
        breaks(peer(&[&[&[0][..], &number(kind), &[0]].concat()]), Code::MISSING_SETTINGS);
    }
    breaks(peer(&[&control(&frame(SETTINGS, &[]))]), Code::FRAME_UNEXPECTED);
    breaks(set(&[0x06, 1, 0x06, 1]), Code::SETTINGS_ERROR);
    breaks(set(&[0x21, 1, 0x21, 2]), Code::SETTINGS_ERROR);
    for id in [0x00, 0x02, 0x03, 0x04, 0x05] {
        breaks(set(&[id, 0]), Code::SETTINGS_ERROR);
    }
}

#[test]
fn k02_a_control_or_qpack_stream_that_is_closed() {
    for bytes in [&control(&[])[..], &[0], &ENCODER, &DECODER] {
        let (mut state, mut stream) = (Peer::default(), UniStream::default());
        let mut input = bytes;
        while state.receive(&mut stream, &mut input, &mut forebay_h3::Budget::default()).unwrap().is_some() {}
        breaks(stream.closed(), Code::CLOSED_CRITICAL_STREAM);
    }
    breaks(Err::<(), _>(forebay_h3::OWN_STREAM_STOPPED), Code::CLOSED_CRITICAL_STREAM);
}

#[test]
fn other_streams_may_close() {
    let (mut state, mut stream) = (Peer::default(), UniStream::default());
    stream.closed().unwrap();
    let mut budget = forebay_h3::Budget::default();
    assert_eq!(state.receive(&mut stream, &mut &[0x40][..], &mut budget), Ok(None));
    stream.closed().unwrap();
    assert_eq!(state.receive(&mut stream, &mut &[0x21][..], &mut budget), Ok(Some(PeerEvent::Unwanted)));
    assert_eq!(state.receive(&mut stream, &mut &[1, 2, 3][..], &mut budget), Ok(None), "what was under way is dropped");
    stream.closed().unwrap();
}

#[test]
fn k03_a_second_control_or_qpack_stream() {
    for bytes in [&control(&[])[..], &ENCODER, &DECODER] {
        peer(&[bytes]).unwrap();
        breaks(peer(&[bytes, bytes]), Code::STREAM_CREATION_ERROR);
    }
    peer(&[&control(&[]), &ENCODER, &DECODER]).unwrap();
}

#[test]
fn k03_messages_on_the_control_stream() {
    for kind in [DATA, HEADERS, PUSH_PROMISE, MAX_PUSH_ID, 0xf_0700, 0xf_0701, 0x2, 0x6, 0x8, 0x9] {
        breaks(peer(&[&control(&frame(kind, &[]))]), Code::FRAME_UNEXPECTED);
    }
}

#[test]
fn k04_grease_streams_settings_and_frames() {
    let control =
        [&[0][..], &frame(SETTINGS, &numbers(&[grease(3), 17])), &frame(grease(9), &[1; 100]), &frame(GOAWAY, &[8])];
    assert_eq!(
        peer(&[&numbers(&[grease(1), 1, 2, 3]), &control.concat()]),
        Ok(vec![PeerEvent::Unwanted, PeerEvent::Settings(Settings::default()), PeerEvent::GoAway(8)])
    );
}

#[test]
fn an_unknown_frame_of_any_length_is_skipped_on_the_control_stream_too() {
    let bytes = control(&[numbers(&[0x21, (1 << 62) - 1]), vec![7; 1_000]].concat());
    assert_eq!(peer(&[&bytes]).unwrap().len(), 1);
}

#[test]
fn k15_an_encoder_stream_that_wants_a_table() {
    peer(&[&[2, 0x20]]).unwrap();
    for first in [0x3f, 0x21, 0xc0, 0x41, 0x00] {
        breaks(peer(&[&[2, first]]), Code::QPACK_ENCODER_STREAM_ERROR);
    }
    // The insert of a hundred megabytes is refused from its first byte.
    breaks(peer(&[&[2, 0x5f, 0xe1, 0xc1, 0xd7, 0x2f]]), Code::QPACK_ENCODER_STREAM_ERROR);
}

#[test]
fn a_decoder_stream_that_acknowledges_what_was_not_sent() {
    peer(&[&[3, 0x44, 0x7f, 0x80, 0x01]]).unwrap();
    for first in [0x80, 0xff, 0x01, 0x00] {
        breaks(peer(&[&[3, first]]), Code::QPACK_DECODER_STREAM_ERROR);
    }
}

#[test]
fn k16_goaway_as_a_notice_and_then_with_an_id() {
    let frames = [frame(GOAWAY, &number((1 << 62) - 4)), frame(GOAWAY, &number(8)), frame(GOAWAY, &number(8))].concat();
    let last = [PeerEvent::GoAway((1 << 62) - 4), PeerEvent::GoAway(8), PeerEvent::GoAway(8)];
    assert_eq!(peer(&[&control(&frames)]).unwrap()[1..], last);
}

#[test]
fn k17_goaway_that_grows_or_names_no_request() {
    let goaway = |ids: &[u64]| {
        let frames: Vec<u8> = ids.iter().flat_map(|id| frame(GOAWAY, &number(*id))).collect();
        peer(&[&control(&frames)])
    };
    goaway(&[8, 4, 0]).unwrap();
    breaks(goaway(&[8, 12]), Code::ID_ERROR);
    for id in [1, 2, 3, 7, (1 << 62) - 1] {
        breaks(goaway(&[id]), Code::ID_ERROR);
    }
}

#[test]
fn goaway_is_one_id_and_nothing_else() {
    for payload in [&[][..], &[8, 0], &[0x40], &[0x40, 8, 8]] {
        breaks(peer(&[&control(&frame(GOAWAY, payload))]), Code::FRAME_ERROR);
    }
    assert_eq!(peer(&[&control(&frame(GOAWAY, &[0x40, 8]))]).unwrap()[1], PeerEvent::GoAway(8));
}

#[test]
fn k23_pushes_that_were_not_allowed() {
    breaks(peer(&[&PUSH_STREAM]), Code::ID_ERROR);
    breaks(peer(&[&control(&frame(CANCEL_PUSH, &[0]))]), Code::ID_ERROR);
}

#[test]
fn floods_end_the_connection() {
    let flood = |result: Result<Vec<PeerEvent>, Error>| {
        let error = result.unwrap_err();
        assert_eq!((error.scope, error.code, error.kind), (Scope::Connection, Code::EXCESSIVE_LOAD, Kind::Flood));
    };
    peer(&[&control(&frame(0x21, &[]).repeat(1_000))]).unwrap();
    flood(peer(&[&control(&frame(0x21, &[]).repeat(1_001))]));
    flood(peer(&[&control(&frame(GOAWAY, &[8]).repeat(1_001))]));
    flood(peer(&[&[&[2][..], &[0x20; 1_001]].concat()]));
    flood(peer(&[&[&[3][..], &[0x44; 1_001]].concat()]));
    let unwanted: Vec<&[u8]> = vec![&[0x21]; 1_001];
    flood(peer(&unwanted));
}

#[test]
fn a_bidirectional_stream_of_the_server_breaks_the_connection() {
    breaks(Err::<(), _>(Error::SERVER_BIDIRECTIONAL), Code::STREAM_CREATION_ERROR);
}
