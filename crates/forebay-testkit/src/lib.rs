//! Real upstreams for tests, the demo and the benchmarks: `h1` behaves well and is fast, `h2` behaves well, `script` misbehaves as it is told.
//!
//! Promise: both bind their own port, count what happens to them, and are gone when their owner is: a `Server` stops when it is
//! dropped, the program `forebay-testkit` ends when its standard input closes.
//!
//! ```text
//!   main -> control -> {h1, h2, script} -> {tls -> certificates, framing, pattern}      json, encoding: used by all
//! ```
//!
//! Used by Rust tests as a library, by JavaScript tests as a program (see `control` for its lines). Development only; never published.
//! Not here: clients.

#![forbid(unsafe_code)]

pub mod certificates;
pub mod control;
pub mod encoding;
pub mod framing;
pub mod h1;
pub mod h2;
pub mod json;
pub mod pattern;
pub mod script;
pub mod tls;
