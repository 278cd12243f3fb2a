//! What the core says: effects, which are carried out in order, and events, which are passed on.

use std::rc::Rc;

use forebay_core::{Class, CloseReason, ConnectionId, Effect, Event, FailureReason, Offer, Priority, StreamFailure};

use super::Pool;
use crate::connection::{Connection, Link};
use crate::error::{Code, Failure, Phase};
use crate::refusal;
use crate::sink::RequestId;
use crate::timeouts::Limit;

impl Pool {
    /// Ends a batch of inputs: lets the core serve what waits, does what it says, sets the alarm.
    pub(crate) fn turn(self: &Rc<Self>) {
        self.close_behind_retries();
        self.core.borrow_mut().end_turn(self.shared.now());
        loop {
            let effect = self.core.borrow_mut().poll_effect();
            let Some(effect) = effect else { break };
            self.act(effect);
        }
        self.dial_failure.take();
        self.tell();
        self.mark();
        self.set_alarm();
    }

    /// For what is due first: in the core, of an exchange, or a retry.
    pub(super) fn set_alarm(&self) {
        if self.closed.get() {
            return;
        }
        let core = self.core.borrow().next_deadline().map(|at| self.shared.epoch + at.since_epoch());
        let mut alarm = self.alarm.borrow_mut();
        match core.into_iter().chain(self.deadlines.first()).chain(self.retries.first()).min() {
            Some(at) => alarm.reset(at),
            None => alarm.clear(),
        }
    }

    fn act(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Connect { connection, offer, .. } => self.connect(connection, offer == Offer::OnlyH1),
            Effect::Open { connection, stream, token } => {
                let request = request_of(token);
                self.shared.exchanges.with(request, |e| e.stream = Some(stream));
                if let Some(link) = self.link(connection) {
                    link.open(request, stream);
                }
            }
            Effect::Fail { token, failure, .. } => self.fail(request_of(token), failure),
            // The caller was told when it cancelled. On HTTP/1.1 a `Close` follows.
            Effect::Reset { connection, stream, .. } => {
                if let Some(link) = self.link(connection) {
                    link.reset(stream);
                }
            }
            Effect::Close { connection, reason } => {
                if let Some(link) = self.link(connection) {
                    if reason == CloseReason::ConnectTimeout {
                        *self.dial_failure.borrow_mut() = Some((connection, self.connect_timed_out(&link)));
                    }
                    self.gone(&link, None);
                    link.close();
                }
            }
            // No upstream has HTTP/3 beside TCP.
            Effect::Http3 { .. } => {}
            Effect::UpstreamGone { .. } => {
                self.closed.set(true);
                self.let_sockets_go();
                self.alarm.borrow_mut().reset(self.shared.handle.now());
                for _ in 0..self.closings.take() {
                    self.shared.sink.pool_closed(self.id);
                }
            }
        }
    }

    /// Passes on what observers may know. A connection that is gone within the turn is not reported as draining; refusals
    /// are gathered until the driver settles.
    fn tell(&self) {
        loop {
            let event = self.core.borrow_mut().poll_event();
            match event {
                Some(Event::Overflow { priority, limit }) => {
                    *self.overflows.borrow_mut().entry((priority, limit)).or_default() += 1;
                }
                Some(Event::Draining { connection, reason, .. }) => {
                    tracing::debug!(pool = %self.config.name, ?connection, ?reason, "draining");
                    // That of a tunnel is nobody else's any more.
                    if let Some(link) = self.link(connection).filter(|link| !link.is_tunnel()) {
                        self.shared.sink.draining(self.id, link.number, reason);
                    }
                }
                Some(Event::Closed { connection, cause, active, .. }) => {
                    tracing::info!(pool = %self.config.name, ?connection, ?cause, active, "connection closed");
                }
                Some(Event::Connected { connection, protocol, .. }) => {
                    tracing::info!(pool = %self.config.name, ?connection, ?protocol, "connection ready");
                }
                Some(Event::Replay { token, .. }) => {
                    tracing::debug!(pool = %self.config.name, request = token, "replay");
                    self.tell_replay(request_of(token));
                }
                Some(Event::PoolIdle { .. }) => {}
                None => break,
            }
        }
    }

    /// What the attempt failed with is the caller's to know, and no longer the request's.
    fn tell_replay(&self, request: RequestId) {
        let now = self.shared.handle.now();
        let failed = self.shared.exchanges.with(request, |e| {
            let time = now.saturating_duration_since(e.bound);
            e.failure.take().map(|(failure, via)| (failure.code, via.map(|(number, _)| number), time))
        });
        if let Some((code, via, time)) = failed.flatten() {
            self.shared.sink.replayed(request, code, via, time);
        }
    }

    fn connect(self: &Rc<Self>, connection: ConnectionId, only_h1: bool) {
        let number = self.shared.numbers.get() + 1;
        self.shared.numbers.set(number);
        let link = Link::new(connection, number);
        let mut links = self.links.borrow_mut();
        let index = connection.index();
        if index >= links.len() {
            links.resize_with(index + 1, || None);
        }
        links[index] = Some(link.clone());
        drop(links);
        self.shared.handle.spawn(Connection::new(self.clone(), link, only_h1));
    }

    fn link(&self, connection: ConnectionId) -> Option<Rc<Link>> {
        self.links.borrow().get(connection.index()).cloned().flatten().filter(|l| l.id == connection)
    }

    /// The link is of no more use; who was told that it came up is told that it is gone.
    pub(super) fn gone(&self, link: &Link, fault: Option<Code>) {
        let mut links = self.links.borrow_mut();
        if let Some(slot) = links.get_mut(link.id.index())
            && slot.as_ref().is_some_and(|l| l.id == link.id)
        {
            *slot = None;
        }
        drop(links);
        if link.take_announced() {
            self.shared.sink.disconnected(self.id, link.number, fault);
        }
    }

    /// The connect limit ran out: how far that dial had come.
    fn connect_timed_out(&self, link: &Link) -> Failure {
        let refused = refusal::refused(FailureReason::Timeout, &self.config, Priority::Default, Class::Unprocessed);
        let tried = link.address().or_else(|| self.addresses().first().copied());
        let failure = match link.list_tries().filter(|_| link.phase() == Phase::Connect) {
            Some(list) => {
                let number = refused.number;
                Failure::new(Code::ConnectFailed, Phase::Connect, Class::Unprocessed, &list).with_number(number)
            }
            None => Failure { phase: link.phase(), ..refused },
        };
        match tried {
            Some(address) => failure.at(address),
            None => failure,
        }
    }

    fn fail(&self, request: RequestId, failure: StreamFailure) {
        let known = self.shared.exchanges.with(request, |e| {
            let queue = e.submission.timeouts.as_deref().map(|t| t.queue);
            (e.failure.take(), e.submission.priority, queue)
        });
        let (known, priority, queue) = known.unwrap_or_default();
        let dial = self
            .dial_failure
            .borrow()
            .as_ref()
            .filter(|(id, _)| Some(*id) == failure.connection)
            .map(|(_, f)| f.clone());
        let (told, via) = match (known, dial) {
            (Some(known), _) => known,
            (None, Some(dial)) => (dial, None),
            (None, None) => {
                let timed_out = failure.connection.filter(|_| failure.reason == FailureReason::Timeout);
                let told = match timed_out.and_then(|id| self.link(id)) {
                    Some(link) => self.connect_timed_out(&link),
                    None => refusal::refused(failure.reason, &self.config, priority, failure.class),
                };
                match queue {
                    Some(Limit::After(limit)) if told.code == Code::QueueTimeout => {
                        let ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
                        (told.with_number(ms), None)
                    }
                    _ => (told, None),
                }
            }
        };
        if self.release(request).is_some() {
            self.shared.sink.fail(request, &told, via);
        }
    }
}

/// Tokens of the core are request numbers.
fn request_of(token: u64) -> RequestId {
    RequestId::try_from(token).unwrap_or(RequestId::MAX)
}
