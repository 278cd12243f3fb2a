//! What a good upstream and a pool do together.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use forebay_core::Stat;
use forebay_testkit::h1::{Options, Server};
use forebay_testkit::{pattern, tls::TlsOptions};
use forebay_transport::error::Code;
use forebay_transport::request::Content;
use support::{World, config, tls_config};

fn server() -> Server {
    Server::start(&Options::default()).unwrap()
}

#[test]
fn a_request_gets_its_response_and_the_connection_is_used_again() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let first = world.get("/");
    let first = world.answer(first);
    let second = world.get("/");
    let second = world.answer(second);
    assert_eq!((first.status, first.reused), (Some(200), false));
    assert_eq!((second.status, second.reused, second.connection), (Some(200), true, first.connection));
    assert_eq!(server.stats().connections_accepted, 1);
    assert_eq!(world.stat(Stat::CxTotal), 1);
    world.finish();
}

#[test]
fn waiting_requests_are_served_in_order_on_few_connections() {
    let server = server();
    let mut configured = config(server.addr());
    configured.group.default.max_connections = 2;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..50).map(|_| world.get("/bytes/100")).collect();
    for id in all {
        let answer = world.answer(id);
        assert_eq!(answer.body, bytes(100));
    }
    assert_eq!(server.stats().connections_accepted, 2);
    world.finish();
}

#[test]
fn a_body_far_larger_than_the_credit_waits_for_the_reader() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let id = world.submit(|s| {
        s.path = Bytes::from_static(b"/bytes/3000000");
        s.credit = 100_000;
    });
    let received = |w: &World| w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
    world.until("the first part", |w| received(w) == 100_000);
    world.settle();
    assert_eq!(received(&world), 100_000, "no more than was granted");
    let other = world.get("/");
    assert_eq!(world.answer(other).status, Some(200), "others go on");
    let mut granted = 100_000;
    while !world.has_ended(id) {
        world.driver.grant(id, 300_000);
        granted += 300_000;
        world.until("more", |w| w.has_ended(id) || received(w) == granted.min(3_000_000));
    }
    assert_eq!(world.answer(id).body, bytes(3_000_000));
    world.finish();
}

#[test]
fn request_bodies_arrive_whole_with_their_length() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    for size in [0, 1, 65_536, 5_000_000] {
        let body = bytes(size);
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.path = Bytes::from_static(b"/echo");
            s.body = Content::Whole(body.clone().into());
            s.credit = u32::MAX;
        });
        assert!(world.answer(id).body == body, "{size} bytes come back");
    }
    world.finish();
}

#[test]
fn heads_without_a_body_end_at_once() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    for (method, path, status) in
        [("HEAD", "/bytes/1000", 200), ("GET", "/status/204", 204), ("GET", "/status/304", 304)]
    {
        let id = world.submit(|s| {
            s.method = Bytes::copy_from_slice(method.as_bytes());
            s.path = Bytes::copy_from_slice(path.as_bytes());
        });
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.body.len()), (Some(status), 0), "{method} {path}");
    }
    assert_eq!(server.stats().connections_accepted, 1, "the connection lives through all");
    world.finish();
}

#[test]
fn a_cancelled_request_costs_its_connection_and_no_other() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let slow = world.get("/delay/10000");
    let quick = world.get("/");
    world.answer(quick);
    world.driver.cancel(slow);
    assert_eq!(world.answer(slow).code(), Some(Code::Aborted));
    world.settle();
    assert_eq!(world.stat(Stat::RqActive), 0);
    let next = world.get("/");
    assert_eq!(world.answer(next).status, Some(200));
    world.finish();
}

#[test]
fn closing_waits_for_what_is_open_and_destroying_does_not() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let slow = world.get("/delay/200");
    world.driver.close_pool(1);
    let late = world.get("/");
    assert_eq!(world.answer(late).code(), Some(Code::PoolClosed));
    assert_eq!(world.answer(slow).status, Some(200));
    world.until("the end of the pool", |w| w.sink.closed.borrow().len() == 1);

    let mut world = World::new(config(server.addr()));
    let slow = world.get("/delay/10000");
    world.settle();
    world.driver.destroy_pool(1);
    assert_eq!(world.answer(slow).code(), Some(Code::PoolClosed));
    world.until("the end of the pool", |w| w.sink.closed.borrow().len() == 1);
}

#[test]
fn an_address_that_vanished_gets_no_new_request_and_finishes_the_old() {
    let (old, new) = (server(), server());
    let mut world = World::new(config(old.addr()));
    let slow = world.get("/delay/300");
    let quick = world.get("/");
    assert_eq!(world.answer(quick).status, Some(200));
    world.driver.set_addresses(1, vec![new.addr()]);
    let next = world.get("/");
    assert_eq!(world.answer(next).status, Some(200));
    assert_eq!((old.stats().requests_begun, new.stats().requests_begun), (2, 1));
    assert_eq!(world.answer(slow).status, Some(200), "what was under way finishes");
    world.until("the old connections close", |w| w.sink.disconnected.borrow().len() == 2);
    world.finish();
}

#[test]
fn tls_is_spoken_to_a_trusted_host() {
    let server = Server::start(&Options { tls: Some(TlsOptions::default()), ..Options::default() }).unwrap();
    let mut world = World::new(tls_config(server.addr(), &server.authority().pem(), "localhost"));
    for _ in 0..3 {
        let id = world.get("/bytes/200000");
        assert_eq!(world.answer(id).body, bytes(200_000));
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

fn bytes(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    pattern::extend(&mut out, 0, length);
    out
}
