//! The thread runner: shards, threads of their own that turn a reactor each and serve the channels of every environment.
//!
//! Promise: JavaScript's thread only copies. All that a turn completed is handed over at once, with one signal. Shards
//! start with the first channel and are joined when the last environment has ended. A channel whose environment ended is
//! never signalled again: signal and end exclude each other by one lock.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::net::SocketAddr;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_core::Group;
use forebay_reactor::{Clock, Reactor, Waker};
use forebay_transport::{Driver, PoolConfig};
use napi::bindgen_prelude::{Function, Uint8Array};
use napi::{Env, JsValue as _, sys};

use crate::complete::Outlet;
use crate::js::{Memory, clear_exception, guarded};
use crate::outbox::Outbox;
use crate::stats;
use crate::submit::{Given, Intake, count_openings};
use crate::target::Targets;

/// Deliveries for one signal; what is left waits for the next round of the loop. A guess: 4 slabs.
const DELIVERIES: usize = 4;

/// A panic while a lock was held leaves data that is whole: every change under these locks is one assignment or append.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---- shards ----

enum Command {
    Open { channel: u32, post: Arc<Post> },
    AddPool { channel: u32, pool: u32, config: Box<PoolConfig>, seed: u64 },
    Addresses { channel: u32, pool: u32, addresses: Vec<SocketAddr> },
    Submit { channel: u32, records: Bytes, given: Given },
    Forget { channel: u32, pool: u32 },
    Close { channel: u32 },
    Quit,
}

/// One thread with its reactor.
struct Shard {
    inbox: Arc<Mutex<Vec<Command>>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Shard {
    fn start(index: usize) -> napi::Result<Self> {
        let inbox: Arc<Mutex<Vec<Command>>> = Arc::default();
        let (send, receive) = mpsc::channel();
        let theirs = inbox.clone();
        let failed = |e: &dyn std::fmt::Display| napi::Error::from_reason(format!("cannot start a shard: {e}"));
        let thread = std::thread::Builder::new()
            .name(format!("forebay-{index}"))
            .spawn(move || match Reactor::new(Clock::System) {
                Ok(reactor) => {
                    let _ = send.send(Ok(reactor.waker()));
                    Desk::new(reactor, theirs).run();
                }
                Err(error) => {
                    let _ = send.send(Err(error));
                }
            })
            .map_err(|e| failed(&e))?;
        let waker = receive.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        Ok(Self { inbox, waker, thread: Some(thread) })
    }

    fn send(&self, command: Command) {
        lock(&self.inbox).push(command);
        self.waker.wake();
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.send(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All shards of the process; made by the first channel, gone with the last.
static SHARDS: Mutex<Shards> = Mutex::new(Shards { wanted: 1, running: Vec::new(), channels: 0 });

struct Shards {
    wanted: usize,
    running: Vec<Arc<Shard>>,
    channels: usize,
}

/// How many shards to start. False: they run already.
pub(crate) fn configure(shards: usize) -> bool {
    let mut all = lock(&SHARDS);
    if all.running.is_empty() {
        all.wanted = shards.max(1);
    }
    all.running.is_empty()
}

fn join_shards() -> napi::Result<Arc<Shard>> {
    let mut all = lock(&SHARDS);
    while all.running.len() < all.wanted {
        let shard = Arc::new(Shard::start(all.running.len())?);
        all.running.push(shard);
    }
    let shard = all.running[all.channels % all.running.len()].clone();
    all.channels += 1;
    Ok(shard)
}

fn leave_shards(shard: Arc<Shard>) {
    drop(shard);
    let mut all = lock(&SHARDS);
    all.channels -= 1;
    let last = if all.channels == 0 { std::mem::take(&mut all.running) } else { Vec::new() };
    drop(all);
    drop(last); // joins, outside of the lock
}

// ---- on the shard's thread ----

/// What a shard works on.
struct Desk {
    reactor: Reactor,
    inbox: Arc<Mutex<Vec<Command>>>,
    channels: BTreeMap<u32, Remote>,
}

/// The shard's end of a channel.
struct Remote {
    post: Arc<Post>,
    driver: Driver,
    outlet: Rc<Outlet>,
    intake: Intake,
}

impl Desk {
    fn new(reactor: Reactor, inbox: Arc<Mutex<Vec<Command>>>) -> Self {
        Self { reactor, inbox, channels: BTreeMap::new() }
    }

    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            std::mem::swap(&mut batch, &mut *lock(&self.inbox));
            for command in batch.drain(..) {
                if matches!(command, Command::Quit) {
                    self.reactor.shutdown();
                    return;
                }
                guarded(|| self.obey(command));
            }
            let more = self.reactor.run();
            guarded(|| self.post());
            let wait = if self.reactor.prepare_wait() || more || !lock(&self.inbox).is_empty() {
                Some(Duration::ZERO)
            } else {
                self.reactor.next_deadline().map(|at| at.saturating_duration_since(Instant::now()))
            };
            self.reactor.select(wait);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open { channel, post } => {
                let outlet = Rc::new(Outlet::default());
                let driver = Driver::new(self.reactor.handle(), outlet.clone());
                let intake = Intake::default();
                self.channels.insert(channel, Remote { post, driver, outlet, intake });
            }
            Command::AddPool { channel, pool, config, seed } => {
                if let Some(remote) = self.channels.get_mut(&channel) {
                    remote.driver.add_pool(pool, *config, seed);
                }
            }
            Command::Addresses { channel, pool, addresses } => {
                if let Some(remote) = self.channels.get(&channel) {
                    remote.driver.set_addresses(pool, addresses);
                }
            }
            Command::Submit { channel, records, given } => {
                if let Some(remote) = self.channels.get_mut(&channel) {
                    remote.intake.read(records, given, &remote.driver);
                }
            }
            Command::Forget { channel, pool } => {
                if let Some(remote) = self.channels.get_mut(&channel) {
                    remote.driver.forget_pool(pool);
                    lock(&remote.post.parcel).stats.remove(&pool);
                }
            }
            Command::Close { channel } => {
                if let Some(remote) = self.channels.remove(&channel) {
                    remote.driver.shutdown();
                }
            }
            Command::Quit => {}
        }
    }

    /// Hands over all that this turn completed, and the counters of the pools that it changed.
    fn post(&mut self) {
        for remote in self.channels.values_mut() {
            let Remote { post, driver, outlet, .. } = remote;
            let mut rows = Vec::new();
            driver.settle(|pool, core| {
                let mut row = vec![0.0; stats::length(core)];
                stats::read(core, &mut row);
                rows.push((pool, row));
            });
            let mut out = outlet.outbox().borrow_mut();
            if rows.is_empty() && out.is_empty() {
                continue;
            }
            let mut parcel = lock(&post.parcel);
            parcel.stats.extend(rows);
            if out.is_empty() {
                continue;
            }
            parcel.open = parcel.open.saturating_sub(out.take_terminals());
            parcel.out.append(&mut out);
            if !parcel.signalled {
                parcel.signalled = true;
                post.bell.ring();
            }
        }
    }
}

// ---- between the threads ----

/// What a shard and a channel share.
struct Post {
    parcel: Mutex<Parcel>,
    bell: Bell,
}

#[derive(Default)]
struct Parcel {
    out: Outbox,
    /// A signal is under way: none is needed for what is added.
    signalled: bool,
    /// Requests (and closings) without their terminal record in `out` or before.
    open: usize,
    stats: BTreeMap<u32, Vec<f64>>,
}

/// Wakes the environment. Empty once it has ended.
struct Bell(Mutex<Option<Signal>>);

struct Signal(sys::napi_threadsafe_function);

// SAFETY: a threadsafe function may be called from any thread; that is what it is for. `Bell`'s lock keeps calls before
// the end of the environment, after which the pointer is not used.
unsafe impl Send for Signal {}

impl Bell {
    fn ring(&self) {
        if let Some(signal) = &*lock(&self.0) {
            // SAFETY: the environment has not ended: its cleanup hook takes the signal out under this lock.
            unsafe {
                sys::napi_call_threadsafe_function(
                    signal.0,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                );
            }
        }
    }
}

// ---- on JavaScript's thread ----

/// JavaScript's end of a channel.
pub(crate) struct ThreadChannel {
    shard: Option<Arc<Shard>>,
    post: Arc<Post>,
    number: u32,
    env: sys::napi_env,
    slab: Memory,
    targets: Targets,
    /// Whether the loop is kept alive.
    referenced: bool,
}

/// A channel behind a pointer that Node holds. Only JavaScript's thread uses it, never two calls at once: calls from
/// JavaScript come in through `with`, the signal and the hook from the loop.
pub(crate) struct Shared(*mut ThreadChannel);

impl Shared {
    pub(crate) fn new(env: Env, slab: Uint8Array, deliver: &Function<'_, u32, ()>) -> napi::Result<Self> {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let shard = join_shards()?;
        let post = Arc::new(Post { parcel: Mutex::default(), bell: Bell(Mutex::new(None)) });
        let channel = Box::into_raw(Box::new(ThreadChannel {
            shard: Some(shard.clone()),
            post: post.clone(),
            number,
            env: env.raw(),
            slab: Memory::new(slab),
            targets: Targets::default(),
            referenced: false,
        }));
        let this = Self(channel);
        let name = env.create_string("forebay")?;
        let mut signal = ptr::null_mut();
        // SAFETY: inside a call from this environment. The channel lives until `finalize`, which Node calls once, after the
        // last signal. The hook runs before the threadsafe function's own end, because it is added later.
        unsafe {
            let raw = env.raw();
            napi::check_status!(sys::napi_create_threadsafe_function(
                raw,
                deliver.raw(),
                ptr::null_mut(),
                name.raw(),
                0,
                1,
                channel.cast(),
                Some(finalize),
                channel.cast(),
                Some(on_signal),
                &raw mut signal,
            ))?;
            sys::napi_unref_threadsafe_function(raw, signal);
            napi::check_status!(sys::napi_add_env_cleanup_hook(raw, Some(on_end), channel.cast()))?;
        }
        *lock(&post.bell.0) = Some(Signal(signal));
        shard.send(Command::Open { channel: number, post });
        Ok(this)
    }

    fn with<R>(&self, work: impl FnOnce(&mut ThreadChannel) -> R) -> R {
        // SAFETY: see the type; `work` calls no JavaScript.
        work(unsafe { &mut *self.0 })
    }

    pub(crate) fn add_pool(&self, pool: u32, config: PoolConfig, seed: u64) {
        // The counters can be asked for before the shard has seen the pool.
        let core = Group::new(config.group.clone(), seed);
        let mut row = vec![0.0; stats::length(&core)];
        stats::read(&core, &mut row);
        self.with(|c| {
            lock(&c.post.parcel).stats.insert(pool, row);
            c.send(|channel| Command::AddPool { channel, pool, config: Box::new(config), seed });
        });
    }

    pub(crate) fn set_addresses(&self, pool: u32, addresses: Vec<SocketAddr>) {
        self.with(|c| {
            c.send(|channel| Command::Addresses { channel, pool, addresses });
        });
    }

    pub(crate) fn stats(&self, pool: u32, into: &mut [f64]) {
        self.with(|c| {
            if let Some(row) = lock(&c.post.parcel).stats.get(&pool) {
                let shared = row.len().min(into.len());
                into[..shared].copy_from_slice(&row[..shared]);
            }
        });
    }

    pub(crate) fn forget(&self, pool: u32) {
        self.with(|c| c.send(|channel| Command::Forget { channel, pool }));
    }

    pub(crate) fn direct(&self, request: u32, into: Memory) {
        self.with(|c| c.targets.set(request, into));
    }

    pub(crate) fn flush(&self, records: Bytes, given: Given) -> usize {
        self.with(|c| {
            let mut parcel = lock(&c.post.parcel);
            parcel.open += count_openings(&records);
            let open = parcel.open > 0;
            drop(parcel);
            // Without anything open no answer would come that lets the loop go again.
            if open {
                c.keep_alive(true);
            }
            c.send(|channel| Command::Submit { channel, records, given });
        });
        0
    }
}

impl ThreadChannel {
    fn send(&self, command: impl FnOnce(u32) -> Command) {
        if let Some(shard) = &self.shard {
            shard.send(command(self.number));
        }
    }

    fn keep_alive(&mut self, alive: bool) {
        if alive == self.referenced {
            return;
        }
        self.referenced = alive;
        if let Some(signal) = &*lock(&self.post.bell.0) {
            // SAFETY: on the environment's thread, before its end.
            unsafe {
                if alive {
                    sys::napi_ref_threadsafe_function(self.env, signal.0);
                } else {
                    sys::napi_unref_threadsafe_function(self.env, signal.0);
                }
            }
        }
    }

    /// Copies what waits into the slab: how many bytes, whether more waits, and whether this was the `last` time for now: also where
    /// JavaScript's microtasks, which run after the signal, should have a say. Lets the loop go when nothing is open.
    fn fill(&mut self, last: bool) -> (usize, bool, bool) {
        let post = self.post.clone();
        let mut parcel = lock(&post.parcel);
        let filled = parcel.out.fill(self.slab.bytes_mut(), &mut self.targets);
        let rest = !parcel.out.is_empty();
        let last = last || !rest || parcel.out.is_paused();
        if last {
            // With a rest, the bell is rung again below the caller's loop.
            parcel.signalled = rest;
        }
        let idle = parcel.open == 0 && !rest;
        drop(parcel);
        if idle {
            self.keep_alive(false);
        }
        (filled, rest, last)
    }
}

unsafe extern "C" fn on_signal(env: sys::napi_env, deliver: sys::napi_value, context: *mut c_void, _: *mut c_void) {
    if env.is_null() || deliver.is_null() {
        return;
    }
    guarded(|| {
        let this = Shared(context.cast());
        let mut rest = true;
        for round in 1..=DELIVERIES {
            let (filled, more, last) = this.with(|c| c.fill(round == DELIVERIES));
            rest = more;
            if filled > 0 {
                // SAFETY: Node calls us on the environment's thread with handles that live until we return.
                unsafe { call(env, deliver, filled) };
            }
            if last {
                break;
            }
        }
        if rest {
            this.with(|c| c.post.bell.ring());
        }
    });
}

/// # Safety
/// On the environment's thread, inside a handle scope, `deliver` a function of it.
unsafe fn call(env: sys::napi_env, deliver: sys::napi_value, filled: usize) {
    let (mut receiver, mut argument, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: by the caller's promise.
    unsafe {
        let number = u32::try_from(filled).unwrap_or(u32::MAX);
        if sys::napi_get_global(env, &raw mut receiver) == sys::Status::napi_ok
            && sys::napi_create_uint32(env, number, &raw mut argument) == sys::Status::napi_ok
        {
            sys::napi_call_function(env, receiver, deliver, 1, &raw const argument, &raw mut result);
        }
        clear_exception(env);
    }
}

/// The environment ends: nothing is signalled any more, what is open is dropped on the shard.
unsafe extern "C" fn on_end(data: *mut c_void) {
    guarded(|| {
        let this = Shared(data.cast());
        this.with(|c| {
            c.targets.clear();
            let signal = lock(&c.post.bell.0).take();
            c.send(|channel| Command::Close { channel });
            if let Some(shard) = c.shard.take() {
                leave_shards(shard);
            }
            if let Some(signal) = signal {
                // SAFETY: taken out once; no other thread can use it any more.
                unsafe {
                    sys::napi_release_threadsafe_function(signal.0, sys::ThreadsafeFunctionReleaseMode::abort);
                }
            }
        });
    });
}

unsafe extern "C" fn finalize(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    guarded(|| {
        // SAFETY: Node calls it once, when no signal can come any more; the pointer came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(data.cast::<ThreadChannel>()) });
    });
}
