//! Forebay's boundary to JavaScript. Rules: no decision, no default, no policy; copy in, copy out; hot ways are records
//! (`record`), cold ones typed objects (`config`); no panic leaves; nothing blocks JavaScript's thread.
//!
//! ```text
//!   channel --flush--> runner::{thread, event_loop} --submit--> forebay-transport
//!      ^                        |
//!      +--- deliver(length) ----+ <--complete-- Sink
//! ```
//!
//! The only crate with `unsafe`, each with its invariant: `js`, `runner`, `channel`.

mod channel;
mod complete;
mod config;
mod js;
mod outbox;
mod record;
mod recycle;
mod runner;
mod stats;
mod submit;
mod target;

use forebay_transport::error::{Code, Phase};
use napi_derive::napi;

/// Null where protocol work can be done on Node's loop; else why not.
#[napi(catch_unwind)]
#[must_use]
pub fn event_loop_support() -> Option<String> {
    #[cfg(unix)]
    {
        runner::uv::Uv::get().err().map(|missing| format!("this runtime does not offer libuv's {missing}"))
    }
    #[cfg(not(unix))]
    {
        Some("this system has no descriptor for libuv to watch".to_owned())
    }
}

/// How many threads serve the thread runner. False: they run already.
#[napi(catch_unwind)]
#[must_use]
pub fn configure_runtime(shards: u32) -> bool {
    runner::thread::configure(shards as usize)
}

/// The names of the numbers that `Channel.stats` copies.
#[napi(catch_unwind)]
#[must_use]
pub fn stat_names() -> Vec<String> {
    stats::names().to_vec()
}

/// The codes of failures, by the index that records carry.
#[napi(catch_unwind)]
#[must_use]
pub fn code_names() -> Vec<String> {
    Code::ALL.iter().map(|c| c.name().to_owned()).collect()
}

/// The phases, by the index that records carry.
#[napi(catch_unwind)]
#[must_use]
pub fn phase_names() -> Vec<String> {
    Phase::ALL.iter().map(|(_, name)| (*name).to_owned()).collect()
}
