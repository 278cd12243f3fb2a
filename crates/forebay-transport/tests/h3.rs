//! What a good HTTP/3 upstream and a pool do together.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Protocol, Protocols, Stat};
use forebay_testkit::certificates::Identity;
use forebay_testkit::h3::{Going, Options, Server, Transport};
use forebay_testkit::pattern;
use forebay_testkit::tls::TlsOptions;
use forebay_transport::PoolConfig;
use forebay_transport::error::Code;
use support::{PATIENCE, World, offering, tls_config};

fn server(options: &Options) -> Server {
    Server::start(options).unwrap()
}

fn limited(limit: u64) -> Options {
    Options { transport: Transport { max_bidi_streams: limit, ..Transport::default() }, ..Options::default() }
}

/// With prior knowledge.
fn h3(server: &Server) -> PoolConfig {
    let ca = server.authority().pem();
    let mut config = tls_config(server.addr(), &ca, "localhost");
    config.tls = Some(offering(&ca, "localhost", &[b"h3"]));
    config.upstream.protocols = Protocols::Fixed(Protocol::H3);
    config
}

fn bytes(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    pattern::extend(&mut out, 0, length);
    out
}

/// Turns until the server has seen so many requests.
fn begun(world: &World, server: &Server, count: u64) {
    world.until("requests at the server", |_| server.stats().streams_begun == count);
}

#[test]
fn requests_share_a_connection() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let all: Vec<_> = (0..50).map(|n| world.get(&format!("/bytes/{n}"))).collect();
    for (n, id) in all.into_iter().enumerate() {
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.body), (Some(200), bytes(n)));
        assert_eq!(answer.reason, Some(Bytes::new()), "there are no phrases");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    assert_eq!(world.stat(Stat::CxHttp3Total), 1);
    assert_eq!(world.sink.connected.borrow()[0].protocol, Protocol::H3);
    world.finish();
    assert!(server.wait_until(PATIENCE, |s| s.connections_open == 0));
}

#[test]
fn requests_one_after_another_use_as_many_streams_as_they_need() {
    let server = server(&limited(3));
    let mut world = World::new(h3(&server));
    for n in 0..50 {
        let id = world.get("/bytes/10");
        let answer = world.answer(id);
        assert_eq!((answer.failure, answer.reused), (None, n > 0), "request {n}");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn a_body_goes_up_and_comes_back() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    for length in [0, 1, 1_000, 100_000, 3_000_000] {
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.path = Bytes::from_static(b"/echo");
            s.body = forebay_transport::request::Content::Whole(bytes(length).into());
            s.credit = u32::MAX;
        });
        let answer = world.answer(id);
        assert_eq!(answer.status, Some(200));
        assert!(answer.body == bytes(length), "{length} bytes");
    }
    world.finish();
}

#[test]
fn a_large_body_waits_for_its_reader_and_windows_hold() {
    const LENGTH: usize = 4 << 20;
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let id = world.submit(|s| {
        s.path = Bytes::from(format!("/bytes/{LENGTH}"));
        s.credit = 100_000;
    });
    world.until("the credit", |w| w.so_far(id).body.len() == 100_000);
    world.settle();
    assert_eq!(world.so_far(id).body.len(), 100_000, "no more than was granted");
    while !world.has_ended(id) {
        let have = world.so_far(id).body.len();
        world.driver.grant(id, 50_000);
        world.until("more", |w| w.so_far(id).body.len() > have || w.has_ended(id));
    }
    assert!(world.so_far(id).body == bytes(LENGTH));
    world.finish();
}

#[test]
fn a_produced_body_goes_up_within_its_window_and_may_meet_its_answer() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let (up, down) = (world.upload("/echo", None), world.upload("/echo", Some(2_000_000)));
    world.give_pattern(down, 2_000_000, 256 * 1024);
    world.give(up, &b"first"[..]);
    world.until("the first part", |w| w.so_far(up).body == b"first");
    world.give(up, &b" and last"[..]);
    world.give_end(up);
    assert_eq!(world.answer(up).body, b"first and last");
    world.driver.grant(down, 4_000_000);
    assert!(world.answer(down).body == bytes(2_000_000));
    world.finish();
}

#[test]
fn an_early_answer_stops_the_upload_and_harms_nothing() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let up = world.upload("/early/413/5", None);
    world.give_pattern(up, 50_000_000, 256 * 1024);
    let answer = world.answer(up);
    assert_eq!((answer.status, answer.stopped, answer.failure), (Some(413), true, None));
    let next = world.get("/bytes/3");
    let next = world.answer(next);
    assert_eq!((next.body.len(), next.connection), (3, answer.connection));
    world.finish();
}

#[test]
fn trailers_and_interim_heads_come() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let id = world.get("/trailers/10/2");
    let answer = world.answer(id);
    assert_eq!(answer.trailers.len(), 2, "{answer:?}");
    let id = world.submit(|s| {
        s.path = Bytes::from_static(b"/interim/2");
        s.informational = true;
    });
    let answer = world.answer(id);
    assert_eq!((answer.informational.len(), answer.status), (2, Some(200)));
    world.finish();
}

#[test]
fn a_request_that_is_given_up_is_reset_and_costs_its_stream_only() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let (gone, stays) = (world.get("/delay/60000"), world.get("/delay/200/bytes/5"));
    begun(&world, &server, 2);
    world.driver.cancel(gone);
    assert_eq!(world.answer(gone).code(), Some(Code::Aborted));
    assert_eq!(world.answer(stays).body, bytes(5));
    assert_eq!(world.stat(Stat::RqTxReset), 1);
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn inventory_087_credit_that_is_used_up_asks_for_another_connection() {
    for (count, limit, ours, connections) in
        [(50, 100, 100, 1), (100, 10, 100, 10), (150, 100, 100, 2), (3, 100, 3, 1), (4, 100, 3, 2)]
    {
        let server = server(&limited(limit));
        let mut configured = h3(&server);
        configured.upstream.h3.max_concurrent_streams = ours;
        let mut world = World::new(configured);
        // None ends before all have begun.
        let all: Vec<_> = (0..count).map(|_| world.upload("/echo", None)).collect();
        begun(&world, &server, count);
        for id in all {
            world.give_end(id);
            assert_eq!(world.answer(id).status, Some(200));
        }
        let stats = server.stats();
        assert_eq!(stats.connections_accepted, connections, "{count} at {limit} and {ours}");
        assert_eq!(stats.streams_begun, count);
        world.finish();
    }
}

#[test]
fn inventory_086_a_connection_without_credit_is_busy_until_there_is_more() {
    let server = server(&limited(2));
    let mut configured = h3(&server);
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..20).map(|_| world.get("/delay/2/bytes/10")).collect();
    for id in all {
        let answer = world.answer(id);
        assert_eq!((answer.failure, answer.body), (None, bytes(10)));
    }
    let stats = server.stats();
    assert_eq!((stats.connections_accepted, stats.max_streams_per_connection), (1, 2));
    world.finish();
}

#[test]
fn credit_that_grows_without_an_end_lets_the_waiting_go() {
    let server = server(&limited(1));
    let mut configured = h3(&server);
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let long = world.get("/delay/60000");
    let waiting = world.get("/bytes/3");
    begun(&world, &server, 1);
    server.set_credit(5);
    assert_eq!(world.answer(waiting).body, bytes(3));
    world.driver.cancel(long);
    world.finish();
}

#[test]
fn a_going_connection_finishes_what_it_has_and_the_next_goes_elsewhere() {
    let server = server(&Options::default());
    let mut world = World::new(h3(&server));
    let first = world.upload("/echo", None);
    begun(&world, &server, 1);
    server.end(Going::Gracefully);
    world.until("the notice", |w| w.stat(Stat::CxCloseNotify) == 1);
    let second = world.get("/bytes/8");
    assert_eq!(world.answer(second).body, bytes(8));
    world.give(first, &b"and on"[..]);
    world.give_end(first);
    assert_eq!(world.answer(first).body, b"and on");
    assert_eq!(server.stats().connections_accepted, 2);
    world.finish();
}

#[test]
fn a_connection_rotates_after_so_many_requests() {
    let server = server(&Options::default());
    let mut configured = h3(&server);
    configured.upstream.max_requests_per_connection = 2;
    let mut world = World::new(configured);
    for _ in 0..6 {
        let id = world.get("/bytes/1");
        assert_eq!(world.answer(id).status, Some(200));
    }
    assert_eq!(server.stats().connections_accepted, 3);
    world.finish();
}

#[test]
fn after_a_stall_the_next_request_dials_anew() {
    let server = server(&Options::default());
    let mut world = World::with_clock(h3(&server));
    let id = world.get("/bytes/1");
    assert_eq!(world.answer(id).body, bytes(1));
    for _ in 0..10 {
        world.pass(Duration::from_secs(1));
    }
    let id = world.get("/bytes/2");
    assert!(world.answer(id).reused, "no deadline was missed");
    // The next of them was due long ago.
    world.pass(Duration::from_secs(20));
    let id = world.get("/bytes/3");
    let answer = world.answer(id);
    assert_eq!((answer.body, answer.reused), (bytes(3), false));
    assert_eq!(server.stats().connections_accepted, 2);
    // QUIC waits a while for late packets of what it closed.
    world.driver.destroy_pool(1);
    for _ in 0..10 {
        world.pass(Duration::from_secs(1));
    }
    world.finish();
}

#[test]
fn a_server_that_dies_fails_what_is_open_and_the_next_request_dials_anew() {
    let server = server(&Options::default());
    let mut configured = h3(&server);
    configured.upstream.replay = forebay_core::ReplayPolicy::None;
    let mut world = World::new(configured);
    let open = world.get("/delay/60000");
    begun(&world, &server, 1);
    server.end(Going::Abruptly(0x102));
    assert_eq!(world.answer(open).code(), Some(Code::ConnectionClosed));
    let next = world.get("/bytes/2");
    assert_eq!(world.answer(next).body, bytes(2));
    world.finish();
}

#[test]
fn a_port_where_nobody_answers_costs_the_connect_limit() {
    // Bound, and never read.
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = server(&Options::default());
    let mut configured = h3(&server);
    configured.addresses = vec![hole.local_addr().unwrap()];
    configured.upstream.connect_timeout = Duration::from_millis(300);
    configured.upstream.on_connect_failure = forebay_core::OnConnectFailure::All;
    let mut world = World::new(configured);
    let id = world.get("/");
    let answer = world.answer(id);
    assert_eq!(answer.code(), Some(Code::ConnectTimeout));
    assert_eq!(answer.failure.unwrap().endpoint, Some(hole.local_addr().unwrap()));
    world.finish();
}

#[test]
fn a_dead_address_is_passed_over_for_the_next() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = server(&Options::default());
    let mut configured = h3(&server);
    configured.addresses = vec![hole.local_addr().unwrap(), server.addr()];
    configured.address_delay = Duration::from_millis(50);
    let mut world = World::new(configured);
    let id = world.get("/bytes/4");
    assert_eq!(world.answer(id).body, bytes(4));
    world.finish();
}

#[test]
fn a_certificate_that_is_not_trusted_or_for_another_name_is_told_so() {
    for (identity, code) in [
        (Identity::UnknownRoot, Code::TlsUntrusted),
        (Identity::WrongHost, Code::TlsHostMismatch),
        (Identity::Expired, Code::TlsCertExpired),
    ] {
        let tls = TlsOptions { identity, ..Options::default().tls };
        let server = server(&Options { tls, ..Options::default() });
        let mut world = World::new(h3(&server));
        let id = world.get("/");
        let failure = world.answer(id).failure.unwrap();
        assert_eq!(failure.code, code, "{failure:?}");
        world.finish();
    }
}
