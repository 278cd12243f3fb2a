//! HTTP/2: a well-behaved server, and the frames for scripts that misbehave (`frame`, with the steps `preface` and `streams` of
//! `script`).
//!
//! The server answers the paths of `streams`.
//!
//! Promise: counters are exact between two requests; dropping the server closes all.
//! Not here: misbehaviour below the level of streams (`script`).

pub mod frame;

mod server;
mod stream;

pub use self::server::{Going, Options, Server};
pub use crate::streams::{ConnectionInfo, Stats};
