//! Real upstreams for tests, the demo and the benchmarks: `h1` behaves well and is fast, `h2` and `h3` behave well, `script` (TCP) and
//! `quic` misbehave as they are told, `relay` is a bad network between a client and any of them over UDP, `udp` is what stands at a port
//! where no QUIC is spoken.
//!
//! Promise: each binds its own port, count what happens to them, and are gone when their owner is: a `Server` stops when it is
//! dropped, the program `forebay-testkit` ends when its standard input closes.
//!
//! ```text
//!   main -> control -> {h1, {h2, h3} -> streams, script, quic, relay, udp} -> {tls -> certificates, framing, pattern}
//!   json, encoding, wait: used by all
//! ```
//!
//! Used by Rust tests as a library, by JavaScript tests as a program (see `control` for its lines). Development only; never published.
//! Not here: clients.

#![forbid(unsafe_code)]

pub mod certificates;
pub mod control;
pub mod encoding;
mod endpoint;
pub mod framing;
pub mod h1;
pub mod h2;
pub mod h3;
pub mod json;
pub mod pattern;
pub mod quic;
mod random;
pub mod relay;
pub mod script;
mod streams;
pub mod tls;
pub mod udp;
mod wait;
