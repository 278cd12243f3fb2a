//! The UDP sockets of a reactor: one for each address family and source address.
//!
//! Promise: a socket lives as long as a pool or a connection holds it, and a short while longer, until the peers of its connections
//! have heard of their end. Its buffers are as large as the kernel grants; how large that is, is known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use forebay_reactor::Handle;
use quinn::EndpointConfig;
use socket2::{Domain, Protocol, Socket, Type};

use super::runtime::OnReactor;

/// Bytes that are asked for, for each direction. Source: by probe 208 KiB lost 800 to 4,200 packets in 32 uploads of 64 KiB, this none.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// A socket and its connections.
#[derive(Debug)]
pub(crate) struct Endpoint {
    quinn: quinn::Endpoint,
    buffers: Buffers,
}

/// What the kernel granted of the buffers that were asked for, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Buffers {
    /// For what comes in.
    pub receive: usize,
    /// For what goes out.
    pub send: usize,
}

impl Endpoint {
    fn new(handle: &Handle, local: IpAddr) -> io::Result<Self> {
        let address = SocketAddr::new(local, 0);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            // The other family has a socket of its own.
            socket.set_only_v6(true)?;
        }
        // Where less is allowed less is granted; an error is no reason to do without.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        let buffers = Buffers { receive: socket.recv_buffer_size()?, send: socket.send_buffer_size()? };
        socket.bind(&address.into())?;
        let runtime = Arc::new(OnReactor(handle.shareable()));
        let quinn = quinn::Endpoint::new(EndpointConfig::default(), None, socket.into(), runtime)?;
        tracing::debug!(receive = buffers.receive, send = buffers.send, "UDP socket");
        Ok(Self { quinn, buffers })
    }

    pub(crate) fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// Begins to connect.
    pub(super) fn connect(
        &self,
        client: quinn::ClientConfig,
        peer: SocketAddr,
        server_name: &str,
    ) -> Result<quinn::Connecting, quinn::ConnectError> {
        self.quinn.connect_with(client, peer, server_name)
    }
}

/// Those of one reactor.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(RefCell<BTreeMap<IpAddr, Weak<Endpoint>>>);

impl Endpoints {
    /// The one that reaches `peer` from `local`, or from wherever the system chooses.
    pub(crate) fn reaching(
        &self,
        handle: &Handle,
        peer: SocketAddr,
        local: Option<IpAddr>,
    ) -> io::Result<Rc<Endpoint>> {
        let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let local = local.unwrap_or(any);
        let mut all = self.0.borrow_mut();
        if let Some(known) = all.get(&local).and_then(Weak::upgrade) {
            return Ok(known);
        }
        all.retain(|_, endpoint| endpoint.strong_count() > 0);
        let made = Rc::new(Endpoint::new(handle, local)?);
        all.insert(local, Rc::downgrade(&made));
        Ok(made)
    }

    /// What the kernel granted the sockets that are open: the least of each.
    pub(crate) fn buffers(&self) -> Option<Buffers> {
        let all = self.0.borrow();
        let open = all.values().filter_map(Weak::upgrade).map(|endpoint| endpoint.buffers());
        open.reduce(|a, b| Buffers { receive: a.receive.min(b.receive), send: a.send.min(b.send) })
    }
}
