//! The program and its lines, as a test in another language uses them.

#![allow(clippy::unwrap_used)]

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

#[test]
fn the_program_ends_with_its_standard_input() {
    for arguments in [&["h1"][..], &["h1", "--tls"], &["script"]] {
        let mut program = Program::start(arguments);
        let _open = connect(program.addr());
        drop(program.lines.take());
        assert!(program.ends_within(Duration::from_secs(5)), "{arguments:?}");
    }
    // Even while a command waits.
    let mut program = Program::start(&["h1"]);
    writeln!(program.lines.as_mut().unwrap(), "await requestsBegun=1 600000").unwrap();
    drop(program.lines.take());
    assert!(program.ends_within(Duration::from_secs(5)));
}

#[test]
fn wrong_arguments_are_said_by_name() {
    for (arguments, name) in [
        (&["h9"][..], "h1|h2|script"),
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
