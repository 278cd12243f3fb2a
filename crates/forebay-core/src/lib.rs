//! Forebay's connection pool as a pure state machine.
//!
//! ```text
//!   inputs, each with `now`                          outputs
//!   request cancel connected connect_failed    +-------+   poll_effect: Connect Open Fail Reset Close UpstreamGone
//!   response_head stream_ended go_away ...  -->| Group |-->poll_event:  what observers may know
//!   timeout end_turn drain gate warm ...       +-------+   next_deadline: the one timer;  stats
//!                                                  |
//!                             limits <-- group --> pool (queue, ready set, sums) --> connection (state, capacity)
//! ```
//!
//! A *turn*: the shell hands in all inputs that it has, calls `end_turn`, then takes the effects in order. The core never calls back,
//! reads no clock, knows no socket and draws no random number that the seed does not give. HTTP/1 is a connection with one stream; HTTP/2
//! and HTTP/3 have a limit that the peer changes: one machine for all.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod alt_svc;
mod backoff;
pub mod config;
mod connection;
mod effect;
mod event;
mod fallback;
mod group;
mod heap;
mod id;
mod limits;
mod origin;
mod outcome;
mod pool;
mod race;
mod random;
mod stats;
mod stream;
mod time;
mod timer;
mod upstream;

pub use alt_svc::AltSvc;
pub use config::{
    BackoffConfig, ConfigError, GroupConfig, H2Config, H3Config, Http3Config, LimitsConfig, OnCancel, OnConnectFailure,
    OnMaxRequests, OriginMemory, PerHostConfig, Pick, Protocols, Ratio, ReplayPolicy, RetryLimit, UNLIMITED,
    UpstreamConfig,
};
pub use effect::{CloseReason, Effect};
pub use event::{CloseCause, DrainReason, Event};
pub use group::{Ahead, DrainMode, Group, PoolState, Scope};
pub use id::{ConnectionId, PoolId, StreamId, UpstreamId};
pub use limits::{LimitGauge, LimitName, RetryTicket};
pub use origin::{Http3Status, Origin, Origins, Permission, RaceConfig};
pub use outcome::{
    Admission, Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd, FailureReason, MethodClass,
    NewStream, Priority, Protocol, StreamEnd, StreamFailure,
};
pub use race::{Earlier, HeadStart, Http3, Http3Verdict};
pub use stats::{BUCKET_BOUNDS, Histogram, STATS, Stat, Stats};
pub use time::Instant;
pub use upstream::{Gate, Health, Offer};
