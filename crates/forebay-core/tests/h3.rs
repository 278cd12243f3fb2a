//! The inventory's HTTP/3 cases that the core decides. Dialling, addresses and frames are the transport's.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_core::{
    Admission, Class, CloseReason, ConnectFailureReason, DrainMode, Effect, FailureReason, GroupConfig, MethodClass,
    OnCancel, ReplayPolicy, Scope, Stat, StreamEnd, UpstreamConfig,
};
use support::{Scene, h2, h3, max_connections};

fn early() -> UpstreamConfig {
    let mut config = h3();
    config.h3.early_data = true;
    config
}

#[test]
fn inventory_080_an_upstream_that_cannot_be_dialled_refuses_at_once() {
    let mut scene = Scene::new(GroupConfig::default(), h3());
    scene.group.dialable(scene.now, scene.upstream, false);
    assert_eq!(scene.refused(), FailureReason::LocalConnectionFailure);
    assert_eq!((scene.stat(Stat::RqCancelled), scene.stat(Stat::CxTotal)), (1, 0));
    scene.group.dialable(scene.now, scene.upstream, true);
    scene.request();
    assert_eq!(scene.dials(), 1);
}

#[test]
fn what_waits_fails_when_its_last_connection_goes_and_none_can_be_dialled() {
    let mut scene = Scene::new(max_connections(1), h2(1));
    scene.request();
    let id = scene.connect(0);
    let waiting = scene.request();
    scene.group.dialable(scene.now, scene.upstream, false);
    scene.close(id, forebay_core::ConnectionEnd::REMOTE);
    assert_eq!(scene.failed[0], (waiting, FailureReason::LocalConnectionFailure, Class::Unprocessed));
}

#[test]
fn inventory_081_close_excess_before_the_dial_dials_nothing() {
    let mut scene = Scene::new(GroupConfig::default(), UpstreamConfig { on_cancel: OnCancel::CloseExcess, ..h3() });
    let Admission::Queued(stream) = scene.ask(|_| {}) else { panic!("the pool is cold") };
    scene.cancel(stream);
    assert_eq!(scene.effects, []);
}

#[test]
fn inventory_083_a_migrating_pool_is_left_alone_when_only_others_are_drained() {
    for (migrates, closed) in [(true, 0), (false, 1)] {
        let mut config = h3();
        config.h3.migrates = migrates;
        let mut scene = Scene::new(GroupConfig::default(), config);
        let stream = scene.request();
        scene.connect(0);
        scene.complete(stream);
        scene.group.drain(scene.now, Scope::Group, DrainMode::ExistingNonMigratable);
        scene.turn();
        assert_eq!(scene.closes().len(), closed);
    }
}

#[test]
fn inventory_084_before_the_handshake_a_connection_is_good_for_a_hundred() {
    let mut scene = Scene::new(GroupConfig::default(), h3());
    for _ in 0..150 {
        scene.request();
    }
    assert_eq!(scene.connections.len(), 2);
}

#[test]
fn inventory_085_the_credit_of_the_handshake_counts_and_more_of_it_lets_the_waiting_go() {
    let mut scene = Scene::new(GroupConfig::default(), h3());
    let stream = scene.request();
    scene.cancel(stream);
    let id = scene.connections[0];
    scene.connect_as(id, Some(10));
    assert_eq!(scene.triple(), (0, 0, 10));

    let mut scene = Scene::new(max_connections(1), h3());
    let streams = [(); 5].map(|()| scene.request());
    let id = scene.connections[0];
    scene.connect_as(id, Some(0));
    assert_eq!(scene.opens(), []);
    scene.settings(id, 5);
    assert_eq!(scene.opens(), streams);
}

#[test]
fn inventory_086_credit_is_not_restored_by_the_end_of_a_stream() {
    let mut scene = Scene::new(max_connections(1), h3());
    let streams = [scene.request(), scene.request()];
    let id = scene.connections[0];
    scene.connect_as(id, Some(2));
    for stream in streams {
        scene.complete(stream);
    }
    let waiting = scene.request();
    assert_eq!((scene.triple(), scene.opens().len()), ((0, 1, 0), 0));
    scene.settings(id, 1);
    assert_eq!(scene.opens(), [waiting]);
}

#[test]
fn inventory_087_our_own_bound_holds_below_the_credit() {
    let mut config = h3();
    config.h3.max_concurrent_streams = 3;
    let mut scene = Scene::new(GroupConfig::default(), config);
    let streams = [(); 4].map(|()| scene.request());
    assert_eq!(scene.connections.len(), 2);
    let id = scene.connections[0];
    scene.connect_as(id, Some(100));
    assert_eq!(scene.opens(), streams[..3]);
    scene.cancel(streams[3]);
    scene.complete(streams[0]);
    assert_eq!(scene.triple(), (2, 0, 1 + 3));
}

#[test]
fn inventory_090_early_data_takes_a_get_only_where_it_is_on() {
    for (config, on) in [(h3(), false), (early(), true)] {
        let mut scene = Scene::new(GroupConfig::default(), config);
        let get = scene.get();
        let post = scene.post();
        let id = scene.connections[0];
        assert!(scene.group.early_data_ready(scene.now, id));
        scene.turn();
        assert_eq!(scene.opens(), if on { vec![get] } else { vec![] });
        assert_eq!(scene.stat(Stat::Rq0Rtt), u64::from(on));
        assert_eq!(scene.stat(Stat::CxConnectWith0Rtt), 1);
        // A later GET overtakes the POST that may not go early; the POST goes after the handshake.
        let second = scene.get();
        assert_eq!(scene.opens().contains(&second), on);
        scene.connect_as(id, Some(100));
        assert!(scene.opens().contains(&post));
        assert_eq!(scene.failed.len(), 0);
    }
}

#[test]
fn inventory_091_refused_early_data_is_sent_again_after_the_handshake() {
    let mut scene = Scene::new(GroupConfig::default(), UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..early() });
    let get = scene.get();
    let id = scene.connections[0];
    scene.group.early_data_ready(scene.now, id);
    scene.turn();
    scene.group.connected(
        scene.now,
        id,
        forebay_core::Connected { protocol: forebay_core::Protocol::H3, stream_limit: Some(10) },
    );
    let (class, reason) = (Class::Unprocessed, FailureReason::RemoteRefused);
    scene.group.stream_ended(scene.now, get, StreamEnd::Failed { class, reason, response_started: false });
    scene.turn();
    assert_eq!((scene.opens(), scene.failed.len()), (vec![get], 0));
}

#[test]
fn a_failed_handshake_ends_early_streams_with_its_own_reason() {
    let mut scene = Scene::new(GroupConfig::default(), early());
    let get = scene.get();
    let post = scene.post();
    let id = scene.connections[0];
    scene.group.early_data_ready(scene.now, id);
    scene.turn();
    scene.fails_to_connect(id, ConnectFailureReason::Remote);
    let reason = FailureReason::RemoteConnectionFailure;
    assert_eq!(scene.failed, [(get, reason, Class::Maybe), (post, reason, Class::Unprocessed)]);
    assert_eq!(scene.stat(Stat::RqPendingFailureEject), 1, "only the POST waited");
}

#[test]
fn an_early_stream_that_is_given_up_leaves_the_handshake_alone() {
    let mut scene = Scene::new(GroupConfig::default(), early());
    let get = scene.request_with(|new| new.method = MethodClass::Safe);
    let id = scene.connections[0];
    scene.group.early_data_ready(scene.now, id);
    scene.turn();
    scene.cancel(get);
    assert!(matches!(scene.effects[..], [Effect::Reset { .. }]));
    scene.group.stream_ended(scene.now, get, StreamEnd::Cancelled);
    scene.connect_as(id, Some(10));
    assert_eq!((scene.pool().ready, scene.closes()), (1, Vec::<CloseReason>::new()));
}

#[test]
fn a_stream_that_is_cancelled_before_it_is_opened_costs_no_credit() {
    let mut scene = Scene::new(max_connections(1), h3());
    let stream = scene.request();
    scene.cancel(stream);
    let id = scene.connections[0];
    scene.connect_as(id, Some(1));
    let Admission::Attached(stream) = scene.ask(|_| {}) else { panic!("there is room for one") };
    assert_eq!(scene.triple().2, 0);
    scene.group.cancel(scene.now, stream);
    scene.turn();
    assert_eq!(scene.triple(), (0, 0, 1));
}
