//! One pool: the connections and the queue of an upstream at one priority with one key.
//!
//! Promise: its sums are those of its connections, always (`recount`). Used by `group`, which does things to it; here is what it is and
//! when it wants more. Not here: limits, which a pool shares with others.

pub(crate) mod pending;
pub(crate) mod ready;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::backoff::Failures;
use crate::config::{Protocols, Ratio, UpstreamConfig};
use crate::connection::{Connection, Share, State};
use crate::id::{ConnectionId, UpstreamId};
use crate::limits::Place;
use crate::outcome::{Priority, Protocol};
use crate::timer::Armed;
use crate::upstream::{Offer, PoolKey};
use pending::Pending;
use ready::ReadySet;

#[expect(clippy::struct_excessive_bools, reason = "marks that are set and taken apart from each other")]
pub(crate) struct Pool {
    pub(crate) upstream: UpstreamId,
    pub(crate) priority: Priority,
    pub(crate) key: PoolKey,
    /// Counts up with each pool of the group.
    pub(crate) number: u64,
    pub(crate) pending: Pending,
    /// All that are not Closed, by birth.
    pub(crate) connections: BTreeMap<u64, ConnectionId>,
    /// Those in state Connecting, by birth.
    pub(crate) connecting: BTreeMap<u64, ConnectionId>,
    /// Those in state `EarlyData`.
    pub(crate) early: ReadySet,
    /// Those in state Ready.
    pub(crate) ready: ReadySet,
    /// Those in state Busy.
    pub(crate) busy: u32,
    pub(crate) tally: Tally,
    pub(crate) failures: Failures,
    pub(crate) backoff_timer: Option<Armed>,
    /// It takes no new streams and goes as soon as it has no work.
    pub(crate) deleting: bool,
    /// While deleting: connections whose last stream ended, to be looked at.
    pub(crate) left_idle: Vec<ConnectionId>,
    /// Capacity was gained and the queue is still to be served.
    pub(crate) gained: bool,
    /// It stands in the group's list of pools to look at.
    pub(crate) listed: bool,
    /// Its queue waits for a place under `max_requests`.
    pub(crate) awaits_place: bool,
    /// HTTP/3: a stream that waited here went to TCP instead; how the dial under way ends says whether HTTP/3 is broken.
    pub(crate) trailing: bool,
    /// Under `max_connection_pools`; the pools of a grid have one together.
    pub(crate) place: Option<Place>,
}

/// The sums of a pool, or of all pools of a priority.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) pending: i64,
    pub(crate) active: i64,
    /// Of the positive U.
    pub(crate) free: i64,
    /// Of U, negative ones too.
    pub(crate) capacity: i64,
    /// Of U while Connecting or `EarlyData`.
    pub(crate) connecting: i64,
    /// Of U while Ready.
    pub(crate) ready: i64,
}

impl Pool {
    pub(crate) fn new(upstream: UpstreamId, key: PoolKey, config: &UpstreamConfig, place: Option<Place>) -> Self {
        Self {
            upstream,
            priority: key.priority,
            key,
            number: 0,
            pending: Pending::default(),
            connections: BTreeMap::new(),
            connecting: BTreeMap::new(),
            early: ReadySet::new(config.pick, true),
            ready: ReadySet::new(config.pick, false),
            busy: 0,
            tally: Tally::default(),
            failures: Failures::default(),
            backoff_timer: None,
            deleting: false,
            left_idle: Vec::new(),
            gained: false,
            listed: false,
            awaits_place: false,
            trailing: false,
            place,
        }
    }

    /// What its connections offer.
    pub(crate) fn offer(&self, config: &UpstreamConfig) -> Protocols {
        match self.key.offer {
            Offer::All => config.protocols,
            Offer::OnlyH1 => Protocols::Fixed(Protocol::H1),
            Offer::Http3 | Offer::Http3Alternate => Protocols::Fixed(Protocol::H3),
        }
    }

    /// Neither streams nor connections.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.connections.is_empty() && self.tally.active == 0
    }

    /// Streams that wait or run.
    pub(crate) fn has_work(&self) -> bool {
        !self.pending.is_empty() || self.tally.active > 0
    }

    /// Takes in a new connection.
    pub(crate) fn adopt(&mut self, id: ConnectionId, connection: &mut Connection) {
        self.connections.insert(connection.birth, id);
        self.connecting.insert(connection.birth, id);
        connection.share = connection.counts_for();
        self.tally.move_share(Share::default(), connection.share);
    }

    /// Whether a connection is on its way.
    pub(crate) fn is_dialling(&self) -> bool {
        !self.connecting.is_empty() || !self.early.is_empty()
    }

    /// How many do, or will, serve: without those that drain.
    pub(crate) fn living(&self) -> usize {
        self.connecting.len() + self.early.len() + self.ready.len() + self.busy as usize
    }

    /// Takes a changed connection's state and numbers over into the sets and sums. `was` is its state before.
    pub(crate) fn recount(&mut self, id: ConnectionId, connection: &mut Connection, was: State, attached: bool) {
        connection.settle();
        let is = connection.state;
        if was == is {
            if let Some(listed) = &mut connection.listed {
                let set = if listed.early { &mut self.early } else { &mut self.ready };
                set.changed(listed, connection.active, attached);
            }
        } else {
            self.move_between_sets(id, connection, was, is);
        }
        let share = connection.counts_for();
        self.tally.move_share(connection.share, share);
        connection.share = share;
    }

    fn move_between_sets(&mut self, id: ConnectionId, connection: &mut Connection, was: State, is: State) {
        match was {
            State::Connecting => {
                self.connecting.remove(&connection.birth);
            }
            State::EarlyData | State::Ready => {
                if let Some(listed) = connection.listed.take() {
                    let set = if listed.early { &mut self.early } else { &mut self.ready };
                    set.remove(listed);
                }
            }
            State::Busy => self.busy -= 1,
            State::Draining | State::Closed => {}
        }
        match is {
            State::Connecting => {
                self.connecting.insert(connection.birth, id);
            }
            State::EarlyData => connection.listed = Some(self.early.insert(id, connection.active)),
            State::Ready => connection.listed = Some(self.ready.insert(id, connection.active)),
            State::Busy => self.busy += 1,
            State::Draining | State::Closed => {}
        }
    }
}

impl Tally {
    /// Whether `ahead` more streams than there are would want more capacity than there is, by `ratio`.
    pub(crate) fn wants(&self, ahead: i64, ratio: Ratio) -> bool {
        (self.pending + self.active + ahead) * i64::from(ratio.thousandths()) > (self.free + self.active) * 1_000
    }

    /// Whether what waits is more than what is being built.
    pub(crate) fn wants_bare(&self) -> bool {
        self.pending > self.connecting
    }

    /// Whether the streams that are there would be served without `share` of the connecting capacity.
    pub(crate) fn can_spare(&self, share: i64, ratio: Ratio) -> bool {
        (self.pending + self.active) * i64::from(ratio.thousandths()) <= (self.connecting - share + self.active) * 1_000
    }

    pub(crate) fn move_share(&mut self, old: Share, new: Share) {
        self.free += new.free - old.free;
        self.capacity += new.capacity - old.capacity;
        self.connecting += new.connecting - old.connecting;
        self.ready += new.ready - old.ready;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(pending: i64, active: i64, free: i64) -> Tally {
        Tally { pending, active, free, connecting: free, ..Tally::default() }
    }

    #[test]
    fn one_for_one_wants_a_connection_only_for_a_stream_that_nothing_can_take() {
        assert!(tally(1, 0, 0).wants(0, Ratio::ONE));
        assert!(!tally(1, 0, 1).wants(0, Ratio::ONE));
        assert!(!tally(0, 5, 0).wants(0, Ratio::ONE));
        assert!(tally(2, 5, 1).wants(0, Ratio::ONE));
    }

    #[test]
    fn a_ratio_of_one_and_a_half_builds_ahead() {
        let ratio = Ratio::from_thousandths(1_500);
        assert!(tally(1, 0, 1).wants(0, ratio));
        assert!(!tally(1, 0, 2).wants(0, ratio));
        assert!(tally(3, 0, 4).wants(0, ratio));
        assert!(!tally(3, 0, 5).wants(0, ratio));
    }

    #[test]
    fn a_ratio_of_zero_wants_nothing_ahead() {
        assert!(!tally(0, 0, 0).wants(1, Ratio::ZERO));
        assert!(tally(0, 0, 0).wants(1, Ratio::from_thousandths(1_100)));
        assert!(!tally(0, 0, 2).wants(1, Ratio::from_thousandths(1_100)));
    }

    #[test]
    fn a_share_can_be_spared_when_the_rest_covers_what_waits() {
        assert!(tally(3, 0, 6).can_spare(3, Ratio::ONE));
        assert!(!tally(4, 0, 6).can_spare(3, Ratio::ONE));
    }
}
