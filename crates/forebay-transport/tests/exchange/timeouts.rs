//! The time-outs of a request, on a clock of the test: when each fires, with which code, phase and class.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::script::{Script, Server};
use forebay_transport::PoolConfig;
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;
use forebay_transport::sink::RequestId;
use forebay_transport::timeouts::{Limit, Timeouts};

use super::support::trial::{GOOD, serve};
use super::support::{World, config};

const LIMIT: Duration = Duration::from_secs(1);
const PART: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";

fn after() -> Limit {
    Limit::After(LIMIT)
}

fn timed(world: &mut World, timeouts: Timeouts) -> RequestId {
    world.submit(|s| s.timeouts = Some(Box::new(timeouts)))
}

/// It is still there 10 ms before the limit, and has failed 10 ms after it.
#[track_caller]
fn fires(world: &World, id: RequestId, code: Code, phase: Phase, class: Class) {
    world.pass(Duration::from_millis(990));
    assert!(!world.has_ended(id), "before its time: {:?}", world.so_far(id));
    world.pass(Duration::from_millis(20));
    let failure = world.answer(id).failure.expect("a failure");
    assert_eq!((failure.code, failure.phase, failure.class, failure.number), (code, phase, class, 1000), "{failure}");
}

fn world(scripts: impl IntoIterator<Item = Script>, change: impl FnOnce(&mut PoolConfig)) -> (Server, World) {
    let server = serve(scripts);
    let mut configured = config(server.addr());
    change(&mut configured);
    (server, World::with_clock(configured))
}

fn until_sent(world: &World, server: &Server) {
    world.until("the request", |_| server.connections().first().is_some_and(|c| c.requests > 0 || c.received > 0));
    world.settle();
}

#[test]
fn a_dial_that_this_side_put_off_has_all_of_its_time() {
    let (_server, mut world) = world([Script::new().request().send(GOOD)], |_| {});
    let id = world.get("/");
    // The process does other things for longer than the connect limit.
    world.clock.as_ref().expect("a clock").advance(Duration::from_secs(6));
    assert_eq!(world.answer(id).status, Some(200));
    world.finish();
}

#[test]
fn the_head_must_come_in_time() {
    for own in [true, false] {
        let (server, mut world) = world([Script::new().request()], |c| {
            c.headers_timeout = Some(if own { Duration::from_secs(5) } else { LIMIT });
        });
        let headers = if own { after() } else { Limit::Pools };
        let id = timed(&mut world, Timeouts { headers, ..Timeouts::default() });
        until_sent(&world, &server);
        fires(&world, id, Code::HeadersTimeout, Phase::Head, Class::Maybe);
        world.finish();
    }
}

#[test]
fn a_limit_can_be_off() {
    let (server, mut world) = world([Script::new().request().signal().send(GOOD)], |c| {
        c.total_timeout = Some(LIMIT);
        c.per_try_timeout = Some(LIMIT);
    });
    let (headers, total, per_try) = (Limit::Off, Limit::Off, Limit::Off);
    let id = timed(&mut world, Timeouts { headers, total, per_try, ..Timeouts::default() });
    until_sent(&world, &server);
    world.pass(Duration::from_secs(3600));
    server.signal(0);
    assert_eq!(world.answer(id).status, Some(200));
    world.finish();
}

#[test]
fn a_body_must_go_on() {
    let (_server, mut world) = world([Script::new().request().send(PART)], |_| {});
    let id = timed(&mut world, Timeouts { body_idle: after(), ..Timeouts::default() });
    world.until("the part", |w| w.so_far(id).body == b"hello");
    fires(&world, id, Code::BodyTimeout, Phase::Body, Class::Never);
    world.finish();
}

#[test]
fn a_place_in_the_queue_is_kept_for_so_long() {
    let (_server, mut world) = world([Script::new().request()], |c| c.group.default.max_connections = 1);
    let first = world.get("/");
    let id = timed(&mut world, Timeouts { queue: after(), ..Timeouts::default() });
    fires(&world, id, Code::QueueTimeout, Phase::Queue, Class::Unprocessed);
    assert!(!world.has_ended(first));
    world.finish();
}

#[test]
fn p03_the_whole_is_limited_in_each_phase() {
    let total = Timeouts { total: after(), ..Timeouts::default() };
    let (_server, mut queued) = world([Script::new().request()], |c| c.group.default.max_connections = 1);
    queued.get("/");
    let id = timed(&mut queued, total);
    fires(&queued, id, Code::DeadlineExceeded, Phase::Queue, Class::Unprocessed);
    queued.finish();

    let (server, mut waiting) = world([Script::new().request()], |_| {});
    let id = timed(&mut waiting, total);
    until_sent(&waiting, &server);
    fires(&waiting, id, Code::DeadlineExceeded, Phase::Head, Class::Maybe);
    assert_eq!(waiting.stat(Stat::RqTimeout), 1);
    waiting.finish();

    let (_server, mut reading) = world([Script::new().request().send(PART)], |_| {});
    let id = timed(&mut reading, total);
    reading.until("the part", |w| w.so_far(id).body == b"hello");
    fires(&reading, id, Code::DeadlineExceeded, Phase::Body, Class::Never);
    reading.finish();

    let (_server, mut sending) = world([Script::new().head()], |_| {});
    let id = sending.submit(|s| {
        s.body = Content::Stream(None);
        s.timeouts = Some(Box::new(total));
    });
    sending.give(id, &b"hello"[..]);
    sending.until("the part to leave", |w| w.so_far(id).taken == 5);
    fires(&sending, id, Code::DeadlineExceeded, Phase::Send, Class::Maybe);
    sending.finish();
}

#[test]
fn p03_duration_and_try_do_not_count_the_queue() {
    for (timeouts, code, stat) in [
        (Timeouts { duration: after(), ..Timeouts::default() }, Code::StreamDuration, Stat::RqMaxDurationReached),
        (Timeouts { per_try: after(), ..Timeouts::default() }, Code::TryTimeout, Stat::RqPerTryTimeout),
        (Timeouts { per_try_idle: after(), ..Timeouts::default() }, Code::TryIdleTimeout, Stat::RqPerTryIdleTimeout),
    ] {
        let (server, mut world) =
            world([Script::new().request().signal().send(GOOD).request()], |c| c.group.default.max_connections = 1);
        let first = world.get("/");
        let id = timed(&mut world, timeouts);
        until_sent(&world, &server);
        world.pass(Duration::from_secs(5));
        assert!(!world.has_ended(id));
        server.signal(0);
        assert_eq!(world.answer(first).status, Some(200));
        world.until("the second", |_| server.connections()[0].requests == 2);
        fires(&world, id, code, Phase::Head, Class::Maybe);
        assert_eq!(world.stat(stat), 1);
        world.finish();
    }
}

#[test]
fn a_try_begins_when_the_body_is_handed_over() {
    let (_server, mut world) = world([Script::new().request()], |_| {});
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.body = Content::Stream(None);
        s.timeouts = Some(Box::new(Timeouts { per_try: after(), ..Timeouts::default() }));
    });
    world.give(id, &b"hello"[..]);
    world.until("the part to leave", |w| w.so_far(id).taken == 5);
    world.pass(Duration::from_secs(20));
    assert!(!world.has_ended(id));
    world.give_end(id);
    world.settle();
    fires(&world, id, Code::TryTimeout, Phase::Head, Class::Maybe);
    world.finish();
}

#[test]
fn what_the_upstream_sends_restarts_the_idle_limit_of_a_try() {
    let (server, mut world) = world([Script::new().request().send(PART).signal().send("wo").signal()], |_| {});
    let id = timed(&mut world, Timeouts { per_try_idle: after(), ..Timeouts::default() });
    world.until("the part", |w| w.so_far(id).body == b"hello");
    world.pass(Duration::from_millis(900));
    server.signal(0);
    world.until("more", |w| w.so_far(id).body == b"hellowo");
    fires(&world, id, Code::TryIdleTimeout, Phase::Body, Class::Never);
    world.finish();
}

#[test]
fn a_reader_that_stopped_is_no_silent_upstream() {
    let (_server, mut world) = world([Script::new().request().send(PART)], |_| {});
    let id = world.submit(|s| {
        s.credit = 5;
        s.timeouts = Some(Box::new(Timeouts { per_try_idle: after(), body_idle: after(), ..Timeouts::default() }));
    });
    world.until("the part", |w| w.so_far(id).body == b"hello");
    world.pass(Duration::from_secs(60));
    assert!(!world.has_ended(id));
    world.driver.grant(id, 10);
    world.pass(LIMIT * 2);
    assert!(world.has_ended(id));
    world.finish();
}

#[test]
fn the_pools_limits_hold_where_a_request_has_none() {
    for (set, code) in [
        ((|c: &mut PoolConfig| c.total_timeout = Some(LIMIT)) as fn(&mut PoolConfig), Code::DeadlineExceeded),
        (|c| c.per_try_timeout = Some(LIMIT), Code::TryTimeout),
        (|c| c.per_try_idle_timeout = Some(LIMIT), Code::TryIdleTimeout),
        (|c| c.max_stream_duration = Some(LIMIT), Code::StreamDuration),
    ] {
        let (server, mut world) = world([Script::new().request()], set);
        let id = world.get("/");
        until_sent(&world, &server);
        fires(&world, id, code, Phase::Head, Class::Maybe);
        world.finish();
    }
}

#[test]
fn what_has_ended_in_time_leaves_no_clock() {
    let (_server, mut world) = world([], |c| c.total_timeout = Some(LIMIT));
    for _ in 0..100 {
        let id = world.get("/");
        assert_eq!(world.answer(id).status, Some(200));
    }
    world.pass(LIMIT * 3);
    assert_eq!(world.stat(Stat::RqTimeout), 0);
    world.finish();
}
