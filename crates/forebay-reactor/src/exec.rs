//! The tasks of a reactor and who is polled next.
//!
//! Promises: tasks are polled in the order in which they were woken; nothing is allocated to wake or poll a task; a panic ends its
//! task alone; a task's drop may spawn, wake and look around. Used by `reactor` and `handle`.
//! Not here: how tasks become ready (`remote`), when polling stops (`Pace`, kept by `reactor`).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use slab::Slab;

use crate::remote::{Header, Remote};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Told the message of a panic that ended a task.
pub(crate) type PanicHook = Rc<dyn Fn(&str)>;

struct Task {
    header: Arc<Header>,
    /// Absent while it is polled, so that nothing is borrowed meanwhile.
    future: Option<LocalFuture>,
}

pub(crate) struct Exec {
    remote: Arc<Remote>,
    tasks: RefCell<Slab<Task>>,
    /// Taken from the ready queue as a whole; older than what is queued there since.
    batch: RefCell<VecDeque<Arc<Header>>>,
    /// How many of the tasks that were ready when the count began have not had their turn. At 0 deadlines may fire.
    before_timers: Cell<usize>,
    closed: Cell<bool>,
    panics: Cell<u64>,
    on_panic: RefCell<Option<PanicHook>>,
}

impl Exec {
    pub(crate) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            tasks: RefCell::default(),
            batch: RefCell::default(),
            before_timers: Cell::new(0),
            closed: Cell::new(false),
            panics: Cell::new(0),
            on_panic: RefCell::default(),
        }
    }

    pub(crate) fn spawn(&self, future: LocalFuture) {
        if self.closed.get() {
            self.contain(|| drop(future));
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let header = Arc::new(Header::new(entry.key(), Arc::clone(&self.remote)));
        entry.insert(Task { header: Arc::clone(&header), future: Some(future) });
        drop(tasks);
        self.remote.push(header);
    }

    /// Polls ready tasks until none is left or `spent` says, after a poll, that it is enough. True: ready tasks remain.
    pub(crate) fn run(&self, mut spent: impl FnMut() -> bool) -> bool {
        if self.before_timers.get() == 0 {
            self.before_timers.set(self.ready());
        }
        while let Some(header) = self.next() {
            self.before_timers.set(self.before_timers.get().saturating_sub(1));
            self.poll_task(header);
            if spent() {
                return self.ready() > 0;
            }
        }
        self.before_timers.set(0);
        false
    }

    /// Every task that was ready when the count began has been polled, so what had arrived by then has been read.
    ///
    /// Not "no task is ready": a task that keeps waking itself would put deadlines off for ever.
    pub(crate) fn timers_may_fire(&self) -> bool {
        self.before_timers.get() == 0
    }

    pub(crate) fn ready(&self) -> usize {
        self.batch.borrow().len() + self.remote.ready()
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.borrow().len()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }

    pub(crate) fn on_panic(&self, hook: PanicHook) {
        self.on_panic.replace(Some(hook));
    }

    /// Drops all tasks; new ones are dropped as they come. By hand, because tasks hold the handle that holds them.
    pub(crate) fn shutdown(&self) {
        self.closed.set(true);
        // First the queue, so that what drops wake is not kept.
        for future in self.remote.close() {
            self.contain(|| drop(future));
        }
        let batch = self.batch.take();
        drop(batch);
        let tasks = self.tasks.take();
        for (_, task) in tasks {
            self.contain(|| drop(task));
        }
        let hook = self.on_panic.take();
        drop(hook);
    }

    fn next(&self) -> Option<Arc<Header>> {
        if self.batch.borrow().is_empty() {
            for future in self.remote.take_adopted() {
                self.spawn(future);
            }
            self.remote.swap(&mut self.batch.borrow_mut());
        }
        self.batch.borrow_mut().pop_front()
    }

    fn poll_task(&self, header: Arc<Header>) {
        let Some(mut future) = self.take(&header) else { return };
        let key = header.key;
        header.polled();
        let waker = Waker::from(header);
        let done = self.contain(|| future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        if done == Some(false) {
            let mut tasks = self.tasks.borrow_mut();
            // A shutdown from within the task has taken its place away: then the future is dropped here.
            if let Some(task) = tasks.get_mut(key) {
                task.future = Some(future);
                return;
            }
        } else {
            let task = self.tasks.borrow_mut().try_remove(key);
            drop(task);
        }
        self.contain(|| drop(future));
    }

    /// The future of the task that `header` stands for, if that task still is. Its key may belong to another by now.
    fn take(&self, header: &Arc<Header>) -> Option<LocalFuture> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get_mut(header.key).filter(|task| Arc::ptr_eq(&task.header, header))?;
        task.future.take()
    }

    /// Runs code of a task. `None`: it panicked.
    fn contain<T>(&self, code: impl FnOnce() -> T) -> Option<T> {
        // Unwind safe: a future that panicked is dropped and never polled again, and nothing of ours is borrowed.
        catch_unwind(AssertUnwindSafe(code)).map_err(|payload| self.panicked(payload)).ok()
    }

    fn panicked(&self, payload: Box<dyn Any + Send>) {
        self.panics.set(self.panics.get() + 1);
        let hook = self.on_panic.borrow().clone();
        // The hook and the payload's drop are foreign code as well.
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some(hook) = hook {
                hook(message(&*payload));
            }
            drop(payload);
        }));
        // What panics while it tells of a panic is not asked to tell of that too.
        if let Err(payload) = told {
            std::mem::forget(payload);
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a task panicked without a message")
}
