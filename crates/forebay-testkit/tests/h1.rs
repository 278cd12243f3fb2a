//! The well-behaved server, seen by plain clients.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use forebay_testkit::h1::{BODY, Closing, Options, Server, Stats};
use forebay_testkit::json::Json;
use forebay_testkit::pattern;
use support::{PATIENCE, apart, connect};

fn start() -> Server {
    Server::start(&Options::default()).unwrap()
}

/// Waits until the counters are exactly these. The system may hand on the end of a connection later than it says to who ended it.
#[track_caller]
fn until(server: &Server, expected: Stats) {
    assert!(server.wait_until(PATIENCE, |stats| *stats == expected), "{:?} and not {expected:?}", server.stats());
}

#[test]
fn a_connection_serves_request_after_request_and_all_is_counted() {
    let server = start();
    let mut first = connect(server.addr());
    for path in ["/", "/any?thing", "*"] {
        let response = first.get(path);
        assert_eq!((response.status, response.text().as_str()), (200, BODY));
    }
    let mut second = connect(server.addr());
    second.get("/");
    let expected = Stats {
        connections_accepted: 2,
        connections_open: 2,
        max_connections_open: 2,
        requests_begun: 4,
        requests_completed: 4,
        max_requests_active: 1,
        max_requests_per_connection: 3,
        ..Stats::default()
    };
    assert_eq!(server.stats(), expected);

    drop(first);
    until(&server, Stats { connections_open: 1, connections_closed: 1, ..expected });
    let connections = server.connections();
    assert_eq!(
        connections.iter().map(|it| (it.id, it.requests, it.open)).collect::<Vec<_>>(),
        [(1, 1, true), (0, 3, false)]
    );
}

#[test]
fn a_connection_that_sent_nothing_is_counted() {
    let server = start();
    let client = connect(server.addr());
    let open = Stats { connections_accepted: 1, connections_open: 1, max_connections_open: 1, ..Stats::default() };
    until(&server, open);
    drop(client);
    until(&server, Stats { connections_open: 0, connections_closed: 1, ..open });
}

#[test]
fn bodies_are_the_pattern_in_each_framing() {
    let server = start();
    let mut client = connect(server.addr());
    for len in [0, 1, 65_535, 65_536, 3_000_000] {
        let response = client.get(&format!("/bytes/{len}"));
        assert_eq!(response.body.len(), len);
        assert!(pattern::matches(&response.body, 0));
        for size in [1_000, 65_536, 10_000_000] {
            let response = client.get(&format!("/chunked/{len}/{size}"));
            assert_eq!((response.field("transfer-encoding"), response.body.len()), (Some("chunked"), len));
            assert!(pattern::matches(&response.body, 0));
        }
        assert_eq!(client.get(&format!("/trailers/{len}/4096")).body.len(), len);
        let mut closing = connect(server.addr());
        let response = closing.get(&format!("/close-delimited/{len}"));
        assert_eq!((response.field("content-length"), response.body.len()), (None, len));
        assert!(pattern::matches(&response.body, 0));
    }
}

#[test]
fn chunks_have_the_size_asked_for_and_trailers_follow_them() {
    let server = start();
    let mut client = connect(server.addr());
    client.send("GET /trailers/5/2 HTTP/1.1\r\nConnection: close\r\n\r\n");
    let wire = client.rest();
    let body = wire.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(&wire[body..], b"2\r\n\x00\x01\r\n2\r\n\x02\x03\r\n1\r\n\x04\r\n0\r\nx-length: 5\r\nx-end: yes\r\n\r\n");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let server = start();
    let mut client = connect(server.addr());
    for path in ["/bytes/1000000", "/chunked/10/3", "/echo", "/"] {
        let with_body = client.get(path);
        client.send(format!("HEAD {path} HTTP/1.1\r\n\r\n"));
        let head = client.response(true);
        assert_eq!((head.status, &head.fields), (200, &with_body.fields), "{path}");
    }
    let response = client.get("/status/204");
    assert_eq!((response.status, response.field("content-length")), (204, None));
    let response = client.get("/status/304");
    assert_eq!((response.status, response.field("content-length")), (304, Some("22")));
    for status in [200, 404, 999] {
        let response = client.get(&format!("/status/{status}"));
        assert_eq!((response.status, response.text().as_str()), (status, BODY));
    }
    assert_eq!(server.stats().connections_accepted, 1);
}

#[test]
fn an_echo_is_framed_like_the_request_however_it_arrives() {
    let server = start();
    let mut client = connect(server.addr());
    for path in ["/echo", "/echo-late"] {
        let known = format!("POST {path} HTTP/1.1\r\ncontent-length: 11\r\n\r\nhello world");
        let chunked =
            format!("POST {path} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
        for request in [known, chunked] {
            client.send(&request);
            assert_eq!(client.response(false).text(), "hello world");
            request.as_bytes().chunks(1).for_each(|byte| client.send(byte));
            assert_eq!(client.response(false).text(), "hello world");
        }
    }
    assert_eq!(server.stats().body_bytes_received, 8 * 11);
}

#[test]
fn an_echo_flows_while_the_request_is_still_being_sent() {
    let server = start();
    let mut client = connect(server.addr());
    client.send("POST /echo HTTP/1.1\r\ncontent-length: 4000000\r\n\r\nhalf");
    let mut body = Vec::new();
    pattern::extend(&mut body, 0, 4_000_000 - 4);
    let mut writer = client.stream.try_clone().unwrap();
    // Larger than all buffers on the way: it ends only if both directions flow.
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &body));
    let response = client.response(false);
    writing.join().unwrap().unwrap();
    assert_eq!(&response.body[..4], b"half");
    assert!(pattern::matches(&response.body[4..], 0));
}

#[test]
fn a_client_that_waits_for_100_gets_it() {
    let server = start();
    let mut client = connect(server.addr());
    client.send("POST /echo-late HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.response(true).status, 100);
    client.send("ok");
    assert_eq!(client.response(false).text(), "ok");
}

#[test]
fn inspect_shows_the_request_as_it_came() {
    let server = start();
    let mut client = connect(server.addr());
    client.get("/");
    client.send(b"PUT /inspect?a=b HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two:  \xe9\"  \r\ncontent-length: 3\r\n\r\n\x00\x01\x02");
    let json = Json::parse(&client.response(false).text()).unwrap();
    let field = |name: &str, value: &str| Json::from(vec![name.into(), value.into()]);
    let expected = Json::object([
        ("method", "PUT".into()),
        ("path", "/inspect?a=b".into()),
        ("version", "1.1".into()),
        (
            "headers",
            vec![field("Host", "x"), field("X-Two", "1"), field("x-two", "\u{e9}\""), field("content-length", "3")]
                .into(),
        ),
        ("bodyLength", 3_u64.into()),
        ("bodyChunked", false.into()),
        ("bodyIsPattern", true.into()),
        ("connection", 0_u64.into()),
        ("request", 2_u64.into()),
    ]);
    assert_eq!(json, expected);
}

#[test]
fn as_many_fields_as_asked_for_are_answered() {
    let server = start();
    let mut client = connect(server.addr());
    let response = client.get("/headers/1000/3");
    assert_eq!(
        response.fields.iter().filter(|(name, value)| name.starts_with("x-header-") && value == "vvv").count(),
        1_000
    );
    assert_eq!(client.get("/headers/1000000/1000").status, 400);
}

#[test]
fn a_delayed_answer_is_active_until_it_is_sent_and_others_do_not_wait() {
    let server = start();
    let mut slow = connect(server.addr());
    slow.send("GET /delay/600000 HTTP/1.1\r\n\r\n");
    assert!(server.wait_until(PATIENCE, |stats| stats.requests_active == 1));
    connect(server.addr()).get("/");
    let stats = server.stats();
    assert_eq!((stats.requests_completed, stats.requests_active, stats.max_requests_active), (1, 1, 2));

    // Before the connection: the server's time is that of its last event.
    let begun = Instant::now();
    assert_eq!(connect(server.addr()).get("/delay/150/bytes/5").body, [0, 1, 2, 3, 4]);
    assert!(begun.elapsed() >= Duration::from_millis(150));
    let stats = server.stats();
    assert_eq!((stats.requests_completed, stats.requests_active, stats.max_requests_active), (2, 1, 2));
}

#[test]
fn http_1_0_closes_unless_both_sides_keep_it_alive() {
    let server = start();
    for (request, version, keeps) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1", true),
        ("GET /1.0 HTTP/1.1\r\n\r\n", "HTTP/1.0", false),
        ("GET /1.0/keep-alive HTTP/1.1\r\n\r\n", "HTTP/1.0", true),
        ("GET /close HTTP/1.1\r\n\r\n", "HTTP/1.1", false),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1", false),
    ] {
        let mut client = connect(server.addr());
        client.send(request);
        let response = client.response(false);
        assert_eq!((response.version.as_str(), response.text().as_str()), (version, BODY), "{request:?}");
        let connection = response.field("connection");
        assert_eq!(connection, Some(if keeps { "keep-alive" } else { "close" }), "{request:?}");
        if keeps {
            client.get("/");
        } else {
            assert!(client.is_at_end(), "{request:?}");
        }
    }
    let mut client = connect(server.addr());
    let response = client.get("/1.0/close-delimited");
    assert_eq!((response.field("content-length"), response.text().as_str()), (None, BODY));
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let server = start();
    let mut client = connect(server.addr());
    client.send("GET /status/201 HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\ncontent-length: 2\r\n\r\nokGET /status/202 HTTP/1.1\r\n\r\n".repeat(50));
    for _ in 0..50 {
        assert_eq!(client.response(false).status, 201);
        assert_eq!(client.response(false).text(), "ok");
        assert_eq!(client.response(false).status, 202);
    }
    assert_eq!(server.stats().requests_completed, 150);
}

#[test]
fn a_malformed_request_gets_400_and_the_end() {
    let server = start();
    for request in [
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        "POST /inspect HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nZ\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = connect(server.addr());
        client.send(request);
        assert_eq!(client.response(false).status, 400, "{request:?}");
        assert!(client.is_at_end());
    }
    assert_eq!((server.stats().bad_requests, server.stats().requests_active), (4, 0));
}

#[test]
fn a_connection_ends_at_its_number_of_requests() {
    let server = Server::start(&Options {
        max_requests_per_connection: Some(3),
        keep_alive_field: Some("timeout=5, max=3".to_owned()),
        ..Options::default()
    })
    .unwrap();
    let mut client = connect(server.addr());
    for _ in 0..2 {
        assert_eq!(client.get("/").field("keep-alive"), Some("timeout=5, max=3"));
    }
    assert_eq!(client.get("/").field("connection"), Some("close"));
    assert!(client.is_at_end());
}

#[test]
fn an_idle_connection_ends_at_its_time_and_a_busy_one_does_not() {
    // Long enough for a client that is held up between its connection and its request.
    let (idle_timeout, delay) = (Duration::from_millis(500), Duration::from_millis(750));
    let server = Server::start(&Options { idle_timeout: Some(idle_timeout), ..Options::default() }).unwrap();
    let begun = Instant::now();
    let mut client = connect(server.addr());
    assert_eq!(client.get(&format!("/delay/{}", delay.as_millis())).text(), BODY);
    assert!(client.is_at_end());
    assert!(begun.elapsed() >= delay + idle_timeout, "idle from the answer on");
    drop(client);
    assert!(server.wait_until(PATIENCE, |stats| stats.connections_closed == 1));
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let server = start();
    for (request, active) in [
        ("GET / HT", 0),
        ("POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf", 1),
        ("GET /delay/60000 HTTP/1.1\r\n\r\n", 1),
        ("GET /bytes/1000000000 HTTP/1.1\r\n\r\n", 1),
    ] {
        let mut client = connect(server.addr());
        client.send(request);
        assert!(server.wait_until(PATIENCE, |stats| stats.requests_active == active), "{request:?}");
        drop(client);
        assert!(server.wait_until(PATIENCE, |stats| stats.connections_open == 0), "{request:?}");
        assert_eq!(server.stats().requests_active, 0);
    }
    assert_eq!((server.stats().requests_begun, server.stats().requests_completed), (3, 0));
}

#[test]
fn a_client_that_does_not_read_stops_itself_only() {
    let server = start();
    let mut stuck = connect(server.addr());
    stuck.send("GET /bytes/100000000000 HTTP/1.1\r\n\r\n");
    assert!(server.wait_until(PATIENCE, |stats| stats.requests_active == 1));
    for _ in 0..100 {
        connect(server.addr()).get("/");
    }
    assert_eq!((server.stats().requests_active, server.stats().requests_completed), (1, 100));
}

#[test]
fn connections_are_closed_on_demand() {
    let server = start();
    let (mut idle, mut busy) = (connect(server.addr()), connect(server.addr()));
    idle.get("/");
    busy.send("GET /delay/60000 HTTP/1.1\r\n\r\n");
    assert!(server.wait_until(PATIENCE, |stats| stats.requests_active == 1));

    server.close_connections(Closing::Idle);
    assert!(idle.is_at_end());
    drop(idle);
    assert!(server.wait_until(PATIENCE, |stats| stats.connections_open == 1));

    server.close_connections(Closing::All);
    assert_eq!((server.stats().connections_open, server.stats().requests_active), (0, 0));
    assert!(busy.is_at_end());

    let mut reset = connect(server.addr());
    reset.get("/");
    server.close_connections(Closing::Reset);
    assert_eq!(reset.read_once().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(server.stats().connections_closed, 3);
}

#[test]
fn several_threads_count_together() {
    let server = Server::start(&Options { threads: 3, ..Options::default() }).unwrap();
    let address = server.addr();
    let clients: Vec<_> = (0..20_usize)
        .map(|i| {
            std::thread::spawn(move || {
                let mut client = connect(address);
                (0..=i).for_each(|_| assert_eq!(client.get("/bytes/100000").body.len(), 100_000));
                client
            })
        })
        .collect();
    let clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let stats = server.stats();
    assert_eq!((stats.requests_begun, stats.requests_completed, stats.requests_active), (210, 210, 0));
    assert_eq!((stats.connections_open, stats.max_connections_open, stats.max_requests_per_connection), (20, 20, 20));
    drop(clients);
    until(&server, Stats { connections_open: 0, connections_closed: 20, ..stats });
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let server = start();
    let mut client = connect(server.addr());
    client.send("GET /bytes/1000000 HTTP/1.1\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response(false).body.len(), 1_000_000);
    assert!(client.is_at_end());
}

#[test]
fn a_dropped_server_is_gone() {
    let server = Server::start(&Options { address: apart(), ..Options::default() }).unwrap();
    let address = server.addr();
    let mut client = connect(address);
    client.get("/");
    drop(server);
    assert!(client.read_once().is_ok_and(|bytes| bytes.is_empty()));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Sends `request` and reads up to the end, or until `enough` has come.
fn exchange(server: &Server, request: &str, enough: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut got, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buf).unwrap();
        got.extend_from_slice(&buf[..count]);
        let text = String::from_utf8_lossy(&got).into_owned();
        if count == 0 || (!enough.is_empty() && text.ends_with(enough)) {
            return text;
        }
    }
}

#[test]
fn answers_that_do_not_wait_for_the_body() {
    let server = start();
    let early = exchange(&server, "POST /early/413/5 HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhel", "");
    assert!(early.starts_with("HTTP/1.1 413 ") && early.contains("connection: close"), "{early}");
    let expect = "expect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let refused = exchange(&server, &format!("POST /continue/refuse HTTP/1.1\r\nhost: x\r\n{expect}"), "");
    assert!(refused.starts_with("HTTP/1.1 417 "), "{refused}");
    let silent = exchange(&server, &format!("POST /continue/none HTTP/1.1\r\nhost: x\r\n{expect}hello"), BODY);
    assert!(silent.starts_with("HTTP/1.1 200 "), "{silent}");
}

#[test]
fn hints_come_before_the_answer() {
    let answer = exchange(&start(), "GET /hints/2 HTTP/1.1\r\nhost: x\r\n\r\n", BODY);
    assert_eq!(answer.matches("HTTP/1.1 103 ").count(), 2);
    assert!(answer.contains("link: </hint-1>"), "{answer}");
}

#[test]
fn tunnels_give_back_what_comes() {
    let server = start();
    let upgrade = "GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping";
    let switched = exchange(&server, upgrade, "ping");
    assert!(switched.starts_with("HTTP/1.1 101 ") && switched.contains("upgrade: echo"), "{switched}");
    let opened = exchange(&server, "CONNECT far.test:1 HTTP/1.1\r\nhost: far.test:1\r\n\r\nping", "ping");
    assert!(opened.starts_with("HTTP/1.1 200 "), "{opened}");
    let refused = exchange(&server, "CONNECT refused.test:1 HTTP/1.1\r\nhost: refused.test:1\r\n\r\n", BODY);
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}
