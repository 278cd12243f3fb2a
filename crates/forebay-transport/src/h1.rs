//! HTTP/1.1: one connection, one exchange at a time, on hyper; and the meter that keeps its peer to the rules.
//!
//! ```text
//!   connection --> reading          one exchange: request out, head, body
//!       |
//!     hyper --> io --> meter --> {head, chunks} --> line
//! ```
//!
//! Not here: sockets and TLS (`io`, `dial`), what a fault is called (`error`).

mod chunks;
mod connection;
mod fault;
mod fields;
mod head;
mod line;
mod meter;
mod reading;
mod responding;
mod sending;
mod tunnel;
mod waiting;

pub(crate) use connection::{Done, H1};
pub(crate) use fault::Fault;
pub(crate) use meter::{Bounds, Meter};
pub(crate) use tunnel::Tunnel;
