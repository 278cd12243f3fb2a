//! What a good HTTP/2 upstream and a pool do together.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Protocol, Protocols, Stat};
use forebay_testkit::h2::{Going, Options, Server};
use forebay_testkit::pattern;
use forebay_testkit::tls::TlsOptions;
use forebay_transport::PoolConfig;
use forebay_transport::error::Code;
use forebay_transport::request::Content;
use forebay_transport::tls::{Tls, TlsOptions as ClientOptions};
use support::{PATIENCE, World, config};

fn server(options: &Options) -> Server {
    Server::start(options).unwrap()
}

fn limited(limit: u32) -> Options {
    Options { max_concurrent_streams: Some(limit), ..Options::default() }
}

/// Cleartext with prior knowledge.
fn h2c(server: &Server) -> PoolConfig {
    let mut config = config(server.addr());
    config.upstream.protocols = Protocols::Fixed(Protocol::H2);
    config
}

fn over_tls(server: &Server, protocols: Protocols, alpn: &[&[u8]]) -> PoolConfig {
    let tls = Tls::new(&ClientOptions {
        ca: server.authority().pem().as_bytes(),
        crl: None,
        identity: None,
        server_name: "localhost",
        only_tls13: false,
        alpn,
        session_cache: 256,
        skip_verification: false,
        early_data: false,
    });
    let mut config = config(server.addr());
    config.tls = Some(tls.unwrap());
    config.upstream.protocols = protocols;
    config
}

/// As many connections as this are accepted, and no more. One that was dialled may be accepted after all is answered.
#[track_caller]
fn accepts(server: &Server, connections: u64) {
    assert!(server.wait_until(PATIENCE, |s| s.connections_accepted >= connections), "{:?}", server.stats());
    assert_eq!(server.stats().connections_accepted, connections);
}

fn bytes(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    pattern::extend(&mut out, 0, length);
    out
}

#[test]
fn requests_share_a_connection() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let all: Vec<_> = (0..50).map(|n| world.get(&format!("/bytes/{n}"))).collect();
    for (n, id) in all.into_iter().enumerate() {
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.body), (Some(200), bytes(n)));
        assert_eq!(answer.reason, Some(Bytes::new()), "there are no phrases");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    assert_eq!(world.stat(Stat::CxHttp2Total), 1);
    assert_eq!(world.sink.connected.borrow()[0].protocol, Protocol::H2);
    world.finish();
    assert!(server.wait_until(PATIENCE, |s| s.connections_open == 0));
}

#[test]
fn a_cold_burst_opens_as_many_connections_as_the_limit_asks_for() {
    for (count, limit, connections) in [(50, 100, 1), (100, 10, 10), (300, 100, 3)] {
        let server = server(&limited(limit));
        let mut world = World::new(h2c(&server));
        let all: Vec<_> = (0..count).map(|_| world.get("/delay/50")).collect();
        for id in all {
            assert_eq!(world.answer(id).status, Some(200));
        }
        accepts(&server, connections);
        let stats = server.stats();
        assert!(stats.max_streams_per_connection <= u64::from(limit));
        assert_eq!(stats.streams_begun, count);
        world.finish();
    }
}

#[test]
fn a_connection_at_its_limit_is_busy_until_a_stream_ends() {
    let server = server(&limited(2));
    let mut configured = h2c(&server);
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..20).map(|_| world.get("/delay/2/bytes/10")).collect();
    for id in all {
        assert_eq!(world.answer(id).body, bytes(10));
    }
    let stats = server.stats();
    assert_eq!((stats.connections_accepted, stats.max_streams_per_connection), (1, 2));
    world.finish();
}

#[test]
fn the_limit_is_remembered_for_the_next_connection() {
    let server = server(&limited(5));
    let mut world = World::new(h2c(&server));
    let first = world.get("/");
    world.answer(first);
    server.end(Going::Silently);
    world.until("the end", |w| w.sink.disconnected.borrow().len() == 1);
    let all: Vec<_> = (0..10).map(|_| world.get("/delay/50")).collect();
    for id in all {
        assert_eq!(world.answer(id).status, Some(200));
    }
    accepts(&server, 3);
    world.finish();
}

#[test]
fn late_settings_are_awaited() {
    let options = Options { settings_delay: Duration::from_millis(100), ..limited(10) };
    let server = server(&options);
    let mut world = World::new(h2c(&server));
    let all: Vec<_> = (0..30).map(|_| world.get("/delay/30")).collect();
    for id in all {
        assert_eq!(world.answer(id).status, Some(200));
    }
    accepts(&server, 3);
    assert_eq!(server.stats().streams_broken, 0);
    world.finish();
}

#[test]
fn bodies_go_both_ways_within_the_windows() {
    let server = server(&Options { stream_window: 65_535, connection_window: 100_000, ..Options::default() });
    let mut world = World::new(h2c(&server));
    for size in [0, 1, 65_535, 65_536, 3_000_000] {
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.path = Bytes::from_static(b"/echo");
            s.body = Content::Whole(bytes(size).into());
            s.credit = u32::MAX;
        });
        // The window opens as the reader takes.
        let mut granted = 0;
        world.until("the echo", |w| {
            let received = w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
            w.driver.grant(id, u32::try_from(received - granted).unwrap());
            granted = received;
            w.has_ended(id)
        });
        assert!(world.answer(id).body == bytes(size), "{size} bytes come back");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn a_body_far_larger_than_the_credit_waits_for_the_reader() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let id = world.submit(|s| {
        s.path = Bytes::from_static(b"/bytes/3000000");
        s.credit = 100_000;
    });
    let received = |w: &World| w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
    world.until("the first part", |w| received(w) == 100_000);
    world.settle();
    assert_eq!(received(&world), 100_000, "no more than was granted");
    // Others on the same connection go on.
    for _ in 0..20 {
        let other = world.get("/bytes/50000");
        assert_eq!(world.answer(other).body, bytes(50_000));
    }
    let mut granted = 100_000;
    while !world.has_ended(id) {
        world.driver.grant(id, 100_000);
        granted += 100_000;
        world.until("more", |w| w.has_ended(id) || received(w) == granted);
    }
    assert_eq!(world.answer(id).body, bytes(3_000_000));
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

/// A reader grants in lumps of half its credit: of these none ever has to.
#[test]
fn many_bodies_below_a_lump_of_credit_do_not_shut_the_window_of_their_connection() {
    let server = server(&Options::default());
    let mut config = h2c(&server);
    config.http2.stream_window = 262_144;
    config.http2.connection_window = 1_048_576;
    let mut world = World::new(config);
    let ids: Vec<_> = (0..50)
        .map(|_| {
            world.submit(|s| {
                s.path = Bytes::from_static(b"/bytes/100000");
                s.credit = 262_144;
            })
        })
        .collect();
    world.until("all bodies", |w| ids.iter().all(|&id| w.has_ended(id)));
    for id in ids {
        assert_eq!(world.answer(id).body, bytes(100_000));
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn heads_without_a_body_end_at_once() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    for (method, path, status) in
        [("HEAD", "/bytes/1000", 200), ("GET", "/status/204", 204), ("GET", "/status/304", 304)]
    {
        let id = world.submit(|s| {
            s.method = Bytes::copy_from_slice(method.as_bytes());
            s.path = Bytes::copy_from_slice(path.as_bytes());
        });
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.body.len()), (Some(status), 0), "{method} {path}: {:?}", answer.failure);
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn the_request_is_what_was_submitted() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"PUT");
        s.path = Bytes::from_static(b"/inspect?a=b");
        s.fields = Bytes::from_static(b"host\0other.test:81\0x-one\x001\0x-one\x002\0");
        s.body = Content::Whole(bytes(70_000).into());
    });
    let body = String::from_utf8(world.answer(id).body).unwrap();
    for part in [
        r#""method":"PUT""#,
        r#""scheme":"http""#,
        r#""authority":"other.test:81""#,
        r#""path":"/inspect?a=b""#,
        r#"["x-one","1"],["x-one","2"]"#,
        r#"["content-length","70000"]"#,
        r#""bodyLength":70000,"bodyIsPattern":true"#,
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert!(!body.contains(r#""host""#), "{body}");
    world.finish();
}

#[test]
fn a_cancelled_request_costs_its_stream_only() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let slow = world.get("/delay/10000");
    let long = world.submit(|s| {
        s.path = Bytes::from_static(b"/bytes/100000000");
        s.credit = 1_000;
    });
    let quick = world.get("/");
    world.answer(quick);
    world.until("a part", |w| w.sink.answers.borrow().get(&long).is_some_and(|a| a.body.len() == 1_000));
    for id in [slow, long] {
        world.driver.cancel(id);
        assert_eq!(world.answer(id).code(), Some(Code::Aborted));
    }
    world.settle();
    assert_eq!((world.stat(Stat::RqActive), world.stat(Stat::RqTxReset)), (0, 2));
    assert!(server.wait_until(PATIENCE, |s| s.streams_broken >= 1));
    let next = world.get("/");
    let next = world.answer(next);
    assert_eq!((next.status, next.reused), (Some(200), true));
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn a_reset_fails_its_stream_only() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let slow = world.get("/delay/100");
    let reset = world.get("/reset/8");
    assert_eq!(world.answer(reset).code(), Some(Code::StreamReset));
    let late = world.get("/reset-after/5000/2");
    let late = world.answer(late);
    assert_eq!((late.status, late.code()), (Some(200), Some(Code::StreamReset)));
    assert_eq!(world.answer(slow).status, Some(200));
    assert_eq!((server.stats().connections_accepted, world.stat(Stat::RqRxReset)), (1, 2));
    world.finish();
}

#[test]
fn a_connection_that_is_told_to_go_away_loses_nothing() {
    let server = server(&Options { max_streams_per_connection: Some(20), ..Options::default() });
    let mut world = World::new(h2c(&server));
    let all: Vec<_> = (0..100).map(|_| world.get("/delay/5/bytes/100")).collect();
    for id in all {
        let answer = world.answer(id);
        assert_eq!(answer.body, bytes(100), "{:?}", answer.failure);
    }
    let stats = server.stats();
    assert!(stats.connections_accepted <= 2 * stats.goaways_sent.max(1), "{stats:?}");
    world.finish();
}

#[test]
fn rotation_by_age_fails_no_request() {
    let options = Options { max_age: Some(Duration::from_millis(30)), ..Options::default() };
    let server = server(&options);
    let mut world = World::new(h2c(&server));
    let begun = std::time::Instant::now();
    while server.stats().connections_accepted <= 10 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", server.stats());
        let all: Vec<_> = (0..20).map(|_| world.get("/delay/3/bytes/100")).collect();
        for id in all {
            let answer = world.answer(id);
            assert_eq!(answer.body, bytes(100), "{:?}", answer.failure);
        }
    }
    let stats = server.stats();
    assert!(stats.connections_accepted <= 2 + stats.goaways_sent * 2, "{stats:?}");
    world.finish();
}

#[test]
fn the_last_permitted_request_drains_its_connection() {
    let server = server(&Options::default());
    let mut configured = h2c(&server);
    configured.upstream.max_requests_per_connection = 10;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..35).map(|_| world.get("/")).collect();
    for id in all {
        assert_eq!(world.answer(id).status, Some(200));
    }
    let connections = server.connections();
    assert_eq!(connections.len(), 4);
    assert!(connections.iter().all(|c| c.streams <= 10), "{connections:?}");
    assert_eq!(world.stat(Stat::CxMaxRequests), 3);
    world.finish();
}

#[test]
fn closing_waits_for_what_is_open_and_destroying_does_not() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let slow = world.get("/delay/200");
    let quick = world.get("/");
    world.answer(quick);
    world.driver.close_pool(1);
    let late = world.get("/");
    assert_eq!(world.answer(late).code(), Some(Code::PoolClosed));
    assert_eq!(world.answer(slow).status, Some(200));
    world.until("the end of the pool", |w| w.sink.closed.borrow().len() == 1);

    let mut world = World::new(h2c(&server));
    let slow = world.get("/delay/10000");
    let quick = world.get("/");
    world.answer(quick);
    world.driver.destroy_pool(1);
    assert_eq!(world.answer(slow).code(), Some(Code::PoolClosed));
    world.until("the end of all tasks", |w| w.reactor.tasks() == 0);
    assert_eq!(world.sink.closed.borrow().len(), 1);
    assert!(server.wait_until(PATIENCE, |s| s.connections_open == 0));
}

#[test]
fn an_idle_connection_closes_in_time_with_a_word() {
    let server = server(&Options::default());
    let mut configured = h2c(&server);
    configured.upstream.idle_timeout = Some(Duration::from_secs(5));
    let mut world = World::with_clock(configured);
    let id = world.get("/");
    world.answer(id);
    world.pass(Duration::from_secs(4));
    assert!(world.sink.disconnected.borrow().is_empty());
    world.pass(Duration::from_secs(2));
    world.until("the close", |w| !w.sink.disconnected.borrow().is_empty());
    assert_eq!(*world.sink.disconnected.borrow(), [(1, None)]);
    assert_eq!(world.stat(Stat::CxIdleTimeout), 1);
    world.finish();
}

#[test]
fn tls_agrees_on_http2_by_alpn() {
    let tls = TlsOptions { alpn: vec!["h2".into(), "http/1.1".into()], ..TlsOptions::default() };
    let server = server(&Options { tls: Some(tls), ..Options::default() });
    for (protocols, alpn) in
        [(Protocols::Fixed(Protocol::H2), &[&b"h2"[..]][..]), (Protocols::Mixed, &[&b"h2"[..], b"http/1.1"])]
    {
        let before = server.stats().connections_accepted;
        let mut world = World::new(over_tls(&server, protocols, alpn));
        let all: Vec<_> = (0..20).map(|_| world.get("/bytes/200000")).collect();
        for id in all {
            let answer = world.answer(id);
            assert!(answer.body == bytes(200_000), "{:?}", answer.failure);
        }
        assert_eq!(server.stats().connections_accepted - before, 1);
        world.finish();
    }
}

#[test]
fn a_body_is_sent_as_it_is_produced_with_trailers_both_ways() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.path = Bytes::from_static(b"/echo");
        s.body = Content::Stream(None);
        s.idempotent = false;
    });
    let all = bytes(100_000);
    for (n, part) in all.chunks(25_000).enumerate() {
        world.driver.body(id, Bytes::copy_from_slice(part), false, b"");
        let so_far = (n + 1) * 25_000;
        world.until("the echo", |w| w.sink.answers.borrow().get(&id).is_some_and(|a| a.body.len() == so_far));
    }
    world.driver.body(id, Bytes::new(), true, b"x-sum\x0042\0");
    let answer = world.answer(id);
    assert!(answer.body == all);
    assert_eq!(answer.trailers, [("x-sum".to_owned(), b"42".to_vec())]);
    assert_eq!(answer.taken, 100_000);
    world.finish();
}

#[test]
fn heads_before_the_final_one_are_told_to_who_wants_them() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    for wanted in [true, false] {
        let id = world.submit(|s| {
            s.path = Bytes::from_static(b"/interim/3");
            s.informational = wanted;
        });
        let answer = world.answer(id);
        assert_eq!(answer.status, Some(200));
        assert_eq!(answer.informational.len(), if wanted { 3 } else { 0 });
    }
    let id = world.get("/trailers/5000/100");
    let answer = world.answer(id);
    assert_eq!(answer.body, bytes(5_000));
    assert_eq!(answer.trailers.len(), 2);
    world.finish();
}

#[test]
fn a_body_that_is_given_up_resets_its_stream_only() {
    let server = server(&Options::default());
    let mut world = World::new(h2c(&server));
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.path = Bytes::from_static(b"/echo-late");
        s.body = Content::Stream(Some(1_000));
        s.idempotent = false;
    });
    world.driver.body(id, bytes(500).into(), false, b"");
    assert!(server.wait_until(PATIENCE, |_| {
        world.settle();
        server.stats().body_bytes_received == 500
    }));
    world.driver.body_failed(id);
    assert_eq!(world.answer(id).code(), Some(Code::RequestBodyFailed));
    let next = world.get("/");
    assert_eq!(world.answer(next).status, Some(200));
    assert!(server.wait_until(PATIENCE, |s| s.streams_broken == 1), "{:?}", server.stats());
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}
