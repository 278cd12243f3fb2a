//! libuv, as the process carries it: looked up when first needed, not linked. Where a symbol is missing (another runtime),
//! the event-loop runner is not offered.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;

use libloading::os::unix::Library;

/// A `uv_loop_t`.
pub(crate) type Loop = *mut c_void;
/// A `uv_poll_t`, `uv_timer_t` or `uv_idle_t`.
pub(crate) type Handle = *mut c_void;

type PollCallback = unsafe extern "C" fn(Handle, c_int, c_int);
type HandleCallback = unsafe extern "C" fn(Handle);

/// A member of `uv_handle_type`: part of libuv's stable ABI since 1.0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `UV_IDLE`.
    Idle = 6,
    /// `UV_POLL`.
    Poll = 8,
    /// `UV_TIMER`.
    Timer = 13,
}

/// `UV_READABLE`.
const READABLE: c_int = 1;

/// The functions.
pub(crate) struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    handle_set_data: unsafe extern "C" fn(Handle, *mut c_void),
    handle_get_data: unsafe extern "C" fn(Handle) -> *mut c_void,
    poll_init: unsafe extern "C" fn(Loop, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int,
    timer_init: unsafe extern "C" fn(Loop, Handle) -> c_int,
    timer_start: unsafe extern "C" fn(Handle, HandleCallback, u64, u64) -> c_int,
    idle_init: unsafe extern "C" fn(Loop, Handle) -> c_int,
    idle_start: unsafe extern "C" fn(Handle, HandleCallback) -> c_int,
    idle_stop: unsafe extern "C" fn(Handle) -> c_int,
    reference: unsafe extern "C" fn(Handle),
    unreference: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, HandleCallback),
}

impl Uv {
    /// libuv, or which symbol is missing.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        static UV: OnceLock<Result<Uv, &'static str>> = OnceLock::new();
        UV.get_or_init(Self::load).as_ref().map_err(|missing| *missing)
    }

    fn load() -> Result<Self, &'static str> {
        let process = Library::this();
        macro_rules! symbol {
            ($name:literal) => {{
                // SAFETY: libuv's documented signatures, unchanged since 1.19; the process image is never unloaded.
                let found = unsafe { process.get(concat!($name, "\0").as_bytes()) };
                *found.map_err(|_| $name)?
            }};
        }
        Ok(Self {
            handle_size: symbol!("uv_handle_size"),
            handle_set_data: symbol!("uv_handle_set_data"),
            handle_get_data: symbol!("uv_handle_get_data"),
            poll_init: symbol!("uv_poll_init"),
            poll_start: symbol!("uv_poll_start"),
            timer_init: symbol!("uv_timer_init"),
            timer_start: symbol!("uv_timer_start"),
            idle_init: symbol!("uv_idle_init"),
            idle_start: symbol!("uv_idle_start"),
            idle_stop: symbol!("uv_idle_stop"),
            reference: symbol!("uv_ref"),
            unreference: symbol!("uv_unref"),
            close: symbol!("uv_close"),
        })
    }

    /// A poll handle for `fd`, unreferenced and started. `None`: libuv refused.
    ///
    /// # Safety
    /// On the thread of `event_loop`, which lives; `fd` stays open until `close` has called back.
    pub(crate) unsafe fn poll(
        &self,
        event_loop: Loop,
        fd: c_int,
        data: *mut c_void,
        callback: PollCallback,
    ) -> Option<NonNull<c_void>> {
        // SAFETY: memory of the size that libuv asks for; started only if initialised.
        unsafe {
            let handle = self.allocate(Kind::Poll)?;
            if (self.poll_init)(event_loop, handle.as_ptr(), fd) != 0 {
                self.free(handle.as_ptr(), Kind::Poll);
                return None;
            }
            (self.handle_set_data)(handle.as_ptr(), data);
            (self.poll_start)(handle.as_ptr(), READABLE, callback);
            (self.unreference)(handle.as_ptr());
            Some(handle)
        }
    }

    /// A timer handle, unreferenced.
    ///
    /// # Safety
    /// On the thread of `event_loop`, which lives.
    pub(crate) unsafe fn timer(&self, event_loop: Loop, data: *mut c_void) -> Option<NonNull<c_void>> {
        // SAFETY: as above; `uv_timer_init` cannot fail.
        unsafe {
            let handle = self.allocate(Kind::Timer)?;
            (self.timer_init)(event_loop, handle.as_ptr());
            (self.handle_set_data)(handle.as_ptr(), data);
            (self.unreference)(handle.as_ptr());
            Some(handle)
        }
    }

    /// An idle handle, unreferenced.
    ///
    /// # Safety
    /// On the thread of `event_loop`, which lives.
    pub(crate) unsafe fn idle(&self, event_loop: Loop, data: *mut c_void) -> Option<NonNull<c_void>> {
        // SAFETY: as above; `uv_idle_init` cannot fail.
        unsafe {
            let handle = self.allocate(Kind::Idle)?;
            (self.idle_init)(event_loop, handle.as_ptr());
            (self.handle_set_data)(handle.as_ptr(), data);
            (self.unreference)(handle.as_ptr());
            Some(handle)
        }
    }

    /// Calls back once in each round of the loop from the next on, which then does not wait, until `rest`.
    ///
    /// # Safety
    /// `idle` came from `idle` and is not closed.
    pub(crate) unsafe fn each_round(&self, idle: NonNull<c_void>, callback: HandleCallback) {
        // SAFETY: by the caller's promise.
        unsafe {
            (self.idle_start)(idle.as_ptr(), callback);
        }
    }

    /// Ends what `each_round` began.
    ///
    /// # Safety
    /// `idle` came from `idle` and is not closed.
    pub(crate) unsafe fn rest(&self, idle: Handle) {
        // SAFETY: by the caller's promise.
        unsafe {
            (self.idle_stop)(idle);
        }
    }

    /// Calls back once after `ms`; replaces an earlier start.
    ///
    /// # Safety
    /// `timer` came from `timer` and is not closed.
    pub(crate) unsafe fn start(&self, timer: NonNull<c_void>, ms: u64, callback: HandleCallback) {
        // SAFETY: by the caller's promise.
        unsafe {
            (self.timer_start)(timer.as_ptr(), callback, ms, 0);
        }
    }

    /// Whether the loop stays alive for this handle.
    ///
    /// # Safety
    /// `handle` came from here and is not closed.
    pub(crate) unsafe fn keep_alive(&self, handle: NonNull<c_void>, alive: bool) {
        // SAFETY: by the caller's promise.
        unsafe {
            if alive {
                (self.reference)(handle.as_ptr());
            } else {
                (self.unreference)(handle.as_ptr());
            }
        }
    }

    /// What was given as `data`.
    ///
    /// # Safety
    /// `handle` came from here and its memory was not freed.
    pub(crate) unsafe fn data(&self, handle: Handle) -> *mut c_void {
        // SAFETY: by the caller's promise.
        unsafe { (self.handle_get_data)(handle) }
    }

    /// Closes; `callback` comes once, in a later turn of the loop, and must free the memory by `free`.
    ///
    /// # Safety
    /// `handle` came from here and is not closed.
    pub(crate) unsafe fn close(&self, handle: NonNull<c_void>, callback: HandleCallback) {
        // SAFETY: by the caller's promise.
        unsafe { (self.close)(handle.as_ptr(), callback) }
    }

    fn layout(&self, kind: Kind) -> Option<std::alloc::Layout> {
        // SAFETY: a pure function of libuv.
        let size = unsafe { (self.handle_size)(kind as c_int) };
        std::alloc::Layout::from_size_align(size.max(1), 16).ok()
    }

    unsafe fn allocate(&self, kind: Kind) -> Option<NonNull<c_void>> {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { std::alloc::alloc_zeroed(self.layout(kind)?) }.cast())
    }

    /// # Safety
    /// In the close callback of a handle of this kind.
    pub(crate) unsafe fn free(&self, handle: Handle, kind: Kind) {
        if let Some(layout) = self.layout(kind) {
            // SAFETY: allocated with this very layout.
            unsafe { std::alloc::dealloc(handle.cast(), layout) }
        }
    }
}
