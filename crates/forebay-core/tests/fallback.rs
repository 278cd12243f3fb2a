//! An upstream that speaks HTTP/2 and wants HTTP/1.1 for some requests, or for all (`HTTP_1_1_REQUIRED`).
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use forebay_core::{
    Class, Connected, ConnectionId, DrainMode, Effect, FailureReason, GroupConfig, LimitsConfig, Offer, Protocol,
    Protocols, ReplayPolicy, Scope, Stat, StreamId, UpstreamConfig,
};
use support::{Scene, h2, ms};

fn mixed() -> UpstreamConfig {
    UpstreamConfig { protocols: Protocols::Mixed, replay: ReplayPolicy::Idempotent, ..h2(100) }
}

fn scene() -> Scene {
    Scene::new(GroupConfig::default(), mixed())
}

fn demand(scene: &mut Scene, stream: StreamId) {
    scene.fails(stream, Class::Unprocessed, FailureReason::VersionRequired);
}

fn connect(scene: &mut Scene, id: ConnectionId, protocol: Protocol) {
    let limit = (protocol == Protocol::H2).then_some(100);
    scene.group.connected(scene.now, id, Connected { protocol, stream_limit: limit });
    scene.turn();
}

/// What was to be dialled since the last look, and whether only HTTP/1.1 was to be offered.
fn dials(scene: &mut Scene) -> Vec<(ConnectionId, bool)> {
    let effects = std::mem::take(&mut scene.effects).into_iter();
    let dial = |effect| match effect {
        Effect::Connect { connection, offer, .. } => Some((connection, offer == Offer::OnlyH1)),
        _ => None,
    };
    effects.filter_map(dial).collect()
}

/// One request on an HTTP/2 connection.
fn on_http2(scene: &mut Scene) -> (StreamId, ConnectionId) {
    let stream = scene.get();
    let [(id, false)] = dials(scene)[..] else { panic!("one dial, of both") };
    connect(scene, id, Protocol::H2);
    assert_eq!(scene.opened.get(&stream), Some(&id));
    (stream, id)
}

#[test]
fn a_stream_that_is_wanted_over_http1_goes_again_there_and_the_connection_stays() {
    let mut scene = scene();
    let (stream, first) = on_http2(&mut scene);
    let other = scene.get();
    demand(&mut scene, stream);
    let [(second, true)] = dials(&mut scene)[..] else { panic!("one dial, of HTTP/1.1") };
    connect(&mut scene, second, Protocol::H1);
    assert_eq!((scene.opened.get(&stream), scene.opened.get(&other)), (Some(&second), Some(&first)));
    assert_eq!((scene.stat(Stat::RqReplay), scene.stat(Stat::CxDestroy)), (1, 0));
    scene.complete(other);
    scene.complete(stream);
    assert_eq!(scene.stat(Stat::CxActive), 2);
}

#[test]
fn where_http2_answers_only_what_was_refused_leaves_it() {
    let mut scene = scene();
    let (stream, first) = on_http2(&mut scene);
    scene.complete(stream);
    for _ in 0..20 {
        let (refused, good) = (scene.get(), scene.get());
        demand(&mut scene, refused);
        if let [(second, only_h1)] = dials(&mut scene)[..] {
            assert!(only_h1);
            connect(&mut scene, second, Protocol::H1);
        }
        assert_eq!(scene.opened.get(&good), Some(&first));
        scene.complete(refused);
        scene.complete(good);
    }
    assert_eq!((scene.stat(Stat::CxHttp1Total), scene.stat(Stat::CxHttp2Total)), (1, 1));
}

#[test]
fn where_http2_answers_nothing_what_follows_goes_over_http1_for_a_while() {
    let mut scene = scene();
    let (stream, first) = on_http2(&mut scene);
    demand(&mut scene, stream);
    let next = scene.get();
    assert!(dials(&mut scene).iter().all(|(_, only_h1)| *only_h1));
    assert_ne!(scene.opened.get(&next), Some(&first));
    scene.pass(ms(1_000));
    let later = scene.get();
    assert_eq!(scene.opened.get(&later), Some(&first), "HTTP/2 has another chance");
    demand(&mut scene, later);
    scene.pass(ms(1_999));
    let next = scene.get();
    assert_ne!(scene.opened.get(&next), Some(&first), "for twice the time");
}

#[test]
fn what_http2_cannot_carry_says_nothing_of_others() {
    let mut scene = scene();
    let (stream, first) = on_http2(&mut scene);
    scene.fails(stream, Class::Unprocessed, FailureReason::VersionUnfit);
    assert!(matches!(dials(&mut scene)[..], [(_, true)]));
    let next = scene.get();
    assert_eq!(scene.opened.get(&next), Some(&first));
}

#[test]
fn a_pool_of_http2_alone_hands_the_demand_to_its_caller() {
    let mut scene = Scene::new(GroupConfig::default(), h2(100));
    let stream = scene.get();
    scene.connect(0);
    demand(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::VersionRequired, Class::Unprocessed)]);
    assert_eq!((scene.stat(Stat::RqReplay), scene.stat(Stat::CxActive)), (0, 1));
}

#[test]
fn a_demand_on_http1_itself_is_not_followed_for_ever() {
    let mut scene = scene();
    let (stream, _) = on_http2(&mut scene);
    demand(&mut scene, stream);
    let [(second, true)] = dials(&mut scene)[..] else { panic!("one dial, of HTTP/1.1") };
    connect(&mut scene, second, Protocol::H1);
    demand(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::VersionRequired, Class::Unprocessed)]);
}

#[test]
fn without_replay_or_room_for_a_pool_the_caller_hears_of_it() {
    let none = UpstreamConfig { replay: ReplayPolicy::None, ..mixed() };
    let one = LimitsConfig { max_connection_pools: 1, ..LimitsConfig::default() };
    let full = GroupConfig { default: one, ..GroupConfig::default() };
    for (group, upstream) in [(GroupConfig::default(), none), (full, mixed())] {
        let mut scene = Scene::new(group, upstream);
        let (stream, _) = on_http2(&mut scene);
        // It works, so it cannot make room.
        scene.get();
        demand(&mut scene, stream);
        assert_eq!(scene.failed, [(stream, FailureReason::VersionRequired, Class::Unprocessed)]);
    }
}

#[test]
fn a_pool_without_work_makes_room_for_the_one_that_is_needed() {
    let one = LimitsConfig { max_connection_pools: 1, ..LimitsConfig::default() };
    let mut scene = Scene::new(GroupConfig { default: one, ..GroupConfig::default() }, mixed());
    let (stream, _) = on_http2(&mut scene);
    demand(&mut scene, stream);
    let [(second, true)] = dials(&mut scene)[..] else { panic!("one dial, of HTTP/1.1") };
    connect(&mut scene, second, Protocol::H1);
    scene.complete(stream);
    assert_eq!((scene.stat(Stat::CxActive), scene.stat(Stat::CxDestroyLocal)), (1, 1));
}

#[test]
fn a_pool_that_closes_still_finds_the_other_version_once_for_all() {
    let mut scene = scene();
    let (stream, _) = on_http2(&mut scene);
    let other = scene.get();
    scene.group.remove_upstream(scene.now, scene.upstream);
    scene.turn();
    demand(&mut scene, stream);
    let first = dials(&mut scene);
    demand(&mut scene, other);
    assert_eq!(dials(&mut scene), []);
    let [(second, true)] = first[..] else { panic!("one dial, of HTTP/1.1") };
    connect(&mut scene, second, Protocol::H1);
    scene.complete(stream);
    scene.complete(other);
    assert_eq!((scene.stat(Stat::CxActive), scene.stat(Stat::CxTotal)), (0, 2));
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::UpstreamGone { .. })));
}

#[test]
fn drains_reach_both() {
    let mut scene = scene();
    let (stream, _) = on_http2(&mut scene);
    demand(&mut scene, stream);
    let [(second, true)] = dials(&mut scene)[..] else { panic!("one dial, of HTTP/1.1") };
    connect(&mut scene, second, Protocol::H1);
    scene.complete(stream);
    assert_eq!(scene.stat(Stat::CxActive), 2);
    let scope = Scope::Pool(scene.upstream, forebay_core::Priority::Default, 0);
    scene.group.drain(scene.now, scope, DrainMode::Existing);
    scene.turn();
    assert_eq!(scene.stat(Stat::CxActive), 0);
}
