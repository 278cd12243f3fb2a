//! What belongs to a full exchange: bodies that are produced while they are sent, 1xx, tunnels, time-outs.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod support;

#[path = "exchange/interim.rs"]
mod interim;
#[path = "exchange/retry.rs"]
mod retry;
#[path = "exchange/timeouts.rs"]
mod timeouts;
#[path = "exchange/tunnel.rs"]
mod tunnel;
#[path = "exchange/upload.rs"]
mod upload;
