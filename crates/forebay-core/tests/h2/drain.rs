//! Drains, and connections that nobody waits for any more.

use forebay_core::{CloseReason, ConnectionEnd, DrainMode, OnCancel, Stat, UpstreamConfig};

use super::support::h2;
use super::{drain, many};

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
