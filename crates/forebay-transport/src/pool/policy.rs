//! What TypeScript's policies ask of a pool.
//!
//! Promise: carried out, not decided here. Used by `driver`. Not here: the policies (TypeScript), what a shut gate does (the core).

use std::rc::Rc;

use forebay_core::{Gate, Stat};

use super::Pool;

impl Pool {
    /// The breaker's gate.
    pub(crate) fn gate(self: &Rc<Self>, shut: bool) {
        let gate = if shut { Gate::Shut } else { Gate::Open };
        self.core.borrow_mut().gate(self.shared.now(), self.upstream, gate);
        self.turn();
    }

    /// What only policy can see.
    pub(crate) fn count(&self, stat: Stat) {
        self.core.borrow_mut().bump(stat);
        self.mark();
    }
}
