//! The reactor as its owner sees it: turns, waits and counts.
//!
//! Promises: see `lib`. Used by the runners, and by tests that turn it by hand.
//! Not here: what tasks see (`handle`), readiness (`table`), deadlines (`timers`), polling (`exec`).

use std::cell::{Cell, RefCell};
use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::handle::{Handle, Local};
use crate::remote::{Remote, Waker};
use crate::table::{SIGNAL, Shared};

/// How long one `run` goes on by default: short beside the millisecond in which an event loop's timers count. A guess.
const BUDGET: Duration = Duration::from_micros(500);

/// Polls between two looks at the clock: fewer make a small poll dearer, more let long ones overrun the budget. A guess.
const POLLS_PER_LOOK: u32 = 4;

/// A turn that comes so long after it was due finds the world changed: peers may have given up on us. A guess: far above what a busy
/// machine or a pause of the collector costs, far below what peers wait.
const STALL: Duration = Duration::from_secs(2);

/// Events taken from the system at once; more wait for the next select. 12 KiB on Linux. A guess.
const EVENTS: usize = 1024;

/// Readiness, timers and tasks of one thread. It does nothing unless it is turned.
///
/// An owner that does nothing else calls `turn` in a loop. One that has its own queue or event loop does, in this order:
/// [`awake`](Self::awake), take what was announced, [`select`](Self::select), [`run`](Self::run),
/// [`prepare_wait`](Self::prepare_wait), look at [`next_deadline`](Self::next_deadline), wait.
///
/// Dropping it shuts it down.
pub struct Reactor {
    local: Rc<Local>,
    poll: RefCell<Selector>,
    wakers: RefCell<Vec<task::Waker>>,
    budget: Cell<Duration>,
}

struct Selector {
    poll: mio::Poll,
    events: mio::Events,
}

impl Reactor {
    /// A reactor for the present thread.
    ///
    /// # Errors
    /// When the system grants no poll or no signal: out of descriptors or memory.
    pub fn new(clock: Clock) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let signal = mio::Waker::new(poll.registry(), SIGNAL)?;
        let registry = poll.registry().try_clone()?;
        let now = clock.now();
        let shared = Arc::new(Shared::new(Arc::new(Remote::new(signal)), registry, clock.clone(), now));
        Ok(Self {
            local: Rc::new(Local::new(shared, clock, now)),
            poll: RefCell::new(Selector { poll, events: mio::Events::with_capacity(EVENTS) }),
            wakers: RefCell::default(),
            budget: Cell::new(BUDGET),
        })
    }

    /// What tasks, sockets and timers are made from.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { local: Rc::clone(&self.local) }
    }

    /// Waits up to `timeout` (`None`: without end), but not past the next deadline nor if there is work; then runs what is ready.
    /// True: work remains, call again without waiting.
    ///
    /// On a settable clock deadlines do not end the wait.
    pub fn turn(&self, timeout: Option<Duration>) -> bool {
        let at_once = timeout == Some(Duration::ZERO) || self.prepare_wait();
        let wait = if at_once { Some(Duration::ZERO) } else { self.until_deadline(timeout) };
        self.select(wait);
        self.run()
    }

    /// Asks the system once what is ready, waiting up to `wait` (`None`: without end), and queues the tasks that wait for it.
    /// The owner counts as awake afterwards.
    ///
    /// # Panics
    /// When the system refuses to poll, which only a mistake of ours can cause.
    pub fn select(&self, wait: Option<Duration>) {
        let mut wakers = self.wakers.take();
        {
            let Selector { poll, events } = &mut *self.poll.borrow_mut();
            let polled = poll.poll(events, wait);
            self.awake();
            match polled {
                Ok(()) => self.local.shared.mark(events, &mut wakers),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => panic!("the system's poll failed: {error}"),
            }
        }
        self.wake_all(wakers);
    }

    /// Polls ready tasks, lets due timers fire, and polls the tasks that these woke, all within the budget. True: work remains.
    ///
    /// Called from within a task it does nothing and says true.
    pub fn run(&self) -> bool {
        if self.local.running.replace(true) {
            return true;
        }
        let _running = Running(&self.local.running);
        self.look_for_stall();
        let mut pace = Pace::new(&self.local, self.budget.get());
        let exec = &self.local.exec;
        let more = exec.run(|| pace.spent());
        if !exec.timers_may_fire() || !self.fire() {
            return more;
        }
        more || exec.run(|| pace.spent())
    }

    /// How long one `run` goes on before it leaves the rest to the next; a single poll is never cut short. 500 us by default.
    pub fn set_budget(&self, budget: Duration) {
        self.budget.set(budget);
    }

    /// To be called before a wait: from here on wakes signal. True: do not wait, there is work.
    ///
    /// An owner with a queue of its own looks into that after this call, not before, unless whoever fills it calls [`Waker::wake`].
    pub fn prepare_wait(&self) -> bool {
        self.remote().fall_asleep() || self.local.exec.ready() > 0
    }

    /// To be called after a wait, before the owner takes what was announced: from here on wakes cost no system call.
    /// `select` does it too.
    pub fn awake(&self) {
        self.remote().awake();
    }

    /// When to turn at the latest. May be too early, never too late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.local.shared.timers.get().next_deadline()
    }

    /// Readable when `select` would find something, so that another event loop can watch it.
    #[cfg(unix)]
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.poll.borrow().poll.as_raw_fd()
    }

    /// What other threads wake the owner with.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::new(Arc::clone(&self.local.shared.remote))
    }

    /// Drops all tasks. From here on new ones are dropped as they come. Sockets and timers that are held elsewhere stay.
    pub fn shutdown(&self) {
        self.local.exec.shutdown();
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.local.exec.len()
    }

    /// Sockets that are watched.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.local.shared.sockets()
    }

    /// Timers that exist, set or not.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.local.shared.timers.get().len()
    }

    /// Panics that ended a task, so far.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.local.exec.panics()
    }

    /// Signals sent to the owner so far, each a system call of some waker.
    #[must_use]
    pub fn signals(&self) -> u64 {
        self.remote().signals()
    }

    /// Has `hook` told the message of each panic in a task, after it was contained. Replaces the hook before it.
    pub fn on_panic(&self, hook: impl Fn(&str) + 'static) {
        self.local.exec.on_panic(Rc::new(hook));
    }

    /// Whether this turn comes long after it was due.
    fn look_for_stall(&self) {
        if let Some(due) = self.next_deadline() {
            let now = self.local.clock().now();
            if now.saturating_duration_since(due) >= STALL {
                self.local.stalled(now);
            }
        }
    }

    fn remote(&self) -> &Remote {
        &self.local.shared.remote
    }

    fn until_deadline(&self, timeout: Option<Duration>) -> Option<Duration> {
        match self.local.clock() {
            Clock::System => {}
            Clock::Settable(_) => return timeout,
        }
        let Some(deadline) = self.next_deadline() else {
            return timeout;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        Some(timeout.map_or(left, |timeout| timeout.min(left)))
    }

    /// True: some task was woken.
    fn fire(&self) -> bool {
        let now = self.local.clock().now();
        self.local.saw_time(now);
        let mut wakers = self.wakers.take();
        self.local.shared.timers.get().fire(now, &mut wakers);
        let fired = !wakers.is_empty();
        self.wake_all(wakers);
        fired
    }

    /// No lock is held here, because wakers are foreign code. Keeps the allocation for the next time.
    fn wake_all(&self, mut wakers: Vec<task::Waker>) {
        wakers.drain(..).for_each(task::Waker::wake);
        self.wakers.replace(wakers);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Ends with its `run`, even if that unwinds.
struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// When a run has taken long enough. Real time, because a settable clock stands still while tasks run.
struct Pace<'a> {
    local: &'a Local,
    end: Instant,
    polls: u32,
}

impl<'a> Pace<'a> {
    fn new(local: &'a Local, budget: Duration) -> Self {
        let now = Instant::now();
        local.saw_time(now);
        local.refill_io();
        Self { local, end: now + budget, polls: 0 }
    }

    /// To be asked after each poll.
    fn spent(&mut self) -> bool {
        self.local.refill_io();
        self.polls = self.polls.wrapping_add(1);
        if !self.polls.is_multiple_of(POLLS_PER_LOOK) {
            return false;
        }
        let now = Instant::now();
        self.local.saw_time(now);
        now >= self.end
    }
}
