//! HTTP/2: one connection, many exchanges, on the `h2` crate; and the meter that keeps its peer to the rules.
//!
//! ```text
//!   connection --> stream          one exchange: request out, head, body
//!      |   \--> {keepalive, bandwidth}
//!     h2 --> io --> meter --> {settings, traffic}
//! ```
//!
//! What HTTP/3 does alike is in `carried`, `message`, `outgoing` and `nudges`. Not here: sockets and TLS (`wire`, `dial`), what a fault is called (`error`).

mod bandwidth;
mod connection;
mod fault;
mod fields;
mod io;
mod keepalive;
mod meter;
mod settings;
mod stream;
mod traffic;

pub(crate) use connection::H2;
pub(crate) use fault::Fault;
pub(crate) use io::ReadEnd;
pub(crate) use traffic::Traffic;
