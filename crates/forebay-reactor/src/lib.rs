//! Readiness, sockets, timers and local tasks, for one thread.
//!
//! ```text
//!   owner of the thread: a loop of its own, or another event loop that watches `fd()`
//!        |  turn = prepare_wait, select, run                    other threads
//!        v                                                           | Waker
//!   Reactor --- select ---> table: what each socket is ready for     v
//!        |                       | wakes                          Remote (ready queue, asleep)
//!        +------ run -----> exec: tasks --- hold ---> Handle ---> Stream, Datagrams, Timer
//!        |                       ^ wakes
//!        +------ run -----> timers: one lazy heap
//! ```
//!
//! Promises:
//! - A turn ends soon after its budget, whatever the tasks do, and tasks take turns in the order in which they were woken.
//! - Sockets are read before deadlines fire: what has arrived in time counts as in time.
//! - A panic ends its task alone.
//! - The owner is signalled only while it sleeps, and never misses a wake.
//!
//! Used by `forebay-transport` (sockets, timers, tasks) and by the runners of `forebay-napi` (turns).
//! Not here: HTTP, TLS, name resolution, Node.

#![forbid(unsafe_code)]

mod clock;
mod connect;
mod datagrams;
mod exec;
mod handle;
mod lock;
mod reactor;
mod remote;
mod stream;
mod stream_io;
mod table;
mod timers;

pub use clock::{Clock, ManualClock};
pub use connect::ConnectOptions;
pub use datagrams::{Datagrams, Raw, Writer};
pub use handle::{Handle, SharedHandle};
pub use reactor::Reactor;
pub use remote::Waker;
pub use stream::Stream;
pub use timers::Timer;
