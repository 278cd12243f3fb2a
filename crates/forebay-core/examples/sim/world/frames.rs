//! What HTTP/2 upstreams do to many streams at once: GOAWAY with a last id, SETTINGS that refuse what was sent above them, and the
//! demand for HTTP/1.1.

use forebay_core::{Class, FailureReason, StreamEnd};

use super::World;
use crate::model;

impl World {
    /// Tokens of what was opened on a connection and is not over, as their ids rise.
    fn opened_on(&self, birth: u64) -> Vec<u64> {
        let conns = self.model.pools.iter().flat_map(|pool| pool.conns.iter());
        let runs = conns.filter(|conn| conn.birth == birth).flat_map(|conn: &model::Conn| conn.runs.iter());
        let opened: Vec<u64> = runs.filter(|run| run.opened).map(|run| run.request.token).collect();
        opened.into_iter().filter(|token| self.streams.get(token).is_some_and(|known| known.on.is_some())).collect()
    }

    /// Those from `kept` on were not processed.
    fn unprocessed(&mut self, streams: &[u64], kept: usize, reason: FailureReason) {
        for token in streams.iter().skip(kept) {
            let (class, response_started) = (Class::Unprocessed, false);
            self.end(*token, StreamEnd::Failed { class, reason, response_started });
        }
    }

    /// On one of the connections that carry streams, if there is any.
    pub(super) fn speaks_of_many(&mut self) {
        let births: Vec<u64> =
            self.connections.keys().copied().filter(|birth| !self.opened_on(*birth).is_empty()).collect();
        let Some(birth) = self.dice.any(&births) else { return };
        match self.dice.roll(3) {
            0 => self.goes_away_at(birth),
            1 => self.refuses_above(birth),
            _ => self.wants_http1(birth),
        }
    }

    /// An upstream that HTTP/2 streams run to, more often than not.
    pub(super) fn one_at_work(&mut self) -> Option<usize> {
        let births = self.connections.keys().copied().filter(|birth| !self.opened_on(*birth).is_empty());
        let pools = births.filter_map(|birth| self.model.pool_of(birth));
        let pools = self.model.pools.iter().filter(|pool| pools.clone().any(|number| number == pool.number));
        let upstreams: Vec<usize> = pools.filter(|pool| !pool.only_h1).map(|pool| pool.upstream).collect();
        self.dice.any(&upstreams)
    }

    /// Of an upstream that was just removed.
    pub(super) fn last_demand(&mut self, upstream: usize) {
        let pools = self.model.pools.iter().filter(|pool| pool.upstream == upstream);
        let births: Vec<u64> = pools.flat_map(model::Pool::open).map(|conn| conn.birth).collect();
        for birth in births {
            self.wants_http1(birth);
        }
    }

    fn some_of(&mut self, streams: &[u64]) -> usize {
        usize::try_from(self.dice.roll(streams.len() as u64 + 1)).unwrap()
    }

    /// A notice, one step, or a further step: what is above the last id ends in the same turn, and that id only ever falls.
    fn goes_away_at(&mut self, birth: u64) {
        let streams = self.opened_on(birth);
        let kept = self.some_of(&streams);
        self.say(|| format!("last of {birth}: {kept} of {}", streams.len()));
        self.go_away(birth);
        self.unprocessed(&streams, kept, FailureReason::RemoteRefused);
    }

    /// SETTINGS crossed what was sent: the limit falls, and what is above it is refused in order.
    fn refuses_above(&mut self, birth: u64) {
        let streams = self.opened_on(birth);
        let kept = self.some_of(&streams);
        self.say(|| format!("limit {birth} {kept}, the rest of {} is refused", streams.len()));
        let limit = u32::try_from(kept).unwrap();
        self.group.stream_limit_changed(self.now, self.connections[&birth], limit);
        self.model.stream_limit_changed(birth, limit);
        self.unprocessed(&streams, kept, FailureReason::RemoteRefused);
    }

    /// Of some requests, or of all that run.
    fn wants_http1(&mut self, birth: u64) {
        let streams = self.opened_on(birth);
        let kept = self.some_of(&streams);
        self.say(|| format!("{birth} wants HTTP/1.1 but for {kept} of {}", streams.len()));
        self.unprocessed(&streams, kept, FailureReason::VersionRequired);
    }

    /// SETTINGS are awaited, however long that takes.
    pub(super) fn handshake_ends(&mut self) {
        let births = self.births_in(&[model::Is::Connecting, model::Is::Ready]);
        let Some(birth) = self.dice.any(&births) else { return };
        self.say(|| format!("shaken {birth}"));
        self.group.shaken(self.now, self.connections[&birth]);
        self.model.shaken(birth);
    }

    /// A part of a body that is not kept has left.
    pub(super) fn body_leaves(&mut self, token: u64) {
        self.say(|| format!("unreplayable {token}"));
        self.group.unreplayable(self.streams[&token].id);
        self.model.unreplayable(token);
    }
}
