//! `forebay-testkit quic`.

use std::sync::Arc;
use std::time::Duration;

use super::{Arguments, await_so, ok, ok_with, ready, serve};
use crate::certificates::{Authority, Identity};
use crate::encoding::base64;
use crate::json::Json;
use crate::quic::{ConnectionInfo, Door, Options, Server, parse};

pub(super) fn run(arguments: &mut Arguments) -> Result<(), String> {
    let mut options = Options::default();
    let mut scripts = Vec::new();
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => options.address.set_ip(arguments.value(&name)?),
            "--port" => options.address.set_port(arguments.value(&name)?),
            "--script" => scripts = parse(&arguments.value::<String>(&name)?)?,
            "--door" => options.door = door(&arguments.value::<String>(&name)?)?,
            "--identity" => options.tls.identity = Identity::from_name(&arguments.value::<String>(&name)?)?,
            "--alpn" => options.tls.alpn = arguments.list(&name)?,
            "--forget-sessions" => options.tls.forgets_sessions = true,
            "--max-concurrent-streams" => options.transport.max_bidi_streams = arguments.value(&name)?,
            "--stream-window" => options.transport.stream_window = arguments.value(&name)?,
            "--idle-timeout" => options.transport.idle_timeout = Duration::from_millis(arguments.value(&name)?),
            "--no-early-data" => options.transport.early_data = false,
            "--unread" => options.reads = false,
            _ => return Err(format!("quic: no option `{name}`")),
        }
    }
    let server = Server::start_with(&options, Arc::new(Authority::new()), scripts);
    let server = server.map_err(|error| format!("quic: {error}"))?;
    ready(server.addr(), Some(server.authority()))?;
    serve(|command, rest| answer(&server, command, rest))
}

fn answer(server: &Server, command: &str, rest: &str) -> Result<Json, String> {
    let list = || Json::from(server.connections().iter().map(ConnectionInfo::to_json).collect::<Vec<_>>());
    match command {
        "connections" => return Ok(ok_with("connections", list())),
        "received" | "unidirectional" => {
            let usage = || format!("{command} CONNECTION STREAM, not `{rest}`");
            let (connection, stream) = rest.split_once(' ').ok_or_else(usage)?;
            let (connection, stream) = (connection.parse().map_err(|_| usage())?, stream.parse().map_err(|_| usage())?);
            let bytes = match command {
                "received" => server.received(connection, stream),
                _ => server.received_unidirectional(connection, stream),
            };
            let bytes = bytes.ok_or_else(|| format!("{command}: no such stream yet"))?;
            return Ok(ok_with("base64", base64(&bytes).into()));
        }
        "await" => return await_so(rest, |name| field(name, &server.connections()), list),
        "script" => server.set_scripts(parse(rest)?),
        "signal" if rest.is_empty() => server.signal_all(),
        "signal" => server.signal(rest.parse().map_err(|_| format!("signal: `{rest}` is no connection"))?),
        "door" => server.set_door(door(rest)?),
        "forget" => server.forget(),
        _ => return Err(format!("quic: no command `{command}`")),
    }
    Ok(ok())
}

fn door(name: &str) -> Result<Door, String> {
    match name {
        "open" => Ok(Door::Open),
        "retry" => Ok(Door::Retry),
        "refuse" => Ok(Door::Refuse),
        "ignore" => Ok(Door::Ignore),
        _ => Err(format!("door: `{name}` is not open, retry, refuse or ignore")),
    }
}

/// The value of what `await` names; `None`: that connection or stream is not there yet.
fn field(name: &str, connections: &[ConnectionInfo]) -> Result<Option<u64>, String> {
    let unknown = || format!("await: no field `{name}`");
    let number = |text: &str| text.parse::<usize>().map_err(|_| unknown());
    let words: Vec<&str> = name.split('.').collect();
    match words[..] {
        ["connections"] => Ok(Some(connections.len() as u64)),
        ["open"] => Ok(Some(connections.iter().filter(|connection| connection.end.is_none()).count() as u64)),
        [index, field] => {
            let read: fn(&ConnectionInfo) -> u64 = match field {
                "step" => |connection| connection.step as u64,
                "requests" => |connection| connection.requests.len() as u64,
                "flooded" => |connection| connection.flooded,
                "shaken" => |connection| u64::from(connection.shaken),
                "ended" => |connection| u64::from(connection.end.is_some()),
                _ => return Err(unknown()),
            };
            Ok(connections.get(number(index)?).map(read))
        }
        [index, stream, field] => {
            let stream = number(stream)?;
            let Some(stream) = connections.get(number(index)?).and_then(|c| c.requests.get(stream)) else {
                return Ok(None);
            };
            match field {
                "received" => Ok(Some(stream.received)),
                "ended" => Ok(Some(u64::from(stream.end.is_some()))),
                "stopped" => Ok(Some(u64::from(stream.stopped.is_some()))),
                _ => Err(unknown()),
            }
        }
        _ => Err(unknown()),
    }
}
