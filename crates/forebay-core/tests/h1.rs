//! The inventory's HTTP/1 cases at the level of the core. What only a parser or a socket can show is in the transport's suite.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_core::{Class, ConnectFailureReason, FailureReason, LimitName, Stat};
use support::{Scene, h1, limits, max_connections};

fn one() -> Scene {
    Scene::new(max_connections(1), h1())
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
    assert_eq!(scene.stat(Stat::RqPendingOverflow), 1);
}

#[test]
fn inventory_003_a_close_while_connecting_fails_the_queued() {
    let mut scene = one();
    let stream = scene.request();
    let id = scene.connections[0];
    scene.fails_to_connect(id, ConnectFailureReason::Remote);
    assert_eq!(
        scene.failed,
        [(stream, FailureReason::RemoteConnectionFailure, Class::Unprocessed)]
    );
    assert_eq!(
        (scene.stat(Stat::CxConnectFail), scene.stat(Stat::RqPendingFailureEject)),
        (1, 1)
    );
    assert_eq!(scene.group.next_deadline(), None);
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
