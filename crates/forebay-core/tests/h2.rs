//! The inventory's HTTP/2 cases at the level of the core. PING, frames and bodies are the transport's.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_core::{
    Class, CloseReason, ConnectFailureReason, ConnectionEnd, ConnectionId, DrainMode, DrainReason, FailureReason,
    GroupConfig, H2Config, LimitName, OnCancel, OriginMemory, Pick, Ratio, ReplayPolicy, Scope, Stat, StreamEnd,
    StreamId, UpstreamConfig,
};
use support::{Scene, h2, limits, max_connections, ms};

fn many(upstream: UpstreamConfig) -> Scene {
    Scene::new(GroupConfig::default(), upstream)
}

fn ratio(thousandths: u32, streams: u32) -> UpstreamConfig {
    UpstreamConfig { preconnect_ratio: Ratio::from_thousandths(thousandths), ..h2(streams) }
}

fn drain(scene: &mut Scene, mode: DrainMode) {
    scene.group.drain(scene.now, Scope::Group, mode);
    scene.turn();
}

fn refuse(scene: &mut Scene, stream: StreamId) {
    scene.fails(stream, Class::Unprocessed, FailureReason::RemoteRefused);
}

/// The peer ends streams and connection in one turn, as after a GOAWAY with a last id.
fn end_all(scene: &mut Scene, id: ConnectionId, ends: &[(StreamId, Class)]) {
    for (stream, class) in ends {
        scene.opened.remove(stream);
        let (class, reason) = (*class, FailureReason::ConnectionTermination);
        scene.group.stream_ended(scene.now, *stream, StreamEnd::Failed { class, reason, response_started: false });
    }
    scene.close(id, ConnectionEnd::REMOTE);
}

#[test]
fn inventory_035_drain_existing_closes_the_idle_at_once_and_the_others_after_their_responses() {
    for streams in [100, 1] {
        let mut scene = many(h2(streams));
        let stream = scene.request();
        scene.connect(0);
        drain(&mut scene, DrainMode::Existing);
        assert!(scene.closes().is_empty());
        scene.complete(stream);
        assert_eq!(scene.closes(), [CloseReason::Drained]);
    }
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.connect(0);
    scene.complete(stream);
    drain(&mut scene, DrainMode::Existing);
    assert_eq!(scene.closes(), [CloseReason::Drained]);
}

#[test]
fn inventory_036_drain_existing_leaves_a_connecting_connection_that_is_waited_for() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    drain(&mut scene, DrainMode::Existing);
    assert!(scene.closes().is_empty());
    scene.cancel(stream);
    drain(&mut scene, DrainMode::Existing);
    assert_eq!(scene.closes(), [CloseReason::Drained]);
}

#[test]
fn inventory_037_close_excess_closes_what_a_drain_left_for_its_only_request() {
    let mut scene = many(UpstreamConfig { on_cancel: OnCancel::CloseExcess, ..h2(100) });
    let stream = scene.request();
    drain(&mut scene, DrainMode::Existing);
    scene.cancel(stream);
    assert_eq!(scene.closes(), [CloseReason::Excess]);
}

#[test]
fn inventory_038_each_close_excess_closes_one() {
    let mut scene = many(UpstreamConfig { on_cancel: OnCancel::CloseExcess, ..h2(1) });
    let streams = [scene.request(), scene.request()];
    let ids = scene.connections.clone();
    assert_eq!(ids.len(), 2);
    scene.cancel(streams[0]);
    assert_eq!(scene.connections, [ids[0]], "the newest goes first");
    scene.cancel(streams[1]);
    assert!(scene.connections.is_empty());
}

#[test]
fn inventory_039_close_excess_closes_when_the_rest_covers_what_waits() {
    let mut scene = many(UpstreamConfig { on_cancel: OnCancel::CloseExcess, ..h2(3) });
    let streams = [(); 5].map(|()| scene.request());
    let mut open = Vec::new();
    for stream in streams {
        open.push(scene.connections.len());
        scene.cancel(stream);
    }
    // Before each cancel; the second connection goes when 3 are left, the first with the last.
    assert_eq!((open, scene.connections.len()), (vec![2, 2, 1, 1, 1], 0));
}

#[test]
fn inventory_040_a_drain_of_an_empty_pool_does_nothing() {
    let mut scene = many(UpstreamConfig { max_requests_per_connection: 1, ..h2(100) });
    scene.request();
    scene.request();
    let (first, second) = (scene.connect(0), scene.connect(1));
    scene.close(first, ConnectionEnd::REMOTE);
    scene.close(second, ConnectionEnd::REMOTE);
    assert_eq!(scene.stat(Stat::CxDestroyRemote), 2);
    let idle = scene.idle_events();
    drain(&mut scene, DrainMode::Existing);
    drain(&mut scene, DrainMode::Delete);
    assert_eq!((scene.effects.len(), scene.idle_events()), (0, idle));
}

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
fn inventory_046_resets_of_either_side_leave_the_connection_alive() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.connect(0);
    scene.cancel(stream);
    assert_eq!((scene.stat(Stat::RqTxReset), scene.stat(Stat::RqActive)), (1, 1), "until the reset is out");
    scene.group.stream_ended(scene.now, stream, StreamEnd::Cancelled);
    scene.turn();
    assert_eq!((scene.stat(Stat::RqTxReset), scene.stat(Stat::RqActive), scene.pool().ready), (1, 0, 1));
    let stream = scene.request();
    scene.fails(stream, Class::Maybe, FailureReason::RemoteReset);
    assert_eq!((scene.stat(Stat::RqRxReset), scene.pool().ready), (1, 1));
}

#[test]
fn inventory_047_drain_and_delete_of_idle_connections_fires_idle_at_once() {
    let mut scene = many(h2(1));
    let streams = [scene.request(), scene.request()];
    let (_, second) = (scene.connect(0), scene.connect(1));
    for stream in streams {
        scene.complete(stream);
    }
    drain(&mut scene, DrainMode::Delete);
    assert_eq!(scene.idle_events(), 1);

    let stream = scene.request();
    let id = scene.connect(0);
    drain(&mut scene, DrainMode::Delete);
    assert_eq!(scene.idle_events(), 1, "a stream is active");
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.idle_events(), scene.failed_streams()), (2, vec![stream]));
    assert_ne!(id, second);
}

#[test]
fn inventory_048_drain_and_delete_fires_idle_after_the_last_connection_ends() {
    let mut scene = many(h2(1));
    let streams = [scene.request(), scene.request()];
    scene.connect(0);
    scene.connect(1);
    drain(&mut scene, DrainMode::Delete);
    scene.complete(streams[0]);
    assert_eq!(scene.idle_events(), 0);
    scene.complete(streams[1]);
    assert_eq!(scene.idle_events(), 1);
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
fn inventory_051_a_go_away_while_idle_closes_and_the_next_gets_a_new_connection() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    let id = scene.connect(0);
    scene.complete(stream);
    scene.go_away(id);
    assert_eq!((scene.closes(), scene.stat(Stat::CxCloseNotify)), (vec![CloseReason::Drained], 1));
    scene.request();
    assert_eq!(scene.dials(), 1);
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
fn inventory_053_settings_change_the_capacity_down_and_up_to_the_configured() {
    let mut scene = many(h2(100));
    scene.request();
    assert_eq!(scene.triple(), (0, 1, 100));
    let id = scene.connect(0);
    assert_eq!(scene.triple(), (1, 0, 99));
    scene.settings(id, 1);
    assert_eq!((scene.triple().2, scene.pool().ready), (0, 0), "busy");
    scene.settings(id, 10);
    assert_eq!(scene.triple().2, 9);
    scene.settings(id, 150);
    assert_eq!(scene.triple().2, 99);
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
fn inventory_057_the_life_and_the_limit_of_a_connection_bound_it_together() {
    let mut scene = many(UpstreamConfig { max_requests_per_connection: 6, ..h2(8) });
    let first = scene.request();
    assert_eq!(scene.triple().2, 6);
    let id = scene.connect(0);
    let (second, third) = (scene.request(), scene.request());
    assert_eq!(scene.triple().2, 3);
    scene.settings(id, 4);
    assert_eq!(scene.triple().2, 1);
    let left = [first, second, third].map(|stream| {
        scene.complete(stream);
        scene.triple().2
    });
    assert_eq!(left, [2, 3, 3]);
}

#[test]
fn inventory_058_a_debt_is_paid_by_ends_and_opens_no_room_elsewhere() {
    let mut config = h2(4);
    config.h2.remember = false;
    let mut scene = many(config);
    let streams = [(); 3].map(|()| scene.request());
    let id = scene.connect(0);
    scene.settings(id, 1);
    assert_eq!(scene.triple().2, -2);
    scene.complete(streams[0]);
    assert_eq!(scene.triple().2, -1);
    let fourth = scene.request();
    assert_eq!(scene.triple().2, 3);
    scene.connect(1);
    assert_eq!(scene.triple().2, 2);
    let left = [streams[1], streams[2], fourth].map(|stream| {
        scene.complete(stream);
        scene.triple().2
    });
    assert_eq!(left, [3, 4, 5]);
}

#[test]
fn inventory_059_the_first_capacity_is_the_least_of_configured_remembered_and_life() {
    let remembered = UpstreamConfig { memory: OriginMemory { h1: false, stream_limit: Some(500) }, ..h2(2_000) };
    let short = UpstreamConfig { max_requests_per_connection: 100, ..remembered.clone() };
    let first = [h2(2_000), remembered, short].map(|config| {
        let mut scene = many(config);
        scene.request();
        scene.triple().2
    });
    assert_eq!(first, [2_000, 500, 100]);
}

#[test]
fn inventory_060_streams_before_settings_are_spread_by_their_assumed_limit() {
    let before = H2Config { pre_settings_streams: Some(100), ..H2Config::default() };
    let mut scene = many(UpstreamConfig { h2: before, ..h2(1_024) });
    for _ in 0..150 {
        scene.request();
    }
    assert_eq!(scene.connections.len(), 2);
}

#[test]
fn inventory_061_a_raised_limit_lets_the_waiting_go_in_order() {
    let mut scene = Scene::new(max_connections(1), h2(8));
    let streams = [(); 3].map(|()| scene.request());
    let id = scene.connections[0];
    scene.connect_as(id, Some(1));
    assert_eq!(scene.opens(), [streams[0]]);
    scene.settings(id, 3);
    assert_eq!(scene.opens(), streams[1..]);
}

#[test]
fn inventory_062_the_last_limit_is_remembered_for_the_next_connection() {
    let mut scene = many(h2(1_024));
    let stream = scene.request();
    let id = scene.connections[0];
    scene.connect_as(id, Some(10));
    scene.complete(stream);
    scene.go_away(id);
    let stream = scene.request();
    assert_eq!(scene.triple(), (0, 1, 10));
    let id = scene.connect(0);
    scene.settings(id, 20);
    scene.complete(stream);
    scene.go_away(id);
    scene.request();
    assert_eq!(scene.triple(), (0, 1, 20));
    assert_eq!(scene.group.origin_memory(scene.upstream).unwrap().stream_limit, Some(20));
}

#[test]
fn inventory_063_a_limit_of_zero_holds_the_queue_until_it_is_raised() {
    let mut scene = Scene::new(max_connections(1), h2(100));
    let streams = [scene.request(), scene.request()];
    let id = scene.connections[0];
    scene.connect_as(id, Some(0));
    assert_eq!((scene.opens().len(), scene.triple()), (0, (0, 2, 0)));
    scene.settings(id, 1);
    assert_eq!(scene.opens(), [streams[0]]);
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
fn inventory_065_a_go_away_notice_fails_nothing_and_a_real_one_only_what_is_above_it() {
    let mut scene = many(h2(100));
    let streams = [(); 5].map(|()| scene.request());
    let id = scene.connect(0);
    scene.go_away(id);
    assert!(scene.failed.is_empty() && scene.closes().is_empty());
    // Ids 1, 3, 5, 7, 9; the transport ends those above 5.
    refuse(&mut scene, streams[3]);
    refuse(&mut scene, streams[4]);
    assert!(scene.failed.iter().all(|(_, _, class)| *class == Class::Unprocessed));
    assert_eq!(scene.failed_streams(), streams[3..]);
    for stream in &streams[..3] {
        scene.complete(*stream);
    }
    assert_eq!((scene.closes(), scene.stat(Stat::CxCloseNotify)), (vec![CloseReason::Drained], 1));
}

#[test]
fn inventory_067_all_of_a_go_away_at_zero_are_answered_by_one_new_connection() {
    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let streams = [(); 3].map(|()| scene.post());
    let id = scene.connect(0);
    scene.group.go_away(scene.now, id);
    end_all(&mut scene, id, &streams.map(|stream| (stream, Class::Unprocessed)));
    assert_eq!((scene.dials(), scene.failed.len(), scene.stat(Stat::RqReplay)), (1, 0, 3));
    scene.connect(0);
    assert_eq!(scene.opens(), streams);
}

#[test]
fn inventory_068_after_a_go_away_the_next_request_gets_a_new_connection_and_the_open_stream_finishes() {
    let mut scene = many(h2(100));
    let open = scene.request();
    let id = scene.connect(0);
    scene.go_away(id);
    scene.request();
    assert_eq!((scene.dials(), scene.closes().len()), (1, 0));
    scene.complete(open);
    assert_eq!((scene.closes(), scene.failed.len()), (vec![CloseReason::Drained], 0));
}

#[test]
fn inventory_069_a_go_away_with_an_id_and_a_close_tell_the_unprocessed_from_the_rest() {
    let mut scene = many(h2(100));
    let streams = [(); 3].map(|()| scene.request());
    let id = scene.connect(0);
    scene.group.go_away(scene.now, id);
    end_all(&mut scene, id, &[(streams[2], Class::Unprocessed)]);
    let classes: Vec<_> = scene.failed.iter().map(|(stream, _, class)| (*stream, *class)).collect();
    assert_eq!(classes, [(streams[2], Class::Unprocessed), (streams[1], Class::Maybe), (streams[0], Class::Maybe)]);
}

#[test]
fn inventory_070_a_refused_stream_is_repeated_and_not_once_its_head_came() {
    let mut scene = many(h2(100));
    let stream = scene.post();
    scene.connect(0);
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Unprocessed)]);
    assert_eq!(scene.stat(Stat::RqRxReset), 0);

    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let stream = scene.post();
    scene.connect(0);
    refuse(&mut scene, stream);
    assert_eq!((scene.opens(), scene.stat(Stat::RqReplay)), (vec![stream], 1));
    scene.head(stream);
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Never)]);
}

#[test]
fn inventory_071_the_ninth_refusal_reaches_the_caller() {
    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let stream = scene.post();
    scene.connect(0);
    for _ in 0..8 {
        refuse(&mut scene, stream);
        assert_eq!(scene.opens(), [stream]);
    }
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Unprocessed)]);
    assert_eq!(scene.stat(Stat::RqReplay), 8);
}

#[test]
fn inventory_072_ninety_of_a_hundred_refused_are_all_answered_in_order() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let streams = [(); 100].map(|()| scene.post());
    let id = scene.connect(0);
    scene.group.stream_limit_changed(scene.now, id, 10);
    // In any order; here the newest first.
    for stream in streams[10..].iter().rev() {
        let (class, reason) = (Class::Unprocessed, FailureReason::RemoteRefused);
        scene.group.stream_ended(scene.now, *stream, StreamEnd::Failed { class, reason, response_started: false });
    }
    scene.turn();
    let mut resent = Vec::new();
    for stream in streams {
        scene.complete(stream);
        resent.append(&mut scene.opens());
    }
    assert_eq!(resent, streams[10..]);
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqReplay)), (0, 90));
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
fn inventory_078_a_connection_that_the_shell_retires_drains_and_its_open_streams_finish() {
    let mut scene = many(h2(100));
    let streams = [scene.request(), scene.request()];
    let id = scene.connect(0);
    scene.group.drain_connection(scene.now, id, DrainReason::LocalErrors);
    scene.turn();
    let next = scene.request();
    assert_eq!((scene.dials(), scene.closes().len(), scene.stat(Stat::CxCloseNotify)), (1, 0, 0));
    for stream in streams {
        scene.complete(stream);
    }
    assert_eq!((scene.closes(), scene.failed.len()), (vec![CloseReason::Drained], 0));
    scene.connect(0);
    assert_eq!(scene.opens(), [next]);
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
