//! The event-loop runner: Node's own loop watches the reactor's descriptor and its deadline. No second thread.
//!
//! Promise: a turn is bounded (the reactor's budget), and so is what answers lead to (`ROUND`); what is left over goes on in
//! the next round of the loop, so that JavaScript's timers get their turns. JavaScript is called after a turn, never inside. The loop is kept alive exactly while a
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
use crate::runner::uv::{Handle, Kind, Uv};
use crate::stats;
use crate::submit::{Given, Intake, count_openings};
use crate::target::Targets;

/// Deliveries at the end of one turn; what is left waits for the next round of the loop. A guess: 4 slabs.
const DELIVERIES: usize = 4;

/// Bytes of answers that may wait for JavaScript; beyond, nothing more is read until it took some. Callers who give up bodies that
/// have come, and ask for others, would else let them pile up. A guess: 4 slabs.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// How long answers may lead to requests that are answered within one round of the loop: whoever asks again at once would
/// else be answered by a peer that is fast enough for ever, in microtasks, and no timer would fire. As the reactor's budget.
const ROUND: Duration = Duration::from_micros(500);

/// One reactor on the loop of one environment.
pub(crate) struct EventLoop {
    uv: &'static Uv,
    reactor: Reactor,
    driver: Driver,
    outlet: Rc<Outlet>,
    intake: RefCell<Intake>,
    slab: RefCell<Memory>,
    targets: RefCell<Targets>,
    deliver: Callback,
    poll: Cell<Option<NonNull<c_void>>>,
    timer: Cell<Option<NonNull<c_void>>>,
    /// Runs while the next round must not wait. Not the timer: of timers that are due at once older libuvs run all again and
    /// again, and the round does not end.
    idle: Cell<Option<NonNull<c_void>>>,
    /// When the timer fires.
    armed: Cell<Option<Instant>>,
    /// Requests (and closings) without their terminal record.
    open: Cell<usize>,
    alive: Cell<bool>,
    /// Until when answers may be handed over in this round of the loop; `None`: none was yet.
    round: Cell<Option<Instant>>,
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
            targets: RefCell::default(),
            deliver: Callback::new(env, deliver)?,
            poll: Cell::new(None),
            timer: Cell::new(None),
            idle: Cell::new(None),
            armed: Cell::new(None),
            open: Cell::new(0),
            alive: Cell::new(false),
            round: Cell::new(None),
            dead: Cell::new(false),
            closing: Cell::new(0),
            hook: Cell::new(ptr::null_mut()),
        });
        let mut event_loop = ptr::null_mut();
        // SAFETY: inside a call from this environment; `this` outlives all handles: each counts as an owner (the raw
        // `Rc`) until its close callback, and the descriptor belongs to `this`.
        unsafe {
            napi::check_status!(sys::napi_get_uv_event_loop(env.raw(), &raw mut event_loop))?;
            let event_loop = event_loop.cast();
            let data = Rc::as_ptr(&this).cast_mut().cast();
            let handles = [
                (&this.timer, uv.timer(event_loop, data)),
                (&this.idle, uv.idle(event_loop, data)),
                (&this.poll, uv.poll(event_loop, fd, data, on_poll)),
            ];
            for (cell, handle) in handles {
                cell.set(handle);
                if handle.is_some() {
                    Rc::increment_strong_count(Rc::as_ptr(&this));
                    this.closing.set(this.closing.get() + 1);
                }
            }
            let mut hook = ptr::null_mut();
            napi::check_status!(sys::napi_add_async_cleanup_hook(env.raw(), Some(on_end), data, &raw mut hook))?;
            this.hook.set(hook);
            let all = handles.iter().all(|(_, handle)| handle.is_some());
            all.then_some(()).ok_or_else(|| failed("libuv cannot watch the descriptor"))?;
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

    pub(crate) fn direct(&self, request: u32, into: Memory) {
        self.targets.borrow_mut().set(request, into);
    }

    pub(crate) fn forget(&self, pool: u32) {
        self.driver.forget_pool(pool);
    }

    /// Takes what JavaScript submitted and does at once what can be done. Gives how many bytes of answers the slab holds.
    pub(crate) fn flush(&self, records: Bytes, given: Given) -> usize {
        if self.dead.get() {
            return 0;
        }
        self.open.set(self.open.get() + count_openings(&records));
        self.reactor.awake();
        let more = if self.is_behind() {
            self.intake.borrow_mut().read(records, given, &self.driver);
            true
        } else {
            // What the peers did since the last turn must be known before a connection is used again.
            self.reactor.select(Some(Duration::ZERO));
            self.intake.borrow_mut().read(records, given, &self.driver);
            self.reactor.run()
        };
        let filled = if self.round_is_over() { 0 } else { self.fill() };
        // Someone who is answered at once may ask again: from the first answer on this round is limited.
        if filled > 0 && self.round.get().is_none() {
            self.round.set(Some(Instant::now() + ROUND));
        }
        self.settle(more);
        filled
    }

    /// Whether JavaScript has more to take than it should.
    fn is_behind(&self) -> bool {
        self.outlet.outbox().borrow().waiting() > MAX_WAITING
    }

    fn round_is_over(&self) -> bool {
        self.round.get().is_some_and(|end| Instant::now() >= end)
    }

    fn turn(&self) {
        if self.dead.get() {
            return;
        }
        self.reactor.awake();
        let more = self.is_behind() || {
            self.reactor.select(Some(Duration::ZERO));
            self.reactor.run()
        };
        self.round.set(Some(Instant::now() + ROUND));
        for _ in 0..DELIVERIES {
            let filled = self.fill();
            if filled == 0 {
                break;
            }
            self.deliver.call(u32::try_from(filled).unwrap_or(u32::MAX));
            if self.dead.get() {
                return;
            }
            if self.round_is_over() {
                break;
            }
        }
        self.round.set(None);
        self.settle(more);
    }

    fn fill(&self) -> usize {
        self.driver.settle(|_, _| {});
        let mut out = self.outlet.outbox().borrow_mut();
        self.open.set(self.open.get().saturating_sub(out.take_terminals()));
        out.fill(self.slab.borrow_mut().bytes_mut(), &mut self.targets.borrow_mut())
    }

    /// Before control goes back to Node: when to come again, and whether the loop lives on for us.
    fn settle(&self, more: bool) {
        let (Some(timer), Some(poll), Some(idle)) = (self.timer.get(), self.poll.get(), self.idle.get()) else {
            return;
        };
        let waits = !self.outlet.outbox().borrow().is_empty();
        let now = Instant::now();
        // A limited round ends with a turn of ours, the next of the loop.
        let again = self.reactor.prepare_wait() || more || waits || self.round.get().is_some();
        if again {
            // SAFETY: the handle is open: it is taken from the cell before it is closed.
            unsafe { self.uv.each_round(idle, on_idle) };
        } else if let Some(at) = self.reactor.next_deadline()
            && self.armed.get().is_none_or(|armed| at < armed)
        {
            let wait = at.saturating_duration_since(now).as_micros().div_ceil(1000);
            // SAFETY: as above.
            unsafe { self.uv.start(timer, u64::try_from(wait).unwrap_or(u64::MAX), on_timer) };
            self.armed.set(Some(at));
        }
        let alive = self.open.get() > 0 || waits;
        if alive != self.alive.get() {
            self.alive.set(alive);
            // SAFETY: all are open, as above. Each counts: it may be what comes next.
            unsafe {
                for handle in [poll, timer, idle] {
                    self.uv.keep_alive(handle, alive);
                }
            }
        }
    }

    /// The environment ends: nobody is called any more; handles close, memory follows.
    fn end(&self) {
        self.dead.set(true);
        self.driver.shutdown();
        self.reactor.shutdown();
        self.outlet.outbox().take();
        self.targets.borrow_mut().clear();
        self.deliver.forget();
        // SAFETY: each is taken out of its cell, so it is closed once; the callbacks free the memory.
        unsafe {
            if let Some(poll) = self.poll.take() {
                self.uv.close(poll, on_poll_closed);
            }
            if let Some(timer) = self.timer.take() {
                self.uv.close(timer, on_timer_closed);
            }
            if let Some(idle) = self.idle.take() {
                self.uv.close(idle, on_idle_closed);
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

unsafe extern "C" fn on_idle(handle: Handle) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: as in `on_poll`.
        let this = unsafe {
            uv.rest(handle);
            borrow(uv.data(handle))
        };
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
    // SAFETY: the close callback of the poll handle.
    unsafe { closed(handle, Kind::Poll) }
}

unsafe extern "C" fn on_timer_closed(handle: Handle) {
    // SAFETY: the close callback of the timer.
    unsafe { closed(handle, Kind::Timer) }
}

unsafe extern "C" fn on_idle_closed(handle: Handle) {
    // SAFETY: the close callback of the idle handle.
    unsafe { closed(handle, Kind::Idle) }
}

/// # Safety
/// In the close callback of a handle of this kind.
unsafe fn closed(handle: Handle, kind: Kind) {
    guarded(|| {
        let Ok(uv) = Uv::get() else { return };
        // SAFETY: the handle is closed; its memory is freed once, its count given back once.
        let this: Rc<EventLoop> = unsafe {
            let this = Rc::from_raw(uv.data(handle).cast::<EventLoop>().cast_const());
            uv.free(handle, kind);
            this
        };
        this.closed_one();
    });
}
