//! The program `forebay-testkit`: one server per process, steered by lines.
//!
//! ```text
//!   forebay-testkit h1     [--host 127.0.0.1] [--port 0] [--threads 1] [--idle-timeout MS] [--max-requests N] [--keep-alive TEXT]
//!                          [--tls [IDENTITY]] [--alpn a,b] [--tls-version 1.2|1.3] [--client-auth] [--forget-sessions]
//!   forebay-testkit h2     [--host 127.0.0.1] [--port 0] [--tls [IDENTITY]] [--alpn a,b] [--max-concurrent-streams N|none]
//!                          [--stream-window N] [--settings-delay MS] [--max-streams N] [--max-age MS]
//!   forebay-testkit h3     [--host 127.0.0.1] [--port 0] [--tcp] [--identity IDENTITY] [--alpn a,b] [--client-auth] [--forget-sessions]
//!                          [--max-concurrent-streams N] [--stream-window N] [--idle-timeout MS] [--no-early-data] [--retry]
//!                          [--max-streams N] [--max-age MS]
//!   forebay-testkit script [--host 127.0.0.1] [--port 0] [--script JSON] [--backlog N] [--door open|deaf|shut] [--full-backlog]
//!   forebay-testkit quic   [--host 127.0.0.1] [--port 0] [--script JSON] [--door open|retry|refuse|ignore] [--identity IDENTITY] [--alpn a,b]
//!                          [--forget-sessions] [--max-concurrent-streams N] [--stream-window N] [--idle-timeout MS] [--no-early-data] [--unread]
//!   forebay-testkit relay  --to HOST:PORT [--host 127.0.0.1] [--port 0] [--faults JSON]
//!   forebay-testkit udp    [--host 127.0.0.1] [--port 0] [--door silent|shut|versions|noise]
//! ```
//!
//! When it listens it prints one line of JSON: `{"port":N,"host":"127.0.0.1","ca":PEM,"crl":PEM,"cert":PEM,"key":PEM,
//! "clientCert":PEM,"clientKey":PEM}` (`h1` and `h2` without `--tls`, `relay`, `udp`: port and host only); `cert` and `key` are a good identity of the
//! same root, for servers of other makers. Then it answers each line on standard input with one line of JSON, in order:
//! `{"ok":true,...}` or `{"error":"why"}`. It ends when standard input closes, so that it never outlives its parent.
//!
//! | line | to | answer besides `ok` |
//! | --- | --- | --- |
//! | `stats` | h1, h2 | `stats`: the counters of `h1::Stats` or `h2::Stats` in camelCase |
//! | `connections` | h1 | `connections`: list of `{id, requests, open}` |
//! | `connections` | h2 | `connections`: list of `{id, streams, active, open}` |
//! | `goaway`, `goaway abrupt`, `drop` | h2 | ends all connections: in two steps, at once, without a word |
//! | `stats` | h3 | the same; with `--tcp` also `tcp`, the counters of its server over TCP |
//! | `connections` | h3 | as h2 |
//! | `goaway`, `close CODE`, `forget` | h3 | ends all connections: GOAWAY; `CONNECTION_CLOSE`; they are forgotten, as by a restart |
//! | `credit N` | h3 | requests that each connection may have open at once from now on |
//! | `alt-svc TEXT`, `alt-svc` | h3 with `--tcp` | what answers over TCP advertise: this, nothing |
//! | `close idle`, `close all`, `close reset` | h1 | |
//! | `await NAME>=N [MS]` | h1, h2, h3 (`tcp.NAME` too), relay, udp | waits until a counter is so; also `=` and `<=`; 10 s unless told |
//! | `connections` | script | `connections`: list as `script::ConnectionInfo` in camelCase, `end` is null while open |
//! | `received I` | script | `base64`: what connection I has sent us, decrypted |
//! | `script JSON` | script | scripts from the next connection on (form: `script::parse`) |
//! | `signal`, `signal I` | script | signals each connection so far; signals connection I |
//! | `door open`, `door deaf`, `door shut` | script | accepts; lets wait; refuses |
//! | `await connections>=N [MS]`, `await open=N [MS]` | script | counts of connections accepted and open |
//! | `await I.FIELD>=N [MS]` | script | `received`, `sent`, `requests`, `step`, or `ended` (1 when ended) of connection I |
//! | `connections` | quic | `connections`: list as `quic::ConnectionInfo` in camelCase |
//! | `received I J`, `unidirectional I J` | quic | `base64`: what came on request or unidirectional stream J of connection I |
//! | `script JSON`, `signal`, `signal I` | quic | as script (form: `quic::parse`) |
//! | `door DOOR`, `forget` | quic | what becomes of first packets; connections are forgotten, as by a restart |
//! | `await I.FIELD>=N [MS]` | quic | `step`, `requests`, `flooded`, `shaken`, `ended` of connection I, and as script `connections`, `open` |
//! | `await I.J.FIELD>=N [MS]` | quic | `received`, `ended`, `stopped` of request J |
//! | `stats` | relay, udp | `stats`: the counters of `relay::Stats`; `packets` |
//! | `faults JSON` | relay | changes these faults (form: `relay::Faults::changed`) |
//! | `hole none`, `hole to-server`, `hole to-client`, `hole both` | relay | where nothing passes |
//! | `rebind` | relay | clients get other addresses |
//! | `quit` | all | ends |
//!
//! Not here: what the servers do (`h1`, `h2`, `script`).

mod h3;
mod quic;
mod relay;
mod udp;

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::certificates::{Authority, Identity};
use crate::encoding::base64;
use crate::json::Json;
use crate::tls::{TlsOptions, Versions};
use crate::wait::wait_until;
use crate::{h1, h2, script};

/// How long `await` waits unless told, in ms. A guess: far longer than anything on loopback takes.
const AWAIT_MS: u64 = 10_000;

/// How long the commands that stood before the end of standard input have left. A guess.
const LAST_COMMANDS: Duration = Duration::from_secs(1);

/// Runs the program with these arguments (without its name) until it is to end.
///
/// # Errors
/// What is wrong with the arguments, or why the server could not start.
pub fn run(arguments: impl IntoIterator<Item = String>) -> Result<(), String> {
    let mut arguments = Arguments { rest: arguments.into_iter().collect::<Vec<_>>().into_iter().peekable() };
    match arguments.rest.next().as_deref() {
        Some("h1") => run_h1(&mut arguments),
        Some("h2") => run_h2(&mut arguments),
        Some("h3") => h3::run(&mut arguments),
        Some("script") => run_script(&mut arguments),
        Some("quic") => quic::run(&mut arguments),
        Some("relay") => relay::run(&mut arguments),
        Some("udp") => udp::run(&mut arguments),
        _ => Err("usage: forebay-testkit h1|h2|h3|script|quic|relay|udp [options]".to_owned()),
    }
}

fn run_h1(arguments: &mut Arguments) -> Result<(), String> {
    let mut options = h1::Options::default();
    let mut tls = TlsOptions::default();
    let mut with_tls = false;
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => options.address.set_ip(arguments.value(&name)?),
            "--port" => options.address.set_port(arguments.value(&name)?),
            "--threads" => options.threads = arguments.value(&name)?,
            "--idle-timeout" => options.idle_timeout = Some(Duration::from_millis(arguments.value(&name)?)),
            "--max-requests" => options.max_requests_per_connection = Some(arguments.value(&name)?),
            "--keep-alive" => options.keep_alive_field = Some(arguments.value(&name)?),
            "--tls" => {
                with_tls = true;
                if let Some(identity) = arguments.optional() {
                    tls.identity = Identity::from_name(&identity)?;
                }
            }
            "--alpn" => tls.alpn = arguments.list(&name)?,
            "--tls-version" => {
                tls.versions = match arguments.value::<String>(&name)?.as_str() {
                    "1.2" => Versions::Tls12,
                    "1.3" => Versions::Tls13,
                    other => return Err(format!("{name}: `{other}` is neither 1.2 nor 1.3")),
                }
            }
            "--client-auth" => tls.client_auth = true,
            "--forget-sessions" => tls.forgets_sessions = true,
            _ => return Err(format!("h1: no option `{name}`")),
        }
    }
    options.tls = with_tls.then_some(tls);
    let server = h1::Server::start(&options).map_err(|error| format!("h1: {error}"))?;
    ready(server.addr(), with_tls.then(|| server.authority()))?;
    serve(|command, rest| h1_command(&server, command, rest))
}

fn h1_command(server: &h1::Server, command: &str, rest: &str) -> Result<Json, String> {
    match command {
        "stats" => Ok(ok_with("stats", server.stats().to_json())),
        "connections" => {
            let info = |connection: &h1::ConnectionInfo| {
                Json::object([
                    ("id", connection.id.into()),
                    ("requests", connection.requests.into()),
                    ("open", connection.open.into()),
                ])
            };
            let list: Vec<Json> = server.connections().iter().map(info).collect();
            Ok(ok_with("connections", list.into()))
        }
        "close" => {
            server.close_connections(match rest {
                "idle" => h1::Closing::Idle,
                "all" => h1::Closing::All,
                "reset" => h1::Closing::Reset,
                _ => return Err("close idle|all|reset".to_owned()),
            });
            Ok(ok())
        }
        "await" => await_counter(rest, || server.stats().to_json()),
        _ => Err(format!("h1: no command `{command}`")),
    }
}

fn run_h2(arguments: &mut Arguments) -> Result<(), String> {
    let mut options = h2::Options::default();
    let mut tls = TlsOptions { alpn: vec!["h2".to_owned(), "http/1.1".to_owned()], ..TlsOptions::default() };
    let mut with_tls = false;
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => options.address.set_ip(arguments.value(&name)?),
            "--port" => options.address.set_port(arguments.value(&name)?),
            "--tls" => {
                with_tls = true;
                if let Some(identity) = arguments.optional() {
                    tls.identity = Identity::from_name(&identity)?;
                }
            }
            "--alpn" => tls.alpn = arguments.list(&name)?,
            "--max-concurrent-streams" => {
                options.max_concurrent_streams = match arguments.value::<String>(&name)?.as_str() {
                    "none" => None,
                    number => Some(number.parse().map_err(|_| format!("{name}: `{number}` does not fit"))?),
                }
            }
            "--stream-window" => options.stream_window = arguments.value(&name)?,
            "--settings-delay" => options.settings_delay = Duration::from_millis(arguments.value(&name)?),
            "--max-streams" => options.max_streams_per_connection = Some(arguments.value(&name)?),
            "--max-age" => options.max_age = Some(Duration::from_millis(arguments.value(&name)?)),
            _ => return Err(format!("h2: no option `{name}`")),
        }
    }
    options.tls = with_tls.then_some(tls);
    let server = h2::Server::start(&options).map_err(|error| format!("h2: {error}"))?;
    ready(server.addr(), with_tls.then(|| server.authority()))?;
    serve(|command, rest| h2_command(&server, command, rest))
}

fn h2_command(server: &h2::Server, command: &str, rest: &str) -> Result<Json, String> {
    match command {
        "stats" => Ok(ok_with("stats", server.stats().to_json())),
        "connections" => {
            let list: Vec<Json> = server.connections().iter().map(h2::ConnectionInfo::to_json).collect();
            Ok(ok_with("connections", list.into()))
        }
        "goaway" | "drop" => {
            server.end(match (command, rest) {
                ("goaway", "") => h2::Going::Gracefully,
                ("goaway", "abrupt") => h2::Going::Abruptly,
                ("drop", "") => h2::Going::Silently,
                _ => return Err("goaway [abrupt]|drop".to_owned()),
            });
            Ok(ok())
        }
        "await" => await_counter(rest, || server.stats().to_json()),
        _ => Err(format!("h2: no command `{command}`")),
    }
}

fn run_script(arguments: &mut Arguments) -> Result<(), String> {
    let mut options = script::Options::default();
    let mut scripts = Vec::new();
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => options.address.set_ip(arguments.value(&name)?),
            "--port" => options.address.set_port(arguments.value(&name)?),
            "--script" => scripts = script::parse(&arguments.value::<String>(&name)?)?,
            "--backlog" => options.backlog = arguments.value(&name)?,
            "--door" => options.door = door(&arguments.value::<String>(&name)?)?,
            "--full-backlog" => options.full_backlog = true,
            _ => return Err(format!("script: no option `{name}`")),
        }
    }
    let server = script::Server::start_with(options, Arc::new(Authority::new()), scripts)
        .map_err(|error| format!("script: {error}"))?;
    ready(server.addr(), Some(server.authority()))?;
    serve(|command, rest| script_command(&server, command, rest))
}

fn script_command(server: &script::Server, command: &str, rest: &str) -> Result<Json, String> {
    let index = || rest.parse().map_err(|_| format!("{command}: `{rest}` is no connection"));
    match command {
        "connections" => {
            let list: Vec<Json> = server.connections().iter().map(script::ConnectionInfo::to_json).collect();
            Ok(ok_with("connections", list.into()))
        }
        "received" => {
            let bytes = server.received(index()?).ok_or_else(|| format!("received: no connection {rest} yet"))?;
            Ok(ok_with("base64", base64(&bytes).into()))
        }
        "script" => {
            server.set_scripts(script::parse(rest)?);
            Ok(ok())
        }
        "signal" if rest.is_empty() => {
            server.signal_all();
            Ok(ok())
        }
        "signal" => {
            server.signal(index()?);
            Ok(ok())
        }
        "door" => server.set_door(door(rest)?).map(|()| ok()),
        "await" => {
            let wanted = Wanted::parse(rest)?;
            read_field(wanted.name, &[])?;
            let so = server.wait_until(wanted.at_most, |connections| {
                read_field(wanted.name, connections).ok().flatten().is_some_and(|value| wanted.holds(value))
            });
            if so {
                return Ok(ok());
            }
            let list: Vec<Json> = server.connections().iter().map(script::ConnectionInfo::to_json).collect();
            Err(format!("await: not so in time; {}", Json::from(list)))
        }
        _ => Err(format!("script: no command `{command}`")),
    }
}

/// The value of what `await` names; `None`: that connection is not there yet.
fn read_field(name: &str, connections: &[script::ConnectionInfo]) -> Result<Option<u64>, String> {
    let unknown = || format!("await: `{name}` is not known");
    match name.split_once('.') {
        None if name == "connections" => Ok(Some(connections.len() as u64)),
        None if name == "open" => {
            Ok(Some(connections.iter().filter(|connection| connection.end.is_none()).count() as u64))
        }
        None => Err(unknown()),
        Some((index, field)) => {
            let index: usize = index.parse().map_err(|_| unknown())?;
            let read: fn(&script::ConnectionInfo) -> u64 = match field {
                "received" => |connection| connection.received,
                "sent" => |connection| connection.sent,
                "requests" => |connection| connection.requests,
                "step" => |connection| connection.step as u64,
                "ended" => |connection| u64::from(connection.end.is_some()),
                _ => return Err(unknown()),
            };
            Ok(connections.get(index).map(read))
        }
    }
}

fn door(name: &str) -> Result<script::Door, String> {
    match name {
        "open" => Ok(script::Door::Open),
        "deaf" => Ok(script::Door::Deaf),
        "shut" => Ok(script::Door::Shut),
        _ => Err(format!("door: `{name}` is not open, deaf or shut")),
    }
}

type Compare = fn(&u64, &u64) -> bool;

/// What `await` waits for: `NAME>=N [MS]`.
struct Wanted<'a> {
    name: &'a str,
    compare: Compare,
    number: u64,
    at_most: Duration,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let usage = || format!("await: `{text}` is not NAME>=N [MS]");
        let mut words = text.split_ascii_whitespace();
        let condition = words.next().ok_or_else(usage)?;
        let operators: [(&str, Compare); 3] = [(">=", u64::ge), ("<=", u64::le), ("=", u64::eq)];
        let found = operators.iter().find_map(|(sign, compare)| Some((condition.split_once(sign)?, *compare)));
        let ((name, number), compare) = found.ok_or_else(usage)?;
        let number = number.parse().map_err(|_| usage())?;
        let at_most = words.next().map_or(Ok(AWAIT_MS), str::parse).map_err(|_| usage())?;
        Ok(Self { name, compare, number, at_most: Duration::from_millis(at_most) })
    }

    fn holds(&self, value: u64) -> bool {
        (self.compare)(&value, &self.number)
    }
}

/// Waits until it is so; `look` gives the value of what is named, `None` while it is not there, `told` tells what is when time is up.
fn await_so(
    rest: &str,
    look: impl Fn(&str) -> Result<Option<u64>, String>,
    told: impl Fn() -> Json,
) -> Result<Json, String> {
    let wanted = Wanted::parse(rest)?;
    let mut looked = Ok(None);
    let so = wait_until(wanted.at_most, || {
        looked = look(wanted.name);
        // What cannot be looked at is not waited for.
        looked.as_ref().map_or(true, |value| value.is_some_and(|value| wanted.holds(value)))
    });
    looked?;
    if so { Ok(ok()) } else { Err(format!("await: not so in time; {}", told())) }
}

/// The same of a counter of this object.
fn await_counter(rest: &str, counters: impl Fn() -> Json) -> Result<Json, String> {
    let unknown = |name: &str| format!("await: no counter `{name}`");
    let look = |name: &str| counters().get(name).and_then(Json::as_whole).ok_or_else(|| unknown(name)).map(Some);
    await_so(rest, look, &counters)
}

struct Arguments {
    rest: std::iter::Peekable<std::vec::IntoIter<String>>,
}

impl Arguments {
    fn value<T: std::str::FromStr>(&mut self, name: &str) -> Result<T, String> {
        let value = self.rest.next().ok_or_else(|| format!("{name}: a value is missing"))?;
        value.parse().map_err(|_| format!("{name}: `{value}` does not fit"))
    }

    /// A value that may be left out.
    fn optional(&mut self) -> Option<String> {
        self.rest.next_if(|next| !next.starts_with("--"))
    }

    /// Names with commas between them.
    fn list(&mut self, name: &str) -> Result<Vec<String>, String> {
        let list: String = self.value(name)?;
        Ok(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

fn ok() -> Json {
    Json::object([("ok", true.into())])
}

fn ok_with(key: &str, value: Json) -> Json {
    Json::object([("ok", true.into()), (key, value)])
}

fn ready(address: SocketAddr, authority: Option<&Authority>) -> Result<(), String> {
    let mut pairs = vec![
        ("port".to_owned(), u64::from(address.port()).into()),
        ("host".to_owned(), address.ip().to_string().into()),
    ];
    if let Some(authority) = authority {
        let client = authority.client();
        let good = authority.identity(Identity::Good);
        for (key, pem) in [
            ("ca", authority.pem()),
            ("crl", authority.revocation_list_pem()),
            ("cert", good.certificate_pem),
            ("key", good.key_pem),
            ("clientCert", client.certificate_pem),
            ("clientKey", client.key_pem),
        ] {
            pairs.push((key.to_owned(), pem.into()));
        }
    }
    say(&Json::Object(pairs))
}

fn say(line: &Json) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}

/// Answers lines until `quit` or the end of standard input.
fn serve(mut answer: impl FnMut(&str, &str) -> Result<Json, String>) -> Result<(), String> {
    let lines = read_lines();
    for line in lines {
        let line = line.trim();
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if command == "quit" {
            return say(&ok());
        }
        say(&answer(command, rest.trim()).unwrap_or_else(|why| Json::object([("error", why.into())])))?;
    }
    Ok(())
}

/// Standard input by lines. On its own thread, so that its end is seen even while a command waits.
fn read_lines() -> Receiver<String> {
    let (lines, received) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let sent = line.is_ok_and(|line| lines.send(line).is_ok());
            if !sent {
                break;
            }
        }
        drop(lines);
        std::thread::sleep(LAST_COMMANDS);
        std::process::exit(0);
    });
    received
}
