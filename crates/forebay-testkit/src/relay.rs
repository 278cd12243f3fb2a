//! A bad network of UDP between clients and one server: what it does to each packet follows from a seed.
//!
//! ```text
//!   client --> front socket --> faults --> delay line --> a socket for each client --> server
//!          <--              <-- delay line <-- faults <--
//! ```
//!
//! Promise: whether and how a packet suffers depends on the seed, its direction and its number in that direction alone, so that a run
//! can be repeated as far as the two ends send the same. What a packet suffers is counted. The queue is bounded. Dropping the relay
//! closes its sockets.
//! Not here: TCP; bandwidth.

mod delay_line;
mod faults;
mod server;

pub use self::faults::{Direction, Faults, Hole};
pub use self::server::{Relay, Stats};
