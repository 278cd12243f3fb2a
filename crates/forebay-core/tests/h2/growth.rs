//! How many connections are made, for whom, and which of them a stream takes.

use forebay_core::{
    Class, CloseReason, ConnectFailureReason, ConnectionEnd, FailureReason, LimitName, Pick, Stat, UpstreamConfig,
};

use super::support::{Scene, h2, limits, max_connections, ms};
use super::{many, ratio};

#[test]
fn inventory_041_requests_one_by_one_reuse_and_two_at_once_make_one_more() {
    let mut scene = many(h2(1));
    for round in 0..3 {
        let stream = scene.request();
        if round == 0 {
            scene.connect(0);
        }
        scene.complete(stream);
    }
    assert_eq!(scene.stat(Stat::CxTotal), 1);
    scene.request();
    scene.request();
    assert_eq!(scene.stat(Stat::CxTotal), 2);
}

#[test]
fn inventory_042_the_queued_leave_in_order_and_a_fourth_attaches_at_once() {
    let mut scene = many(h2(100));
    let streams = [(); 3].map(|()| scene.request());
    assert_eq!(scene.stat(Stat::CxTotal), 1);
    scene.connect(0);
    assert_eq!(scene.opens(), streams);
    let fourth = scene.request();
    assert_eq!(scene.opens(), [fourth]);
}

#[test]
fn inventory_043_three_queued_need_two_connections_of_two() {
    for upstream in [h2(2), UpstreamConfig { max_requests_per_connection: 2, ..h2(100) }] {
        let mut scene = many(upstream);
        for _ in 0..3 {
            scene.request();
        }
        assert_eq!(scene.connections.len(), 2);
    }
}

#[test]
fn inventory_044_a_close_while_connecting_fails_the_newest_first_and_the_next_dials_anew() {
    let reasons = [
        (ConnectFailureReason::Remote, FailureReason::RemoteConnectionFailure),
        (ConnectFailureReason::Local, FailureReason::LocalConnectionFailure),
    ];
    for (reason, told) in reasons {
        let mut scene = many(h2(100));
        let mut streams = [(); 3].map(|()| scene.request());
        let id = scene.connections[0];
        scene.fails_to_connect(id, reason);
        streams.reverse();
        assert_eq!(scene.failed, streams.map(|stream| (stream, told, Class::Unprocessed)));
        scene.request();
        assert_eq!(scene.dials(), 1);
    }
}

#[test]
fn inventory_045_with_one_pending_place_left_the_second_is_refused_at_once() {
    let mut scene = Scene::new(limits(|limits| limits.max_pending_requests = 2), h2(100));
    scene.request();
    scene.request();
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxPendingRequests));
}

#[test]
fn inventory_049_a_connect_timeout_fails_what_waits_and_the_next_works() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.pass(ms(4_999));
    assert!(scene.failed.is_empty());
    scene.pass(ms(1));
    assert_eq!(scene.failed, [(stream, FailureReason::Timeout, Class::Unprocessed)]);
    assert_eq!(scene.closes(), [CloseReason::ConnectTimeout]);
    let next = scene.request();
    scene.connect(0);
    scene.complete(next);
    let stats =
        [Stat::RqTotal, Stat::CxConnectFail, Stat::CxConnectTimeout, Stat::RqPendingFailureEject, Stat::CxDestroyLocal];
    assert_eq!(stats.map(|stat| scene.stat(stat)), [1; 5]);
}

#[test]
fn the_connect_timeout_counts_from_the_dial() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.pass(ms(4_999));
    let id = scene.connections[0];
    scene.group.dialling(scene.now, id);
    scene.pass(ms(4_999));
    assert!(scene.failed.is_empty());
    scene.pass(ms(1));
    assert_eq!(scene.failed, [(stream, FailureReason::Timeout, Class::Unprocessed)]);
    // It is over: nothing counts any more.
    scene.group.dialling(scene.now, id);
    scene.turn();
    assert_eq!(scene.group.next_deadline(), None);
}

#[test]
fn while_settings_are_awaited_the_connect_timeout_no_longer_runs() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.pass(ms(4_000));
    let id = scene.connections[0];
    scene.group.shaken(scene.now, id);
    scene.turn();
    scene.pass(ms(9_000));
    assert!(scene.failed.is_empty());
    scene.connect_as(id, Some(10));
    assert_eq!(scene.opens(), [stream]);
    // Once it is up there is nothing to disarm.
    scene.group.shaken(scene.now, id);
    scene.turn();
    scene.complete(stream);
}

#[test]
fn inventory_050_a_full_request_limit_refuses_although_a_connection_is_ready() {
    let mut scene = Scene::new(limits(|limits| limits.max_requests = 1), h2(100));
    scene.request();
    scene.connect(0);
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxRequests));
    assert_eq!((scene.stat(Stat::RqOverflowRequests), scene.stat(Stat::RqPendingOverflow)), (1, 1));
}

#[test]
fn inventory_052_a_ratio_of_one_and_a_half_builds_ahead_of_three_arrivals() {
    let triples = |streams| {
        let mut scene = many(ratio(1_500, streams));
        [(); 3].map(|()| {
            scene.request();
            scene.triple()
        })
    };
    assert_eq!(triples(1), [(0, 1, 2), (0, 2, 3), (0, 3, 5)]);
    assert_eq!(triples(2), [(0, 1, 2), (0, 2, 4), (0, 3, 6)]);
}

#[test]
fn inventory_054_a_spare_that_got_a_go_away_is_replaced() {
    let mut scene = many(ratio(1_500, 1));
    scene.request();
    let (_, spare) = (scene.connect(0), scene.connect(1));
    assert_eq!(scene.triple(), (1, 0, 1));
    scene.go_away(spare);
    assert_eq!((scene.dials(), scene.triple()), (1, (1, 0, 1)));
}

#[test]
fn inventory_055_attaching_to_the_spare_starts_one_more() {
    let mut scene = many(ratio(1_500, 1));
    scene.request();
    scene.connect(0);
    scene.connect(1);
    let second = scene.request();
    assert_eq!((scene.opens(), scene.dials()), (vec![second], 1));
}

#[test]
fn inventory_056_a_spare_that_times_out_is_replaced_at_once() {
    let mut scene = many(UpstreamConfig { idle_timeout: None, ..ratio(1_500, 1) });
    scene.request();
    scene.connect(0);
    scene.pass(ms(5_000));
    assert_eq!((scene.closes(), scene.dials(), scene.failed.len()), (vec![CloseReason::ConnectTimeout], 1, 0));
}

#[test]
fn inventory_064_a_long_stream_at_a_limit_of_one_leads_to_a_second_connection() {
    let mut scene = many(h2(100));
    scene.request();
    let id = scene.connections[0];
    scene.connect_as(id, Some(1));
    let second = scene.request();
    assert_eq!(scene.dials(), 1);
    let other = scene.connect(1);
    assert_eq!(scene.opened.get(&second), Some(&other));
}

#[test]
fn inventory_074_a_lost_connection_fails_what_ran_and_a_new_one_serves_what_waited() {
    let mut scene = Scene::new(max_connections(1), h2(19));
    let streams = [(); 21].map(|()| scene.request());
    let id = scene.connect(0);
    assert_eq!(scene.triple(), (19, 2, 0));
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqPendingFailureEject), scene.dials()), (19, 0, 1));
    assert!(scene.failed.iter().all(|(_, reason, _)| *reason == FailureReason::ConnectionTermination));
    scene.connect(0);
    assert_eq!(scene.opens(), streams[19..]);
}

#[test]
fn inventory_075_the_pick_is_the_least_loaded_or_the_most_recent() {
    let chosen = |pick| {
        let mut config = UpstreamConfig { pick, ..h2(4) };
        config.h2.remember = false;
        let mut scene = many(config);
        let streams = [(); 8].map(|()| scene.request());
        let (first, second) = (scene.connect(0), scene.connect(1));
        // 4 and 4; then 3 and 1: both are ready, the second since its first end, the first since the last.
        for stream in [streams[4], streams[5], streams[6], streams[0]] {
            scene.complete(stream);
        }
        let next = scene.request();
        let on = scene.opened[&next];
        assert!(on == first || on == second);
        usize::from(on == second)
    };
    assert_eq!(chosen(Pick::LeastLoaded), 1);
    assert_eq!(chosen(Pick::MostRecent), 0);
}
