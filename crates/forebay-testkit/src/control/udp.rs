//! `forebay-testkit udp`.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Arguments, await_counter, ok_with, ready, serve};
use crate::json::Json;
use crate::udp::{Door, Server};

pub(super) fn run(arguments: &mut Arguments) -> Result<(), String> {
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut door = Door::Silent;
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => address.set_ip(arguments.value(&name)?),
            "--port" => address.set_port(arguments.value(&name)?),
            "--door" => {
                door = match arguments.value::<String>(&name)?.as_str() {
                    "silent" => Door::Silent,
                    "shut" => Door::Shut,
                    "versions" => Door::Versions,
                    "noise" => Door::Noise,
                    other => return Err(format!("door: `{other}` is not silent, shut, versions or noise")),
                }
            }
            _ => return Err(format!("udp: no option `{name}`")),
        }
    }
    let server = Server::start_at(address, door).map_err(|error| format!("udp: {error}"))?;
    ready(server.addr(), None)?;
    let stats = || Json::object([("packets", server.packets().into())]);
    serve(|command, rest| match command {
        "stats" => Ok(ok_with("stats", stats())),
        "await" => await_counter(rest, stats),
        _ => Err(format!("udp: no command `{command}`")),
    })
}
