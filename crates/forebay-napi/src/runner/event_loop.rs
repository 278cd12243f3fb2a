//! The event-loop runner: Node's own loop watches the reactor's descriptor and its deadline. No second thread.
//!
//! Promise: a turn is bounded (the reactor's budget); what is left over goes on in the next round of the loop, so that
//! JavaScript gets its turns. JavaScript is called after a turn, never inside. The loop is kept alive exactly while a
//! request is open. At the end of the environment both handles are closed, and only then is the reactor freed.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::net::SocketAddr;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_reactor::{Clock, Reactor};
use forebay_transport::{Driver, PoolConfig};
use napi::bindgen_prelude::{Function, Uint8Array};
use napi::{Env, sys};

use crate::complete::Outlet;
use crate::js::{Callback, Memory, guarded};
use crate::runner::uv::{Handle, Uv};
use crate::stats;
use crate::submit::{Intake, count_openings};

/// Deliveries at the end of one turn; what is left waits for the next round of the loop. A guess: 4 slabs.
const DELIVERIES: usize = 4;

/// One reactor on the loop of one environment.
pub(crate) struct EventLoop {
    uv: &'static Uv,
    reactor: Reactor,
    driver: Driver,
    outlet: Rc<Outlet>,
    intake: RefCell<Intake>,
    slab: RefCell<Memory>,
    deliver: Callback,
    poll: Cell<Option<NonNull<c_void>>>,
    timer: Cell<Option<NonNull<c_void>>>,
    /// When the timer fires.
    armed: Cell<Option<Instant>>,
    /// Requests (and closings) without their terminal record.
    open: Cell<usize>,
    alive: Cell<bool>,
    dead: Cell<bool>,
    /// Handles whose memory is not freed yet, and what to tell Node then.
    closing: Cell<u32>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
}

impl EventLoop {
    pub(crate) fn new(env: Env, slab: Uint8Array, deliver: &Function<'_, u32, ()>) -> napi::Result<Rc<Self>> {
        let failed = |what: &str| napi::Error::from_reason(format!("event loop: {what}"));
        let uv = Uv::get().map_err(failed)?;
        let reactor = Reactor::new(Clock::System).map_err(|e| failed(&e.to_string()))?;
        let outlet = Rc::new(Outlet::default());
        let driver = Driver::new(reactor.handle(), outlet.clone());
        let fd = reactor.fd();
        let this = Rc::new(Self {
            uv,
            reactor,
            driver,
            outlet,
            intake: RefCell::default(),
            slab: RefCell::new(Memory::new(slab)),
            deliver: Callback::new(env, deliver)?,
            poll: Cell::new(None),
            timer: Cell::new(None),
            armed: Cell::new(None),
            open: Cell::new(0),
            alive: Cell::new(false),
            dead: Cell::new(false),
            closing: Cell::new(0),
            hook: Cell::new(ptr::null_mut()),
        });
        let mut event_loop = ptr::null_mut();
        // SAFETY: inside a call from this environment; `this` outlives both handles: each counts as an owner (the raw
        // `Rc`) until its close callback, and the descriptor belongs to `this`.
        unsafe {
            napi::check_status!(sys::napi_get_uv_event_loop(env.raw(), &raw mut event_loop))?;
            let event_loop = event_loop.cast();
            let timer = uv.timer(event_loop, Rc::as_ptr(&this).cast_mut().cast()).ok_or_else(|| failed("no timer"))?;
            this.timer.set(Some(timer));
            Rc::increment_strong_count(Rc::as_ptr(&this));
            this.closing.set(1);
            let poll = uv.poll(event_loop, fd, Rc::as_ptr(&this).cast_mut().cast(), on_poll);
            if let Some(poll) = poll {
                this.poll.set(Some(poll));
                Rc::increment_strong_count(Rc::as_ptr(&this));
                this.closing.set(2);
            }
            let mut hook = ptr::null_mut();
            let data = Rc::as_ptr(&this).cast_mut().cast();
            napi::check_status!(sys::napi_add_async_cleanup_hook(env.raw(), Some(on_end), data, &raw mut hook))?;
            this.hook.set(hook);
            poll.ok_or_else(|| failed("libuv cannot watch the descriptor"))?;
        }
        Ok(this)
    }

    pub(crate) fn add_pool(&self, pool: u32, config: PoolConfig, seed: u64) {
        self.driver.add_pool(pool, config, seed);
    }

    pub(crate) fn set_addresses(&self, pool: u32, addresses: Vec<SocketAddr>) {
        self.driver.set_addresses(pool, addresses);
    }

    pub(crate) fn stats(&self, pool: u32, into: &mut [f64]) {
        self.driver.with_core(pool, |core| stats::read(core, into));
    }

    pub(crate) fn forget(&self, pool: u32) {
        self.driver.forget_pool(pool);
    }

    /// Takes what JavaScript submitted and does at once what can be done. Gives how many bytes of answers the slab holds.
    pub(crate) fn flush(&self, records: &[u8]) -> usize {
        if self.dead.get() {
            return 0;
        }
        self.open.set(self.open.get() + count_openings(records));
        self.reactor.awake();
        // What the peers did since the last turn must be known before a connection is used again.
        self.reactor.select(Some(Duration::ZERO));
        self.intake.borrow_mut().read(Bytes::copy_from_slice(records), &self.driver);
        let more = self.reactor.run();
        let filled = self.fill();
        self.settle(more);
        filled
    }

    fn turn(&self) {
        if self.dead.get() {
            return;
        }
        self.reactor.awake();
        self.reactor.select(Some(Duration::ZERO));
        let more = self.reactor.run();
        for _ in 0..DELIVERIES {
            let filled = self.fill();
            if filled == 0 {
                break;
            }
            self.deliver.call(u32::try_from(filled).unwrap_or(u32::MAX));
            if self.dead.get() {
                return;
            }
        }
        self.settle(more);
    }

    fn fill(&self) -> usize {
        self.driver.settle(|_, _| {});
        let mut out = self.outlet.outbox().borrow_mut();
        self.open.set(self.open.get().saturating_sub(out.take_terminals()));
        out.fill(self.slab.borrow_mut().bytes_mut())
    }

    /// Before control goes back to Node: when to come again, and whether the loop lives on for us.
    fn settle(&self, more: bool) {
        let (Some(timer), Some(poll)) = (self.timer.get(), self.poll.get()) else {
            return;
        };
        let waits = !self.outlet.outbox().borrow().is_empty();
        let now = Instant::now();
        let again = self.reactor.prepare_wait() || more || waits;
        let next = if again { Some(now) } else { self.reactor.next_deadline() };
        if let Some(at) = next
            && self.armed.get().is_none_or(|armed| at < armed)
        {
            let wait = at.saturating_duration_since(now).as_micros().div_ceil(1000);
            // SAFETY: the timer is open: it is taken from the cell before it is closed.
            unsafe { self.uv.start(timer, u64::try_from(wait).unwrap_or(u64::MAX), on_timer) };
            self.armed.set(Some(at));
        }
        let alive = self.open.get() > 0 || waits;
        if alive != self.alive.get() {
            self.alive.set(alive);
            // SAFETY: both are open, as above. The timer counts too: it may be what comes next.
            unsafe {
                self.uv.keep_alive(poll, alive);
                self.uv.keep_alive(timer, alive);
            }
        }
    }

    /// The environment ends: nobody is called any more; handles close, memory follows.
    fn end(&self) {
        self.dead.set(true);
        self.driver.shutdown();
        self.reactor.shutdown();
        self.outlet.outbox().take();
        self.deliver.forget();
        // SAFETY: each is taken out of its cell, so it is closed once; the callbacks free the memory.
        unsafe {
            if let Some(poll) = self.poll.take() {
                self.uv.close(poll, on_poll_closed);
            }
            if let Some(timer) = self.timer.take() {
                self.uv.close(timer, on_timer_closed);
            }
        }
    }

    fn closed_one(&self) {
        self.closing.set(self.closing.get() - 1);
        if self.closing.get() == 0 {
            // SAFETY: the hook was added once and is removed once, when nothing of ours is left on the loop.
            unsafe { sys::napi_remove_async_cleanup_hook(self.hook.get()) };
        }
    }
}

/// Owns one more count while it lives: JavaScript that runs inside may end the environment.
///
/// # Safety
/// `data` came from `Rc::as_ptr` of an `EventLoop` that has an owner now.
unsafe fn borrow(data: *mut c_void) -> Rc<EventLoop> {
    let this: *const EventLoop = data.cast();
    // SAFETY: by the caller's promise.
    unsafe {
        Rc::increment_strong_count(this);
        Rc::from_raw(this)
    }
}

unsafe extern "C" fn on_poll(handle: Handle, _: c_int, _: c_int) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: an open handle of ours; its data has an owner until the handle's close callback.
        let this = unsafe { borrow(uv.data(handle)) };
        this.turn();
    });
}

unsafe extern "C" fn on_timer(handle: Handle) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: as in `on_poll`.
        let this = unsafe { borrow(uv.data(handle)) };
        this.armed.set(None);
        this.turn();
    });
}

unsafe extern "C" fn on_end(_: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    guarded(|| {
        // SAFETY: the handles own it until they are closed, which begins here.
        let this = unsafe { borrow(data) };
        this.end();
    });
}

unsafe extern "C" fn on_poll_closed(handle: Handle) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: the handle is closed; its memory is freed once, its count given back once.
        let this: Rc<EventLoop> = unsafe {
            let this = Rc::from_raw(uv.data(handle).cast::<EventLoop>().cast_const());
            uv.free_poll(handle);
            this
        };
        this.closed_one();
    });
}

unsafe extern "C" fn on_timer_closed(handle: Handle) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: as in `on_poll_closed`.
        let this: Rc<EventLoop> = unsafe {
            let this = Rc::from_raw(uv.data(handle).cast::<EventLoop>().cast_const());
            uv.free_timer(handle);
            this
        };
        this.closed_one();
    });
}
