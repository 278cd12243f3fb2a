//! HTTP/3: one connection, many exchanges, on quinn's streams and the codec of `forebay-h3`.
//!
//! ```text
//!   connection --> stream --> out          one exchange: request out, head, body
//!      |   \--> credit                     streams that the peer allows, opened ahead
//!      \--> said                           what the peer says on streams of its own
//! ```
//!
//! What HTTP/2 does alike is in `carried`, `message`, `outgoing` and `nudges`. Not here: sockets and dials (`quic`), frames
//! (`forebay-h3`), what a fault is called (`error`).

mod connection;
mod credit;
mod out;
mod said;
mod stream;

pub(crate) use connection::H3;
