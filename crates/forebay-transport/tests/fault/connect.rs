//! C: connecting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use forebay_core::{Class, Stat};
use forebay_testkit::script::{Door, Options, Server};
use forebay_transport::error::{Code, Failure, Phase};

use super::support::trial::{authority, good, serve};
use super::support::{World, config};

fn with_door(door: Door) -> Server {
    let options = Options { door, ..Options::default() };
    Server::start_with(options, authority(), vec![good()]).unwrap()
}

/// Takes no SYN: its backlog is full.
fn black_hole() -> Server {
    let options = Options { door: Door::Deaf, backlog: 1, full_backlog: true, ..Options::default() };
    Server::start_with(options, Arc::clone(&authority()), vec![good()]).unwrap()
}

#[track_caller]
fn is(failure: Option<Failure>, code: Code, class: Class) -> Failure {
    let failure = failure.expect("it fails");
    assert_eq!((failure.code, failure.phase, failure.class), (code, Phase::Connect, class), "{failure}");
    failure
}

#[test]
fn c01_a_refused_connect_fails_at_once() {
    let server = with_door(Door::Shut);
    // A clock that stands still: nothing can be waited for.
    let mut world = World::with_clock(config(server.addr()));
    let id = world.get("/");
    let failure = is(world.answer(id).failure, Code::ConnectRefused, Class::Unprocessed);
    assert_eq!(failure.endpoint, Some(server.addr()));
    assert_eq!((world.stat(Stat::CxConnectFail), world.stat(Stat::CxActive)), (1, 0));
    assert_eq!(world.reactor.sockets(), 0);
    server.set_door(Door::Open).unwrap();
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    world.finish();
}

#[test]
fn c01_the_next_address_is_tried_at_once() {
    let (shut, server) = (with_door(Door::Shut), serve([]));
    let mut configured = config(server.addr());
    configured.addresses = vec![shut.addr(), server.addr()];
    // A clock that stands still: no delay between addresses can pass.
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    assert_eq!((world.stat(Stat::CxTotal), world.stat(Stat::CxConnectFail)), (1, 0), "one connection");
    world.finish();
}

#[test]
fn c02_a_syn_without_an_answer_meets_our_limit() {
    let hole = black_hole();
    let mut world = World::with_clock(config(hole.addr()));
    let id = world.get("/");
    world.pass(Duration::from_millis(4_900));
    assert!(!world.has_ended(id));
    world.pass(Duration::from_millis(200));
    let failure = is(world.answer(id).failure, Code::ConnectTimeout, Class::Unprocessed);
    assert_eq!(failure.number, 5_000);
    world.settle();
    assert_eq!(world.reactor.sockets(), 0, "the socket is free");
    assert_eq!(world.stat(Stat::CxConnectTimeout), 1);
    world.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn c04_a_host_without_a_route_fails_at_once() {
    // No TCP to a multicast address, whatever the routes are.
    let server = serve([]);
    let mut configured = config(server.addr());
    configured.addresses = vec![SocketAddr::from((Ipv4Addr::new(224, 0, 0, 1), 80))];
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    is(world.answer(id).failure, Code::ConnectUnreachable, Class::Unprocessed);
    world.driver.set_addresses(1, vec![server.addr()]);
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    world.finish();
}

#[test]
fn c06_the_second_address_wins_after_its_delay() {
    let (hole, server) = (black_hole(), serve([]));
    let mut configured = config(server.addr());
    configured.addresses = vec![hole.addr(), server.addr()];
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    world.pass(Duration::from_millis(290));
    assert_eq!(server.connections().len(), 0, "not yet");
    world.pass(Duration::from_millis(10));
    assert_eq!(world.answer(id).body, b"ok");
    assert_eq!(world.reactor.sockets(), 1, "the loser's socket is closed");
    assert_eq!((world.stat(Stat::CxTotal), world.stat(Stat::CxActive)), (1, 1), "one connection for the limits");
    world.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn c07_when_all_addresses_are_silent_the_failure_lists_each_at_the_limit() {
    let (one, two, shut) = (black_hole(), black_hole(), with_door(Door::Shut));
    let mut configured = config(one.addr());
    configured.addresses = vec![one.addr(), shut.addr(), two.addr()];
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    world.pass(Duration::from_millis(300));
    world.pass(Duration::from_millis(300));
    world.pass(Duration::from_millis(4_300));
    assert!(!world.has_ended(id));
    world.pass(Duration::from_millis(200));
    let failure = is(world.answer(id).failure, Code::ConnectFailed, Class::Unprocessed);
    for (address, why) in [(one.addr(), "no answer"), (two.addr(), "no answer"), (shut.addr(), "refused")] {
        let listed = failure.text.split("; ").any(|part| part.contains(&address.to_string()) && part.contains(why));
        assert!(listed, "{address} {why}: {failure}");
    }
    assert_eq!(world.stat(Stat::CxConnectTimeout), 1);
    world.settle();
    assert_eq!(world.reactor.sockets(), 0);
    world.finish();
}

#[test]
fn c07_when_all_addresses_are_dead_the_failure_lists_each() {
    let (one, two) = (with_door(Door::Shut), with_door(Door::Shut));
    let mut configured = config(one.addr());
    configured.addresses = vec![one.addr(), two.addr()];
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    let failure = is(world.answer(id).failure, Code::ConnectFailed, Class::Unprocessed);
    for address in [one.addr(), two.addr()] {
        assert!(failure.text.contains(&address.to_string()), "{failure}");
    }
    assert_eq!(world.stat(Stat::CxConnectFail), 1);
    world.finish();
}

#[test]
fn c14_what_our_system_lacks_is_not_the_endpoints_fault() {
    let server = serve([]);
    let mut configured = config(server.addr());
    // An address for documentation: no host has it.
    configured.local_address = Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    is(world.answer(id).failure, Code::LocalResource, Class::Unprocessed);
    assert_eq!((world.stat(Stat::CxActive), world.stat(Stat::RqPendingActive)), (0, 0), "limits are released");
    assert_eq!(server.connections().len(), 0);
    world.finish();
}

#[test]
fn c16_dials_that_fail_in_a_row_follow_the_back_off() {
    let server = with_door(Door::Shut);
    let mut world = World::with_clock(config(server.addr()));
    for _ in 0..2 {
        let id = world.get("/");
        is(world.answer(id).failure, Code::ConnectRefused, Class::Unprocessed);
    }
    assert_eq!(world.stat(Stat::CxConnectFail), 2);
    // From the second failure on, nothing is dialled before its time.
    let waiting: Vec<_> = (0..20).map(|_| world.get("/")).collect();
    world.settle();
    assert_eq!(world.stat(Stat::CxConnectFail), 2, "no tight loop");
    server.set_door(Door::Open).unwrap();
    world.pass(Duration::from_millis(25));
    for id in waiting {
        assert_eq!(world.answer(id).body, b"ok");
    }
    world.finish();
}

#[test]
fn c16_a_door_that_opens_and_shuts_costs_few_dials() {
    let server = with_door(Door::Shut);
    let mut world = World::with_clock(config(server.addr()));
    let mut settled = 0;
    for round in 0..20 {
        server.set_door(if round % 2 == 0 { Door::Shut } else { Door::Open }).unwrap();
        let ids: Vec<_> = (0..10).map(|_| world.get("/close")).collect();
        for _ in 0..4 {
            world.pass(Duration::from_millis(25));
        }
        for id in ids {
            let answer = world.answer(id);
            assert!(matches!(answer.code(), None | Some(Code::ConnectRefused)), "{:?}", answer.failure);
            settled += 1;
        }
    }
    assert_eq!(settled, 200);
    assert!(world.stat(Stat::CxConnectFail) <= 100, "{} failed dials", world.stat(Stat::CxConnectFail));
    world.finish();
}
