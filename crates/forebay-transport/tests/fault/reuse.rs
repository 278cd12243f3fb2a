//! C03, C05, B08 to B14, B22: when a connection may be used again, and when it may not. P24: a panic of ours.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::script::{Pieces, Script, Server, Step};
use forebay_transport::error::{Code, Phase};

use super::support::trial::{GOOD, Left, Trial, WAYS, answer_with, good, serve};
use super::support::{PATIENCE, World, config};

/// A world whose first connection has answered once and is idle.
fn idle(script: Script) -> (Server, World) {
    let server = serve([script]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    world.settle();
    (server, world)
}

/// A world whose first connection is up and never had a request: the one that it was dialled for was cancelled.
fn unused(script: Script) -> (Server, World) {
    let server = serve([script]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.get("/");
    world.driver.cancel(id);
    assert_eq!(world.answer(id).code(), Some(Code::Aborted));
    world.until_connected(1);
    (server, world)
}

fn sent(server: &Server, bytes: usize) {
    assert!(
        server.wait_until(PATIENCE, |all| all.first().is_some_and(|c| c.sent >= bytes as u64)),
        "the bytes are with the system"
    );
}

fn until_gone(world: &World) {
    world.until("the end of the connection", |w| w.sink.disconnected.borrow().len() == 1);
}

/// A request succeeds over the second connection; then nothing is left.
#[track_caller]
fn then_another(server: &Server, mut world: World) {
    let id = world.get("/");
    let answer = world.answer(id);
    assert_eq!(
        (answer.status, answer.reused, &answer.body[..]),
        (Some(200), false, &b"ok"[..]),
        "{:?}",
        answer.failure
    );
    assert_eq!(server.connections().len(), 2);
    world.finish();
}

#[test]
fn c03_an_end_before_any_byte_of_the_answer_is_told_by_its_kind() {
    let trial = Trial::get(Script::new().request().close());
    trial.failed(Code::ConnectionClosed, Phase::Head, Class::Maybe).breaches(0);
    trial.then(Left::Closed);
    let trial = Trial::get(Script::new().request().reset());
    trial.failed(Code::ConnectionReset, Phase::Head, Class::Maybe).breaches(0);
    trial.then(Left::Closed);
}

#[test]
fn c03_a_request_that_was_not_written_takes_another_connection() {
    for end in [Script::new().signal().step(Step::HalfClose).signal(), Script::new().signal().reset()] {
        let (server, mut world) = unused(end);
        server.signal(0);
        // The end is there; the world has not looked when the request is bound.
        assert!(server.wait_until(PATIENCE, |all| all.first().is_some_and(|c| c.end.is_some() || c.step == 2)));
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.idempotent = false;
        });
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.failure), (Some(200), None), "no error, also for a POST");
        assert_eq!(world.stat(Stat::RqRequeued), 1);
        server.signal(0);
        world.finish();
    }
}

#[test]
fn c05_an_idle_connection_that_went_black_costs_a_limit_of_ours() {
    let (server, mut world) = idle(Script::new().request().send(GOOD).park());
    let id = world.get("/");
    world.pass(Duration::from_secs(31));
    let answer = world.answer(id);
    let failure = answer.failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::HeadersTimeout, Phase::Head, Class::Maybe));
    then_another(&server, world);
}

#[test]
fn b08_a_second_response_in_the_same_segment_answers_nobody() {
    for way in WAYS {
        let bytes = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad";
        let trial = Trial::get(answer_with(bytes, way));
        trial.succeeded(200, "");
        if way == Pieces::Whole {
            trial.breaches(1);
        }
        trial.then(Left::Closed);
    }
}

#[test]
fn b09_a_response_on_an_idle_connection_closes_it_on_arrival() {
    for way in WAYS {
        let late = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad";
        let script = Script::new().request().send(GOOD).signal().send_in(late, way, Duration::ZERO);
        let (server, world) = idle(script);
        assert_eq!(world.stat(Stat::CxActive), 1);
        server.signal(0);
        until_gone(&world);
        assert_eq!(world.stat(Stat::CxActive), 0, "without any request");
        if way == Pieces::Whole {
            assert_eq!(world.stat(Stat::CxProtocolError), 1);
        }
        then_another(&server, world);
    }
}

#[test]
fn b10_bytes_before_our_first_write_send_the_request_elsewhere() {
    let late = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad";
    for way in WAYS {
        let script = Script::new().request().send(GOOD).signal().send_in(late, way, Duration::ZERO);
        let (server, mut world) = idle(script);
        server.signal(0);
        sent(&server, GOOD.len() + late.len());
        // Bound to the connection at once; the bytes are in its socket.
        let id = world.post("/", b"once".to_vec());
        let answer = world.answer(id);
        assert_eq!((answer.status, &answer.body[..], answer.reused), (Some(200), &b"ok"[..], false), "no error");
        assert_eq!(world.stat(Stat::RqRequeued), 1);
        assert_eq!(server.connections()[0].requests, 1, "not a byte of it went there");
        assert_eq!(server.connections().len(), 2);
        world.finish();
    }
}

#[test]
fn b11_a_408_on_an_idle_connection_is_no_answer_and_no_breach() {
    for way in WAYS {
        let notice = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let script = Script::new().request().send(GOOD).signal().send_in(notice, way, Duration::ZERO).close();
        let (server, world) = idle(script);
        server.signal(0);
        until_gone(&world);
        assert_eq!(world.stat(Stat::CxProtocolError), 0);
        then_another(&server, world);
    }
}

#[test]
fn b12_a_fin_that_crosses_our_request_is_not_replayed_for_a_post() {
    let script = || Script::new().request().send(GOOD).head().close();
    let (server, mut world) = idle(script());
    let id = world.post("/", b"once".to_vec());
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::ConnectionClosed, Phase::Head, Class::Maybe));
    assert_eq!(server.connections().len(), 1);
    then_another(&server, world);

    // A GET may be sent again, once, over another connection.
    let (server, mut world) = idle(script());
    let id = world.get("/");
    let answer = world.answer(id);
    assert_eq!((answer.status, answer.reused), (Some(200), false));
    assert_eq!(world.stat(Stat::RqReplay), 1);
    assert_eq!(server.connections().len(), 2);
    world.finish();
}

#[test]
fn b13_a_hint_shortens_the_idle_limit_by_a_second_of_margin() {
    let hinted = |value: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\nkeep-alive: {value}\r\ncontent-length: 2\r\n\r\nok");
        idle(Script::new().repeat(None, Script::new().request().send(answer)))
    };
    let (server, world) = hinted("timeout=5, max=100");
    world.pass(Duration::from_millis(3_900));
    assert_eq!(world.stat(Stat::CxActive), 1);
    world.pass(Duration::from_millis(200));
    assert_eq!((world.stat(Stat::CxActive), world.stat(Stat::CxIdleTimeout)), (0, 1));
    then_another(&server, world);

    for short in ["timeout=1", "timeout=0"] {
        let (server, world) = hinted(short);
        assert_eq!(world.stat(Stat::CxActive), 0, "closed after the response");
        then_another(&server, world);
    }

    let (server, world) = hinted("timeout=600");
    world.pass(Duration::from_millis(55_100));
    assert_eq!(world.stat(Stat::CxActive), 0, "ours is shorter");
    then_another(&server, world);
}

#[test]
fn b14_old_and_closing_peers_are_believed() {
    for (head, left) in [
        ("HTTP/1.0 200 OK\r\n", Left::Closed),
        ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n", Left::Kept),
        ("HTTP/1.1 200 OK\r\nproxy-connection: close\r\n", Left::Closed),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n", Left::Closed),
        ("HTTP/1.1 200 OK\r\nconnection: x-y, close\r\n", Left::Closed),
    ] {
        for way in WAYS {
            let trial = Trial::get(answer_with(format!("{head}content-length: 2\r\n\r\nok"), way));
            trial.succeeded(200, "ok").breaches(0);
            assert_eq!(trial.world.stat(Stat::CxCloseNotify), u64::from(left == Left::Closed), "{head}");
            trial.then(left);
        }
    }
}

#[test]
fn b22_bytes_on_a_new_connection_close_it() {
    for way in WAYS {
        let (server, world) = unused(Script::new().signal().send_in(GOOD, way, Duration::ZERO));
        server.signal(0);
        until_gone(&world);
        then_another(&server, world);

        let (server, mut world) = unused(Script::new().signal().send_in(GOOD, way, Duration::ZERO));
        server.signal(0);
        sent(&server, GOOD.len());
        let id = world.post("/", b"once".to_vec());
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.failure), (Some(200), None), "another connection, no error");
        assert_eq!(server.connections()[0].requests, 0);
        assert_eq!(server.connections().len(), 2);
        world.finish();
    }
}

#[test]
fn b22_a_peer_that_always_speaks_first_is_given_up() {
    let server = Server::start(vec![Script::new().send("220 mail.test ESMTP\r\n")]).unwrap();
    let mut world = World::new(config(server.addr()));
    let id = world.get("/");
    let answer = world.answer(id);
    let failure = answer.failure.unwrap();
    // The greeting may come before or after the request was written.
    let expected = [
        (Code::ResponseMalformed, Phase::Head, Class::Never),
        (Code::ConnectionClosed, Phase::Send, Class::Unprocessed),
    ];
    assert!(expected.contains(&(failure.code, failure.phase, failure.class)), "{failure}");
    assert!(server.connections().len() <= 13, "bounded");
    world.finish();
}

#[test]
fn p24_a_sink_that_panics_fails_its_request_and_no_other() {
    for call in ["head", "data", "end", "response", "fail"] {
        let slow = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab";
        let first = match call {
            "response" => Script::new().request().send(GOOD),
            "fail" => Script::new().request().close(),
            _ => Script::new().request().send(slow).signal().send("cd"),
        };
        let first_goes_alone = !matches!(call, "response" | "fail");
        let server = serve([first]);
        let mut world = World::new(config(server.addr()));
        world.sink.panic_in.set(Some(call));
        let id = world.get("/");
        if first_goes_alone {
            world.until("the head", |w| w.sink.answers.borrow().contains_key(&id));
            server.signal(0);
        }
        world.until("the end", |w| w.has_ended(id));
        world.settle();
        let answer = world.sink.answers.borrow()[&id].clone();
        assert_eq!(answer.endings, 1, "{call}");
        match call {
            "head" | "data" => {
                let failure = answer.failure.unwrap();
                let found = (failure.code, failure.phase, failure.class);
                assert_eq!(found, (Code::Internal, Phase::Body, Class::Never), "{call}");
            }
            "fail" => assert_eq!(answer.code(), Some(Code::ConnectionClosed)),
            _ => assert_eq!(answer.status, Some(200), "{call}"),
        }
        assert_eq!(world.reactor.panics(), 1);
        assert_eq!((world.stat(Stat::RqActive), world.stat(Stat::CxActive)), (0, 0), "{call}");
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok", "the pool lives: {call}");
        world.finish();
    }
}

#[test]
fn p24_the_timers_of_a_pool_outlive_a_sink_that_panics_in_one() {
    let server = serve([Script::new().park(), Script::new().park(), good()]);
    let mut configured = config(server.addr());
    configured.group.default.max_connections = 1;
    configured.upstream.queue_timeout = Some(Duration::from_secs(1));
    let mut world = World::with_clock(configured);
    let held = world.get("/");
    world.until_connected(1);
    for _ in 0..2 {
        world.sink.panic_in.set(Some("fail"));
        let id = world.get("/");
        world.pass(Duration::from_millis(1_100));
        assert_eq!(world.answer(id).code(), Some(Code::QueueTimeout));
    }
    assert_eq!(world.reactor.panics(), 2);
    world.driver.cancel(held);
    world.finish();
}
