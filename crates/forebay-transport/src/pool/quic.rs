//! What a pool keeps for its HTTP/3 connections.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::Pool;
use crate::quic::{self, Endpoint};

impl Pool {
    /// The options of its connections, and what earlier ones learnt. `None`: HTTP/3 is not offered.
    pub(crate) fn quic_client(&self) -> Option<quinn::ClientConfig> {
        let tls = self.config.tls.as_ref()?.quic.as_ref()?;
        let mut made = self.quic.borrow_mut();
        Some(made.get_or_insert_with(|| quic::client(tls, &self.config.http3)).clone())
    }

    /// The socket that reaches `peer`. The pool keeps it until it closes.
    pub(crate) fn quic_endpoint(&self, peer: SocketAddr) -> io::Result<Rc<Endpoint>> {
        let endpoint = self.shared.endpoints.reaching(&self.shared.handle, peer, self.config.local_address)?;
        let mut kept = self.sockets.borrow_mut();
        if !kept.iter().any(|known| Rc::ptr_eq(known, &endpoint)) {
            kept.push(endpoint.clone());
        }
        Ok(endpoint)
    }

    pub(super) fn let_sockets_go(&self) {
        self.sockets.borrow_mut().clear();
    }
}
