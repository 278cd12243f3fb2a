//! `forebay-testkit relay`.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Arguments, await_counter, ok, ok_with, ready, serve};
use crate::json::Json;
use crate::relay::{Faults, Hole, Relay};

pub(super) fn run(arguments: &mut Arguments) -> Result<(), String> {
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut to, mut faults) = (None, Faults::default());
    while let Some(name) = arguments.rest.next() {
        match name.as_str() {
            "--host" => address.set_ip(arguments.value(&name)?),
            "--port" => address.set_port(arguments.value(&name)?),
            "--to" => to = Some(arguments.value(&name)?),
            "--faults" => faults = faults.changed(&Json::parse(&arguments.value::<String>(&name)?)?)?,
            _ => return Err(format!("relay: no option `{name}`")),
        }
    }
    let to = to.ok_or("relay: --to HOST:PORT is missing")?;
    let relay = Relay::start_at(address, to, faults).map_err(|error| format!("relay: {error}"))?;
    ready(relay.addr(), None)?;
    serve(|command, rest| answer(&relay, command, rest))
}

fn answer(relay: &Relay, command: &str, rest: &str) -> Result<Json, String> {
    match command {
        "stats" => return Ok(ok_with("stats", relay.stats().to_json())),
        "await" => return await_counter(rest, || relay.stats().to_json()),
        "faults" => relay.set_faults(relay.faults().changed(&Json::parse(rest)?)?),
        "hole" => relay.set_hole(match rest {
            "none" => Hole::None,
            "to-server" => Hole::ToServer,
            "to-client" => Hole::ToClient,
            "both" => Hole::Both,
            _ => return Err(format!("hole: `{rest}` is not none, to-server, to-client or both")),
        }),
        "rebind" => relay.rebind(),
        _ => return Err(format!("relay: no command `{command}`")),
    }
    Ok(ok())
}
