//! The peer's limit on streams, up and down.

use forebay_core::{H2Config, OriginMemory, Stat, UpstreamConfig};

use super::many;
use super::support::{Scene, h2, max_connections};

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

/// Ids are odd and below 2^31: 2^30 of them. Half of that is the most that a connection ever takes.
#[test]
fn f30_a_connection_is_replaced_before_its_ids_run_out() {
    const MOST: i64 = 1 << 29;
    let mut scene = many(h2(u32::MAX));
    let first = scene.request();
    scene.connect(0);
    assert_eq!(scene.triple(), (1, 0, MOST - 1));
    scene.complete(first);
    assert_eq!(scene.triple(), (0, 0, MOST - 1), "what was used up does not come back");
    // The same with a life that a test can use up.
    let mut scene = many(UpstreamConfig { max_requests_per_connection: 3, ..h2(u32::MAX) });
    let mut connections = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let stream = scene.request();
        if !scene.opened.contains_key(&stream) {
            scene.connect(0);
        }
        connections.insert(scene.opened[&stream]);
        scene.complete(stream);
    }
    assert_eq!((connections.len(), scene.stat(Stat::CxMaxRequests)), (4, 3));
    assert!(scene.failed.is_empty());
}
