//! QUIC on the reactor, through quinn: sockets, dials, and why connections end. Knows nothing of HTTP.
//!
//! ```text
//!   dial --> endpoint --> runtime --> forebay-reactor
//!     \--> options
//! ```
//!
//! Promise: one socket for each reactor, address family and source address, for as long as a pool or a connection uses it.
//! Used by `pool` (sockets), `connection` (dials) and `h3` (connections). Not here: streams and what is on them.

mod dial;
mod endpoint;
mod options;
mod runtime;

pub(crate) use dial::{Quic, dial};
pub use endpoint::Buffers;
pub(crate) use endpoint::{Endpoint, Endpoints};
pub(crate) use options::{client, code};
