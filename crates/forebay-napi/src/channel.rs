//! What JavaScript holds: one way across, for one environment and one runner.
#![allow(clippy::needless_pass_by_value, reason = "napi hands arguments over by value")]

use std::cell::RefCell;

use napi::Env;
use napi::bindgen_prelude::{Float64Array, Function, Uint8Array};
use napi_derive::napi;

use crate::config::{NativeAddress, NativePoolConfig, addresses, convert};
use crate::js::Memory;
use crate::recycle::Recycler;
#[cfg(unix)]
use crate::runner::event_loop::EventLoop;
use crate::runner::thread;
use crate::submit::Given;

enum Runner {
    Thread(thread::Shared),
    #[cfg(unix)]
    EventLoop(std::rc::Rc<EventLoop>),
}

/// One way across. Lives as long as its environment, whose end it notices by itself.
#[napi]
pub struct Channel {
    runner: Runner,
    submit: Memory,
    given: RefCell<Given>,
    recycler: Recycler,
    pools: u32,
}

#[napi]
impl Channel {
    /// `submit` is read by `flush`; `slab` is filled before `deliver(length)` is called. Both are never detached.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        runner: String,
        submit: Uint8Array,
        slab: Uint8Array,
        deliver: Function<'_, u32, ()>,
    ) -> napi::Result<Self> {
        let runner = match runner.as_str() {
            "thread" => Runner::Thread(thread::Shared::new(env, slab, &deliver)?),
            #[cfg(unix)]
            "event-loop" => Runner::EventLoop(EventLoop::new(env, slab, &deliver)?),
            _ => return Err(napi::Error::from_reason("no such runner")),
        };
        Ok(Self {
            runner,
            submit: Memory::new(submit),
            given: RefCell::default(),
            recycler: Recycler::default(),
            pools: 0,
        })
    }

    /// Copies the body of a request whose record is in the submit buffer and says so. For bodies that are too long to go through it.
    #[napi(catch_unwind)]
    pub fn give(&self, request: u32, body: Uint8Array) {
        self.given.borrow_mut().push_back((request, self.recycler.copy(&body)));
    }

    /// Reads the first `length` bytes of the submit buffer. Gives how many bytes of answers the slab holds already.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn flush(&self, length: u32) -> u32 {
        let records = self.recycler.copy(self.submit.head(length as usize));
        let given = self.given.take();
        let filled = match &self.runner {
            Runner::Thread(thread) => thread.flush(records, given),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.flush(records, given),
        };
        u32::try_from(filled).unwrap_or(u32::MAX)
    }

    /// The rest of the body of `request` is wanted in `into`, as long as it fits. `into` is never detached, and not read before
    /// the terminal record.
    #[napi(catch_unwind)]
    pub fn direct(&self, request: u32, into: Uint8Array) {
        match &self.runner {
            Runner::Thread(thread) => thread.direct(request, Memory::new(into)),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.direct(request, Memory::new(into)),
        }
    }

    /// Adds a pool; gives its number.
    #[napi(catch_unwind)]
    pub fn create_pool(&mut self, config: NativePoolConfig) -> napi::Result<u32> {
        let config = convert(&config)?;
        self.pools += 1;
        let pool = self.pools;
        let seed = seed(pool);
        match &self.runner {
            Runner::Thread(thread) => thread.add_pool(pool, config, seed),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.add_pool(pool, config, seed),
        }
        Ok(pool)
    }

    /// Where a pool connects from now on.
    #[napi(catch_unwind)]
    pub fn set_addresses(&self, pool: u32, list: Vec<NativeAddress>) -> napi::Result<()> {
        let list = addresses(&list)?;
        match &self.runner {
            Runner::Thread(thread) => thread.set_addresses(pool, list),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.set_addresses(pool, list),
        }
        Ok(())
    }

    /// Copies the counters of a pool, in the order of `statNames`.
    #[napi(catch_unwind)]
    pub fn stats(&self, pool: u32, mut into: Float64Array) {
        // SAFETY: JavaScript handed the array in for this call and does not run meanwhile.
        let into = unsafe { into.as_mut() };
        match &self.runner {
            Runner::Thread(thread) => thread.stats(pool, into),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.stats(pool, into),
        }
    }

    /// Lets go of the counters of a closed pool.
    #[napi(catch_unwind)]
    pub fn forget_pool(&self, pool: u32) {
        match &self.runner {
            Runner::Thread(thread) => thread.forget(pool),
            #[cfg(unix)]
            Runner::EventLoop(event_loop) => event_loop.forget(pool),
        }
    }
}

/// For jitter and back-off, which need no more than to differ.
fn seed(pool: u32) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(pool)
}
