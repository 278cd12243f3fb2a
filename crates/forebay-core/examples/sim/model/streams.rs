//! The model's streams: arrival, service, ends, repeats.

use std::time::Duration;

use forebay_core::{
    Class, CloseReason, FailureReason, Gate, LimitName, MethodClass, OnCancel, OnMaxRequests, Priority, Protocol,
    ReplayPolicy, Stat, StreamEnd,
};

use super::growth::Grown;
use super::{Is, Model, Request, Run, Told, fail};

/// A new stream, as the world asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub token: u64,
    pub upstream: usize,
    pub priority: Priority,
    pub key: u64,
    pub replayable: bool,
    pub method: MethodClass,
    pub queue_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    Attached,
    Queued,
    Refused(FailureReason),
}

impl Model {
    pub fn request(&mut self, ask: Ask) -> Answer {
        let upstream = &self.upstreams[ask.upstream];
        if upstream.removed {
            return Answer::Refused(FailureReason::LocalConnectionFailure);
        }
        if upstream.gate == Gate::Shut {
            return Answer::Refused(FailureReason::GateShut);
        }
        let timeout = ask.queue_timeout.or(upstream.config.queue_timeout).filter(|timeout| !timeout.is_zero());
        let pool = match self.pool_for(ask.upstream, ask.priority, ask.key, self.falls_back(ask.upstream)) {
            Ok(pool) => pool,
            Err(reason) => return Answer::Refused(reason),
        };
        self.arrivals += 1;
        let request = Request {
            token: ask.token,
            arrival: self.arrivals,
            replayable: ask.replayable,
            method: ask.method,
            queue_timeout: timeout,
            charged: false,
            timer: None,
            requeues: 0,
            replays: 0,
            risky: 0,
        };
        match self.admit(pool, request) {
            Ok(true) => Answer::Attached,
            Ok(false) => Answer::Queued,
            Err((_, reason)) => Answer::Refused(reason),
        }
    }

    fn admit(&mut self, pool: u64, request: Request) -> Result<bool, (Request, FailureReason)> {
        let priority = self.pool_ref(pool).priority;
        let room = self.has_room(LimitName::MaxRequests, priority);
        let chosen = self.pool_ref(pool).pick(self.config_of(pool).pick);
        if let Some(birth) = chosen.filter(|_| self.pool_ref(pool).queue.is_empty()) {
            if room {
                self.attach(pool, request, birth);
                self.grow(pool);
                return Ok(true);
            }
            if self.config.limits(priority).on_max_requests == OnMaxRequests::Reject {
                self.count(Stat::RqOverflowRequests);
                self.count(Stat::RqPendingOverflow);
                return Err((request, FailureReason::Overflow(LimitName::MaxRequests)));
            }
        }
        let charged = !(room && self.pool_ref(pool).ready() > self.pool_ref(pool).pending());
        if charged && !self.has_room(LimitName::MaxPendingRequests, priority) {
            self.count(Stat::RqOverflowPending);
            self.count(Stat::RqPendingOverflow);
            return Err((request, FailureReason::Overflow(LimitName::MaxPendingRequests)));
        }
        let token = request.token;
        self.enqueue(pool, request, charged);
        if !room && chosen.is_some() {
            self.await_place(pool);
        }
        let refused = match self.grow(pool) {
            Grown::Shed => FailureReason::Overflow(LimitName::Shed),
            Grown::Undialable => FailureReason::LocalConnectionFailure,
            _ => return Ok(false),
        };
        self.count(Stat::RqCancelled);
        Err((self.dequeue(pool, token), refused))
    }

    fn enqueue(&mut self, pool: u64, mut request: Request, charged: bool) {
        request.charged = charged;
        request.timer = request.queue_timeout.and_then(|timeout| self.arm(timeout));
        self.count(Stat::RqPendingTotal);
        let queue = &mut self.pool(pool).queue;
        queue.push(request);
        queue.sort_by_key(|request| request.arrival);
    }

    fn dequeue(&mut self, pool: u64, token: u64) -> Request {
        let queue = &mut self.pool(pool).queue;
        let place = queue.iter().position(|request| request.token == token).expect("a queued stream");
        let mut request = queue.remove(place);
        request.timer = None;
        request.charged = false;
        request
    }

    fn attach(&mut self, pool: u64, request: Request, birth: u64) {
        self.count(Stat::RqTotal);
        self.told.push(Told::Open { birth, token: request.token });
        let drain_timeout = self.config_of(pool).drain_timeout;
        let conn = self.conn(birth).expect("a living connection");
        conn.idle = None;
        let reused = conn.heads > 0;
        conn.runs.push(Run { request, opened: false, head: false, reused, cancelled: false });
        conn.served += 1;
        conn.remaining -= 1;
        if conn.protocol == Some(forebay_core::Protocol::H3) {
            conn.credit -= 1;
        }
        if conn.remaining == 0 {
            conn.draining = true;
            self.count(Stat::CxMaxRequests);
            let timer = drain_timeout.and_then(|timeout| self.arm(timeout));
            self.conn(birth).expect("just used").drain = timer;
        }
        self.settle(birth, true);
    }

    pub(super) fn gain(&mut self, pool: u64) {
        let found = self.pool_ref(pool);
        if found.queue.is_empty() || found.awaits {
            return;
        }
        if self.serves_at_once(pool) {
            self.serve(pool);
        } else if !found.gained {
            self.pool(pool).gained = true;
            self.gained.push(pool);
        }
    }

    fn serve(&mut self, pool: u64) {
        self.pool(pool).gained = false;
        let priority = self.pool_ref(pool).priority;
        while let Some((token, requeues)) =
            self.pool_ref(pool).queue.first().map(|request| (request.token, request.requeues))
        {
            let Some(birth) = self.pool_ref(pool).pick(self.config_of(pool).pick) else { break };
            if self.has_room(LimitName::MaxRequests, priority) {
                let request = self.dequeue(pool, token);
                self.attach(pool, request, birth);
            } else if self.config.limits(priority).on_max_requests == OnMaxRequests::Queue || requeues > 0 {
                self.await_place(pool);
                break;
            } else {
                self.count(Stat::RqOverflowRequests);
                self.count(Stat::RqPendingOverflow);
                self.dequeue(pool, token);
                self.tell(token, FailureReason::Overflow(LimitName::MaxRequests), Class::Unprocessed, false);
            }
        }
        if !self.pool_ref(pool).queue.is_empty() {
            self.grow(pool);
        }
    }

    fn await_place(&mut self, pool: u64) {
        let found = self.pool(pool);
        if !found.awaits {
            found.awaits = true;
            let row = usize::from(found.priority == Priority::High);
            self.awaiting[row].push(pool);
        }
    }

    fn tell(&mut self, token: u64, reason: FailureReason, class: Class, ejected: bool) {
        self.failing.push((token, ejected));
        self.told.push(fail(token, reason, class));
    }

    /// Fails what waits but the oldest `keep`, newest first.
    pub(super) fn purge(&mut self, pool: u64, keep: i64, reason: FailureReason, class: Class, ejected: bool) {
        while self.pool_ref(pool).pending() > keep.max(0) {
            let token = self.pool_ref(pool).queue.last().expect("not empty").token;
            self.dequeue(pool, token);
            self.tell(token, reason, class, ejected);
        }
    }

    pub fn cancel(&mut self, token: u64) {
        if let Some(place) = self.failing.iter().position(|(failing, _)| *failing == token) {
            self.failing.remove(place);
            self.count(Stat::RqCancelled);
            self.told.retain(|told| !matches!(told, Told::Fail { token: failed, .. } if *failed == token));
            return;
        }
        let queued = |pool: &&super::Pool| pool.queue.iter().any(|request| request.token == token);
        if let Some(pool) = self.pools.iter().find(queued).map(|pool| pool.number) {
            self.dequeue(pool, token);
            self.count(Stat::RqCancelled);
            self.close_excess(pool);
            return;
        }
        let Some((pool, birth)) = self.runs_on(token) else { return };
        let (is_h1, closed) = {
            let conn = self.conn_ref(birth).expect("found above");
            (conn.is_h1(), conn.closed)
        };
        let run = self.run(birth, token);
        if std::mem::replace(&mut run.cancelled, true) {
            return;
        }
        if run.opened {
            self.told.push(Told::Reset { birth, token });
            if !is_h1 {
                self.count(Stat::RqTxReset);
                return;
            }
            if !closed {
                self.close(birth, Some(CloseReason::StreamReset), false);
            }
        }
        self.detach(birth, token);
        self.relieved(birth);
        self.grow_if_waiting(pool);
    }

    fn close_excess(&mut self, pool: u64) {
        let config = self.config_of(pool);
        let ratio = i64::from(config.preconnect_ratio.thousandths());
        if config.on_cancel == OnCancel::Keep {
            return;
        }
        let found = self.pool_ref(pool);
        let Some(newest) = found.open().filter(|conn| conn.is() == Is::Connecting).max_by_key(|conn| conn.birth) else {
            return;
        };
        let rest = found.connecting() - newest.usable() + found.active();
        if (found.pending() + found.active()) * ratio <= rest * 1_000 {
            let birth = newest.birth;
            self.close(birth, Some(CloseReason::Excess), false);
        }
    }

    pub fn runs_on(&self, token: u64) -> Option<(u64, u64)> {
        self.pools.iter().find_map(|pool| {
            let runs = |conn: &&super::Conn| conn.runs.iter().any(|run| run.request.token == token);
            pool.conns.iter().find(runs).map(|conn| (pool.number, conn.birth))
        })
    }

    fn run(&mut self, birth: u64, token: u64) -> &mut Run {
        let conn = self.conn(birth).expect("a living connection");
        conn.runs.iter_mut().find(|run| run.request.token == token).expect("a running stream")
    }

    pub fn response_head(&mut self, token: u64) {
        let Some((pool, birth)) = self.runs_on(token) else { return };
        if std::mem::replace(&mut self.run(birth, token).head, true) {
            return;
        }
        let conn = self.conn(birth).expect("found above");
        conn.heads += 1;
        if conn.protocol == Some(Protocol::H2) {
            let upstream = self.pool_ref(pool).upstream;
            let found = &mut self.upstreams[upstream];
            (found.demands, found.fallbacks, found.fallen_back) = (Some(0), 0, None);
        }
        if self.pool_ref(pool).failures > 0 {
            let found = self.pool(pool);
            (found.failures, found.until, found.backoff) = (0, None, None);
            self.grow_if_waiting(pool);
        }
    }

    pub fn unreplayable(&mut self, token: u64) {
        let queues = self.pools.iter_mut().flat_map(|pool| pool.queue.iter_mut());
        for request in queues.filter(|request| request.token == token) {
            request.replayable = false;
        }
        let conns = self.pools.iter_mut().flat_map(|pool| pool.conns.iter_mut());
        for run in conns.flat_map(|conn| conn.runs.iter_mut()).filter(|run| run.request.token == token) {
            run.request.replayable = false;
        }
    }

    pub(super) fn detach(&mut self, birth: u64, token: u64) -> Run {
        let conn = self.conn(birth).expect("a living connection");
        let place = conn.runs.iter().position(|run| run.request.token == token).expect("a running stream");
        let run = conn.runs.remove(place);
        if !run.opened {
            // Credit is used up by what was opened.
            conn.credit += 1;
        }
        run
    }

    pub fn stream_ended(&mut self, token: u64, end: StreamEnd) {
        if matches!(end, StreamEnd::Complete | StreamEnd::Cancelled) {
            self.failing.retain(|(failing, _)| *failing != token);
            self.told.retain(|told| !matches!(told, Told::Fail { token: failed, .. } if *failed == token));
        }
        let Some((pool, birth)) = self.runs_on(token) else { return };
        let (is_h1, closed) = {
            let conn = self.conn_ref(birth).expect("found above");
            (conn.is_h1(), conn.closed)
        };
        let spoiled = is_h1 && !closed && !matches!(end, StreamEnd::Complete);
        if spoiled {
            match end {
                StreamEnd::Complete => {}
                StreamEnd::Requeue => self.close(birth, Some(CloseReason::Stale), true),
                StreamEnd::Failed { .. } | StreamEnd::Cancelled => {
                    self.close(birth, Some(CloseReason::StreamReset), false);
                }
            }
        }
        let run = self.detach(birth, token);
        self.relieved(birth);
        if spoiled {
            self.grow_if_waiting(pool);
        }
        let ours = !is_h1 && !run.cancelled;
        match end {
            StreamEnd::Complete => {}
            StreamEnd::Cancelled => {
                if ours {
                    self.count(Stat::RqTxReset);
                }
            }
            StreamEnd::Failed { .. } | StreamEnd::Requeue if run.cancelled => {}
            StreamEnd::Failed { class, reason, response_started } => {
                if reason == FailureReason::RemoteReset {
                    self.count(Stat::RqRxReset);
                }
                if ours && matches!(reason, FailureReason::LocalReset | FailureReason::ProtocolError) {
                    self.count(Stat::RqTxReset);
                }
                let class = if run.head { Class::Never } else { class };
                self.run_failed(pool, run, reason, class, response_started);
            }
            StreamEnd::Requeue => self.requeue(pool, run),
        }
    }

    pub(super) fn run_failed(&mut self, pool: u64, run: Run, reason: FailureReason, class: Class, answered: bool) {
        let Run { mut request, head, reused, .. } = run;
        let demanded = reason == FailureReason::VersionRequired;
        if demanded && !self.pool_ref(pool).only_h1 {
            self.wants_http1(self.pool_ref(pool).upstream);
        }
        let upstream = &self.upstreams[self.pool_ref(pool).upstream];
        let policy = upstream.config.replay;
        let possible = request.replayable && !head && upstream.gate == Gate::Open && policy != ReplayPolicy::None;
        let unprocessed = class == Class::Unprocessed && request.replays < 8;
        let risky = class == Class::Maybe
            && policy == ReplayPolicy::Idempotent
            && reused
            && !answered
            && reason == FailureReason::ConnectionTermination
            && request.method != MethodClass::Other
            && request.risky < 1;
        let token = request.token;
        let mut goes_to = Some(pool);
        if possible && (unprocessed || risky) && (demanded || reason == FailureReason::VersionUnfit) {
            goes_to = self.http1_pool(pool);
        }
        if let Some(pool) = goes_to.filter(|_| possible && (unprocessed || risky)) {
            if unprocessed {
                request.replays += 1;
            } else {
                request.risky += 1;
            }
            if self.admit(pool, request).is_ok() {
                self.count(Stat::RqReplay);
                return;
            }
        }
        self.tell(token, reason, class, false);
    }

    pub(super) fn requeue(&mut self, pool: u64, mut run: Run) {
        let found = self.pool_ref(pool);
        let priority = found.priority;
        let shut = self.upstreams[found.upstream].gate == Gate::Shut;
        if shut || run.request.requeues >= 3 {
            let reason = if shut { FailureReason::GateShut } else { FailureReason::ConnectionTermination };
            self.run_failed(pool, run, reason, Class::Unprocessed, false);
            return;
        }
        run.request.requeues += 1;
        self.count(Stat::RqRequeued);
        let charged = self.has_room(LimitName::MaxPendingRequests, priority);
        self.enqueue(pool, run.request, charged);
        self.gain(pool);
        self.grow_if_waiting(pool);
    }

    pub(super) fn queued_too_long(&mut self, token: u64) {
        self.count(Stat::RqPendingTimeout);
        let queued = |pool: &&super::Pool| pool.queue.iter().any(|request| request.token == token);
        let pool = self.pools.iter().find(queued).expect("a timer of a queued stream").number;
        self.dequeue(pool, token);
        self.tell(token, FailureReason::QueueTimeout, Class::Unprocessed, false);
    }

    /// The end of the turn, and what the shell takes of it.
    pub fn end_turn(&mut self) -> Vec<Told> {
        while !self.severed.is_empty() {
            let birth = self.severed.remove(0);
            self.cut(birth, FailureReason::ConnectionTermination);
        }
        while !self.gained.is_empty() {
            let pool = self.gained.remove(0);
            if self.pools.iter().any(|found| found.number == pool && found.gained) {
                self.serve(pool);
            }
        }
        for priority in Priority::ALL {
            let row = usize::from(priority == Priority::High);
            while self.has_room(LimitName::MaxRequests, priority) && !self.awaiting[row].is_empty() {
                let pool = self.awaiting[row].remove(0);
                if self.pools.iter().any(|found| found.number == pool) {
                    self.pool(pool).awaits = false;
                    self.serve(pool);
                }
            }
        }
        self.tidy();
        self.take()
    }

    /// What is void by now is not told; what is told is known to the shell.
    fn take(&mut self) -> Vec<Told> {
        let mut taken = Vec::new();
        for told in std::mem::take(&mut self.told) {
            match told {
                Told::Connect { birth, .. } => {
                    let Some(conn) = self.conn(birth).filter(|conn| !conn.closed) else { continue };
                    conn.dialled = true;
                }
                Told::Open { birth, token } => {
                    let Some(conn) = self.conn(birth) else { continue };
                    let Some(run) = conn.runs.iter_mut().find(|run| run.request.token == token && !run.opened) else {
                        continue;
                    };
                    run.opened = true;
                }
                Told::Fail { .. } | Told::Reset { .. } | Told::Close { .. } | Told::Gone { .. } => {}
            }
            taken.push(told);
        }
        for (_, ejected) in std::mem::take(&mut self.failing) {
            if ejected {
                self.count(Stat::RqPendingFailureEject);
            }
        }
        taken
    }
}
