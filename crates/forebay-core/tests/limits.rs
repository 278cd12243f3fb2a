//! The inventory's cases of limits, priorities, pools, retries and preconnection at the level of the core.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeSet;

use forebay_core::{
    Admission, Ahead, DrainMode, Event, FailureReason, Gate, Group, GroupConfig, LimitName, LimitsConfig, NewStream,
    OnMaxRequests, PerHostConfig, Priority, Protocols, Ratio, RetryLimit, RetryTicket, Scope, Stat, UNLIMITED,
    UpstreamConfig,
};
use support::{Scene, h1, h2, limits, max_connections, ms};

fn pools(max: u32) -> GroupConfig {
    limits(|limits| limits.max_connection_pools = max)
}

fn high(new: &mut NewStream) {
    new.priority = Priority::High;
}

#[test]
fn inventory_120_what_remains_is_the_limit_less_what_is_held_and_never_below_zero() {
    let config = limits(|limits| {
        limits.max_connections = 1;
        limits.max_pending_requests = 3;
        limits.max_requests = 2;
        limits.max_connection_pools = 1;
    });
    let mut scene = Scene::new(config, h1());
    let remaining = |scene: &Scene| {
        let limits = [
            LimitName::MaxConnections,
            LimitName::MaxPendingRequests,
            LimitName::MaxRequests,
            LimitName::MaxConnectionPools,
        ];
        limits.map(|limit| scene.group.limit(limit, Priority::Default).remaining)
    };
    assert_eq!(remaining(&scene), [1, 3, 2, 1]);
    scene.request();
    assert_eq!(remaining(&scene), [0, 2, 2, 0]);
    scene.connect(0);
    assert_eq!(remaining(&scene), [0, 3, 1, 0]);
    // The other upstream's pool may have its one connection although the limit is full.
    assert_eq!(scene.group.limit(LimitName::MaxConnections, Priority::High).remaining, 1024);

    let scene = Scene::new(max_connections(0), h1());
    assert!(scene.is_open(LimitName::MaxConnections), "a limit of nothing is full before use");
    assert_eq!(remaining(&scene)[0], 0);
    assert_eq!(scene.group.limit(LimitName::MaxConnectionPools, Priority::Default).remaining, UNLIMITED);
}

#[test]
fn inventory_121_without_pending_places_a_cold_pool_refuses_and_a_warm_one_serves() {
    let mut scene = Scene::new(limits(|limits| limits.max_pending_requests = 0), h1());
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxPendingRequests));
    assert_eq!(scene.group.warm(scene.now, scene.upstream, Priority::Default, 1), 1);
    scene.turn();
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxPendingRequests));
    scene.connect(0);
    let stream = scene.request();
    assert_eq!(scene.opens(), [stream]);
}

#[test]
fn inventory_122_without_pools_nothing_is_queued() {
    let mut scene = Scene::new(pools(0), h1());
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxConnectionPools));
    assert_eq!((scene.stat(Stat::CxPoolOverflow), scene.stat(Stat::RqPendingTotal)), (1, 0));
    assert_eq!(scene.events, [Event::Overflow { priority: Priority::Default, limit: LimitName::MaxConnectionPools }]);

    let mut scene = Scene::new(pools(1), h1());
    scene.request();
    for overflows in 1..=3 {
        let refused = scene.ask(|new| new.key = 7);
        assert_eq!(refused, Admission::Refused(FailureReason::Overflow(LimitName::MaxConnectionPools)));
        assert_eq!(scene.stat(Stat::CxPoolOverflow), overflows);
    }
}

#[test]
fn a_full_pool_limit_makes_room_by_the_end_of_a_pool_without_work() {
    let mut scene = Scene::new(pools(1), h1());
    let stream = scene.request();
    scene.connect(0);
    scene.complete(stream);
    let other = scene.request_with(|new| new.key = 7);
    assert_eq!((scene.stat(Stat::CxPoolOverflow), scene.idle_events(), scene.closes().len()), (0, 0, 1));
    scene.connect(0);
    assert_eq!(scene.opens(), [other]);
}

#[test]
fn inventory_123_a_key_makes_a_pool_and_priorities_use_their_own_rows() {
    let mut scene = Scene::new(GroupConfig::default(), h2(100));
    scene.request();
    scene.request();
    assert_eq!(scene.connections.len(), 1, "same key, same pool");
    scene.request_with(|new| new.key = 7);
    assert_eq!(scene.connections.len(), 2, "another key, another pool");
    scene.request_with(high);
    assert_eq!(scene.connections.len(), 3, "another priority, another pool");
    let held = |priority| scene.group.limit(LimitName::MaxConnections, priority).current;
    assert_eq!((held(Priority::Default), held(Priority::High)), (2, 1));
}

#[test]
fn inventory_124_a_pool_place_returns_with_the_last_connection() {
    let mut scene = Scene::new(pools(1), h1());
    let stream = scene.request();
    assert!(scene.is_open(LimitName::MaxConnectionPools));
    let id = scene.connect(0);
    scene.complete(stream);
    scene.go_away(id);
    assert!(!scene.is_open(LimitName::MaxConnectionPools));
    scene.request_with(|new| new.key = 7);
    assert!(scene.is_open(LimitName::MaxConnectionPools));
}

#[test]
fn inventory_125_each_pool_may_have_one_connection_above_the_limit() {
    let mut scene = Scene::new(max_connections(1), h1());
    scene.request();
    scene.request_with(|new| new.key = 7);
    assert_eq!((scene.connections.len(), scene.stat(Stat::CxOverflow)), (2, 1));
    scene.request_with(|new| new.key = 7);
    assert_eq!((scene.connections.len(), scene.stat(Stat::CxOverflow)), (2, 2));
}

#[test]
fn inventory_126_a_request_waits_for_the_close_of_a_draining_connection_at_the_limit() {
    let mut scene = Scene::new(max_connections(1), h2(100));
    let first = scene.request();
    let id = scene.connect(0);
    scene.go_away(id);
    let second = scene.request();
    assert_eq!(scene.dials(), 0);
    scene.complete(first);
    assert_eq!((scene.closes().len(), scene.dials()), (1, 1));
    scene.connect(0);
    assert_eq!(scene.opens(), [second]);
}

#[test]
fn inventory_127_the_limit_of_a_host_counts_both_priorities() {
    let config = GroupConfig { per_host: PerHostConfig { max_connections: 2 }, ..GroupConfig::default() };
    let mut scene = Scene::new(config, h1());
    scene.request();
    scene.request();
    scene.request_with(high);
    assert_eq!(scene.connections.len(), 3);
    scene.request_with(high);
    assert_eq!((scene.connections.len(), scene.stat(Stat::CxOverflow)), (3, 2));
}

#[test]
fn inventory_128_a_thousand_creations_in_one_turn_stay_within_the_limit() {
    let mut scene = Scene::new(max_connections(10), h1());
    let other = scene.group.add_upstream(h1());
    for round in 0..1_000 {
        let admission = scene.ask(|new| {
            if round % 2 == 0 {
                new.upstream = other;
            }
        });
        assert!(matches!(admission, Admission::Queued(_)));
        let held = scene.group.limit(LimitName::MaxConnections, Priority::Default).current;
        assert!(held <= 10 + 2, "{held} connections");
    }
    scene.turn();
    assert_eq!(scene.connections.len(), 10);
}

fn retries(retries: RetryLimit) -> GroupConfig {
    limits(|limits| {
        limits.retries = retries;
        limits.max_pending_requests = 1_000;
    })
}

#[test]
fn inventory_129_the_fourth_concurrent_retry_is_refused() {
    let mut scene = Scene::new(retries(RetryLimit::Count(3)), h1());
    let mut tickets: Vec<RetryTicket> = (0..3).map(|_| scene.group.retry(Priority::Default).unwrap()).collect();
    assert!(scene.is_open(LimitName::MaxRetries));
    assert!(scene.group.retry(Priority::Default).is_none());
    assert_eq!((scene.stat(Stat::RqRetry), scene.stat(Stat::RqRetryOverflow)), (3, 1));
    scene.group.retry_ended(tickets.pop().unwrap());
    tickets.push(scene.group.retry(Priority::Default).unwrap());
    for ticket in tickets {
        scene.group.retry_ended(ticket);
    }
}

#[test]
fn inventory_130_a_budget_is_a_share_of_what_is_active_and_waits() {
    let granted = |streams: usize| {
        let mut scene = Scene::new(retries(RetryLimit::Budget { percent: 20, min_concurrency: 3 }), h2(1_000));
        for _ in 0..streams {
            scene.request();
        }
        scene.connect(0);
        let tickets: Vec<RetryTicket> = core::iter::from_fn(|| scene.group.retry(Priority::Default)).collect();
        let granted = tickets.len();
        for ticket in tickets {
            scene.group.retry_ended(ticket);
        }
        granted
    };
    assert_eq!((granted(10), granted(100)), (3, 20));
}

#[test]
fn inventory_131_at_the_request_limit_a_stream_may_wait_and_is_served() {
    let config = limits(|limits| {
        limits.max_requests = 1;
        limits.on_max_requests = OnMaxRequests::Queue;
    });
    for upstream in [h1(), h2(100)] {
        let mut scene = Scene::new(config.clone(), upstream);
        let first = scene.request();
        scene.connect(0);
        let second = scene.request();
        assert_eq!((scene.opens().len(), scene.stat(Stat::RqOverflowRequests)), (0, 0));
        scene.complete(first);
        assert_eq!(scene.opens(), [second]);
    }
}

#[test]
fn pools_that_wait_for_a_request_place_take_turns() {
    let config = limits(|limits| {
        limits.max_requests = 1;
        limits.on_max_requests = OnMaxRequests::Queue;
    });
    let mut scene = Scene::new(config, h2(100));
    let other = scene.group.add_upstream(h2(100));
    let mut running = scene.request();
    scene.connect(0);
    scene.group.warm(scene.now, other, Priority::Default, 1);
    scene.turn();
    scene.connect(1);
    let here = [scene.request(), scene.request()];
    let there = [(); 2].map(|()| scene.request_with(|new| new.upstream = other));
    for next in [here[0], there[0], here[1], there[1]] {
        scene.complete(running);
        assert_eq!(scene.opens(), [next]);
        running = next;
    }
}

#[test]
fn when_the_request_limit_fills_while_serving_the_oldest_win_and_the_rest_fail() {
    let mut scene = Scene::new(limits(|limits| limits.max_requests = 2), h2(100));
    let streams = [(); 4].map(|()| scene.request());
    scene.connect(0);
    assert_eq!(scene.opens(), streams[..2]);
    assert_eq!(scene.failed_streams(), streams[2..]);
    assert_eq!((scene.stat(Stat::RqOverflowRequests), scene.stat(Stat::RqPendingFailureEject)), (2, 0));
}

/// One request, with what TypeScript does before it: connections at the upstreams that the balancer would pick next.
fn predicted(thousandths: u32) -> usize {
    let config = UpstreamConfig { predictive_preconnect_ratio: Ratio::from_thousandths(thousandths), ..h1() };
    let mut scene = Scene::new(GroupConfig::default(), config.clone());
    let mut upstreams = vec![scene.upstream];
    for _ in 0..3 {
        let upstream = scene.group.add_upstream(config.clone());
        upstreams.push(upstream);
    }
    for upstream in &upstreams[..3] {
        if !scene.group.preconnect(scene.now, *upstream, Priority::Default, Ahead::OfGroup) {
            break;
        }
    }
    scene.request();
    scene.connections.len()
}

#[test]
fn inventory_136_prediction_builds_for_the_group_up_to_its_ratio() {
    assert_eq!((predicted(0), predicted(1_100), predicted(3_000)), (1, 2, 3));
}

#[test]
fn warming_builds_what_is_missing_and_no_more_than_the_limit() {
    let mut scene = Scene::new(max_connections(3), h1());
    let warm = |scene: &mut Scene, count| {
        let begun = scene.group.warm(scene.now, scene.upstream, Priority::Default, count);
        scene.turn();
        begun
    };
    assert_eq!((warm(&mut scene, 2), warm(&mut scene, 2), warm(&mut scene, 5)), (2, 0, 1));
    scene.group.gate(scene.now, scene.upstream, Gate::Shut);
    assert_eq!(warm(&mut scene, 5), 0);
    assert_eq!(scene.connections.len(), 3);
}

#[test]
fn a_shut_gate_fails_what_waits_refuses_what_comes_and_leaves_what_runs() {
    let mut scene = Scene::new(max_connections(1), h1());
    let running = scene.request();
    scene.connect(0);
    let waiting = scene.request();
    scene.group.gate(scene.now, scene.upstream, Gate::Shut);
    scene.turn();
    assert_eq!(scene.failed_streams(), [waiting]);
    assert_eq!((scene.refused(), scene.stat(Stat::RqPendingFailureEject)), (FailureReason::GateShut, 0));
    scene.complete(running);
    scene.group.gate(scene.now, scene.upstream, Gate::Open);
    scene.turn();
    let next = scene.request();
    assert_eq!(scene.opens(), [next]);
}

#[test]
fn a_shut_shed_gate_refuses_what_would_need_a_connection_and_serves_the_rest() {
    let mut scene = Scene::new(GroupConfig::default(), h1());
    let first = scene.request();
    scene.connect(0);
    scene.group.shed(scene.now, true);
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::Shed));
    assert_eq!((scene.stat(Stat::RqCancelled), scene.dials()), (1, 0));
    scene.complete(first);
    scene.request();
    assert_eq!(scene.opens().len(), 1);
}

#[test]
fn when_the_shed_gate_opens_what_waits_gets_its_connection() {
    let mut scene = Scene::new(GroupConfig::default(), h1());
    scene.request();
    let first = scene.connect(0);
    scene.request();
    scene.group.shed(scene.now, true);
    // Connecting capacity covers what waits; then it fails under it, but a busy connection keeps the queue.
    let id = scene.connections[1];
    scene.fails_to_connect(id, forebay_core::ConnectFailureReason::Remote);
    assert_eq!((scene.dials(), scene.failed.len()), (0, 0));
    scene.group.shed(scene.now, false);
    scene.turn();
    assert_eq!((scene.dials(), scene.connections[0]), (1, first));
}

#[test]
fn a_removed_upstream_refuses_finishes_what_it_has_and_says_when_it_is_gone() {
    let mut scene = Scene::new(GroupConfig::default(), h1());
    let stream = scene.request();
    scene.connect(0);
    scene.group.remove_upstream(scene.now, scene.upstream);
    assert_eq!(scene.refused(), FailureReason::LocalConnectionFailure);
    scene.complete(stream);
    let gone = forebay_core::Effect::UpstreamGone { upstream: scene.upstream };
    assert_eq!((scene.effects.last(), scene.failed.len()), (Some(&gone), 0));
    let again = scene.group.add_upstream(h1());
    assert_ne!(again, scene.upstream);
}

#[test]
fn ids_of_different_pools_and_connections_never_meet_again() {
    let mut scene = Scene::new(GroupConfig::default(), h1());
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let stream = scene.request();
        let id = scene.connect(0);
        assert!(seen.insert(id));
        scene.complete(stream);
        scene.group.drain(scene.now, Scope::Upstream(scene.upstream), DrainMode::Existing);
        scene.turn();
        scene.pass(ms(1));
    }
}

#[test]
fn the_rows_of_the_priorities_are_the_defaults_unless_set() {
    let config = GroupConfig {
        default: LimitsConfig { max_pending_requests: 0, ..LimitsConfig::default() },
        ..GroupConfig::default()
    };
    let mut scene = Scene::new(config, UpstreamConfig { protocols: Protocols::Mixed, ..h1() });
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxPendingRequests));
    scene.request_with(high);
    let group = Group::new(GroupConfig::default(), 1);
    assert_eq!(group.limit(LimitName::MaxRequests, Priority::High).remaining, 1_024);
}
