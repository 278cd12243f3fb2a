//! The limits that run over a whole exchange, or one try of it, whatever carries it: total, duration, per try, per try idle.
//!
//! ```text
//!   submitted ----------------------------- total -----------------------------------------> end
//!        bound --------------- duration ---------------------------------------> end (anew for each try)
//!           bound and handed over ------ per try, per try idle ----------------> end (anew for each try)
//! ```
//!
//! Promise: an exchange without such limits costs nothing; each has one entry, for what is due first. In a tunnel only the
//! duration runs. Used by `pool`, which has one alarm for these and the core's. Not here: limits of one wait on the
//! connection (`h1`), the queue (the core).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay_core::{Class, Stat};

use super::Pool;
use crate::error::{Code, Failure, Phase};
use crate::exchange::Exchange;
use crate::sink::RequestId;
use crate::timeouts::Whole;

/// What is due of a pool's exchanges, in order.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: RefCell<BTreeSet<(Instant, RequestId)>>,
}

impl Deadlines {
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.borrow().first().map(|(at, _)| *at)
    }
}

/// The clocks of one exchange.
#[derive(Debug)]
pub(crate) struct Clocks {
    limits: Whole,
    total: Option<Instant>,
    duration: Option<Instant>,
    /// Since when the try runs.
    tried: Option<Instant>,
    /// When the upstream last sent something, since the try began.
    heard: Instant,
    /// The entry among the pool's.
    entry: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Total,
    Duration,
    PerTry,
    PerTryIdle,
}

impl Clocks {
    /// `None`: nothing runs.
    pub(super) fn new(limits: Whole, now: Instant) -> Option<Box<Self>> {
        if limits.is_off() {
            return None;
        }
        let total = limits.total.map(|limit| now + limit);
        Some(Box::new(Self { limits, total, duration: None, tried: None, heard: now, entry: None }))
    }

    /// What is due first.
    fn next(&self) -> Option<(Instant, Kind)> {
        let after = |from: Option<Instant>, limit: Option<Duration>| Some(from? + limit?);
        let all = [
            (self.total, Kind::Total),
            (self.duration, Kind::Duration),
            (after(self.tried, self.limits.per_try), Kind::PerTry),
            (after(self.tried.map(|at| at.max(self.heard)), self.limits.per_try_idle), Kind::PerTryIdle),
        ];
        all.into_iter().filter_map(|(at, kind)| Some((at?, kind))).min_by_key(|(at, _)| *at)
    }

    fn bound(&mut self, now: Instant, handed_over: bool) {
        self.duration = self.limits.duration.map(|limit| now + limit);
        self.tried = handed_over.then_some(now);
    }

    fn try_failed(&mut self) {
        self.duration = None;
        self.tried = None;
    }

    /// The upstream sent something. Its entry follows when it is looked at.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    fn tunnel(&mut self) {
        self.total = None;
        self.tried = None;
    }

    fn limit(&self, kind: Kind) -> Option<Duration> {
        match kind {
            Kind::Total => self.limits.total,
            Kind::Duration => self.limits.duration,
            Kind::PerTry => self.limits.per_try,
            Kind::PerTryIdle => self.limits.per_try_idle,
        }
    }
}

impl Kind {
    const fn code(self) -> (Code, Stat) {
        match self {
            Self::Total => (Code::DeadlineExceeded, Stat::RqTimeout),
            Self::Duration => (Code::StreamDuration, Stat::RqMaxDurationReached),
            Self::PerTry => (Code::TryTimeout, Stat::RqPerTryTimeout),
            Self::PerTryIdle => (Code::TryIdleTimeout, Stat::RqPerTryIdleTimeout),
        }
    }
}

impl Exchange {
    /// Its producer has given the whole body.
    fn is_handed_over(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.is_whole())
    }
}

impl Pool {
    /// Changes the clocks of an exchange, if it has any, and its entry.
    fn clocks(&self, request: RequestId, change: impl FnOnce(&Exchange, &mut Clocks)) {
        self.shared.exchanges.with(request, |e| {
            let Some(mut clocks) = e.clocks.take() else { return };
            change(e, &mut clocks);
            let next = clocks.next().map(|(at, _)| at);
            if next != clocks.entry {
                let mut due = self.deadlines.due.borrow_mut();
                if let Some(at) = clocks.entry.take() {
                    due.remove(&(at, request));
                }
                due.extend(next.map(|at| (at, request)));
                clocks.entry = next;
            }
            e.clocks = Some(clocks);
        });
    }

    /// The exchange was taken in.
    pub(super) fn clocks_begin(&self, request: RequestId) {
        self.clocks(request, |_, _| {});
    }

    /// A try begins.
    pub(super) fn clocks_bound(&self, request: RequestId) {
        let now = self.shared.handle.now();
        self.clocks(request, |e, clocks| clocks.bound(now, e.is_handed_over()));
        self.set_alarm();
    }

    /// The producer gave the last of the body.
    pub(crate) fn handed_over(&self, request: RequestId) {
        let now = self.shared.handle.now();
        self.clocks(request, |e, clocks| {
            if e.link.is_some() && clocks.tried.is_none() {
                clocks.tried = Some(now);
            }
        });
        self.set_alarm();
    }

    /// The try failed; another may follow.
    pub(super) fn clocks_try_failed(&self, request: RequestId) {
        self.clocks(request, |_, clocks| clocks.try_failed());
    }

    /// A tunnel is open.
    pub(crate) fn clocks_tunnel(&self, request: RequestId) {
        self.clocks(request, |_, clocks| clocks.tunnel());
    }

    /// Takes an exchange out, and its entry with it.
    pub(super) fn release(&self, request: RequestId) -> Option<Box<Exchange>> {
        let mut exchange = self.shared.exchanges.remove(request)?;
        if let Some(at) = exchange.clocks.as_ref().and_then(|clocks| clocks.entry) {
            self.deadlines.due.borrow_mut().remove(&(at, request));
        }
        if let Some(retry) = exchange.retry.take() {
            self.retry_ended(request, retry);
        }
        Some(exchange)
    }

    /// Ends what is due.
    pub(super) fn expire(self: &Rc<Self>) {
        let now = self.shared.handle.now();
        loop {
            let first = self.deadlines.due.borrow().first().copied();
            let Some((_, request)) = first.filter(|(at, _)| *at <= now) else { return };
            let mut over = None;
            self.clocks(request, |e, clocks| {
                // Without credit we do not read: what the upstream has is not missing.
                if e.credit == 0 {
                    clocks.heard(now);
                }
                over = clocks.next().filter(|(at, _)| *at <= now).map(|(_, kind)| (kind, clocks.limit(kind)));
            });
            if let Some((kind, limit)) = over {
                let (code, stat) = kind.code();
                self.core.borrow_mut().bump(stat);
                self.abandon(request, |e| expired(code, e.phase, limit));
            }
        }
    }
}

fn expired(code: Code, phase: Phase, limit: Option<Duration>) -> Failure {
    let class = match phase {
        Phase::Setup | Phase::Admit | Phase::Queue | Phase::Dns | Phase::Connect | Phase::Tls => Class::Unprocessed,
        Phase::Send | Phase::Head => Class::Maybe,
        Phase::Body => Class::Never,
    };
    let ms = limit.map_or(0, |l| u32::try_from(l.as_millis()).unwrap_or(u32::MAX));
    Failure::new(code, phase, class, &format!("not complete within {ms} ms")).with_number(ms)
}
