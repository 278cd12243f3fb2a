//! `forebay-testkit h3`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::{Arguments, await_counter, ok, ok_with, ready, serve};
use crate::certificates::{Authority, Identity};
use crate::h3::{self, ConnectionInfo, Going};
use crate::json::Json;
use crate::{h2, tls};

/// A UDP port may be free whose TCP port is not.
const PORT_ATTEMPTS: u32 = 16;

/// The server and, with `--tcp`, the one of HTTP/2 at the same port.
struct Servers {
    udp: h3::Server,
    tcp: Option<h2::Server>,
}

pub(super) fn run(arguments: &mut Arguments) -> Result<(), String> {
    let mut options = h3::Options::default();
    let mut tcp = false;
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => options.address.set_ip(arguments.value(&name)?),
            "--port" => options.address.set_port(arguments.value(&name)?),
            "--tcp" => tcp = true,
            "--identity" => options.tls.identity = Identity::from_name(&arguments.value::<String>(&name)?)?,
            "--alpn" => options.tls.alpn = arguments.list(&name)?,
            "--client-auth" => options.tls.client_auth = true,
            "--forget-sessions" => options.tls.forgets_sessions = true,
            "--max-concurrent-streams" => options.transport.max_bidi_streams = arguments.value(&name)?,
            "--stream-window" => options.transport.stream_window = arguments.value(&name)?,
            "--idle-timeout" => options.transport.idle_timeout = Duration::from_millis(arguments.value(&name)?),
            "--no-early-data" => options.transport.early_data = false,
            "--retry" => options.retry = true,
            "--max-streams" => options.max_streams_per_connection = Some(arguments.value(&name)?),
            "--max-age" => options.max_age = Some(Duration::from_millis(arguments.value(&name)?)),
            _ => return Err(format!("h3: no option `{name}`")),
        }
    }
    let servers = start(&options, tcp)?;
    ready(servers.udp.addr(), Some(servers.udp.authority()))?;
    serve(|command, rest| servers.command(command, rest))
}

fn start(options: &h3::Options, tcp: bool) -> Result<Servers, String> {
    let authority = Arc::new(Authority::new());
    let mut attempt = 1;
    loop {
        let udp = h3::Server::start_with(options, authority.clone()).map_err(|error| format!("h3: {error}"))?;
        if !tcp {
            return Ok(Servers { udp, tcp: None });
        }
        match tcp_at(udp.addr(), options, authority.clone()) {
            Ok(tcp) => {
                let port = udp.addr().port();
                tcp.set_alt_svc(advertised(&format!("h3=\":{port}\""))?);
                return Ok(Servers { udp, tcp: Some(tcp) });
            }
            Err(error) if attempt == PORT_ATTEMPTS || options.address.port() != 0 => {
                return Err(format!("h3, TCP: {error}"));
            }
            Err(_) => attempt += 1,
        }
    }
}

fn tcp_at(address: SocketAddr, options: &h3::Options, authority: Arc<Authority>) -> std::io::Result<h2::Server> {
    let tls = tls::TlsOptions { alpn: vec!["h2".to_owned()], ..options.tls.clone() };
    h2::Server::start_with(&h2::Options { address, tls: Some(tls), ..h2::Options::default() }, authority)
}

fn advertised(text: &str) -> Result<Option<HeaderValue>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_str(text).map(Some).map_err(|_| format!("alt-svc: `{text}` is no value of a field"))
}

impl Servers {
    fn command(&self, command: &str, rest: &str) -> Result<Json, String> {
        let number = || rest.parse().map_err(|_| format!("{command}: `{rest}` is no number"));
        match (command, rest) {
            ("stats", "") => {
                let mut answer = vec![("ok".to_owned(), true.into()), ("stats".to_owned(), self.udp.stats().to_json())];
                if let Some(tcp) = &self.tcp {
                    answer.push(("tcp".to_owned(), tcp.stats().to_json()));
                }
                return Ok(Json::Object(answer));
            }
            ("connections", "") => {
                let list: Vec<Json> = self.udp.connections().iter().map(ConnectionInfo::to_json).collect();
                return Ok(ok_with("connections", list.into()));
            }
            ("await", _) => return await_counter(rest, || self.counters()),
            ("goaway", "") => self.udp.end(Going::Gracefully),
            ("forget", "") => self.udp.end(Going::Forgotten),
            ("close", _) => self.udp.end(Going::Abruptly(number()?)),
            ("credit", _) => self.udp.set_credit(number()?),
            ("alt-svc", _) => match &self.tcp {
                Some(tcp) => tcp.set_alt_svc(advertised(rest)?),
                None => return Err("alt-svc: start it with --tcp".to_owned()),
            },
            _ => return Err(format!("h3: no command `{command}`")),
        }
        Ok(ok())
    }

    /// The counters of both, those of TCP with their prefix.
    fn counters(&self) -> Json {
        let pairs = |json| if let Json::Object(pairs) = json { pairs } else { Vec::new() };
        let mut all = pairs(self.udp.stats().to_json());
        let tcp = self.tcp.iter().flat_map(|tcp| pairs(tcp.stats().to_json()));
        all.extend(tcp.map(|(name, value)| (format!("tcp.{name}"), value)));
        Json::Object(all)
    }
}
