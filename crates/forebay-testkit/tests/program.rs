//! The program and its lines, as a test in another language uses them.

#![allow(clippy::unwrap_used)]

#[path = "support/quic.rs"]
mod quic;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use forebay_testkit::encoding::base64;
use forebay_testkit::json::Json;
use support::{PATIENCE, connect};

struct Program {
    child: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    ready: Json,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_forebay-testkit"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, lines, answers, ready: Json::Null };
        program.ready = program.answer();
        program
    }

    fn addr(&self) -> SocketAddr {
        let port = self.ready.get("port").and_then(Json::as_whole).unwrap();
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
    }

    fn answer(&mut self) -> Json {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        Json::parse(&line).unwrap()
    }

    fn ask(&mut self, line: &str) -> Json {
        writeln!(self.lines.as_mut().unwrap(), "{line}").unwrap();
        self.answer()
    }

    fn ok(&mut self, line: &str) -> Json {
        let answer = self.ask(line);
        assert_eq!(answer.get("ok"), Some(&Json::Bool(true)), "{line}: {answer}");
        answer
    }

    fn error(&mut self, line: &str) -> String {
        let answer = self.ask(line);
        answer.get("error").and_then(Json::as_text).unwrap_or_else(|| panic!("{line}: {answer}")).to_owned()
    }

    fn ends_within(&mut self, at_most: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < at_most {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn h1_is_steered_by_lines() {
    let mut program = Program::start(&["h1", "--max-requests", "3", "--keep-alive", "timeout=5"]);
    assert_eq!(program.ready.get("ca"), None);
    let mut client = connect(program.addr());
    assert_eq!(client.get("/").field("keep-alive"), Some("timeout=5"));
    client.get("/bytes/100");
    let stats = program.ok("stats");
    let counter = |name: &str| stats.get("stats").and_then(|stats| stats.get(name)).and_then(Json::as_whole);
    assert_eq!((counter("requestsCompleted"), counter("connectionsOpen")), (Some(2), Some(1)));
    program.ok("await maxRequestsPerConnection>=2");
    assert!(program.error("await requestsBegun=99 20").contains("not so in time"));
    assert!(program.error("await nonsense=1").contains("nonsense"));
    assert!(program.error("await requestsBegun").contains("NAME>=N"));
    program.ok("close idle");
    assert!(client.is_at_end());
    drop(client);
    program.ok("await connectionsOpen=0");
    let connections = program.ok("connections").get("connections").cloned();
    let expected = Json::object([("id", 0_u64.into()), ("requests", 2_u64.into()), ("open", false.into())]);
    assert_eq!(connections, Some(vec![expected].into()));
    assert!(program.error("fly").contains("fly"));
    program.ok("quit");
    assert!(program.ends_within(PATIENCE));
}

#[test]
fn script_is_steered_by_lines() {
    let mut program = Program::start(&["script", "--script", r#"[["request",{"send":"one"},"signal","close"]]"#]);
    let pem = program.ready.get("ca").and_then(Json::as_text).unwrap().to_owned();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    for key in ["crl", "clientCert", "clientKey"] {
        assert!(program.ready.get(key).and_then(Json::as_text).unwrap().starts_with("-----BEGIN "), "{key}");
    }
    let mut client = connect(program.addr());
    let request = "GET / HTTP/1.1\r\nx: \x01\r\n\r\n".replace('\x01', "y");
    client.send(&request);
    assert_eq!(client.exactly(3), b"one");
    program.ok("await 0.step>=2");
    let received = program.ok("received 0");
    assert_eq!(received.get("base64").and_then(Json::as_text), Some(base64(request.as_bytes()).as_str()));
    assert!(program.error("received 7").contains('7'));
    program.ok("signal 0");
    assert!(client.is_at_end());
    drop(client);
    program.ok("await 0.ended=1");
    let Some(Json::List(list)) = program.ok("connections").get("connections").cloned() else { panic!("a list") };
    assert_eq!(list[0].get("end").and_then(Json::as_text), Some("closed"));

    program.ok(r#"script [{"send":"two"},"close"]"#);
    assert_eq!(connect(program.addr()).rest(), b"two");
    assert!(program.error(r#"script ["nope"]"#).contains("nope"));
    program.ok("door shut");
    assert!(std::net::TcpStream::connect(program.addr()).is_err());
    program.ok("door open");
    assert_eq!(connect(program.addr()).rest(), b"two");
    program.ok("await connections>=3");
    program.ok("await open=0");
}

fn counter(program: &mut Program, name: &str) -> Option<u64> {
    program.ok("stats").get("stats")?.get(name)?.as_whole()
}

#[test]
fn h3_is_steered_by_lines_and_has_a_server_over_tcp_beside_it() {
    let mut program = Program::start(&["h3", "--tcp", "--max-concurrent-streams", "5"]);
    let pem = program.ready.get("ca").and_then(Json::as_text).unwrap().to_owned();
    let relay = Program::start(&["relay", "--to", &program.addr().to_string(), "--faults", r#"{"delay":1}"#]);
    quic::run(async {
        let endpoint = quic::endpoint();
        let connection = quic::connect(&endpoint, &quic::config_of(&pem, "h3"), relay.addr()).await.unwrap();
        quic::get(&connection, "/").await.unwrap();
        program.ok("credit 9");
        program.ok("goaway");
        program.ok("await goawaysSent=1");
        program.ok("close 258");
        connection.closed().await;
        program.ok("forget");
    });
    drop(connect(program.addr()));
    program.ok("await connectionsOpen=0");
    program.ok("await tcp.connectionsAccepted=1");
    assert_eq!(counter(&mut program, "streamsCompleted"), Some(1));
    program.ok("alt-svc h3=\":1\"; ma=5");
    program.ok("alt-svc");
    assert!(program.ok("connections").get("connections").is_some());
    assert!(program.error("await udp.nonsense=1").contains("nonsense"));
    assert!(program.error("close now").contains("now"));
    assert!(program.error("fly").contains("fly"));
    assert!(Program::start(&["h3"]).error("alt-svc x").contains("--tcp"));
}

#[test]
fn quic_is_steered_by_lines() {
    let mut program = Program::start(&["quic", "--script", r#"["http3","signal",{"serve":0,"text":"ok"}]"#]);
    let pem = program.ready.get("ca").and_then(Json::as_text).unwrap().to_owned();
    quic::run(async {
        let endpoint = quic::endpoint();
        let connection = quic::connect(&endpoint, &quic::config_of(&pem, "h3"), program.addr()).await.unwrap();
        program.ok("await 0.shaken=1");
        program.ok("signal 0");
        assert_eq!(quic::get(&connection, "/").await.unwrap().body, b"ok");
        connection.close(quinn::VarInt::from_u32(0x100), b"");
        endpoint.wait_idle().await;
    });
    program.ok("await 0.0.ended=1");
    program.ok("await 0.ended=1");
    program.ok("await open=0");
    let received = program.ok("received 0 0");
    assert!(received.get("base64").and_then(Json::as_text).unwrap().starts_with("AT"), "HEADERS: {received}");
    let control = base64(&forebay_testkit::h3::frame::control(&[]));
    assert_eq!(program.ok("unidirectional 0 0").get("base64").and_then(Json::as_text), Some(control.as_str()));
    let Some(Json::List(list)) = program.ok("connections").get("connections").cloned() else { panic!("a list") };
    let text = |name: &str| list[0].get(name).and_then(Json::as_text).map(str::to_owned);
    assert_eq!((text("alpn").as_deref(), text("end").as_deref()), (Some("h3"), Some("peerClosed")));
    program.ok(r#"script [{"close":258}]"#);
    program.ok("door refuse");
    program.ok("forget");
    program.ok("signal");
    for (line, word) in [
        ("await 0.nothing=1", "nothing"),
        ("await 0.0.x=1", "0.0.x"),
        ("received 0", "STREAM"),
        ("received 9 9", "stream"),
        ("door wide", "wide"),
        (r#"script ["nope"]"#, "nope"),
    ] {
        assert!(program.error(line).contains(word), "{line}");
    }
}

#[test]
fn relay_and_udp_are_steered_by_lines() {
    let mut noise = Program::start(&["udp", "--door", "noise"]);
    let mut relay = Program::start(&["relay", "--to", &noise.addr().to_string()]);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(relay.addr()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(b"who is there?").unwrap();
    assert_eq!(client.recv(&mut [0; 2_000]).unwrap(), 1_200);
    assert_eq!((counter(&mut relay, "passed"), counter(&mut noise, "packets")), (Some(2), Some(1)));
    relay.ok("hole both");
    client.send(b"and now?").unwrap();
    relay.ok("await swallowed=1");
    relay.ok("hole none");
    relay.ok(r#"faults {"drop":100}"#);
    client.send(b"and now?").unwrap();
    relay.ok("await lost=1");
    relay.ok("rebind");
    assert_eq!(counter(&mut relay, "rebinds"), Some(1));
    noise.ok("await packets=1");
    assert!(relay.error("hole wide").contains("wide"));
    assert!(relay.error(r#"faults {"dorp":1}"#).contains("dorp"));
    assert!(noise.error("hole both").contains("hole"));
}

#[test]
fn the_program_ends_with_its_standard_input() {
    for arguments in [&["h1"][..], &["h1", "--tls"], &["script"]] {
        let mut program = Program::start(arguments);
        let _open = connect(program.addr());
        drop(program.lines.take());
        assert!(program.ends_within(PATIENCE), "{arguments:?}");
    }
    // Even while a command waits.
    let mut program = Program::start(&["h1"]);
    writeln!(program.lines.as_mut().unwrap(), "await requestsBegun=1 600000").unwrap();
    drop(program.lines.take());
    assert!(program.ends_within(PATIENCE));
}

#[test]
fn wrong_arguments_are_said_by_name() {
    for (arguments, name) in [
        (&["h9"][..], "h1|h2|h3|script"),
        (&["h3", "--max-concurrent-streams", "x"], "--max-concurrent-streams"),
        (&["quic", "--door", "wide"], "wide"),
        (&["relay"], "--to"),
        (&["udp", "--door", "wide"], "wide"),
        (&["h2", "--max-concurrent-streams", "x"], "--max-concurrent-streams"),
        (&["h1", "--prot", "1"], "--prot"),
        (&["h1", "--port", "x"], "--port"),
        (&["h1", "--tls", "exipred"], "exipred"),
        (&["script", "--script", "["], "JSON"),
        (&["script", "--door"], "--door"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_forebay-testkit")).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8(output.stderr).unwrap().contains(name), "{arguments:?}");
    }
}
