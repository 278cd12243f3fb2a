//! Forebay's transport: sockets, TLS and HTTP on a reactor, at the command of the pure core.
//!
//! ```text
//!   Driver --requests--> Pool --inputs, now--> forebay-core
//!                         |  <---- effects ----
//!                         +-- Connection (task): dial, then h1, h2 or h3
//!   Sink  <-- heads, bodies, failures, connections
//! ```
//!
//! Promise: the core decides, this acts. No thread, no clock of its own: whoever turns the reactor drives it, Node or not.
//! Imports point down: driver, pool, connection, {h1, h2, h3, dial, quic}, {carried, message, outgoing, nudges}, {io, wire, upload, body,
//! request, error};
//! `io` uses the meter of `h1`, which is pure.

#![forbid(unsafe_code)]

mod body;
mod carried;
pub mod config;
mod connection;
mod counted;
mod dial;
mod driver;
pub mod error;
mod exchange;
mod h1;
mod h2;
mod h3;
mod io;
mod message;
mod nudges;
mod outgoing;
mod pool;
mod quic;
mod refusal;
pub mod request;
pub mod sink;
pub mod timeouts;
pub mod tls;
mod upload;
mod wire;

pub use config::PoolConfig;
pub use driver::Driver;
pub use quic::Buffers;

#[cfg(test)]
extern crate self as forebay_transport;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
