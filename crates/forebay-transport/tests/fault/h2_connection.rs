//! F01 to F30, T10, T13: what an HTTP/2 upstream may do to its connection.

use std::time::Duration;

use forebay_core::{Class, Stat};
use forebay_testkit::h2::frame::{
    self, ACK, END_HEADERS, code, data, frame as raw, headers, kind, ping, reset, response, setting, settings,
    settings_ack, window_update,
};
use forebay_testkit::script::{Pieces, Script, Step};
use forebay_transport::config::PingConfig;
use forebay_transport::error::{Code, Phase};

use super::support::World;
use super::support::http2::{
    Outcome, and_goes_on, answer, ends_its_connection, ends_its_stream, prior_knowledge, serve,
};
use super::support::trial::Left;

const OK: &[(&str, &str)] = &[(":status", "200")];

#[test]
fn f01_t10_an_upstream_that_does_not_begin_with_settings_is_left() {
    for bytes in [ping(false), settings_ack(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
        // SETTINGS are awaited: nothing was sent.
        let script = Script::new().step(Step::Preface).send(&bytes).frames();
        let outcome = Outcome::of(script.clone());
        outcome.failed(Code::ProtocolError, Phase::Connect, Class::Unprocessed);
        outcome.then(Left::Closed);
        // They are not.
        let script = Script::new().step(Step::Preface).streams(1).send(&bytes).frames();
        let outcome = Outcome::with(script, |c| c.upstream.h2.pre_settings_streams = Some(10), |_| {});
        outcome.failed(Code::ProtocolError, Phase::Head, Class::Maybe);
        outcome.then(Left::Closed);
    }
}

#[test]
fn f02_settings_that_never_come_are_not_awaited_for_ever() {
    let server = serve([Script::new().step(Step::Preface).step(Step::Park)]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let id = world.get("/");
    wait(&server, &world, |all| all.first().is_some_and(|c| c.received >= 24));
    // Its own bound, not that of the dial.
    world.pass(Duration::from_secs(9));
    assert!(!world.has_ended(id));
    world.pass(Duration::from_secs(2));
    let failure = world.answer(id).failure.unwrap();
    assert_eq!(
        (failure.code, failure.phase, failure.class),
        (Code::SettingsTimeout, Phase::Connect, Class::Unprocessed)
    );
    world.finish();
}

#[test]
fn f03_settings_that_are_never_acknowledged_drain_the_connection() {
    let script = Script::new()
        .http2(&[])
        .step(Step::Streams { count: 1, answering: false })
        .signal()
        .send(response(1, b"ok"))
        .step(Step::Frames);
    let server = serve([script]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let id = world.get("/");
    wait(&server, &world, |all| all.first().is_some_and(|c| c.requests == 1));
    world.pass(Duration::from_secs(11));
    assert!(!world.has_ended(id), "no request fails");
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 2, "it takes no new request");
    server.signal(0);
    assert_eq!(world.answer(id).body, b"ok");
    world.finish();
}

#[test]
fn f04_f05_f06_unsound_settings_end_the_connection() {
    let ack = |payload: &[u8]| raw(kind::SETTINGS, ACK, 0, payload);
    for bytes in [
        raw(kind::SETTINGS, 0, 0, &[0; 5]),
        raw(kind::SETTINGS, 0, 1, &[]),
        ack(&[0; 6]),
        ack(&[]),
        settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]),
        settings(&[(setting::MAX_FRAME_SIZE, 0)]),
        settings(&[(setting::MAX_FRAME_SIZE, 16_383)]),
        settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]),
        settings(&[(setting::ENABLE_PUSH, 1)]),
        settings(&[(setting::ENABLE_PUSH, 2)]),
        [settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1)]), settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 0)])]
            .concat(),
    ] {
        ends_its_connection(bytes, Code::ProtocolError, Phase::Head, Class::Maybe);
    }
}

#[test]
fn f07_what_is_unknown_is_ignored() {
    let many: Vec<_> = (0..2_730).map(|n| (0x0a0a_u16.wrapping_add(n * 16), u32::from(n))).collect();
    let bytes = [
        settings(&many),
        raw(0x0b, 0xff, 1, b"grease"),
        raw(0x0b, 0xff, 0, b""),
        raw(kind::PING, 0xf0, 0, &[0; 8]),
        raw(kind::DATA, 0, 1 << 31 | 1, b"")[..0].to_vec(),
        response(1, b"ok"),
    ]
    .concat();
    for way in [Pieces::Whole, Pieces::Random(3)] {
        let outcome = Outcome::of(and_goes_on(answer(&bytes, way)));
        outcome.succeeded(200, "ok");
        outcome.then(Left::Kept);
    }
}

#[test]
fn f08_f17_control_frames_beyond_measure_are_a_flood() {
    for bytes in [
        settings(&[]),
        ping(false),
        ping(true),
        raw(0x42, 0, 0, b"what"),
        raw(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 5]),
        raw(0x0a, 0, 0, b"\0\x01aaltsvc"),
        window_update(1, 1),
    ] {
        let outcome = Outcome::of(Script::new().http2(&[]).streams(1).send_times(&bytes, 1_000_000));
        outcome.failed(Code::Flood, Phase::Head, Class::Maybe);
        outcome.then(Left::Closed);
    }
}

#[test]
fn f09_unsound_pings_end_the_connection_and_unasked_answers_do_not() {
    for bytes in [raw(kind::PING, 0, 0, &[0; 7]), raw(kind::PING, 0, 1, &[0; 8])] {
        let outcome = Outcome::of(answer(&bytes, Pieces::Whole).frames());
        outcome.failed(Code::ProtocolError, Phase::Head, Class::Maybe);
        outcome.then(Left::Closed);
    }
    let outcome = Outcome::of(answer([ping(true), response(1, b"ok")].concat(), Pieces::Whole).frames());
    outcome.succeeded(200, "ok");
    outcome.world.finish();
}

fn pinging(interval: Option<u64>) -> impl FnOnce(&mut forebay_transport::PoolConfig) {
    move |config| {
        config.headers_timeout = None;
        config.http2.ping = Some(PingConfig {
            timeout: Duration::from_secs(2),
            interval: interval.map(Duration::from_secs),
            jitter: 0.0,
            idle_interval: None,
        });
    }
}

#[test]
fn f10_an_unanswered_ping_ends_the_connection_and_any_frame_answers() {
    let script = Script::new().http2(&[]).streams(1).send(settings_ack()).step(Step::Park);
    let server = serve([Script::new().http2(&[]).streams(1).signal().send(ping(true)).step(Step::Park), script]);
    let mut configured = prior_knowledge(server.addr());
    pinging(Some(10))(&mut configured);
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    wait(&server, &world, |all| all.first().is_some_and(|c| c.requests == 1));
    let quiet = |world: &World| world.pass(Duration::from_secs(11));
    quiet(&world);
    // A frame comes in time, though it answers nothing.
    server.signal(0);
    wait(&server, &world, |all| all[0].sent > 9 + 9 + 16);
    world.pass(Duration::from_secs(3));
    assert!(!world.has_ended(id), "it was heard");
    quiet(&world);
    world.pass(Duration::from_secs(3));
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::KeepaliveTimeout, Phase::Head, Class::Maybe));
    assert_eq!(world.stat(Stat::Http2KeepaliveTimeout), 1);
    world.finish();
}

#[test]
fn c05_a_time_out_on_a_silent_connection_asks_whether_anybody_is_there() {
    // The first exchange waits for whatever begins a connection: what follows is sent into silence.
    let script = Script::new().http2(&[]).streams(1).send(response(1, b"ok")).streams(1).step(Step::Park);
    let server = serve([script]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let first = world.get("/");
    assert_eq!(world.answer(first).body, b"ok");
    let id = world.get("/");
    wait(&server, &world, |all| all.first().is_some_and(|c| c.requests == 2));
    let other = world.submit(|s| {
        s.timeouts = Some(Box::new(slow()));
        s.idempotent = false;
    });
    world.pass(Duration::from_secs(31));
    assert_eq!(world.answer(id).code(), Some(Code::HeadersTimeout));
    assert!(!world.has_ended(other));
    world.pass(Duration::from_secs(6));
    assert_eq!(world.answer(other).code(), Some(Code::KeepaliveTimeout));
    assert_eq!(world.stat(Stat::CxDestroyLocal), 1);
    world.finish();
}

fn slow() -> forebay_transport::timeouts::Timeouts {
    let headers = forebay_transport::timeouts::Limit::After(Duration::from_secs(600));
    forebay_transport::timeouts::Timeouts { headers, ..forebay_transport::timeouts::Timeouts::default() }
}

#[test]
fn f11_continuation_without_end_is_a_flood() {
    let first = raw(kind::HEADERS, 0, 1, &frame::block(OK));
    for part in [raw(kind::CONTINUATION, 0, 1, &[]), raw(kind::CONTINUATION, 0, 1, &frame::block(&[("a", "b")]))] {
        let script = Script::new().http2(&[]).streams(1).send(&first).send_times(&part, 1_000_000);
        let outcome = Outcome::of(script);
        outcome.failed(Code::Flood, Phase::Head, Class::Never);
        outcome.then(Left::Closed);
    }
}

/// A block that puts an entry of about 4 KiB into the table and refers to it so many times.
fn bomb(times: usize) -> Vec<u8> {
    let mut block = frame::block(OK);
    frame::literal_indexed(b"x", &[b'v'; 3_000], &mut block);
    // Index 62: the newest entry of the dynamic table.
    block.extend(std::iter::repeat_n(0xbe, times));
    block
}

fn in_frames(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let parts: Vec<_> = block.chunks(16_000).collect();
    for (n, part) in parts.iter().enumerate() {
        let end = if n + 1 == parts.len() { END_HEADERS } else { 0 };
        out.extend(raw(if n == 0 { kind::HEADERS } else { kind::CONTINUATION }, end, 1, part));
    }
    out
}

#[test]
fn f12_f13_heads_that_unpack_beyond_the_bound_are_too_large() {
    ends_its_stream(in_frames(&bomb(25)), Code::HeadersTooLarge, Phase::Head);
    // Beyond four times the bound the `h2` crate calls it malformed.
    ends_its_stream(in_frames(&bomb(100)), Code::ResponseMalformed, Phase::Head);
    // Far past it the connection ends.
    let outcome = Outcome::of(answer(in_frames(&bomb(16_000)), Pieces::Whole).frames());
    outcome.failed(Code::HeadersTooLarge, Phase::Head, Class::Never);
    outcome.then(Left::Closed);
    // `accept-charset` without a value, by one byte each.
    let mut fields = frame::block(OK);
    fields.extend(std::iter::repeat_n(0x8f, 150));
    ends_its_stream(in_frames(&fields), Code::HeadersTooLarge, Phase::Head);
}

#[test]
fn f14_f16_broken_blocks_and_frames_end_the_connection() {
    let block = |bytes: &[u8]| raw(kind::HEADERS, END_HEADERS, 1, bytes);
    for bytes in [
        block(&[0x80]),
        block(&[0xc6]),
        block(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        // A string in Huffman code that is nothing but its end.
        block(&[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]),
        frame::frame_saying(16_385, kind::DATA, 0, 1, &vec![0; 16_385]),
        frame::frame_saying(1 << 20, kind::HEADERS, 0, 1, &[0; 100]),
    ] {
        let outcome = Outcome::of(answer(&bytes, Pieces::Whole).frames());
        outcome.failed(Code::ProtocolError, Phase::Head, Class::Never);
        outcome.then(Left::Closed);
    }
}

#[test]
fn f15_the_table_for_our_heads_may_be_of_any_size() {
    let sizes = [0, 4_096, u32::MAX].map(|size| settings(&[(setting::HEADER_TABLE_SIZE, size)])).concat();
    let outcome = Outcome::of(and_goes_on(answer([sizes, response(1, b"ok")].concat(), Pieces::Whole)));
    outcome.succeeded(200, "ok");
    outcome.then(Left::Kept);
}

#[test]
fn f18_a_connection_window_past_its_bound_ends_the_connection() {
    ends_its_connection(window_update(0, 0x7fff_ffff).repeat(2), Code::ProtocolError, Phase::Head, Class::Maybe);
    ends_its_connection(window_update(0, 0), Code::ProtocolError, Phase::Head, Class::Maybe);
}

#[test]
fn f19_a_connection_window_that_stays_shut_drains_the_connection() {
    let script = Script::new().http2(&[]).streams(2).send(response(3, b"ok")).frames();
    let server = serve([script]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let upload = world.post("/", vec![7; 200_000]);
    let other = world.get("/");
    assert_eq!(world.answer(other).body, b"ok", "downloads go on");
    world.pass(Duration::from_secs(31));
    assert_eq!(world.answer(upload).code(), Some(Code::WriteTimeout));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 2);
    world.finish();
}

#[test]
fn f20_no_streams_at_all_ends_in_the_queue() {
    let script = Script::new().http2(&[(setting::MAX_CONCURRENT_STREAMS, 0)]).frames();
    let server = serve([script]);
    let mut configured = prior_knowledge(server.addr());
    configured.group.default.max_connections = 1;
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    world.until("the connection", |w| w.sink.connected.borrow().len() == 1);
    world.pass(Duration::from_secs(16));
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::QueueTimeout, Class::Unprocessed));
    world.finish();
}

#[test]
fn f21_a_lowered_limit_lets_what_runs_finish_and_the_rest_wait() {
    let answers: Vec<u8> = (0..50).flat_map(|n| response(2 * n + 1, b"ok")).collect();
    let mut script = Script::new()
        .http2(&[(setting::MAX_CONCURRENT_STREAMS, 50)])
        .streams(50)
        .send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]))
        .signal()
        .send(answers);
    for n in 50..60 {
        script = script.streams(1).send(response(2 * n + 1, b"late"));
    }
    let server = serve([script.frames()]);
    let mut configured = prior_knowledge(server.addr());
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let first: Vec<_> = (0..50).map(|_| world.get("/")).collect();
    wait(&server, &world, |all| all.first().is_some_and(|c| c.sent > 30));
    world.settle();
    let second: Vec<_> = (0..10).map(|_| world.get("/")).collect();
    world.settle();
    assert_eq!(server.connections()[0].requests, 50, "the rest waits");
    server.signal(0);
    for id in first {
        assert_eq!(world.answer(id).body, b"ok");
    }
    for id in second {
        assert_eq!(world.answer(id).body, b"late");
    }
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

pub(super) fn wait(
    server: &forebay_testkit::script::Server,
    world: &World,
    enough: impl Fn(&[forebay_testkit::script::ConnectionInfo]) -> bool,
) {
    world.until("the server", |_| enough(&server.connections()));
}

#[test]
fn f22_refused_streams_go_again_in_order() {
    let refused: Vec<u8> = (10..100).flat_map(|n| reset(2 * n + 1, code::REFUSED_STREAM)).collect();
    let answers: Vec<u8> = (0..10).flat_map(|n| response(2 * n + 1, b"ok")).collect();
    let mut script = Script::new()
        .step(Step::Preface)
        .step(Step::Streams { count: 100, answering: false })
        .send([settings(&[(setting::MAX_CONCURRENT_STREAMS, 10)]), refused, answers].concat());
    for n in 100..190 {
        script = script.streams(1).send(response(2 * n + 1, b"ok"));
    }
    let server = serve([script.frames()]);
    let mut configured = prior_knowledge(server.addr());
    configured.upstream.h2.pre_settings_streams = Some(100);
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..100).map(|_| world.post("/", Vec::new())).collect();
    for id in all {
        let answer = world.answer(id);
        assert_eq!(answer.body, b"ok", "{:?}", answer.failure);
    }
    assert_eq!((world.stat(Stat::RqReplay), server.connections().len()), (90, 1));
    world.finish();
}

#[test]
fn f29_the_end_of_the_connection_ends_each_stream_once() {
    for (end, before) in [(Step::Drop, Code::ConnectionClosed), (Step::Reset, Code::ConnectionReset)] {
        let bytes = [headers(1, OK, false), data(1, b"part", false), response(5, b"whole")].concat();
        let script = Script::new().http2(&[]).streams(3).send(bytes).signal().step(end);
        let server = serve([script]);
        let mut world = World::new(prior_knowledge(server.addr()));
        let all: Vec<_> = (0..3).map(|_| world.post("/", Vec::new())).collect();
        world.until("the parts", |w| w.has_ended(all[2]));
        world.settle();
        server.signal(0);
        let answers: Vec<_> = all.into_iter().map(|id| world.answer(id)).collect();
        let failure = |n: usize| answers[n].failure.clone().map(|f| (f.code, f.phase, f.class));
        assert_eq!(failure(0), Some((Code::BodyIncomplete, Phase::Body, Class::Never)));
        assert_eq!(answers[0].body, b"part");
        assert_eq!(failure(1), Some((before, Phase::Head, Class::Maybe)));
        assert_eq!(answers[2].body, b"whole");
        world.finish();
    }
}

#[test]
fn a_whole_response_outlives_its_connection_though_nobody_has_read_it() {
    let bytes = [headers(1, OK, false), data(1, &[7; 9_000], true)].concat();
    let server = serve([Script::new().http2(&[]).streams(1).send(bytes).signal().step(Step::Drop)]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let id = world.submit(|s| s.credit = 10);
    world.until("a part", |w| w.sink.answers.borrow().get(&id).is_some_and(|a| a.body.len() == 10));
    server.signal(0);
    let answer = world.answer(id);
    assert_eq!((answer.body.len(), answer.failure), (9_000, None));
    world.finish();
}
