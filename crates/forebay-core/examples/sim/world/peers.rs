//! What upstreams and callers do to the streams and connections that there are.

use forebay_core::{
    Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd, DrainReason, FailureReason, Protocol,
    Protocols, StreamEnd,
};

use super::{World, ms};
use crate::model::{self, Is};

impl World {
    /// Births of dialled connections in a state.
    pub(super) fn births_in(&self, wanted: &[Is]) -> Vec<u64> {
        let conns = self.model.pools.iter().flat_map(model::Pool::open);
        conns.filter(|conn| conn.dialled && wanted.contains(&conn.is())).map(|conn| conn.birth).collect()
    }

    pub(super) fn protocol_of(&mut self, birth: u64) -> Protocol {
        let pool = self.model.pools.iter().find(|pool| pool.conns.iter().any(|conn| conn.birth == birth));
        match pool.map(|pool| self.model.upstreams[pool.upstream].config.protocols) {
            _ if pool.is_some_and(|pool| pool.only_h1) => Protocol::H1,
            Some(Protocols::Fixed(protocol)) => protocol,
            Some(Protocols::Mixed) | None => self.dice.of(&[Protocol::H1, Protocol::H2]),
        }
    }

    pub(super) fn dial_ends(&mut self) {
        if self.dice.one_in(8) {
            return self.handshake_ends();
        }
        // Now and then a connection that is up already, or gone.
        let births = if self.dice.one_in(20) {
            self.connections.keys().copied().collect()
        } else {
            self.births_in(&[Is::Connecting])
        };
        let Some(birth) = self.dice.any(&births) else { return };
        let id = self.connections[&birth];
        if self.dice.one_in(4) {
            let reason = self.dice.of(&[
                ConnectFailureReason::Timeout,
                ConnectFailureReason::Remote,
                ConnectFailureReason::Local,
            ]);
            let class = self.dice.of(&[Class::Unprocessed, Class::Never]);
            self.say(|| format!("connect_failed {birth} {reason:?}"));
            self.group.connect_failed(self.now, id, ConnectFailure { reason, class });
            self.model.connect_failed(birth, reason, class);
        } else {
            let protocol = self.protocol_of(birth);
            let stream_limit = self.dice.of(&[None, Some(0), Some(1), Some(3), Some(u32::MAX)]);
            let connected = Connected { protocol, stream_limit };
            self.say(|| format!("connected {birth} {connected:?}"));
            self.group.connected(self.now, id, connected);
            self.model.connected(birth, connected);
        }
    }

    /// A stream that the shell has opened gets a head, or ends.
    pub(super) fn stream_moves(&mut self) {
        let open: Vec<u64> =
            self.streams.iter().filter(|(_, known)| known.on.is_some()).map(|(token, _)| *token).collect();
        let Some(token) = self.dice.any(&open) else { return self.late_stream() };
        let known = self.streams[&token];
        let birth = known.on.expect("filtered");
        if self.dice.one_in(12) {
            self.body_leaves(token);
        }
        match self.dice.roll(10) {
            0..2 => self.head(token),
            2..7 => {
                self.head(token);
                if self.dice.one_in(6) {
                    self.go_away(birth);
                }
                if self.dice.one_in(8) {
                    self.hint(birth);
                }
                self.end(token, StreamEnd::Complete);
                if self.dice.one_in(6) {
                    // A FIN, or a byte too many, with the end of the response.
                    let end =
                        self.dice.of(&[ConnectionEnd::REMOTE, ConnectionEnd::LOCAL, ConnectionEnd::PROTOCOL_ERROR]);
                    self.close(birth, end);
                }
            }
            7 => {
                let class = self.dice.of(&[Class::Unprocessed, Class::Unprocessed, Class::Maybe, Class::Never]);
                let reasons = [
                    FailureReason::RemoteRefused,
                    FailureReason::VersionRequired,
                    FailureReason::VersionUnfit,
                    FailureReason::RemoteReset,
                    FailureReason::LocalReset,
                    FailureReason::ProtocolError,
                    FailureReason::ConnectionTermination,
                ];
                let reason = self.dice.of(&reasons);
                let response_started = known.head || self.dice.one_in(3);
                self.end(token, StreamEnd::Failed { class, reason, response_started });
            }
            8 if !known.head => self.end(token, StreamEnd::Requeue),
            _ => self.end(token, StreamEnd::Cancelled),
        }
    }

    /// Inputs that name what is over change nothing.
    pub(super) fn late_stream(&mut self) {
        if let Some(id) = self.dice.any(&self.over) {
            self.group.response_head(self.now, id);
            self.group.stream_ended(self.now, id, StreamEnd::Requeue);
            self.group.cancel(self.now, id);
        }
    }

    pub(super) fn head(&mut self, token: u64) {
        self.say(|| format!("head {token}"));
        let known = self.streams.get_mut(&token).expect("a known stream");
        known.head = true;
        self.group.response_head(self.now, known.id);
        self.model.response_head(token);
    }

    pub(super) fn end(&mut self, token: u64, end: StreamEnd) {
        self.say(|| format!("end {token} {end:?}"));
        let Some(known) = self.streams.get_mut(&token) else { return };
        known.on = None;
        known.head = false;
        let id = known.id;
        self.group.stream_ended(self.now, id, end);
        self.model.stream_ended(token, end);
        if matches!(end, StreamEnd::Complete | StreamEnd::Cancelled) {
            self.forget(token);
        }
    }

    pub(super) fn forget(&mut self, token: u64) {
        if let Some(known) = self.streams.remove(&token) {
            self.over.push(known.id);
        }
    }

    pub(super) fn cancel(&mut self) {
        let tokens: Vec<u64> = self.streams.keys().copied().collect();
        let Some(token) = self.dice.any(&tokens) else { return };
        self.say(|| format!("cancel {token}"));
        let known = self.streams[&token];
        let waits_for_end = self.model.runs_on(token).is_some_and(|(_, birth)| {
            let conns = self.model.pools.iter().flat_map(|pool| pool.conns.iter());
            let on = conns.into_iter().find(|conn| conn.birth == birth).expect("found above");
            let run = on.runs.iter().find(|run| run.request.token == token).expect("found above");
            run.opened && !on.is_h1()
        });
        self.group.cancel(self.now, known.id);
        self.model.cancel(token);
        if waits_for_end {
            // The reset is the next effect; its answer comes some time.
            return;
        }
        self.forget(token);
    }

    pub(super) fn close(&mut self, birth: u64, end: ConnectionEnd) {
        self.say(|| format!("closed {birth} {end:?}"));
        self.group.connection_closed(self.now, self.connections[&birth], end);
        self.model.connection_closed(birth, end.remote, end.protocol_error);
        let mut streams: Vec<u64> =
            self.streams.iter().filter(|(_, known)| known.on == Some(birth)).map(|(token, _)| *token).collect();
        streams.reverse();
        for token in streams {
            // Some are left for the core to end.
            if !self.dice.one_in(3) {
                let class = self.dice.of(&[Class::Maybe, Class::Unprocessed]);
                let response_started = self.streams[&token].head;
                let reason = FailureReason::ConnectionTermination;
                self.end(token, StreamEnd::Failed { class, reason, response_started });
            }
        }
    }

    pub(super) fn connection_ends(&mut self) {
        let late = self.dice.one_in(20);
        let births = if late {
            self.connections.keys().copied().collect()
        } else {
            self.births_in(&[Is::Connecting, Is::Ready, Is::Busy, Is::Draining])
        };
        let Some(birth) = self.dice.any(&births) else { return };
        let end = self.dice.of(&[
            ConnectionEnd::REMOTE,
            ConnectionEnd::REMOTE,
            ConnectionEnd::LOCAL,
            ConnectionEnd::PROTOCOL_ERROR,
        ]);
        self.close(birth, end);
    }

    pub(super) fn peer_speaks(&mut self) {
        let births = self.births_in(&[Is::Connecting, Is::Ready, Is::Busy, Is::Draining]);
        let Some(birth) = self.dice.any(&births) else { return };
        match self.dice.roll(5) {
            0 => self.go_away(birth),
            1 => {
                self.say(|| format!("drain_connection {birth}"));
                self.group.drain_connection(self.now, self.connections[&birth], DrainReason::LocalErrors);
                self.model.drain_connection(birth);
            }
            2 => self.hint(birth),
            _ => {
                let limit = self.dice.of(&[0, 1, 2, 5, 100, u32::MAX]);
                self.say(|| format!("limit {birth} {limit}"));
                self.group.stream_limit_changed(self.now, self.connections[&birth], limit);
                self.model.stream_limit_changed(birth, limit);
            }
        }
    }

    pub(super) fn go_away(&mut self, birth: u64) {
        self.say(|| format!("go_away {birth}"));
        self.group.go_away(self.now, self.connections[&birth]);
        self.model.go_away(birth);
    }

    pub(super) fn hint(&mut self, birth: u64) {
        let hint = ms(self.dice.of(&[500, 1_000, 1_020, 5_000]));
        self.say(|| format!("hint {birth} {hint:?}"));
        self.group.keep_alive_hint(self.now, self.connections[&birth], hint);
        self.model.keep_alive_hint(birth, hint);
    }
}
