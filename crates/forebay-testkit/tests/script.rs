//! The scripted server, step by step, seen by plain clients. TLS steps: `tls.rs`.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_testkit::certificates::Authority;
use forebay_testkit::pattern;
use forebay_testkit::script::{Door, End, Options, Pieces, RECORDED, Script, Server, Step, parse};
use support::{Client, PATIENCE, apart, connect};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PAUSE: Duration = Duration::from_millis(40);

/// How often something is tried that a reader can miss which is held up. A guess: far more than a machine with much to do needs.
const TRIES: usize = 50;

fn start(script: Script) -> Server {
    Server::start(vec![script]).unwrap()
}

fn end_of(server: &Server, index: usize) -> End {
    assert!(server.wait_until(PATIENCE, |all| all.get(index).is_some_and(|it| it.end.is_some())));
    server.connections()[index].end.clone().unwrap()
}

fn received(server: &Server, index: usize, len: usize) -> Vec<u8> {
    let wanted = len as u64;
    assert!(server.wait_until(PATIENCE, |all| all.get(index).is_some_and(|it| it.received >= wanted)));
    server.received(index).unwrap()
}

/// What each read gave, up to the end.
fn reads(client: &mut Client<TcpStream>) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| Some(client.read_once().unwrap()).filter(|bytes| !bytes.is_empty())).collect()
}

#[test]
fn without_steps_a_connection_is_recorded_until_the_peer_closes() {
    let server = start(Script::new());
    let mut client = connect(server.addr());
    client.send("some");
    client.send(" bytes");
    assert_eq!(received(&server, 0, 10), b"some bytes");
    assert_eq!(server.connections()[0].end, None);
    drop(client);
    assert_eq!(end_of(&server, 0), End::PeerClosed);
    assert_eq!(server.received(1), None);
}

#[test]
fn a_recording_is_bounded_and_its_count_is_not() {
    let server = start(Script::new());
    let mut client = connect(server.addr());
    client.send(vec![7; RECORDED + 1_000]);
    assert_eq!(received(&server, 0, RECORDED + 1_000).len(), RECORDED);
}

#[test]
fn each_connection_plays_its_script_and_the_last_one_repeats() {
    let server = Server::start(vec![Script::new().send("one").close(), Script::new().send("more").close()]).unwrap();
    let play = || String::from_utf8(connect(server.addr()).rest()).unwrap();
    assert_eq!([play(), play(), play()], ["one", "more", "more"]);
    server.set_scripts(vec![Script::new().send("new").close(), Script::new().send("last").close()]);
    assert_eq!([play(), play(), play()], ["new", "last", "last"]);
    let ports: Vec<_> = server.connections().iter().map(|it| (it.index, it.peer_port > 0)).collect();
    assert_eq!(ports, (0..6).map(|index| (index, true)).collect::<Vec<_>>());
}

#[test]
fn a_request_is_read_to_its_end_and_no_further() {
    let server = start(Script::new().request().send("A").request().send("B").head().send("C"));
    let mut client = connect(server.addr());
    let request = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (most, last) = request.split_at(request.len() - 1);
    client.send(most);
    received(&server, 0, most.len());
    assert_eq!((server.connections()[0].requests, server.connections()[0].step), (0, 0));
    // The next request comes in the same segment and must not be lost.
    client.send(format!("{last}{GET}"));
    assert_eq!(client.exactly(2), b"AB");
    client.send("POST / HTTP/1.1\r\ncontent-length: 1000\r\n\r\n");
    assert_eq!(client.exactly(1), b"C");
    assert_eq!(server.connections()[0].requests, 3);
    assert!(server.wait_until(PATIENCE, |all| all[0].step == 6));
}

#[test]
fn what_is_no_request_ends_the_script() {
    let server = start(Script::new().request());
    let mut client = connect(server.addr());
    client.send("\x16\x03\x01 no HTTP\r\n\r\n");
    assert!(matches!(end_of(&server, 0), End::Script(why) if why.contains("no request came")));
}

#[test]
fn reading_counts_bytes_and_reading_to_the_end_waits_for_fin() {
    let steps = Script::new().step(Step::Read(5)).send("x").step(Step::ReadToEnd).send("late").close();
    let server = start(steps);
    let mut client = connect(server.addr());
    client.send("1234");
    received(&server, 0, 4);
    assert_eq!(server.connections()[0].step, 0);
    client.send("56789");
    assert_eq!(client.exactly(1), b"x");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"late");
    assert_eq!(server.received(0).unwrap(), b"123456789");
}

#[test]
fn bytes_go_out_whole_repeated_or_as_the_pattern() {
    let server =
        start(Script::new().send(b"\x00\xff\r\n").send_times("abc", 100_000).step(Step::Pattern(200_000)).close());
    let bytes = connect(server.addr()).rest();
    assert_eq!(&bytes[..4], b"\x00\xff\r\n");
    assert_eq!(&bytes[4..300_004], "abc".repeat(100_000).as_bytes());
    assert_eq!(bytes.len(), 500_004);
    assert!(pattern::matches(&bytes[300_004..], 0));
    assert!(server.wait_until(PATIENCE, |all| all[0].sent == 500_004));
}

#[test]
fn pieces_arrive_apart_and_add_up() {
    // A reader that is held up for longer than a pause finds two pieces together: not every time.
    let server = start(Script::new().send_in("abcdef", Pieces::Of(2), PAUSE).close());
    let apart = (0..TRIES).any(|_| {
        let begun = Instant::now();
        let mut client = connect(server.addr());
        let reads = reads(&mut client);
        assert_eq!(reads.concat(), b"abcdef");
        assert!(reads.iter().all(|read| read.len() % 2 == 0), "{reads:?}");
        assert!(begun.elapsed() >= PAUSE * 2);
        reads == [b"ab", b"cd", b"ef"]
    });
    assert!(apart);

    for seed in 0..20 {
        let text = "the same bytes, however they are cut".repeat(10);
        let server = start(Script::new().send_in(&text, Pieces::Random(seed), Duration::ZERO).close());
        assert_eq!(connect(server.addr()).rest(), text.as_bytes());
    }
}

#[test]
fn a_wait_lasts_its_time_and_a_signal_comes_once() {
    let server = start(Script::new().wait(PAUSE).send("a").signal().send("b").signal().send("c").close());
    let begun = Instant::now();
    let mut client = connect(server.addr());
    assert_eq!(client.exactly(1), b"a");
    assert!(begun.elapsed() >= PAUSE);
    assert!(server.wait_until(PATIENCE, |all| all[0].step == 2));
    server.signal_all();
    assert_eq!(client.exactly(1), b"b");
    assert!(server.wait_until(PATIENCE, |all| all[0].step == 4));
    assert!(!server.wait_until(PAUSE, |all| all[0].step > 4), "one signal passes one step");
    server.signal(0);
    assert_eq!(client.rest(), b"c");
}

#[test]
fn a_signal_may_come_before_its_connection() {
    let server = start(Script::new().signal().send("x").close());
    server.signal(1);
    let mut first = connect(server.addr());
    assert!(server.wait_until(PATIENCE, |all| all.len() == 1));
    assert_eq!(connect(server.addr()).rest(), b"x");
    server.signal(0);
    assert_eq!(first.rest(), b"x");
}

#[test]
fn close_is_fin_even_when_unread_bytes_are_left() {
    let server = start(Script::new().send("bye").close());
    let mut client = connect(server.addr());
    client.send(GET.repeat(1_000));
    assert_eq!(client.rest(), b"bye");
    client.send("more after FIN");
    drop(client);
    assert_eq!(end_of(&server, 0), End::Closed);
}

#[test]
fn drop_is_fin_or_rst_by_what_was_read() {
    let server = start(Script::new().step(Step::Read(1)).step(Step::Drop));
    let mut client = connect(server.addr());
    client.send("x");
    assert!(client.is_at_end());
    assert_eq!(end_of(&server, 0), End::Closed);

    let server = start(Script::new().signal().step(Step::Drop));
    let mut client = connect(server.addr());
    client.send("unread");
    server.signal(0);
    assert_eq!(client.read_once().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn half_close_ends_one_side_only() {
    let server = start(Script::new().send("bye").step(Step::HalfClose).request());
    let mut client = connect(server.addr());
    assert_eq!(client.rest(), b"bye");
    client.send(GET);
    assert!(server.wait_until(PATIENCE, |all| all[0].requests == 1));
    assert_eq!(server.connections()[0].end, None);
}

#[test]
fn reset_is_rst() {
    let server = start(Script::new().request().send("HTTP/1.1 200").reset());
    let mut client = connect(server.addr());
    client.send(GET);
    assert_eq!(end_of(&server, 0), End::Reset);
    let ended = std::iter::from_fn(|| Some(client.read_once())).find_map(Result::err).unwrap();
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_peer_that_resets_is_told_from_one_that_closes() {
    let server = start(Script::new());
    let client = connect(server.addr());
    assert!(server.wait_until(PATIENCE, |all| all.len() == 1));
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(end_of(&server, 0), End::PeerReset);
}

#[test]
fn a_parked_connection_is_never_read() {
    let server = start(Script::new().park());
    let client = connect(server.addr());
    assert!(server.wait_until(PATIENCE, |all| all.len() == 1));
    client.stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let full = loop {
        match std::io::Write::write(&mut &client.stream, &[0; 16_000]) {
            Ok(len) => sent += len,
            Err(error) => break error.kind(),
        }
        assert!(sent < 1 << 30, "somebody reads");
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    assert_eq!(server.connections()[0].received, 0);
}

#[test]
fn steps_repeat_so_often_or_for_ever() {
    let server = start(Script::new().repeat(Some(3), Script::new().request().send("x")).close());
    let mut client = connect(server.addr());
    client.send(GET.repeat(4));
    assert_eq!(client.rest(), b"xxx");

    let server = start(parse(r#"[{"repeat":["request",{"send":"y"}],"times":null}]"#).unwrap().remove(0));
    let mut client = connect(server.addr());
    client.send(GET.repeat(50));
    assert_eq!(client.exactly(50), "y".repeat(50).as_bytes());
}

#[test]
fn a_deaf_door_lets_wait_and_an_open_one_accepts() {
    let server = start(Script::new().send("hello").close());
    assert_eq!(connect(server.addr()).rest(), b"hello");
    for _ in 0..3 {
        server.set_door(Door::Deaf).unwrap();
        let before = server.connections().len();
        let mut client = connect(server.addr());
        assert!(!server.wait_until(PAUSE, |all| all.len() > before));
        server.set_door(Door::Open).unwrap();
        assert_eq!(client.rest(), b"hello");
    }
    assert_eq!(server.connections().len(), 4);
}

#[test]
fn a_shut_door_refuses_and_keeps_its_port() {
    let options = Options { door: Door::Shut, ..Options::default() };
    let server =
        Server::start_with(options, Arc::new(Authority::new()), vec![Script::new().send("x").close()]).unwrap();
    for _ in 0..3 {
        assert_eq!(TcpStream::connect(server.addr()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(std::net::TcpListener::bind(server.addr()).is_err(), "the port must stay ours");
        server.set_door(Door::Open).unwrap();
        assert_eq!(connect(server.addr()).rest(), b"x");
        server.set_door(Door::Shut).unwrap();
    }
    assert_eq!(server.connections().len(), 3);
}

/// Elsewhere a full backlog refuses.
#[cfg(target_os = "linux")]
#[test]
fn a_full_backlog_answers_no_syn() {
    let options = Options { backlog: 1, door: Door::Deaf, full_backlog: true, ..Options::default() };
    let server = Server::start_with(options, Arc::new(Authority::new()), Vec::new()).unwrap();
    for _ in 0..3 {
        let refused = TcpStream::connect_timeout(&server.addr(), PAUSE * 2).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
    }
    assert_eq!(server.connections(), []);
}

#[test]
fn a_dropped_server_ends_whatever_it_does() {
    let script = Script::new;
    for stuck in [
        script(),
        script().request(),
        script().wait(Duration::from_secs(3_600)),
        script().signal(),
        script().park(),
        script().step(Step::Pattern(1 << 40)),
        script().repeat(None, script().send("x")),
    ] {
        let options = Options { address: apart(), ..Options::default() };
        let server = Server::start_with(options, Arc::new(Authority::new()), vec![stuck]).unwrap();
        let address = server.addr();
        let _client = connect(address);
        assert!(server.wait_until(PATIENCE, |all| all.len() == 1));
        let begun = Instant::now();
        drop(server);
        assert!(begun.elapsed() < PATIENCE / 2);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
