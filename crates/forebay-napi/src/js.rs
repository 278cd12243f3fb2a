//! The few raw calls of Node-API that napi-rs has no safe form for: memory of JavaScript that stays put, a callback that
//! is kept, and an entry that no panic leaves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{Function, Uint8Array};
use napi::{Env, JsValue, sys};

/// Runs `body`; a panic in it ends here. `None` then: the panic hook has printed it, and what it hit fails by its guard.
pub(crate) fn guarded<R>(body: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(body)).ok()
}

/// A byte array that JavaScript owns and never detaches; used on its thread only.
pub(crate) struct Memory(Uint8Array);

impl Memory {
    pub(crate) const fn new(array: Uint8Array) -> Self {
        Self(array)
    }

    /// The first `length` bytes, or all there are.
    pub(crate) fn head(&self, length: usize) -> &[u8] {
        &self.0[..length.min(self.0.len())]
    }

    /// The bytes, to write them.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: JavaScript runs on this thread only and is not running while native code holds this borrow: both
        // callers are inside a call from, or before a call into, JavaScript. No other Rust reference to the slab exists.
        unsafe { self.0.as_mut() }
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes_mut()
    }
}

/// A function of JavaScript that takes a number; kept until `forget`.
pub(crate) struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Callback {
    pub(crate) fn new(env: Env, function: &Function<'_, u32, ()>) -> napi::Result<Self> {
        let name = env.create_string("forebay")?;
        let env = env.raw();
        let (mut reference, mut context) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is the environment that calls us, `function` a live value of it.
        unsafe {
            napi::check_status!(sys::napi_create_reference(env, function.raw(), 1, &raw mut reference))?;
            napi::check_status!(sys::napi_async_init(env, ptr::null_mut(), name.raw(), &raw mut context))?;
        }
        Ok(Self { env, function: reference, context })
    }

    /// Calls it from outside of JavaScript (a callback of libuv). Ticks and microtasks run after it, as after any callback
    /// of Node's own: what they throw is the process's to know. Ours throws nothing, unless its worker is being terminated.
    pub(crate) fn call(&self, number: u32) {
        let env = self.env;
        // SAFETY: on the environment's thread, outside of any call into it, before its teardown (the owner forgets the
        // callback in its cleanup hook). The scopes close every handle made here; the context lives until `forget`.
        unsafe {
            let mut handles = ptr::null_mut();
            if sys::napi_open_handle_scope(env, &raw mut handles) != sys::Status::napi_ok {
                return;
            }
            let (mut function, mut receiver, mut argument, mut result, mut scope) =
                (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            let ready = sys::napi_get_reference_value(env, self.function, &raw mut function) == sys::Status::napi_ok
                && sys::napi_get_global(env, &raw mut receiver) == sys::Status::napi_ok
                && sys::napi_create_uint32(env, number, &raw mut argument) == sys::Status::napi_ok
                && sys::napi_open_callback_scope(env, receiver, self.context, &raw mut scope) == sys::Status::napi_ok;
            if ready {
                sys::napi_call_function(env, receiver, function, 1, &raw const argument, &raw mut result);
                clear_exception(env);
                sys::napi_close_callback_scope(env, scope);
                clear_exception(env);
            }
            sys::napi_close_handle_scope(env, handles);
        }
    }

    /// Lets go of the function. Only on its thread, before its environment has ended.
    pub(crate) fn forget(&self) {
        // SAFETY: as `call`; called once, by the owner's cleanup hook.
        unsafe {
            sys::napi_delete_reference(self.env, self.function);
            sys::napi_async_destroy(self.env, self.context);
        }
    }
}

/// A worker that is being terminated leaves an exception behind; left there, it would abort the process in the next hook.
///
/// # Safety
/// `env` is alive, on its thread, inside a handle scope.
pub(crate) unsafe fn clear_exception(env: sys::napi_env) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut pending = false;
        if sys::napi_is_exception_pending(env, &raw mut pending) == sys::Status::napi_ok && pending {
            let mut exception = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
        }
    }
}
