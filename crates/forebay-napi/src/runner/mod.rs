//! Who turns a reactor: a thread of its own (`thread`), or Node's event loop (`event_loop`, with `uv` for libuv's symbols).
//!
//! Both offer a channel the same: `flush`, `add_pool`, `set_addresses`, `stats`, `forget`.

#[cfg(unix)]
pub(crate) mod event_loop;
pub(crate) mod thread;
#[cfg(unix)]
pub(crate) mod uv;
