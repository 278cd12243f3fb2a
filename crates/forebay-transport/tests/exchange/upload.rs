//! Bodies of requests that are produced while they are sent.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::h1::{Options, Server};
use forebay_testkit::pattern;
use forebay_testkit::script::{End, Script};
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;

use super::support::trial::{GOOD, serve};
use super::support::{PATIENCE, World, config};

const WINDOW: u64 = 256 * 1024;

fn server() -> Server {
    Server::start(&Options::default()).unwrap()
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[test]
fn a_body_of_unknown_length_arrives_whole_in_chunks() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let id = world.upload("/inspect", None);
    world.give_pattern(id, 3_000_000, WINDOW);
    let answer = world.answer(id);
    let report = text(&answer.body);
    for part in ["\"bodyLength\":3000000", "\"bodyChunked\":true", "\"bodyIsPattern\":true"] {
        assert!(report.contains(part), "{report}");
    }
    assert_eq!((answer.taken, answer.stopped), (3_000_000, false));
    let next = world.get("/");
    assert!(world.answer(next).reused);
    world.finish();
}

#[test]
fn a_body_of_known_length_is_announced() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    for length in [0, 1, 2, 1_000_000] {
        let id = world.upload("/inspect", Some(length));
        world.give_pattern(id, length, WINDOW);
        let answer = world.answer(id);
        let report = text(&answer.body);
        let parts =
            [format!("\"bodyLength\":{length},"), "\"bodyChunked\":false".into(), "\"bodyIsPattern\":true".into()];
        for part in parts {
            assert!(report.contains(&part), "{length}: {report}");
        }
        assert!(report.contains(&format!("[\"content-length\",\"{length}\"]")), "{report}");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn a_body_may_go_with_any_method_and_be_empty() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    for method in ["GET", "DELETE", "POST"] {
        let id = world.submit(|s| {
            s.method = Bytes::copy_from_slice(method.as_bytes());
            s.path = Bytes::from_static(b"/inspect");
            s.body = Content::Stream(None);
        });
        world.give_end(id);
        let answer = world.answer(id);
        assert!(text(&answer.body).contains("\"bodyLength\":0,\"bodyChunked\":true"), "{method}: {answer:?}");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn an_upload_and_its_echo_run_side_by_side() {
    let server = server();
    let mut world = World::new(config(server.addr()));
    let id = world.upload("/echo", None);
    world.give(id, &b"first"[..]);
    world.until("the echo", |w| w.so_far(id).body == b"first");
    world.give(id, &b" second"[..]);
    world.until("the echo", |w| w.so_far(id).body == b"first second");
    assert!(!world.so_far(id).stopped, "the upload goes on");
    world.give_end(id);
    assert_eq!(world.answer(id).body, b"first second");
    let next = world.get("/");
    assert!(world.answer(next).reused, "both were whole");
    world.finish();
}

#[test]
fn a_producer_that_fails_resets_the_connection() {
    for length in [None, Some(10)] {
        let server = serve([Script::new()]);
        let mut world = World::new(config(server.addr()));
        let id = world.upload("/", length);
        world.give(id, &b"hello"[..]);
        world.until("the part to leave", |w| w.so_far(id).taken == 5);
        world.driver.body_failed(id);
        let failure = world.answer(id).failure.unwrap();
        assert_eq!((failure.code, failure.class), (Code::RequestBodyFailed, Class::Never));
        world.settle();
        assert!(
            server.wait_until(PATIENCE, |all| all.first().is_some_and(|c| c.end.is_some())),
            "the connection is closed"
        );
        let received = server.received(0).unwrap();
        assert!(received.ends_with(b"hello\r\n") || received.ends_with(b"hello"), "nothing after the part");
        world.finish();
    }
}

#[test]
fn r14_a_body_that_is_not_as_long_as_announced_never_looks_complete() {
    for (parts, end) in [(&["hel"][..], true), (&["hello", "!"], false), (&["hello!"], false)] {
        let server = serve([Script::new()]);
        let mut world = World::new(config(server.addr()));
        let id = world.upload("/", Some(5));
        for part in parts {
            world.give(id, part.as_bytes());
            world.settle();
        }
        if end {
            world.give_end(id);
        }
        let failure = world.answer(id).failure.unwrap();
        assert_eq!((failure.code, failure.class), (Code::RequestBodyFailed, Class::Never));
        world.finish();
        assert!(server.wait_until(PATIENCE, |all| all.iter().all(|c| c.end.is_some())));
        if let Some(received) = server.received(0) {
            assert!(!text(&received).contains("hello"), "not all that was announced");
        }
    }
}

#[test]
fn more_than_the_window_is_refused() {
    let server = serve([Script::new()]);
    let mut configured = config(server.addr());
    configured.body_buffer = 1000;
    let mut world = World::new(configured);
    let id = world.upload("/", None);
    world.give(id, vec![0; 1001]);
    assert_eq!(world.answer(id).code(), Some(Code::Internal));
    world.finish();
}

#[test]
fn b21_a_peer_that_reads_nothing_stops_the_producer_and_then_the_request() {
    let server = serve([Script::new().head().park()]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.upload("/", None);
    world.until("the head to be read", |_| server.connections().first().is_some_and(|c| c.requests == 1));
    let mut given = 0;
    // What the sockets hold, then the window.
    let full = |w: &World, given: u64| given - w.so_far(id).taken == WINDOW;
    for _ in 0..2_000 {
        let room = WINDOW - (given - world.so_far(id).taken);
        if room > 0 {
            world.give(id, vec![b'u'; room as usize]);
            given += room;
        }
        world.reactor.turn(Some(Duration::ZERO));
        if full(&world, given) {
            world.settle();
            if full(&world, given) {
                break;
            }
        }
    }
    assert!(full(&world, given), "{given} bytes given");
    world.pass(Duration::from_secs(29));
    assert!(!world.has_ended(id));
    world.pass(Duration::from_secs(2));
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::WriteTimeout, Phase::Send, Class::Maybe));
    world.finish();
}

#[test]
fn no_clock_runs_while_the_producer_is_slow() {
    let server = serve([Script::new().request().send(GOOD)]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.upload("/", None);
    world.give(id, &b"hello"[..]);
    world.until("the part to leave", |w| w.so_far(id).taken == 5);
    world.pass(Duration::from_secs(600));
    world.give_end(id);
    assert_eq!(world.answer(id).status, Some(200));
    world.finish();
}

#[test]
fn b19_an_error_before_the_upload_is_whole_stops_it() {
    let early = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
    let server = serve([Script::new().head().send(early), Script::new().request().send(GOOD)]);
    let mut world = World::new(config(server.addr()));
    let id = world.upload("/", Some(1 << 30));
    world.give_pattern(id, 1 << 30, WINDOW);
    let answer = world.answer(id);
    assert_eq!((answer.status, &answer.body[..], answer.stopped), (Some(413), &b"no"[..], true));
    let next = world.get("/");
    assert_eq!(world.answer(next).connection, 2, "the first is not used again");
    world.finish();
}

#[test]
fn b19_a_response_that_is_whole_before_the_upload_ends_it() {
    let server = serve([Script::new().head().send(GOOD), Script::new().request().send(GOOD)]);
    let mut world = World::new(config(server.addr()));
    let id = world.upload("/", None);
    world.give(id, &b"hello"[..]);
    let answer = world.answer(id);
    assert_eq!((answer.status, answer.stopped), (Some(200), true));
    world.give(id, &b"too late"[..]);
    let next = world.get("/");
    assert_eq!(world.answer(next).connection, 2);
    world.finish();
}

#[test]
fn what_was_sent_of_a_stream_is_never_sent_again() {
    // The second request on a connection meets its end: an idempotent one would be sent again.
    for given in [false, true] {
        let first = Script::new().request().send(GOOD).head().close();
        let server = serve([first, Script::new().request().send(GOOD)]);
        let mut world = World::new(config(server.addr()));
        let warm = world.get("/");
        world.answer(warm);
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"PUT");
            s.body = Content::Stream(None);
        });
        if given {
            world.give(id, &b"hello"[..]);
            let answer = world.answer(id);
            assert!(matches!(answer.code(), Some(Code::ConnectionClosed | Code::ConnectionReset)), "{answer:?}");
            assert_eq!(answer.replayed, []);
        } else {
            world.until("the repeat", |w| !w.so_far(id).replayed.is_empty());
            world.give(id, &b"hello"[..]);
            world.give_end(id);
            let answer = world.answer(id);
            assert_eq!((answer.status, answer.connection), (Some(200), 2));
            let (code, via, _) = answer.replayed[0];
            assert_eq!((code, via), (Code::ConnectionClosed, Some(1)));
            assert_eq!(world.stat(Stat::RqReplay), 1);
        }
        world.finish();
    }
}

#[test]
fn a_queued_upload_waits_with_its_window_full() {
    let server = server();
    let mut configured = config(server.addr());
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let slow = world.get("/delay/100");
    let id = world.upload("/inspect", None);
    let mut part = Vec::new();
    pattern::extend(&mut part, 0, WINDOW as usize);
    world.give(id, part);
    world.give_end(id);
    assert_eq!(world.so_far(id).taken, 0);
    assert_eq!(world.answer(slow).status, Some(200));
    assert!(text(&world.answer(id).body).contains("\"bodyLength\":262144,\"bodyChunked\":true,\"bodyIsPattern\":true"));
    world.finish();
}

#[test]
fn trailers_follow_where_the_head_names_them() {
    let server = serve([Script::new().request().send(GOOD)]);
    let mut world = World::new(config(server.addr()));
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.fields = Bytes::from_static(b"trailer\0x-sum, x-end\0");
        s.body = Content::Stream(None);
    });
    world.give(id, &b"hello"[..]);
    world.driver.body(id, Bytes::new(), true, b"x-sum\x001\0x-end\x00yes\0");
    assert_eq!(world.answer(id).status, Some(200));
    let received = server.received(0).unwrap();
    assert!(text(&received).ends_with("5\r\nhello\r\n0\r\nx-sum: 1\r\nx-end: yes\r\n\r\n"), "{}", text(&received));
    world.finish();
}

#[test]
fn trailers_that_cannot_be_sent_fail_the_request() {
    let server = serve([Script::new()]);
    let mut world = World::new(config(server.addr()));
    for (fields, trailers) in [
        (&b"trailer\0x-sum\0"[..], &b"x-other\x001\0"[..]),
        (b"", b"x-sum\x001\0"),
        (b"trailer\0x-sum\0", b"x-sum\x00a\r\nb\0"),
        (b"trailer\0content-length\0", b"content-length\x005\0"),
        (b"trailer\0x-sum\0", b"x-sum"),
    ] {
        let id = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.fields = Bytes::from_static(fields);
            s.body = Content::Stream(None);
        });
        world.driver.body(id, Bytes::new(), true, trailers);
        assert_eq!(world.answer(id).code(), Some(Code::RequestBodyFailed), "{trailers:?}");
    }
    world.until("the ends", |_| server.connections().iter().all(|c| c.end.is_some()));
    for (at, connection) in server.connections().iter().enumerate() {
        assert_ne!(connection.end, Some(End::Closed));
        assert!(!text(&server.received(at).unwrap()).contains("0\r\n\r\n"), "it never looks complete");
    }
    world.finish();
}

#[test]
fn a_cancelled_upload_ends_wherever_it_is() {
    let server = serve([Script::new()]);
    let mut world = World::new(config(server.addr()));
    let queued = world.upload("/", None);
    world.driver.cancel(queued);
    let sending = world.upload("/", None);
    world.give(sending, &b"hello"[..]);
    world.until("the part to leave", |w| w.so_far(sending).taken == 5);
    world.driver.cancel(sending);
    let phase = |id| world.answer(id).failure.unwrap().phase;
    assert_eq!((phase(queued), phase(sending)), (Phase::Queue, Phase::Send));
    world.give(sending, &b"too late"[..]);
    world.finish();
}
