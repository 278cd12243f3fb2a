//! The inventory's cases of the base: preconnection, durations, failures in a row, time in the queue, deletion, mixed pools.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Duration;

use forebay_core::{
    Admission, Ahead, BackoffConfig, Class, CloseReason, ConnectFailure, ConnectFailureReason, Connected,
    ConnectionEnd, DrainMode, FailureReason, Group, GroupConfig, Health, NewStream, OnCancel, OnConnectFailure,
    OriginMemory, Priority, Protocol, Protocols, Ratio, Scope, Stat, StreamEnd, UpstreamConfig,
};
use support::{Scene, h1, h2, max_connections, ms, plain};

fn scene(upstream: UpstreamConfig) -> Scene {
    Scene::new(GroupConfig::default(), upstream)
}

fn mixed() -> UpstreamConfig {
    UpstreamConfig { protocols: Protocols::Mixed, ..h1() }
}

#[test]
fn inventory_117_a_cold_mixed_pool_dials_once_and_three_more_when_it_turns_out_to_be_http_1() {
    let mut scene = scene(mixed());
    let first = scene.request();
    for _ in 1..10 {
        scene.request();
    }
    assert_eq!((scene.connections.len(), scene.triple()), (1, (0, 10, 1_024)));
    let id = scene.connections[0];
    scene.group.connected(scene.now, id, Connected::H1);
    scene.turn();
    assert_eq!((scene.opens(), scene.dials()), (vec![first], 3));
    assert!(scene.group.origin_memory(scene.upstream).unwrap().h1);
}

#[test]
fn inventory_118_a_mixed_pool_estimates_by_what_it_remembers() {
    let remembered = |memory| scene(UpstreamConfig { memory, ..mixed() });
    let mut limited = remembered(OriginMemory { h1: false, stream_limit: Some(5) });
    limited.request();
    assert_eq!(limited.triple().2, 5);
    let mut unlimited = remembered(OriginMemory { h1: false, stream_limit: Some(u32::MAX) });
    unlimited.request();
    assert_eq!(unlimited.triple().2, 1_024);
    let mut h1 = remembered(OriginMemory { h1: true, stream_limit: None });
    for _ in 0..3 {
        h1.request();
    }
    assert_eq!(h1.connections.len(), 3);
}

#[test]
fn inventory_119_connections_of_both_protocols_serve_side_by_side() {
    let mut scene = scene(UpstreamConfig { memory: OriginMemory { h1: true, stream_limit: None }, ..mixed() });
    let streams = [scene.request(), scene.request()];
    let ids = [scene.connections[0], scene.connections[1]];
    scene.group.connected(scene.now, ids[0], Connected::H1);
    scene.turn();
    scene.group.connected(scene.now, ids[1], Connected { protocol: Protocol::H2, stream_limit: Some(10) });
    scene.turn();
    assert_eq!(streams.map(|stream| scene.opened[&stream]), ids);
    assert_eq!(scene.triple(), (2, 0, 9));
    assert!(!scene.group.origin_memory(scene.upstream).unwrap().h1, "HTTP/2 drops what was remembered");
}

#[test]
fn inventory_137_a_ratio_of_one_and_a_half_makes_two_and_close_excess_leaves_one() {
    let ratio = Ratio::from_thousandths(1_500);
    let mut scene = scene(UpstreamConfig { preconnect_ratio: ratio, on_cancel: OnCancel::CloseExcess, ..h1() });
    let stream = scene.request();
    assert_eq!(scene.connections.len(), 2);
    scene.cancel(stream);
    assert_eq!((scene.connections.len(), scene.closes()), (1, vec![CloseReason::Excess]));
}

#[test]
fn inventory_138_an_unhealthy_upstream_gets_no_connection_ahead_of_need() {
    let mut scene = scene(UpstreamConfig { preconnect_ratio: Ratio::from_thousandths(1_500), ..h1() });
    scene.group.health(scene.upstream, Health::Unhealthy);
    scene.request();
    assert_eq!(scene.connections.len(), 1);
}

#[test]
fn inventory_139_explicit_preconnection_follows_its_ratio_and_the_health() {
    let asked = |thousandths, health| {
        let ratio = Ratio::from_thousandths(thousandths);
        let mut scene = scene(UpstreamConfig { predictive_preconnect_ratio: ratio, ..h1() });
        scene.group.health(scene.upstream, health);
        let answers =
            [(); 3].map(|()| scene.group.preconnect(scene.now, scene.upstream, Priority::Default, Ahead::OfPool));
        scene.turn();
        answers
    };
    assert_eq!(asked(0, Health::Healthy), [false; 3]);
    assert_eq!(asked(1_100, Health::Healthy), [true, true, false]);
    assert!(asked(3_000, Health::Healthy)[0]);
    assert_eq!(asked(3_000, Health::Degraded), [false; 3]);
}

#[test]
fn inventory_140_a_connection_drains_after_its_duration_and_not_before() {
    let config = UpstreamConfig { max_connection_duration: Some(ms(1_000)), idle_timeout: None, ..h1() };
    let mut busy = scene(config.clone());
    let stream = busy.request();
    busy.pass(ms(500));
    busy.connect(0);
    busy.pass(ms(999));
    assert_eq!(busy.stat(Stat::CxMaxDurationReached), 0);
    busy.pass(ms(1));
    assert_eq!((busy.stat(Stat::CxMaxDurationReached), busy.closes().len(), busy.failed.len()), (1, 0, 0));
    busy.complete(stream);
    assert_eq!(busy.closes(), [CloseReason::Drained]);

    let mut idle = scene(config.clone());
    let stream = idle.request();
    idle.connect(0);
    idle.complete(stream);
    idle.pass(ms(1_000));
    assert_eq!((idle.closes(), idle.stat(Stat::CxMaxDurationReached)), (vec![CloseReason::Drained], 1));

    let mut ends = Vec::new();
    for seed in 0..100 {
        let mut group = Group::new(GroupConfig::default(), seed);
        let upstream =
            group.add_upstream(UpstreamConfig { duration_jitter: Ratio::from_thousandths(100), ..config.clone() });
        let now = forebay_core::Instant::default();
        group.warm(now, upstream, Priority::Default, 1);
        group.end_turn(now);
        let Some(forebay_core::Effect::Connect { connection, .. }) = group.poll_effect() else {
            panic!("a connection")
        };
        group.connected(now, connection, Connected::H1);
        let end = group.next_deadline().unwrap() - now;
        assert!(end >= ms(900) && end <= ms(1_000), "{end:?}");
        ends.push(end);
    }
    assert!(ends.iter().any(|end| *end < ms(950)) && ends.iter().any(|end| *end > ms(950)));
}

#[test]
fn inventory_141_early_data_on_tcp_is_refused_and_late_inputs_change_nothing() {
    let mut scene = Scene::new(max_connections(1), h2(100));
    let stream = scene.request();
    let id = scene.connections[0];
    assert!(!scene.group.early_data_ready(scene.now, id));
    scene.connect_as(id, Some(0));
    assert_eq!((scene.opens().len(), scene.triple()), (0, (0, 1, 0)), "connected without room: busy, the queue waits");
    scene.settings(id, 1);
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(scene.failed_streams(), [stream]);
    let before = scene.group.stats().clone();
    scene.group.connected(scene.now, id, Connected { protocol: Protocol::H2, stream_limit: None });
    scene.group.connect_failed(
        scene.now,
        id,
        ConnectFailure { reason: ConnectFailureReason::Remote, class: Class::Never },
    );
    scene.group.go_away(scene.now, id);
    scene.group.stream_limit_changed(scene.now, id, 5);
    scene.group.connection_closed(scene.now, id, ConnectionEnd::LOCAL);
    scene.group.keep_alive_hint(scene.now, id, ms(1));
    scene.group.response_head(scene.now, stream);
    scene.group.stream_ended(scene.now, stream, StreamEnd::Complete);
    scene.group.cancel(scene.now, stream);
    scene.turn();
    assert_eq!((scene.effects.len(), scene.group.stats()), (0, &before));
}

#[test]
fn inventory_142_a_failed_connect_fails_the_newest_that_nothing_else_covers() {
    let fails = |on_connect_failure| {
        let mut scene = Scene::new(max_connections(2), UpstreamConfig { on_connect_failure, ..h1() });
        let streams = [(); 3].map(|()| scene.request());
        let id = scene.connections[0];
        scene.fails_to_connect(id, ConnectFailureReason::Remote);
        let places = |stream| streams.iter().position(|other| *other == stream).unwrap();
        scene.failed_streams().into_iter().map(places).collect::<Vec<_>>()
    };
    assert_eq!(fails(OnConnectFailure::Uncovered), [2, 1]);
    assert_eq!(fails(OnConnectFailure::All), [2, 1, 0]);
}

#[test]
fn inventory_143_a_busy_connection_covers_the_queue_until_the_third_failure_in_a_row() {
    let mut scene = Scene::new(max_connections(2), h1());
    scene.request();
    scene.connect(0);
    let streams = [scene.request(), scene.request()];
    for failures in 1..=3 {
        assert!(scene.failed.is_empty(), "after {} failures", failures - 1);
        let id = scene.connections[1];
        scene.fails_to_connect(id, ConnectFailureReason::Remote);
    }
    assert_eq!(scene.failed_streams(), [streams[1], streams[0]]);
}

fn refused(scene: &mut Scene) -> Duration {
    let before = scene.now;
    scene.request();
    while scene.connections.is_empty() {
        let wait = scene.group.next_deadline().unwrap() - scene.now;
        scene.pass(wait);
    }
    let id = scene.connections[0];
    scene.fails_to_connect(id, ConnectFailureReason::Remote);
    scene.now - before
}

#[test]
fn inventory_144_refused_connects_in_a_row_wait_longer_each_time_until_a_response() {
    let mut scene = scene(UpstreamConfig { backoff: BackoffConfig::default(), ..h1() });
    assert_eq!(refused(&mut scene), Duration::ZERO);
    // The pool was idle in between, and gone; the row goes on.
    assert_eq!((scene.idle_events(), refused(&mut scene)), (1, Duration::ZERO));
    let second = refused(&mut scene);
    assert!(second >= Duration::from_micros(12_500) && second <= ms(25), "{second:?}");
    let third = refused(&mut scene);
    assert!(third >= ms(25) && third <= ms(50), "{third:?}");
    scene.pass(ms(250));
    let stream = scene.request();
    scene.connect(0);
    scene.complete(stream);
    let id = scene.connections[0];
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((refused(&mut scene), refused(&mut scene)), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn go_aways_without_a_response_count_as_failures_in_a_row() {
    let mut scene = scene(UpstreamConfig { backoff: BackoffConfig::default(), ..h2(100) });
    for _ in 0..2 {
        scene.group.warm(scene.now, scene.upstream, Priority::Default, 1);
        scene.turn();
        let id = scene.connect(0);
        scene.go_away(id);
    }
    scene.request();
    assert_eq!(scene.dials(), 0, "it waits");
    scene.pass(ms(25));
    assert_eq!(scene.dials(), 1);
}

#[test]
fn inventory_145_a_stream_that_waits_too_long_fails_and_is_never_sent() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { queue_timeout: Some(ms(50)), ..h1() });
    scene.request();
    scene.connect(0);
    let waiting = scene.request();
    scene.pass(ms(49));
    assert!(scene.failed.is_empty());
    scene.pass(ms(1));
    assert_eq!(scene.failed, [(waiting, FailureReason::QueueTimeout, Class::Unprocessed)]);
    assert_eq!((scene.stat(Stat::RqPendingTimeout), scene.stat(Stat::RqTotal)), (1, 1));
    let patient = scene.request_with(|new| new.queue_timeout = Some(Duration::ZERO));
    scene.pass(ms(100_000));
    assert!(!scene.failed_streams().contains(&patient), "zero is off");
}

#[test]
fn inventory_146_an_arrival_in_the_turn_of_a_response_end_goes_after_the_queued() {
    for upstream in [h1(), h2(1)] {
        let mut scene = Scene::new(max_connections(1), upstream);
        let first = scene.request();
        scene.connect(0);
        let second = scene.request();
        scene.end(first);
        let admission = scene.ask(|_| {});
        assert!(matches!(admission, Admission::Queued(_)));
        scene.turn();
        assert_eq!(scene.opens(), [second]);
    }
}

#[test]
fn inventory_147_a_deleting_pool_whose_only_connection_dies_serves_its_queue_over_one_new() {
    let mut scene = Scene::new(max_connections(1), h1());
    scene.request();
    let id = scene.connect(0);
    let waiting = [scene.request(), scene.request()];
    scene.group.drain(scene.now, Scope::Group, DrainMode::Delete);
    scene.turn();
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(scene.dials(), 1);
    scene.connect(0);
    assert_eq!(scene.opens(), [waiting[0]]);
    scene.complete(waiting[0]);
    assert_eq!((scene.opens(), scene.dials()), (vec![waiting[1]], 0));
    scene.complete(waiting[1]);
    assert_eq!((scene.closes(), scene.idle_events()), (vec![CloseReason::Drained], 1));
}

#[test]
fn a_pool_that_is_deleted_takes_no_new_stream_but_its_upstream_does() {
    let mut scene = scene(h1());
    let old = scene.request();
    scene.connect(0);
    scene.group.drain(scene.now, Scope::Group, DrainMode::Delete);
    let new = scene.request();
    assert_eq!(scene.dials(), 1);
    scene.connect(1);
    assert_eq!(scene.opens(), [new]);
    scene.complete(old);
    assert_eq!(scene.idle_events(), 1);
    scene.complete(new);
    assert_eq!((scene.closes().len(), scene.idle_events()), (0, 1));
}

#[test]
fn destroying_fails_everything_at_once_without_an_idle_event() {
    let mut scene = Scene::new(max_connections(1), h1());
    let running = scene.request();
    scene.connect(0);
    let waiting = scene.request();
    scene.group.destroy(scene.now, Scope::Group);
    scene.turn();
    let reason = FailureReason::LocalConnectionFailure;
    assert_eq!(scene.failed, [(waiting, reason, Class::Unprocessed), (running, reason, Class::Maybe)]);
    assert_eq!((scene.closes(), scene.idle_events()), (vec![CloseReason::Destroyed], 0));
    let last = scene.effects.last();
    assert!(matches!(last, Some(forebay_core::Effect::Close { .. })), "the streams are told first");
}

#[test]
fn a_stream_cancelled_before_its_failure_is_told_counts_as_cancelled_only() {
    let mut scene = Scene::new(max_connections(1), h1());
    let stream = scene.request();
    let id = scene.connections[0];
    let failure = ConnectFailure { reason: ConnectFailureReason::Remote, class: Class::Unprocessed };
    scene.group.connect_failed(scene.now, id, failure);
    scene.group.cancel(scene.now, stream);
    let spared = scene.group.request(scene.now, NewStream::new(99, scene.upstream));
    scene.turn();
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqCancelled), scene.stat(Stat::RqPendingFailureEject)), (0, 1, 0));
    assert!(matches!(spared, Admission::Queued(_)));
    assert_eq!(scene.dials(), 1, "what comes while failures are told joins a new queue");
}

#[test]
fn what_drains_for_too_long_is_cut() {
    let mut scene = scene(UpstreamConfig { drain_timeout: Some(ms(200)), ..plain(Protocol::H2) });
    let streams = [scene.request(), scene.request()];
    let id = scene.connect(0);
    scene.head(streams[0]);
    scene.go_away(id);
    scene.pass(ms(199));
    assert!(scene.failed.is_empty());
    scene.pass(ms(1));
    let reason = FailureReason::ConnectionTermination;
    assert_eq!(scene.failed, [(streams[1], reason, Class::Maybe), (streams[0], reason, Class::Never)]);
    assert_eq!(scene.closes(), [CloseReason::DrainTimeout]);
}

#[test]
fn the_same_inputs_and_seed_give_the_same_effects() {
    let run = |seed| {
        let mut group = Group::new(GroupConfig::default(), seed);
        let jitter = Ratio::from_thousandths(500);
        let duration = Some(ms(1_000));
        let upstream =
            group.add_upstream(UpstreamConfig { duration_jitter: jitter, max_connection_duration: duration, ..h1() });
        let now = forebay_core::Instant::default();
        group.warm(now, upstream, Priority::Default, 3);
        group.end_turn(now);
        while let Some(effect) = group.poll_effect() {
            if let forebay_core::Effect::Connect { connection, .. } = effect {
                group.connected(now, connection, Connected::H1);
            }
        }
        group.next_deadline()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
