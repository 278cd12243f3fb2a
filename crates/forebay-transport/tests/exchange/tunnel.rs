//! Upgrades and CONNECT: a connection that becomes a tunnel.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::script::{ConnectionInfo, End, Script};
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::{Aim, Content};
use forebay_transport::sink::RequestId;
use forebay_transport::timeouts::{Limit, Timeouts};

use super::support::trial::{GOOD, serve};
use super::support::{PATIENCE, World, config};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn upgrade(world: &mut World) -> RequestId {
    world.submit(|s| {
        s.aim = Aim::Upgrade;
        s.fields = Bytes::from_static(b"upgrade\0websocket\0x\0y\0");
        s.body = Content::Stream(None);
    })
}

fn connect(world: &mut World) -> RequestId {
    world.submit(|s| {
        s.aim = Aim::Connect;
        s.method = Bytes::from_static(b"CONNECT");
        s.path = Bytes::from_static(b"far.test:443");
        s.body = Content::Stream(None);
        s.idempotent = false;
    })
}

type Open = fn(&mut World) -> RequestId;

fn kinds() -> [(Open, &'static str); 2] {
    [(upgrade, SWITCH), (connect, OPEN)]
}

#[test]
fn bytes_go_both_ways_and_each_side_ends_on_its_own() {
    for (open, head) in kinds() {
        let server =
            serve([Script::new().head().send(format!("{head}early")).read(4).send("late").half_close().read_to_end()]);
        let mut world = World::new(config(server.addr()));
        let id = open(&mut world);
        world.until("the tunnel", |w| w.so_far(id).tunnel && w.so_far(id).body == b"early");
        world.give(id, &b"ping"[..]);
        world.until("the end of the peer's side", |w| w.so_far(id).peer_ended);
        let now = world.so_far(id);
        assert_eq!((&now.body[..], now.taken, now.endings), (&b"earlylate"[..], 4, 0));
        world.give(id, &b" more"[..]);
        world.until("more to leave", |w| w.so_far(id).taken == 9);
        world.give_end(id);
        let answer = world.answer(id);
        assert_eq!((answer.failure, answer.stopped), (None, false));
        world.until("all to come", |_| server.received(0).unwrap().ends_with(b"\r\n\r\nping more"));
        world.finish();
    }
}

#[test]
fn our_side_may_end_first() {
    for (open, head) in kinds() {
        let server = serve([Script::new().head().send(head).read_to_end().send("all").close()]);
        let mut world = World::new(config(server.addr()));
        let id = open(&mut world);
        world.until("the tunnel", |w| w.so_far(id).tunnel);
        world.give(id, &b"ping"[..]);
        world.give_end(id);
        let answer = world.answer(id);
        assert_eq!((&answer.body[..], answer.peer_ended, answer.failure), (&b"all"[..], true, None));
        world.finish();
    }
}

#[test]
fn what_is_asked_for_is_on_the_wire() {
    let server = serve([Script::new().head().send(SWITCH).close(), Script::new().head().send(OPEN).close()]);
    let mut world = World::new(config(server.addr()));
    for open in [upgrade, connect] {
        let id = open(&mut world);
        world.until("the tunnel", |w| w.so_far(id).tunnel);
        world.give_end(id);
        world.answer(id);
    }
    assert!(server.wait_until(PATIENCE, |all| all.len() == 2));
    let text = |at| String::from_utf8(server.received(at).unwrap()).unwrap();
    let upgrade = text(0);
    assert!(upgrade.starts_with("GET / HTTP/1.1\r\nupgrade: websocket\r\nx: y\r\n"), "{upgrade}");
    assert!(upgrade.contains("connection: upgrade\r\n") && !upgrade.contains("chunked"), "{upgrade}");
    let connect = text(1);
    assert!(connect.starts_with("CONNECT far.test:443 HTTP/1.1\r\n"), "{connect}");
    assert!(connect.contains("host: far.test:443\r\n") && !connect.contains("chunked"), "{connect}");
    world.finish();
}

#[test]
fn a_tunnel_drains_its_connection_and_holds_its_place() {
    let server = serve([Script::new().head().send(SWITCH).read_to_end(), Script::new().request().send(GOOD)]);
    let mut world = World::new(config(server.addr()));
    let id = upgrade(&mut world);
    world.until("the tunnel", |w| w.so_far(id).tunnel);
    let next = world.get("/");
    assert_eq!(world.answer(next).connection, 2);
    assert_eq!(world.stat(Stat::RqActive), 1, "the tunnel is its stream");
    world.driver.cancel(id);
    assert_eq!(world.answer(id).code(), Some(Code::Aborted));
    world.finish();
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()));
}

#[test]
fn no_more_than_was_granted_comes_out() {
    let server = serve([Script::new().head().send(format!("{SWITCH}early")).send_times("0123456789", 1000).close()]);
    let mut world = World::new(config(server.addr()));
    let id = world.submit(|s| {
        s.aim = Aim::Upgrade;
        s.fields = Bytes::from_static(b"upgrade\0websocket\0");
        s.body = Content::Stream(None);
        s.credit = 3;
    });
    world.until("the first bytes", |w| w.so_far(id).body == b"ear");
    world.settle();
    assert_eq!(world.so_far(id).body.len(), 3);
    world.driver.grant(id, 1000);
    world.until("more", |w| w.so_far(id).body.len() == 1003);
    world.settle();
    assert_eq!(world.so_far(id).body.len(), 1003);
    world.driver.grant(id, u32::MAX);
    world.until("all", |w| w.so_far(id).peer_ended);
    assert_eq!(world.so_far(id).body.len(), 10_005);
    world.give_end(id);
    world.answer(id);
    world.finish();
}

#[test]
fn a_refusal_is_a_response_and_keeps_the_connection() {
    for (open, status) in [(upgrade as Open, "404 Not Found"), (connect, "403 Forbidden")] {
        let refusal = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno");
        let server = serve([Script::new().head().send(refusal).request().send(GOOD)]);
        let mut world = World::new(config(server.addr()));
        let id = open(&mut world);
        let answer = world.answer(id);
        assert_eq!((&answer.body[..], answer.tunnel, answer.stopped), (&b"no"[..], false, true));
        let next = world.get("/");
        let next = world.answer(next);
        assert_eq!((next.status, next.reused), (Some(200), true));
        world.finish();
    }
}

#[test]
fn a_200_to_an_upgrade_is_a_response() {
    let server = serve([Script::new().head().send(GOOD)]);
    let mut world = World::new(config(server.addr()));
    let id = upgrade(&mut world);
    let answer = world.answer(id);
    assert_eq!((answer.status, &answer.body[..], answer.tunnel), (Some(200), &b"ok"[..], false));
    world.finish();
}

#[test]
fn a_switch_to_something_else_is_refused() {
    for other in ["HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\nraw", "HTTP/1.1 101 X\r\n\r\nraw"] {
        let server = serve([Script::new().head().send(other)]);
        let mut world = World::new(config(server.addr()));
        let id = upgrade(&mut world);
        let answer = world.answer(id);
        let failure = answer.failure.unwrap();
        assert_eq!((failure.code, failure.phase, failure.class), (Code::UnexpectedUpgrade, Phase::Head, Class::Never));
        assert_eq!((answer.status, answer.body.len()), (None, 0), "nothing of it is shown");
        world.finish();
    }
}

#[test]
fn a_reset_is_a_failure() {
    let server = serve([Script::new().head().send(SWITCH).signal().reset()]);
    let mut world = World::new(config(server.addr()));
    let id = upgrade(&mut world);
    world.until("the tunnel", |w| w.so_far(id).tunnel);
    server.signal(0);
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::BodyIncomplete, Class::Never));
    world.finish();
}

#[test]
fn a_failed_producer_resets_the_tunnel() {
    let server = serve([Script::new().head().send(SWITCH)]);
    let mut world = World::new(config(server.addr()));
    let id = upgrade(&mut world);
    world.until("the tunnel", |w| w.so_far(id).tunnel);
    world.driver.body_failed(id);
    assert_eq!(world.answer(id).code(), Some(Code::RequestBodyFailed));
    world.finish();
    let reset = |c: &ConnectionInfo| c.end == Some(End::PeerReset);
    assert!(server.wait_until(PATIENCE, |all| all.iter().all(reset)), "{:?}", server.connections());
}

#[test]
fn only_the_duration_is_limited() {
    let server = serve([Script::new().head().send(SWITCH).read_to_end()]);
    let mut world = World::with_clock(config(server.addr()));
    let ten = Limit::After(Duration::from_secs(10));
    let limits =
        Timeouts { total: ten, per_try: ten, per_try_idle: ten, body_idle: ten, headers: ten, ..Timeouts::default() };
    for (duration, code) in [(Limit::Off, None), (ten, Some(Code::StreamDuration))] {
        let id = world.submit(|s| {
            s.aim = Aim::Upgrade;
            s.fields = Bytes::from_static(b"upgrade\0websocket\0");
            s.body = Content::Stream(None);
            s.timeouts = Some(Box::new(Timeouts { duration, ..limits }));
        });
        world.until("the tunnel", |w| w.so_far(id).tunnel);
        world.pass(Duration::from_secs(3600));
        match code {
            None => assert!(!world.has_ended(id)),
            Some(code) => assert_eq!(world.answer(id).code(), Some(code)),
        }
        server.set_scripts(vec![Script::new().head().send(SWITCH).read_to_end()]);
    }
    world.finish();
}
