//! What the task of an HTTP/2 or HTTP/3 connection tells its pool. Many streams end in one go: the task calls `turn` itself, once.

use std::rc::Rc;

use forebay_core::{
    Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd, DrainReason, Instant, Stat, StreamEnd,
    StreamId,
};

use super::{Ended, Pool};
use crate::connection::Link;
use crate::dial::Dialled;
use crate::error::{Code, Failure, Phase};
use crate::refusal;
use crate::sink::{self, RequestId};

impl Pool {
    /// The core's time.
    fn core_now(&self) -> Instant {
        self.shared.now()
    }

    /// Whether the peer's stream limit is not guessed: its SETTINGS are awaited.
    pub(crate) fn awaits_settings(&self) -> bool {
        let known = self.core.borrow().origin_memory(self.upstream).and_then(|memory| memory.stream_limit);
        known.is_none_or(|limit| limit == 0) && self.config.upstream.h2.pre_settings_streams.is_none()
    }

    /// The handshake is done, SETTINGS are awaited under a limit of their own.
    pub(crate) fn shaken(&self, link: &Link) {
        self.core.borrow_mut().shaken(self.core_now(), link.id);
    }

    /// The connection can carry streams; `limit`: what the first SETTINGS said, if they are here, or the credit.
    pub(crate) fn multiplexed(&self, link: &Link, dialled: &Dialled, limit: Option<u32>) {
        let info = sink::Connected {
            connection: link.number,
            peer: dialled.peer.clone(),
            protocol: dialled.protocol,
            connect: dialled.connect,
            tls: dialled.tls,
        };
        link.announce(&dialled.peer);
        self.shared.sink.connected(self.id, &info);
        let connected = Connected { protocol: dialled.protocol, stream_limit: limit };
        self.core.borrow_mut().connected(self.core_now(), link.id, connected);
    }

    /// SETTINGS never came on a connection that awaited them.
    pub(crate) fn no_settings(&self, link: &Link, failure: Failure) {
        let why = ConnectFailure { reason: ConnectFailureReason::Remote, class: failure.class };
        *self.dial_failure.borrow_mut() = Some((link.id, failure));
        self.core.borrow_mut().connect_failed(self.core_now(), link.id, why);
        self.gone(link, None);
    }

    /// SETTINGS said how many streams there may be at once, or QUIC how many more.
    pub(crate) fn stream_limit(&self, link: &Link, limit: u32) {
        self.core.borrow_mut().stream_limit_changed(self.core_now(), link.id, limit);
    }

    /// GOAWAY.
    pub(crate) fn goes_away(&self, link: &Link) {
        self.core.borrow_mut().go_away(self.core_now(), link.id);
    }

    /// No new streams, for a reason of ours.
    pub(crate) fn drain_link(&self, link: &Link, reason: DrainReason) {
        self.core.borrow_mut().drain_connection(self.core_now(), link.id, reason);
    }

    pub(crate) fn bump(&self, stat: Stat) {
        self.core.borrow_mut().bump(stat);
    }

    /// The exchange is complete and its caller was told.
    pub(crate) fn stream_whole(&self, request: RequestId, stream: StreamId) {
        self.release(request);
        self.core.borrow_mut().stream_ended(self.core_now(), stream, StreamEnd::Complete);
    }

    /// The exchange failed; its connection may live on. `started`: something of a response came.
    pub(crate) fn stream_failed(
        &self,
        link: &Link,
        (request, stream): (RequestId, StreamId),
        failure: Failure,
        reused: bool,
        started: bool,
    ) {
        let begun = self.shared.exchanges.with(request, |e| e.upload.as_ref().is_some_and(|upload| upload.is_begun()));
        let (class, reason) = (failure.class, refusal::reason_of(failure.code, failure.phase));
        let end = StreamEnd::Failed { class, reason, response_started: started };
        let timed_out = failure.code == Code::HeadersTimeout;
        self.clocks_try_failed(request);
        self.shared.exchanges.with(request, |e| {
            e.failure = Some((failure, Some((link.number, reused))));
            e.link = None;
        });
        let mut core = self.core.borrow_mut();
        if timed_out {
            core.bump(Stat::RqTimeout);
        }
        if begun == Some(true) {
            // Another try would lack what has left of the body.
            core.unreplayable(stream);
        }
        core.stream_ended(self.core_now(), stream, end);
    }

    /// Nothing of it was sent: back to the queue.
    pub(crate) fn stream_unsent(&self, request: RequestId, stream: StreamId) {
        self.shared.exchanges.with(request, |e| e.link = None);
        self.core.borrow_mut().stream_ended(self.core_now(), stream, StreamEnd::Requeue);
    }

    /// The peer was told that nobody wants it.
    pub(crate) fn stream_cancelled(&self, stream: StreamId) {
        self.core.borrow_mut().stream_ended(self.core_now(), stream, StreamEnd::Cancelled);
    }

    /// The connection is over. Its streams are to be ended next, then `let_go`.
    pub(crate) fn connection_over(&self, link: &Link, ended: Ended) {
        self.core.borrow_mut().connection_closed(self.core_now(), link.id, ended.to_core());
    }

    /// A connection is of no more use.
    pub(crate) fn let_go(&self, link: &Link, fault: Option<Code>) {
        self.gone(link, fault);
    }

    /// The task of a connection was dropped in the middle of its work: a panic of ours, or the end of the reactor.
    pub(crate) fn broke_all(self: &Rc<Self>, link: &Link, open: Vec<(RequestId, StreamId, bool)>) {
        if self.is_lost() {
            return;
        }
        let text = "defect in Forebay: a task ended early";
        if !link.is_announced() {
            self.dial_failed(link, Failure::new(Code::Internal, Phase::Connect, Class::Maybe, text));
            return;
        }
        self.core.borrow_mut().connection_closed(self.core_now(), link.id, ConnectionEnd::LOCAL);
        while let Some((request, stream)) = link.take_next() {
            self.stream_unsent(request, stream);
        }
        for (request, stream, headed) in open {
            let (phase, class) = if headed { (Phase::Body, Class::Never) } else { (Phase::Head, Class::Maybe) };
            self.stream_failed(link, (request, stream), Failure::new(Code::Internal, phase, class, text), false, true);
        }
        self.gone(link, Some(Code::Internal));
        self.turn();
    }
}
