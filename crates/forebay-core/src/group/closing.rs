//! The end of a connection, and of the streams that it takes along.

use super::Group;
use crate::connection::State;
use crate::effect::{CloseReason, Effect};
use crate::event::{CloseCause, Event};
use crate::id::ConnectionId;
use crate::outcome::{Class, ConnectionEnd, FailureReason, StreamFailure};
use crate::stats::Stat;
use crate::time::Instant;

impl Group {
    /// A connection ended that the core did not close. Nothing is attached to it from now on; its open streams stay known until the shell
    /// ends each of them, in the same turn. What is left at `end_turn` fails as `ConnectionTermination`.
    pub fn connection_closed(&mut self, now: Instant, id: ConnectionId, end: ConnectionEnd) {
        let Some(connection) = self.connections.get(id).filter(|connection| connection.state != State::Closed) else {
            return;
        };
        let pool = connection.pool;
        if end.protocol_error {
            self.stats.bump(Stat::CxProtocolError);
        }
        if !connection.connected {
            let reason =
                if end.remote { FailureReason::RemoteConnectionFailure } else { FailureReason::LocalConnectionFailure };
            let cause = CloseCause::ConnectFailed { remote: end.remote };
            self.connection_failed(now, id, cause, reason, Class::Unprocessed);
            return;
        }
        if end.remote {
            self.blame(now, id);
        }
        let cause =
            if end.remote { CloseCause::Remote } else { CloseCause::Local { protocol_error: end.protocol_error } };
        self.close(now, id, cause);
        self.grow_if_waiting(now, pool);
    }

    /// Marks it Closed and hands back all that it held. Its streams, if any, are still to be ended.
    pub(super) fn close(&mut self, now: Instant, id: ConnectionId, cause: CloseCause) {
        let connection = &mut self.connections[id];
        let was = connection.state;
        debug_assert!(was != State::Closed, "closed is final");
        connection.state = State::Closed;
        self.timers.disarm(&mut connection.life_timer);
        self.timers.disarm(&mut connection.rest_timer);
        let (pool_id, upstream, active) = (connection.pool, connection.upstream, connection.active);
        if connection.connected {
            self.stats.lived(now - connection.connected_at, connection.served);
        }
        if let Some(place) = connection.place.take() {
            self.limits.give_back(place);
        }
        let (birth, dialled) = (connection.birth, connection.dialled);
        self.recount(id, was, false);
        self.upstreams[upstream].connections -= 1;
        let pool = &mut self.pools[pool_id];
        pool.connections.remove(&birth);
        pool.trailing &= pool.is_dialling();
        self.count_close(cause, active);
        self.note(Event::Closed { connection: id, upstream, cause, active });
        if let CloseCause::Core(reason) = cause {
            // A dial that the shell never began is withdrawn with its effect.
            if dialled {
                self.effects.push_back(Effect::Close { connection: id, reason });
            }
        }
        if active == 0 {
            self.connections.remove(id);
        } else {
            self.severed.push_back((id, FailureReason::ConnectionTermination));
        }
        self.look_at(pool_id);
    }

    fn count_close(&mut self, cause: CloseCause, active: u32) {
        let remote = match cause {
            CloseCause::Core(reason) => reason == CloseReason::Stale,
            CloseCause::ConnectFailed { remote } => remote,
            CloseCause::Remote => true,
            CloseCause::Local { .. } => false,
        };
        self.stats.fall(Stat::CxActive);
        self.stats.bump(Stat::CxDestroy);
        self.stats.bump(if remote { Stat::CxDestroyRemote } else { Stat::CxDestroyLocal });
        if active > 0 {
            self.stats.bump(Stat::CxDestroyWithActiveRq);
            self.stats.bump(if remote { Stat::CxDestroyRemoteWithActiveRq } else { Stat::CxDestroyLocalWithActiveRq });
        }
    }

    /// Closes it and ends its streams at once. The shell is told of the streams first, while it still knows the connection.
    pub(super) fn close_and_cut(&mut self, now: Instant, id: ConnectionId, cause: CloseCause, reason: FailureReason) {
        self.close(now, id, cause);
        let told = if matches!(cause, CloseCause::Core(_)) { self.take_close_effect(id) } else { None };
        self.cut(now, id, reason);
        self.effects.extend(told);
    }

    /// The `Close` that was just told, to be told after what comes before it.
    pub(super) fn take_close_effect(&mut self, id: ConnectionId) -> Option<Effect> {
        match self.effects.back() {
            Some(Effect::Close { connection, .. }) if *connection == id => self.effects.pop_back(),
            _ => None,
        }
    }

    /// Ends what a closed connection still carries, newest first: what was never opened goes back to the queue, the rest fails.
    pub(super) fn cut(&mut self, now: Instant, id: ConnectionId, reason: FailureReason) {
        while let Some(stream) = self.connections.get(id).and_then(|connection| connection.newest) {
            let Some(attached) = self.detach(stream) else { break };
            self.relieved(now, id);
            if attached.cancelled {
                self.streams.remove(stream);
            } else if attached.opened {
                let failure = StreamFailure { reason, class: attached.class_if_cut(), connection: Some(id) };
                // Whether a byte of a response came is not known here, so nothing risky is repeated.
                self.stream_failed(now, stream, &attached, failure, true);
            } else {
                self.requeue(now, stream, &attached);
            }
        }
    }
}
