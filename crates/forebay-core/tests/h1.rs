//! The inventory's HTTP/1 cases at the level of the core. What only a parser or a socket can show is in the transport's suite.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_core::{
    Class, CloseReason, ConnectFailureReason, ConnectionEnd, DrainMode, Effect, FailureReason, LimitName, OnCancel,
    ReplayPolicy, Scope, Stat, StreamEnd, UpstreamConfig,
};
use support::{Scene, h1, limits, max_connections, ms};

fn one() -> Scene {
    Scene::new(max_connections(1), h1())
}

fn close_excess() -> UpstreamConfig {
    UpstreamConfig { on_cancel: OnCancel::CloseExcess, ..h1() }
}

#[test]
fn inventory_001_a_second_request_reuses_the_connection() {
    let mut scene = one();
    let first = scene.request();
    scene.connect(0);
    scene.complete(first);
    let second = scene.request();
    assert_eq!(scene.opens(), [second]);
    scene.complete(second);
    assert_eq!((scene.stat(Stat::CxTotal), scene.stat(Stat::RqTotal)), (1, 2));
}

#[test]
fn inventory_002_the_second_queued_is_refused_at_once_when_one_may_wait() {
    let mut scene = Scene::new(
        limits(|limits| {
            limits.max_connections = 1;
            limits.max_pending_requests = 1;
        }),
        h1(),
    );
    scene.request();
    assert!(scene.is_open(LimitName::MaxPendingRequests));
    assert_eq!(scene.refused(), FailureReason::Overflow(LimitName::MaxPendingRequests));
    assert_eq!((scene.stat(Stat::RqPendingOverflow), scene.stat(Stat::RqOverflowPending)), (1, 1));
}

#[test]
fn inventory_003_a_close_while_connecting_fails_the_queued() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connections[0];
    scene.fails_to_connect(id, ConnectFailureReason::Remote);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteConnectionFailure, Class::Unprocessed)]);
    assert_eq!((scene.stat(Stat::CxConnectFail), scene.stat(Stat::RqPendingFailureEject)), (1, 1));
    assert_eq!(scene.group.next_deadline(), None, "the connect timer is stopped");
}

#[test]
fn inventory_004_overlapping_connects_record_their_own_times() {
    let mut scene = Scene::new(max_connections(2), h1());
    scene.request();
    scene.now = scene.now + ms(15);
    scene.request();
    scene.now = scene.now + ms(15);
    scene.connect(0);
    scene.connect(1);
    let histogram = scene.group.stats().cx_connect_ms;
    assert_eq!((histogram.count(), histogram.sum()), (2, 45));
    // 15 is in the bucket up to 25, 30 in the one up to 50.
    assert_eq!(histogram.counts()[3..5], [1, 1]);
}

#[test]
fn inventory_005_a_cancel_while_connecting_keeps_the_connection_for_the_next() {
    let mut scene = one();
    let stream = scene.request();
    scene.cancel(stream);
    assert_eq!((scene.stat(Stat::RqCancelled), scene.effects.len()), (1, 0));
    let id = scene.connect(0);
    let next = scene.request();
    assert_eq!(scene.opened.get(&next), Some(&id));
}

#[test]
fn inventory_006_close_excess_of_the_only_request_closes_its_connection() {
    let mut scene = Scene::new(max_connections(1), close_excess());
    let stream = scene.request();
    scene.cancel(stream);
    assert_eq!(scene.closes(), [CloseReason::Excess]);
    assert_eq!(scene.stat(Stat::CxConnectFail), 0);
}

#[test]
fn inventory_007_a_close_during_a_request_ends_that_one_only() {
    let mut scene = one();
    let running = scene.request();
    let id = scene.connect(0);
    let waiting = scene.request();
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(scene.failed, [(running, FailureReason::ConnectionTermination, Class::Maybe)]);
    assert_eq!(scene.dials(), 1);
    scene.connect(0);
    assert!(scene.opened.contains_key(&waiting));
}

#[test]
fn inventory_008_one_active_a_second_waits_then_runs_on_the_same_connection() {
    let mut scene = one();
    let first = scene.request();
    let id = scene.connect(0);
    let second = scene.request();
    assert_eq!(scene.stat(Stat::CxOverflow), 1);
    assert!(scene.is_open(LimitName::MaxConnections));
    scene.complete(first);
    assert_eq!(scene.opened.get(&second), Some(&id));
}

#[test]
fn inventory_009_a_fin_in_the_turn_of_the_response_end_gives_the_queued_a_new_connection() {
    let mut scene = one();
    let first = scene.request();
    let id = scene.connect(0);
    let second = scene.request();
    scene.end(first);
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.failed.len(), scene.opens().len(), scene.dials()), (0, 0, 1));
    scene.connect(0);
    assert!(scene.opened.contains_key(&second));
    assert_eq!(scene.stat(Stat::CxTotal), 2);
}

#[test]
fn inventory_010_connection_close_closes_after_the_response() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.head(stream);
    scene.go_away(id);
    assert!(scene.closes().is_empty(), "the response is not over");
    scene.complete(stream);
    assert_eq!(scene.closes(), [CloseReason::Drained]);
    assert_eq!((scene.stat(Stat::CxCloseNotify), scene.stat(Stat::CxDestroyWithActiveRq)), (1, 0));
}

#[test]
fn inventory_012_one_request_for_a_connection_and_no_more() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { max_requests_per_connection: 1, ..h1() });
    let stream = scene.request();
    assert_eq!(scene.triple(), (0, 1, 1));
    scene.connect(0);
    assert_eq!(scene.triple(), (1, 0, 0));
    scene.complete(stream);
    assert_eq!(scene.triple(), (0, 0, 0));
    assert_eq!((scene.closes(), scene.stat(Stat::CxMaxRequests)), (vec![CloseReason::Drained], 1));
}

#[test]
fn inventory_013_the_third_takes_the_first_connection_that_is_free() {
    let mut scene = Scene::new(max_connections(2), h1());
    let streams = [(); 3].map(|()| scene.request());
    let first = scene.connect(0);
    let second = scene.connect(1);
    assert_eq!(scene.opened.get(&streams[1]), Some(&second));
    scene.complete(streams[0]);
    assert_eq!(scene.opened.get(&streams[2]), Some(&first));
    scene.close(first, ConnectionEnd::REMOTE);
    scene.close(second, ConnectionEnd::REMOTE);
    assert_eq!(scene.stat(Stat::CxDestroyRemote), 2);
}

#[test]
fn inventory_014_drain_existing_closes_the_idle_at_once_and_the_busy_after_its_response() {
    let mut scene = Scene::new(max_connections(2), h1());
    let (first, second) = (scene.request(), scene.request());
    scene.connect(0);
    scene.connect(1);
    scene.complete(first);
    scene.group.drain(scene.now, Scope::Group, DrainMode::Existing);
    scene.turn();
    assert_eq!(scene.closes(), [CloseReason::Drained]);
    scene.complete(second);
    assert_eq!(scene.closes(), [CloseReason::Drained]);
}

#[test]
fn inventory_015_drain_and_delete_fires_idle_once_after_cancel_and_response() {
    let mut scene = one();
    let running = scene.request();
    scene.connect(0);
    let waiting = scene.request();
    scene.group.drain(scene.now, Scope::Group, DrainMode::Delete);
    scene.turn();
    scene.cancel(waiting);
    assert_eq!(scene.idle_events(), 0);
    scene.complete(running);
    assert_eq!((scene.idle_events(), scene.closes()), (1, vec![CloseReason::Drained]));
}

#[test]
fn inventory_016_a_fin_that_completes_the_body_leaves_nothing_active() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.end(stream);
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.stat(Stat::CxDestroyRemote), scene.stat(Stat::CxDestroyWithActiveRq)), (1, 0));
    assert!(scene.failed.is_empty());
}

#[test]
fn inventory_017_work_is_what_waits_or_runs() {
    let mut scene = Scene::new(max_connections(1), h1());
    assert!(!scene.group.has_work(Scope::Group), "empty");
    let stream = scene.request();
    assert!(scene.group.has_work(Scope::Group), "queued");
    let id = scene.connect(0);
    assert!(scene.group.has_work(Scope::Group), "active");
    scene.head(stream);
    scene.go_away(id);
    assert!(scene.group.has_work(Scope::Group), "active on a draining connection");
    scene.complete(stream);
    let stream = scene.request();
    scene.connect(0);
    scene.complete(stream);
    assert_eq!(scene.pool().connections, 1);
    assert!(!scene.group.has_work(Scope::Group), "an idle connection is no work");
}

#[test]
fn inventory_018_drain_existing_closes_a_connecting_connection_that_nobody_waits_for() {
    let mut scene = one();
    let stream = scene.request();
    scene.cancel(stream);
    scene.group.drain(scene.now, Scope::Group, DrainMode::Existing);
    scene.turn();
    assert_eq!((scene.closes(), scene.stat(Stat::CxDestroyLocal)), (vec![CloseReason::Drained], 1));
    assert_eq!(scene.stat(Stat::CxConnectFail), 0);
}

#[test]
fn inventory_019_requests_are_counted_by_connection_when_it_closes() {
    let mut scene = one();
    for round in 0..3 {
        let stream = scene.request();
        if round == 0 {
            scene.connect(0);
        }
        scene.complete(stream);
    }
    let id = scene.connections[0];
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.group.stats().rq_per_cx.count(), scene.group.stats().rq_per_cx.sum()), (1, 3));

    let mut scene = Scene::new(max_connections(2), h1());
    let (first, second) = (scene.request(), scene.request());
    let (one, two) = (scene.connect(0), scene.connect(1));
    scene.complete(first);
    let third = scene.request();
    scene.complete(second);
    scene.complete(third);
    scene.close(one, ConnectionEnd::REMOTE);
    assert_eq!(scene.group.stats().rq_per_cx.sum(), 2);
    scene.close(two, ConnectionEnd::REMOTE);
    assert_eq!((scene.group.stats().rq_per_cx.count(), scene.group.stats().rq_per_cx.sum()), (2, 3));
}

#[test]
fn inventory_020_a_failed_connect_has_no_life_and_a_whole_life_has_one_of_each() {
    let mut scene = one();
    scene.request();
    let id = scene.connections[0];
    scene.fails_to_connect(id, ConnectFailureReason::Remote);
    let lives = |scene: &Scene| {
        let stats = scene.group.stats();
        [stats.cx_connect_ms.count(), stats.cx_length_ms.count(), stats.rq_per_cx.count()]
    };
    assert_eq!(lives(&scene), [0, 0, 0]);
    let stream = scene.request();
    let id = scene.connect(0);
    scene.complete(stream);
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(lives(&scene), [1, 1, 1]);
}

#[test]
fn inventory_021_a_response_before_the_request_is_sent_closes_and_the_next_gets_a_new_connection() {
    let mut scene = one();
    let first = scene.request();
    let id = scene.connect(0);
    let second = scene.request();
    scene.end(first);
    scene.close(id, ConnectionEnd::LOCAL);
    assert_eq!((scene.failed.len(), scene.dials(), scene.stat(Stat::CxDestroyWithActiveRq)), (0, 1, 0));
    scene.connect(0);
    assert!(scene.opened.contains_key(&second));
}

#[test]
fn inventory_022_an_abort_mid_response_closes_and_the_queued_gets_a_new_connection() {
    let mut scene = one();
    let first = scene.request();
    let id = scene.connect(0);
    let second = scene.request();
    scene.head(first);
    scene.cancel(first);
    assert!(matches!(
        scene.effects[..],
        [
            Effect::Reset { stream, .. },
            Effect::Close { connection, reason: CloseReason::StreamReset },
            Effect::Connect { .. }
        ] if stream == first && connection == id
    ));
    scene.connect(0);
    assert!(scene.opened.contains_key(&second));
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqTxReset), scene.stat(Stat::RqCancelled)), (0, 0, 0));
}

#[test]
fn inventory_023_a_byte_after_a_complete_response_is_a_protocol_error_and_the_response_good() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.end(stream);
    scene.close(id, ConnectionEnd::PROTOCOL_ERROR);
    assert_eq!((scene.stat(Stat::CxProtocolError), scene.failed.len(), scene.stat(Stat::CxActive)), (1, 0, 0));
}

#[test]
fn inventory_024_an_unasked_response_closes_and_the_next_request_gets_a_new_connection() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.complete(stream);
    scene.close(id, ConnectionEnd::PROTOCOL_ERROR);
    assert_eq!(scene.stat(Stat::CxProtocolError), 1);
    scene.request();
    assert_eq!((scene.dials(), scene.opens().len()), (1, 0));
}

#[test]
fn inventory_026_an_accepted_upgrade_drains_the_connection_and_the_tunnel_is_its_stream() {
    let mut scene = one();
    let tunnel = scene.request();
    let id = scene.connect(0);
    scene.head(tunnel);
    scene.go_away(id);
    let waiting = scene.request();
    scene.pass(ms(10_000));
    assert!(scene.closes().is_empty() && scene.opened.contains_key(&tunnel) && !scene.opened.contains_key(&waiting));
    scene.complete(tunnel);
    assert_eq!((scene.closes(), scene.dials()), (vec![CloseReason::Drained], 1));
}

#[test]
fn inventory_028_a_fin_found_before_reuse_puts_the_stream_back_and_the_fourth_fails_it() {
    let mut scene = one();
    let stream = scene.request();
    scene.connect(0);
    for round in 1..=3 {
        scene.opened.remove(&stream);
        scene.group.stream_ended(scene.now, stream, StreamEnd::Requeue);
        scene.turn();
        assert_eq!((scene.closes(), scene.dials()), (vec![CloseReason::Stale], 1));
        assert_eq!((scene.stat(Stat::RqRequeued), scene.failed.len()), (round, 0));
        scene.connect(0);
        assert_eq!(scene.opens(), [stream]);
    }
    scene.group.stream_ended(scene.now, stream, StreamEnd::Requeue);
    scene.turn();
    assert_eq!(scene.failed, [(stream, FailureReason::ConnectionTermination, Class::Unprocessed)]);
    assert_eq!((scene.stat(Stat::RqRequeued), scene.stat(Stat::CxDestroyRemote)), (3, 4));
}

#[test]
fn a_requeued_stream_keeps_its_place_before_those_that_came_later() {
    let mut scene = one();
    let first = scene.request();
    scene.connect(0);
    let second = scene.request();
    scene.group.stream_ended(scene.now, first, StreamEnd::Requeue);
    scene.turn();
    scene.connect(0);
    assert_eq!(scene.opens(), [first]);
    scene.complete(first);
    assert_eq!(scene.opens(), [second]);
}

#[test]
fn inventory_029_a_reused_connection_that_dies_before_any_byte_repeats_a_get_and_not_a_post() {
    let replay = UpstreamConfig { replay: ReplayPolicy::Idempotent, ..h1() };
    let mut scene = Scene::new(max_connections(1), replay);
    let warm_up = scene.get();
    let id = scene.connect(0);
    scene.complete(warm_up);
    let get = scene.get();
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqReplay), scene.dials()), (0, 1, 1));
    let id = scene.connect(0);
    assert_eq!(scene.opens(), [get]);
    // It was repeated once; and this connection is fresh.
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(scene.failed, [(get, FailureReason::ConnectionTermination, Class::Maybe)]);

    let warm_up = scene.get();
    let id = scene.connect(0);
    scene.complete(warm_up);
    let post = scene.post();
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!(scene.failed[1], (post, FailureReason::ConnectionTermination, Class::Maybe));
    assert_eq!(scene.stat(Stat::RqReplay), 1);
}

#[test]
fn a_get_is_not_repeated_once_a_byte_of_a_response_came() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { replay: ReplayPolicy::Idempotent, ..h1() });
    let warm_up = scene.get();
    scene.connect(0);
    scene.complete(warm_up);
    let get = scene.get();
    let (class, reason) = (Class::Maybe, FailureReason::ConnectionTermination);
    scene.group.stream_ended(scene.now, get, StreamEnd::Failed { class, reason, response_started: true });
    scene.turn();
    assert_eq!(scene.failed_streams(), [get]);
}

#[test]
fn inventory_030_a_keep_alive_hint_shortens_the_idle_time_by_a_margin_of_a_second() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.head(stream);
    scene.group.keep_alive_hint(scene.now, id, ms(5_000));
    scene.complete(stream);
    scene.pass(ms(3_999));
    assert!(scene.closes().is_empty());
    scene.pass(ms(1));
    assert_eq!(scene.closes(), [CloseReason::IdleTimeout]);

    let stream = scene.request();
    let id = scene.connect(0);
    scene.head(stream);
    scene.group.keep_alive_hint(scene.now, id, ms(1_000));
    scene.turn();
    assert!(scene.closes().is_empty(), "the response is not over");
    scene.complete(stream);
    assert_eq!((scene.closes(), scene.stat(Stat::CxCloseNotify)), (vec![CloseReason::Drained], 0));
}

#[test]
fn inventory_031_an_idle_connection_closes_at_its_deadline_and_not_before() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { idle_timeout: Some(ms(100)), ..h1() });
    let stream = scene.request();
    scene.pass(ms(1_000));
    assert!(scene.closes().is_empty(), "not while connecting");
    scene.connect(0);
    scene.pass(ms(1_000));
    assert!(scene.closes().is_empty(), "not while active");
    scene.complete(stream);
    scene.pass(ms(99));
    assert!(scene.closes().is_empty());
    scene.pass(ms(1));
    assert_eq!((scene.closes(), scene.stat(Stat::CxIdleTimeout)), (vec![CloseReason::IdleTimeout], 1));
    assert_eq!(scene.idle_events(), 1, "and the pool is gone with it");
}

#[test]
fn inventory_033_a_loss_before_the_head_may_be_repeated_and_one_after_it_never() {
    let mut scene = one();
    let before = scene.request();
    let id = scene.connect(0);
    scene.close(id, ConnectionEnd::REMOTE);
    let after = scene.request();
    let id = scene.connect(0);
    scene.head(after);
    scene.close(id, ConnectionEnd::REMOTE);
    let reason = FailureReason::ConnectionTermination;
    assert_eq!(scene.failed, [(before, reason, Class::Maybe), (after, reason, Class::Never)]);
}

#[test]
fn what_the_shell_forgets_to_end_on_a_closed_connection_fails_with_the_turn() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connect(0);
    scene.group.connection_closed(scene.now, id, ConnectionEnd::REMOTE);
    scene.turn();
    assert_eq!(scene.failed, [(stream, FailureReason::ConnectionTermination, Class::Maybe)]);
}

#[test]
fn a_stream_whose_connection_goes_before_it_was_opened_is_not_lost() {
    let mut scene = one();
    let first = scene.request();
    let id = scene.connect(0);
    scene.complete(first);
    let forebay_core::Admission::Attached(second) = scene.ask(|_| {}) else { panic!("the connection is free") };
    scene.close(id, ConnectionEnd::REMOTE);
    assert_eq!((scene.opens().len(), scene.dials(), scene.stat(Stat::RqRequeued)), (0, 1, 1));
    scene.connect(0);
    assert_eq!(scene.opens(), [second]);
}

#[test]
fn a_stream_cancelled_before_it_was_opened_leaves_its_connection_alone() {
    let mut scene = one();
    let first = scene.request();
    scene.connect(0);
    scene.complete(first);
    let forebay_core::Admission::Attached(second) = scene.ask(|_| {}) else { panic!("the connection is free") };
    scene.cancel(second);
    assert_eq!((scene.effects.len(), scene.pool().ready), (0, 1));
}
