//! What a connection of HTTP/2 puts on the wire and when, frame by frame; and what is counted of it.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::h2::frame::{
    self, ACK, END_STREAM, PREFACE, code, data, goaway, headers, kind, ping, response, setting,
};
use forebay_testkit::h2::{Options, Server as GoodServer};
use forebay_testkit::script::{Script, Server, Step};
use forebay_transport::PoolConfig;
use forebay_transport::config::{AdaptiveWindow, PingConfig};
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::{Aim, Content};
use forebay_transport::timeouts::{Limit, Timeouts};
use support::http2::{prior_knowledge, serve};
use support::{PATIENCE, World};

/// The frames that came on a connection, in order.
fn frames(server: &Server, connection: usize) -> Vec<(frame::Head, Vec<u8>)> {
    let bytes = server.received(connection).unwrap();
    let mut rest = &bytes[PREFACE.len()..];
    let mut all = Vec::new();
    while let Some(head) = frame::Head::parse(rest).filter(|head| rest.len() >= frame::HEAD + head.length) {
        all.push((head, rest[frame::HEAD..frame::HEAD + head.length].to_vec()));
        rest = &rest[frame::HEAD + head.length..];
    }
    all
}

fn kinds(server: &Server) -> Vec<u8> {
    frames(server, 0).iter().map(|(head, _)| head.kind).collect()
}

fn count(server: &Server, kind: u8) -> usize {
    frames(server, 0).iter().filter(|(head, _)| head.kind == kind).count()
}

fn until_requests(server: &Server, world: &World, count: u64) {
    let seen = || server.connections().iter().map(|c| c.requests).sum::<u64>() >= count;
    world.until("the requests", |_| seen());
}

#[test]
fn bytes_and_frames_of_each_type_are_counted_as_the_upstream_counts_them() {
    let script = Script::new()
        .http2(&[(setting::MAX_CONCURRENT_STREAMS, 10)])
        .streams(2)
        .send([response(1, b"one"), ping(false), frame::reset(3, code::CANCEL)].concat())
        .streams(1)
        .send([headers(5, &[(":status", "200")], false), data(5, b"fi", false), data(5, b"ve", true)].concat())
        .send([frame::window_update(0, 10), goaway(5, code::NO_ERROR, b"")].concat())
        .frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let (one, reset) = (world.get("/"), world.get("/"));
    assert_eq!(world.answer(one).body, b"one");
    assert_eq!(world.answer(reset).code(), Some(Code::StreamReset));
    let five = world.get("/");
    assert_eq!(world.answer(five).body, b"five");
    world.until("the end", |w| w.stat(Stat::CxActive) == 0);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()));
    let sent = frames(&server, 0);
    let of = |kind: u8| sent.iter().filter(|(head, _)| head.kind == kind).count() as u64;
    let connection = &server.connections()[0];
    for (stat, expected) in [
        (Stat::Http2TxBytes, connection.received),
        (Stat::Http2TxFrames, sent.len() as u64),
        (Stat::Http2TxData, 0),
        (Stat::Http2TxHeaders, 3),
        (Stat::Http2TxReset, of(kind::RST_STREAM)),
        (Stat::Http2TxSettings, of(kind::SETTINGS)),
        (Stat::Http2TxPing, 1),
        (Stat::Http2TxGoaway, of(kind::GOAWAY)),
        (Stat::Http2TxWindowUpdate, of(kind::WINDOW_UPDATE)),
        (Stat::Http2RxBytes, connection.sent),
        // SETTINGS and an ACK, two heads, three DATA, PING, RST_STREAM, WINDOW_UPDATE, GOAWAY.
        (Stat::Http2RxFrames, 11),
        (Stat::Http2RxData, 3),
        (Stat::Http2RxHeaders, 2),
        (Stat::Http2RxReset, 1),
        (Stat::Http2RxSettings, 2),
        (Stat::Http2RxPing, 1),
        (Stat::Http2RxGoaway, 1),
        (Stat::Http2RxWindowUpdate, 1),
    ] {
        assert_eq!(world.stat(stat), expected, "{}", stat.name());
    }
    assert!(of(kind::SETTINGS) == 2 && of(kind::GOAWAY) == 1);
    world.finish();
}

#[test]
fn inventory_077_after_long_silence_a_ping_goes_right_before_the_next_request() {
    let script = Script::new().http2(&[]).streams(1).send(response(1, b"one")).streams(1).send(response(3, b"two"));
    let server = serve([script.frames()]);
    let mut config = prior_knowledge(server.addr());
    let (timeout, idle_interval) = (Duration::from_secs(20), Some(Duration::from_secs(1)));
    config.http2.ping = Some(PingConfig { timeout, interval: None, jitter: 0.0, idle_interval });
    let mut world = World::with_clock(config);
    let first = world.get("/");
    assert_eq!(world.answer(first).body, b"one");
    world.pass(Duration::from_secs(2));
    assert!(!kinds(&server).contains(&kind::PING), "silence alone asks nothing");
    let second = world.get("/");
    assert_eq!(world.answer(second).body, b"two", "it did not wait for the answer");
    let seen = kinds(&server);
    let place = seen.iter().position(|kind| *kind == kind::PING).unwrap();
    assert_eq!(seen[place + 1], kind::HEADERS, "{seen:?}");
    world.finish();
}

#[test]
fn requests_close_together_send_no_ping() {
    let script = Script::new().http2(&[]).streams(1).send(response(1, b"one")).streams(1).send(response(3, b"two"));
    let server = serve([script.frames()]);
    let mut config = prior_knowledge(server.addr());
    let (timeout, idle_interval) = (Duration::from_secs(20), Some(Duration::from_secs(1)));
    config.http2.ping = Some(PingConfig { timeout, interval: None, jitter: 0.0, idle_interval });
    let mut world = World::with_clock(config);
    let first = world.get("/");
    assert_eq!(world.answer(first).body, b"one");
    world.pass(Duration::from_millis(900));
    let second = world.get("/");
    assert_eq!(world.answer(second).body, b"two");
    assert!(!kinds(&server).contains(&kind::PING));
    world.finish();
}

fn headers_within(limit: Limit) -> Timeouts {
    Timeouts { headers: limit, ..Timeouts::default() }
}

#[test]
fn a_time_out_on_a_silent_connection_sends_one_ping_and_its_answer_keeps_the_connection() {
    let script = Script::new().http2(&[]).streams(1).send(response(1, b"one")).streams(2).signal().frames();
    let server = serve([script]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let good = world.get("/");
    assert_eq!(world.answer(good).body, b"one");
    let (first, second) = (world.get("/"), world.get("/"));
    until_requests(&server, &world, 3);
    let long = world.submit(|s| s.timeouts = Some(Box::new(headers_within(Limit::Off))));
    world.pass(Duration::from_secs(31));
    for id in [first, second] {
        assert_eq!(world.answer(id).code(), Some(Code::HeadersTimeout));
    }
    server.signal(0);
    let asked = || count(&server, kind::PING);
    world.until("the question", |_| asked() > 0);
    world.settle();
    assert_eq!(asked(), 1, "both asked, once");
    world.until("its answer", |w| w.stat(Stat::Http2RxPing) == 1);
    world.pass(Duration::from_secs(60));
    assert!(!world.has_ended(long), "somebody is there");
    assert_eq!(world.stat(Stat::Http2KeepaliveTimeout), 0);
    world.finish();
}

#[test]
fn c05_a_question_that_nobody_answers_ends_the_connection_after_five_seconds() {
    // Only what comes after a request was sent counts for it.
    let script = Script::new().http2(&[]).streams(1).send(headers(1, &[(":status", "200")], false)).streams(1);
    let server = serve([script.step(Step::Park)]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let first = world.get("/");
    world.until("the head", |w| w.sink.answers.borrow().get(&first).is_some_and(|a| a.status.is_some()));
    let silent = world.submit(|s| s.timeouts = Some(Box::new(headers_within(Limit::After(Duration::from_secs(10))))));
    let other = world.submit(|s| {
        s.timeouts = Some(Box::new(headers_within(Limit::Off)));
        s.idempotent = false;
    });
    world.pass(Duration::from_secs(11));
    assert_eq!(world.answer(silent).code(), Some(Code::HeadersTimeout));
    world.pass(Duration::from_millis(4_900));
    assert!(!world.has_ended(other), "it has 5 s for an answer");
    world.pass(Duration::from_millis(200));
    assert_eq!(world.answer(other).code(), Some(Code::KeepaliveTimeout));
    assert_eq!(world.stat(Stat::Http2KeepaliveTimeout), 1);
    world.finish();
}

#[test]
fn a_body_that_expects_waits_for_100_and_no_longer_than_it_may() {
    let interim = headers(1, &[(":status", "100")], false);
    let script = Script::new().http2(&[]).streams(1).signal().send(interim).signal().send(response(1, b"one"));
    let server = serve([script.streams(1).signal().frames()]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let expecting = |world: &mut World| {
        world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Whole(Bytes::from_static(b"body"));
            s.expect = true;
        })
    };
    let first = expecting(&mut world);
    until_requests(&server, &world, 1);
    world.settle();
    assert!(!kinds(&server).contains(&kind::DATA));
    server.signal(0);
    // The scripted peer reads only at its next step; its word comes first.
    world.until("the body to leave", |w| w.stat(Stat::Http2TxData) == 1);
    server.signal(0);
    assert_eq!(world.answer(first).body, b"one");
    let second = expecting(&mut world);
    until_requests(&server, &world, 2);
    assert_eq!(count(&server, kind::DATA), 1, "after 100");
    world.pass(Duration::from_millis(1_001));
    server.signal(0);
    world.until("the body without 100", |_| count(&server, kind::DATA) == 2);
    assert!(!world.has_ended(second));
    world.finish();
}

#[test]
fn b17_a_final_answer_without_100_stops_the_body_and_keeps_the_connection() {
    let script = Script::new().http2(&[]).streams(1).send(response(1, b"no")).streams(1).send(response(3, b"next"));
    let server = serve([script.frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.body = Content::Whole(Bytes::from_static(b"body"));
        s.expect = true;
    });
    assert_eq!(world.answer(id).body, b"no");
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"next");
    assert!(!kinds(&server).contains(&kind::DATA));
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

fn upgrade(world: &mut World) -> u32 {
    world.submit(|s| {
        s.aim = Aim::Upgrade;
        s.path = Bytes::from_static(b"/chat");
        s.fields = Bytes::from_static(b"upgrade\0websocket\0");
        s.body = Content::Stream(None);
        s.idempotent = false;
    })
}

#[test]
fn an_upgrade_is_an_extended_connect_where_the_upstream_takes_it() {
    let settings = [(setting::ENABLE_CONNECT_PROTOCOL, 1)];
    let script = Script::new().http2(&settings).streams(1).send(headers(1, &[(":status", "200")], false));
    let server = serve([script.send(data(1, b"hello", false)).signal().send(data(1, b"", true)).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let tunnel = upgrade(&mut world);
    world.until("what the peer says", |w| w.sink.answers.borrow().get(&tunnel).is_some_and(|a| a.body == b"hello"));
    assert!(world.sink.answers.borrow()[&tunnel].tunnel);
    world.driver.body(tunnel, Bytes::from_static(b"question"), true, b"");
    server.signal(0);
    assert_eq!(world.answer(tunnel).failure, None);
    // Ours ended when it left; the peer may read it later.
    let ended = |(head, _): &(frame::Head, Vec<u8>)| head.kind == kind::DATA && head.flags & END_STREAM != 0;
    world.until("our end to come", |_| frames(&server, 0).iter().any(ended));
    let sent = frames(&server, 0);
    let bodies: Vec<_> = sent.into_iter().filter(|(head, _)| head.kind == kind::DATA).map(|(_, bytes)| bytes).collect();
    assert_eq!(bodies.concat(), b"question");
    world.finish();
}

#[test]
fn an_upgrade_that_the_upstream_does_not_take_is_never_sent() {
    let server = serve([Script::new().http2(&[]).streams(1).send(response(1, b"ok")).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let tunnel = upgrade(&mut world);
    let failure = world.answer(tunnel).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::VersionRequired, Phase::Send, Class::Unprocessed));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok", "the first that came");
    world.finish();
}

/// The windows of streams that we announced, in order.
fn announced(server: &Server) -> Vec<u32> {
    let all = frames(server, 0).into_iter().filter(|(head, _)| head.kind == kind::SETTINGS && head.flags & ACK == 0);
    let values = all.flat_map(|(_, payload)| {
        let pairs: Vec<_> = payload.chunks(6).map(|p| (u16::from_be_bytes([p[0], p[1]]), p.to_vec())).collect();
        pairs.into_iter().filter(|(id, _)| *id == setting::INITIAL_WINDOW_SIZE)
    });
    values.map(|(_, p)| u32::from_be_bytes([p[2], p[3], p[4], p[5]])).collect()
}

fn adaptive(config: &mut PoolConfig) {
    config.http2.stream_window = 65_535;
    config.http2.connection_window = 131_070;
    let (max_stream_window, max_connection_window) = (200_000, 300_000);
    config.http2.adaptive_window = Some(AdaptiveWindow { max_stream_window, max_connection_window });
}

#[test]
fn windows_grow_where_that_is_wanted_to_what_one_round_trip_brings_and_no_further() {
    for wanted in [true, false] {
        let body = [headers(1, &[(":status", "200")], false), data(1, &[7; 16_000], false).repeat(4)].concat();
        let script = Script::new().http2(&[]).streams(1).send(body).signal().send(data(1, b"", true)).frames();
        let server = serve([script]);
        let mut config = prior_knowledge(server.addr());
        adaptive(&mut config);
        if !wanted {
            config.http2.adaptive_window = None;
        }
        let mut world = World::new(config);
        let id = world.submit(|s| s.credit = u32::MAX);
        let came = |w: &World| w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
        world.until("the body", |w| came(w) == 64_000);
        // The answer to the question comes with the next step.
        server.signal(0);
        assert_eq!(world.answer(id).body.len(), 64_000);
        if wanted {
            world.until("a wider window", |_| announced(&server).len() == 2);
        }
        world.settle();
        let expected: &[u32] = if wanted { &[65_535, 128_000] } else { &[65_535] };
        assert_eq!(announced(&server), expected);
        assert_eq!(count(&server, kind::PING), usize::from(wanted));
        world.finish();
    }
}

#[test]
fn a_window_below_the_readers_buffer_does_not_stop_a_reader_that_reports_in_lumps() {
    let server = GoodServer::start(&Options::default()).unwrap();
    let mut config = prior_knowledge(server.addr());
    config.http2.stream_window = 65_535;
    let mut world = World::new(config);
    let before = world.stat(Stat::Http2RxBytes);
    let id = world.submit(|s| {
        s.path = Bytes::from_static(b"/bytes/1000000");
        s.credit = 262_144;
    });
    let came = |w: &World| w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
    // The last bit of a window is not worth a frame: the `h2` crate announces half a window or more.
    world.until("what was granted", |w| came(w) > 262_144 - 32_768);
    for _ in 0..10 {
        world.settle();
    }
    assert!(came(&world) <= 262_144);
    let held = world.stat(Stat::Http2RxBytes) - before;
    assert!(held < 262_144 + 10_000, "no more than was granted, and what goes around it: {held}");
    let mut reported = 0;
    world.until("the rest", |w| {
        if came(w) - reported >= 131_072 {
            reported += 131_072;
            w.driver.grant(id, 131_072);
        }
        w.has_ended(id) || came(w) == 1_000_000
    });
    world.driver.grant(id, 262_144);
    assert_eq!(world.answer(id).body.len(), 1_000_000);
    world.finish();
}

/// Grants what the reader takes, until the end.
fn read_all(world: &World, id: u32) {
    let mut granted = 0;
    world.until("the body", |w| {
        let answer = w.sink.answers.borrow().get(&id).map_or((0, 0), |a| (a.body.len(), a.endings));
        let more = u32::try_from(answer.0 - granted).unwrap();
        granted = answer.0;
        w.driver.grant(id, more);
        answer.1 > 0
    });
}

#[test]
fn a_reader_that_takes_nothing_holds_no_more_than_the_widest_window() {
    let server = GoodServer::start(&Options::default()).unwrap();
    let mut config = prior_knowledge(server.addr());
    adaptive(&mut config);
    let mut world = World::new(config);
    // Others make the windows grow.
    for _ in 0..5 {
        let id = world.submit(|s| {
            s.path = Bytes::from_static(b"/bytes/1000000");
            s.credit = 65_535;
        });
        read_all(&world, id);
        assert_eq!(world.answer(id).body.len(), 1_000_000);
    }
    let before = world.stat(Stat::Http2RxBytes);
    let stalled = world.submit(|s| {
        s.path = Bytes::from_static(b"/bytes/1000000");
        s.credit = 0;
    });
    world.until("the head", |w| w.sink.answers.borrow().get(&stalled).is_some_and(|a| a.status.is_some()));
    world.until("what its window lets through", |w| w.stat(Stat::Http2RxBytes) - before >= 65_535);
    for _ in 0..20 {
        world.settle();
    }
    let held = world.stat(Stat::Http2RxBytes) - before;
    assert!((65_535..=201_000).contains(&held), "{held}");
    let other = world.get("/bytes/50000");
    assert_eq!(world.answer(other).body.len(), 50_000, "the connection has room for others");
    world.driver.grant(stalled, 65_535);
    read_all(&world, stalled);
    assert_eq!(world.answer(stalled).body.len(), 1_000_000);
    world.finish();
}
