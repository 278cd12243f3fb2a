//! The core's machine behind a guard that knows of panics, as a `Mutex` does; and what becomes of its pool then.
//!
//! Promise (row P24): after a panic inside the core nothing of it is used again. Its pool fails what is open and what comes
//! with `FB_INTERNAL`, lets go of its connections and is closed; pools beside it do not notice. Used by `pool`, its tasks
//! and the driver. Not here: panics of a sink or of a connection, which cost one connection.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use forebay_core::{Class, Group};

use super::Pool;
use crate::error::{Code, Failure, Phase};

/// The core's machine.
pub(super) struct Guarded {
    core: RefCell<Group>,
    poisoned: Cell<bool>,
    /// The loan that panics.
    #[cfg(test)]
    trap: Cell<Option<u32>>,
}

/// It, while somebody uses it.
pub(super) struct Lent<'a, R> {
    core: R,
    poisoned: &'a Cell<bool>,
    /// The loan was taken while something unwinds: what panics then is not the core.
    unwinds: bool,
}

impl Guarded {
    pub(super) fn new(core: Group) -> Self {
        Self {
            core: RefCell::new(core),
            poisoned: Cell::new(false),
            #[cfg(test)]
            trap: Cell::new(None),
        }
    }

    fn lend<R>(&self, core: R) -> Lent<'_, R> {
        let lent = Lent { core, poisoned: &self.poisoned, unwinds: std::thread::panicking() };
        #[cfg(test)]
        match self.trap.get() {
            Some(0) => {
                self.trap.set(None);
                panic!("the core panics, as the test wants");
            }
            more => self.trap.set(more.map(|n| n - 1)),
        }
        lent
    }

    pub(super) fn borrow(&self) -> Lent<'_, Ref<'_, Group>> {
        self.lend(self.core.borrow())
    }

    pub(super) fn borrow_mut(&self) -> Lent<'_, RefMut<'_, Group>> {
        self.lend(self.core.borrow_mut())
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.get()
    }

    /// A new one without anything open, in which late calls find nothing.
    fn replace(&self, core: Group) {
        *self.core.borrow_mut() = core;
    }
}

impl<R: Deref<Target = Group>> Deref for Lent<'_, R> {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.core
    }
}

impl<R: DerefMut<Target = Group>> DerefMut for Lent<'_, R> {
    fn deref_mut(&mut self) -> &mut Group {
        &mut self.core
    }
}

impl<R> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        if !self.unwinds && std::thread::panicking() {
            self.poisoned.set(true);
        }
    }
}

impl Pool {
    /// Runs what a caller asked of the pool. A panic of the core ends here, with the pool; any other goes on.
    pub(crate) fn contain(self: &Rc<Self>, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            if !self.core.is_poisoned() {
                resume_unwind(panic);
            }
            self.give_up();
        }
    }

    /// Whether its core panicked. Then it is given up.
    pub(super) fn is_lost(self: &Rc<Self>) -> bool {
        if self.core.is_poisoned() {
            self.give_up();
        }
        self.core.is_poisoned()
    }

    /// Whether it was given up: what comes late is told so.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.core.is_poisoned()
    }

    /// Its core is not to be trusted any more.
    fn give_up(self: &Rc<Self>) {
        if self.closed.replace(true) {
            return;
        }
        tracing::error!(pool = %self.config.name, "a panic in the core: the pool is given up");
        self.core.replace(Group::new(self.config.group.clone(), 0));
        if let Some(request) = self.limbo.take() {
            self.shared.sink.fail(request, &defect(Phase::Admit), None);
        }
        for request in self.shared.exchanges.of(self) {
            if let Some(exchange) = self.release(request) {
                let via = exchange.link.as_ref().map(|link| (link.number, link.is_reused()));
                self.shared.sink.fail(request, &defect(exchange.phase), via);
            }
        }
        let links: Vec<_> = self.links.borrow_mut().drain(..).flatten().collect();
        for link in links {
            self.gone(&link, Some(Code::Internal));
            link.close();
        }
        for _ in 0..self.closings.take() {
            self.shared.sink.pool_closed(self.id);
        }
        self.mark();
        self.alarm.borrow_mut().reset(self.shared.handle.now());
    }
}

/// What requests of a pool fail with that was given up.
pub(crate) fn defect(phase: Phase) -> Failure {
    let class = if phase == Phase::Body { Class::Never } else { Class::Maybe };
    Failure::new(Code::Internal, phase, class, "defect in Forebay: the pool broke")
}

#[cfg(test)]
mod tests;
