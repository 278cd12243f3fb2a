//! What the tasks of connections tell their pool; each ends in a turn of the core.

use std::rc::Rc;
use std::time::Duration;

use forebay_core::{
    Class, ConnectFailure, ConnectFailureReason, ConnectionEnd, DrainReason, Stat, StreamEnd, StreamId,
};
use http::{Request, StatusCode};

use super::{Broken, Ended, Pool};
use crate::connection::{Interrupted, Link};
use crate::dial::Dialled;
use crate::error::{Code, Failure, Phase};
use crate::exchange::Exchange;
use crate::refusal;
use crate::request::Content;
use crate::sink::{Connected, RequestId};

impl Pool {
    /// The request is bound to `link`: gives what its connection makes of the checked head and the exchange. `None` if its
    /// caller has gone.
    pub(crate) fn begin<R>(
        &self,
        request: RequestId,
        link: &Rc<Link>,
        make: impl FnOnce(Request<()>, &mut Exchange) -> R,
    ) -> Option<R> {
        let now = self.shared.handle.now();
        let mut timed = false;
        let begun = self.shared.exchanges.with(request, |e| {
            timed = e.clocks.is_some();
            e.bound = now;
            e.link = Some(link.clone());
            e.phase = if e.submission.body == Content::None { Phase::Head } else { Phase::Send };
            if let Some(upload) = &e.upload {
                upload.shut();
            }
            // A repeat is built again from what was submitted, which was good the first time.
            let head = e.head.take().or_else(|| e.submission.head().ok())?;
            Some(make(head, e))
        });
        if timed {
            self.clocks_bound(request);
        }
        begun?
    }

    /// How far the exchange has come, for failures that do not come from its connection.
    pub(crate) fn reached(&self, request: RequestId, phase: Phase) {
        self.shared.exchanges.with(request, |e| e.phase = phase);
    }

    /// The final head came: how long the request waited for a connection, and for the head.
    pub(crate) fn head_arrived(
        &self,
        request: RequestId,
        stream: StreamId,
        status: StatusCode,
    ) -> (Duration, Duration) {
        {
            let mut core = self.core.borrow_mut();
            core.response_head(self.shared.now(), stream);
            core.responded(status.as_u16());
        }
        self.mark();
        let now = self.shared.handle.now();
        let waits = self.shared.exchanges.with(request, |e| {
            e.phase = Phase::Body;
            if let Some(clocks) = &mut e.clocks {
                clocks.heard(now);
            }
            e.waits(now)
        });
        waits.unwrap_or_default()
    }

    /// The exchange is complete and its caller was told. With it the connection may have ended.
    pub(crate) fn finished(self: &Rc<Self>, link: &Link, request: RequestId, stream: StreamId, ended: Option<Ended>) {
        self.release(request);
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            core.stream_ended(now, stream, StreamEnd::Complete);
            if let Some(ended) = ended {
                core.connection_closed(now, link.id, ended.to_core());
            }
        }
        if let Some(ended) = ended {
            self.gone(link, ended.fault());
        }
        self.turn();
    }

    pub(crate) fn failed(self: &Rc<Self>, link: &Link, broken: Broken) {
        let Broken { request, stream, failure, ended, reused, started } = broken;
        let now = self.shared.now();
        let end = StreamEnd::Failed {
            class: failure.class,
            reason: refusal::reason_of(failure.code, failure.phase),
            response_started: started,
        };
        let fault = failure.code;
        self.clocks_try_failed(request);
        let begun = self.shared.exchanges.with(request, |e| {
            e.failure = Some((failure, Some((link.number, reused))));
            e.link = None;
            e.upload.as_ref().is_some_and(|upload| upload.is_begun())
        });
        {
            let mut core = self.core.borrow_mut();
            if begun == Some(true) {
                core.unreplayable(stream);
            }
            if fault == Code::HeadersTimeout {
                core.bump(Stat::RqTimeout);
            }
            // Closed first: nothing may be attached to a connection that dies.
            core.connection_closed(now, link.id, ended.to_core());
            core.stream_ended(now, stream, end);
        }
        self.gone(link, Some(fault));
        self.turn();
    }

    /// An idle connection ended. A request may have been bound to it already: not a byte of it was written.
    pub(crate) fn lost_idle(self: &Rc<Self>, link: &Link, ended: Ended) {
        let bound = link.take_next();
        self.lost_unwritten(link, bound.map(|(_, stream)| stream), ended);
    }

    /// The connection ended before a byte of the exchange was written: it goes back to the queue.
    pub(crate) fn lost_unwritten(self: &Rc<Self>, link: &Link, stream: Option<StreamId>, ended: Ended) {
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            // First, so that it is counted by who ended it and how: the core would only call it stale.
            core.connection_closed(now, link.id, ended.to_core());
            if let Some(stream) = stream {
                core.stream_ended(now, stream, StreamEnd::Requeue);
            }
        }
        self.gone(link, ended.fault());
        self.turn();
    }

    /// Its task runs for the first time.
    pub(crate) fn dialling(&self, link: &Link) {
        self.core.borrow_mut().dialling(self.shared.now(), link.id);
    }

    pub(crate) fn connected(self: &Rc<Self>, link: &Link, dialled: &Dialled) {
        let info = Connected {
            connection: link.number,
            peer: dialled.peer.clone(),
            protocol: forebay_core::Protocol::H1,
            connect: dialled.connect,
            tls: dialled.tls,
        };
        link.announce(&dialled.peer);
        self.shared.sink.connected(self.id, &info);
        self.core.borrow_mut().connected(self.shared.now(), link.id, forebay_core::Connected::H1);
        self.turn();
    }

    pub(crate) fn dial_failed(self: &Rc<Self>, link: &Link, failure: Failure) {
        let reason = match failure.code {
            Code::ConnectTimeout => ConnectFailureReason::Timeout,
            Code::LocalResource => ConnectFailureReason::Local,
            _ => ConnectFailureReason::Remote,
        };
        let why = ConnectFailure { reason, class: failure.class };
        *self.dial_failure.borrow_mut() = Some((link.id, failure));
        self.core.borrow_mut().connect_failed(self.shared.now(), link.id, why);
        self.gone(link, None);
        self.turn();
    }

    /// The peer agreed to a tunnel: no other request can use the connection, and only the duration is limited.
    pub(crate) fn tunnel_opened(self: &Rc<Self>, link: &Link, request: RequestId) {
        link.become_tunnel();
        self.clocks_tunnel(request);
        self.core.borrow_mut().drain_connection(self.shared.now(), link.id, DrainReason::Manual);
        self.turn();
    }

    /// The peer said that it will close after this response.
    pub(crate) fn peer_closes(self: &Rc<Self>, link: &Link) {
        self.core.borrow_mut().go_away(self.shared.now(), link.id);
        self.turn();
    }

    pub(crate) fn keep_alive_hint(self: &Rc<Self>, link: &Link, hint: Duration) {
        self.core.borrow_mut().keep_alive_hint(self.shared.now(), link.id, hint);
        self.turn();
    }

    /// The task of a connection was dropped in the middle of its work: a panic of ours, or the end of the reactor.
    pub(crate) fn broke(self: &Rc<Self>, link: &Link, interrupted: Interrupted) {
        if self.is_lost() {
            return;
        }
        let text = "defect in Forebay: a task ended early";
        let bound = link.take_next().map(|(request, stream)| Interrupted::Open { request, stream, answered: false });
        match bound.unwrap_or(interrupted) {
            Interrupted::Open { request, stream, answered } => {
                let (phase, class) = if answered { (Phase::Body, Class::Never) } else { (Phase::Head, Class::Maybe) };
                let failure = Failure::new(Code::Internal, phase, class, text);
                let ended = Ended::ByUs;
                self.failed(link, Broken { request, stream, failure, ended, reused: false, started: true });
            }
            Interrupted::Told { request, stream } => self.finished(link, request, stream, Some(Ended::ByUs)),
            Interrupted::Nothing if link.is_announced() => {
                self.core.borrow_mut().connection_closed(self.shared.now(), link.id, ConnectionEnd::LOCAL);
                self.gone(link, Some(Code::Internal));
                self.turn();
            }
            Interrupted::Nothing => {
                self.dial_failed(link, Failure::new(Code::Internal, Phase::Connect, Class::Maybe, text));
            }
        }
    }

    pub(crate) fn credit_of(&self, request: RequestId) -> usize {
        let credit = self.shared.exchanges.with(request, |e| e.credit).unwrap_or_default();
        usize::try_from(credit).unwrap_or(usize::MAX)
    }

    /// Uses up to `wanted` bytes of credit; gives how many.
    pub(crate) fn take_credit(&self, request: RequestId, wanted: usize) -> usize {
        let taken = self.shared.exchanges.with(request, |e| {
            let taken = e.credit.min(wanted as u64);
            e.credit -= taken;
            if let Some(clocks) = &mut e.clocks {
                clocks.heard(self.shared.handle.now());
            }
            taken
        });
        // Nobody waits for it any more: let it pass.
        taken.map_or(wanted, |t| usize::try_from(t).unwrap_or(wanted))
    }
}
