//! What becomes of a packet: a pure function of the seed, the direction and the packet's number.
//!
//! Used by `server`. Not here: time (`delay_line`), sockets.

use std::time::Duration;

use crate::json::Json;
use crate::random::{mix, next};

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From a client.
    ToServer,
    /// From the server.
    ToClient,
}

/// Where nothing passes at all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hole {
    /// Nowhere.
    #[default]
    None,
    /// From clients.
    ToServer,
    /// From the server.
    ToClient,
    /// Both ways.
    Both,
}

/// What the network does. Shares are of a hundred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Where chance begins.
    pub seed: u64,
    /// Share of packets that are lost.
    pub drop: f64,
    /// How many in a row are lost at once; the share stays what it is.
    pub burst: u64,
    /// Time on the way.
    pub delay: Duration,
    /// Share of packets that are held back by `late`, and so overtaken.
    pub reorder: f64,
    /// How long those are held back.
    pub late: Duration,
    /// Share of packets that come twice.
    pub duplicate: f64,
    /// Share of packets of which one byte is wrong.
    pub corrupt: f64,
    /// Larger packets are lost.
    pub largest: Option<usize>,
}

impl Default for Faults {
    /// A good network.
    fn default() -> Self {
        Self {
            seed: 1,
            drop: 0.0,
            burst: 1,
            delay: Duration::ZERO,
            reorder: 0.0,
            late: Duration::from_millis(5),
            duplicate: 0.0,
            corrupt: 0.0,
            largest: None,
        }
    }
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Fate {
    pub(super) lost: bool,
    pub(super) twice: bool,
    /// Which byte is wrong (modulo the length), and how.
    pub(super) wrong: Option<(usize, u8)>,
    pub(super) delay: Duration,
    pub(super) overtaken: bool,
}

impl Hole {
    pub(super) fn swallows(self, direction: Direction) -> bool {
        match self {
            Self::None => false,
            Self::Both => true,
            Self::ToServer => direction == Direction::ToServer,
            Self::ToClient => direction == Direction::ToClient,
        }
    }
}

impl Faults {
    /// What becomes of packet `number` of this direction.
    pub(super) fn fate(&self, direction: Direction, number: u64, length: usize) -> Fate {
        let way = match direction {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        };
        let chance = |what: u64, number: u64| {
            let mut state = mix(self.seed ^ mix(number << 1 | way) ^ what.wrapping_mul(0x9e37_79b9));
            next(&mut state)
        };
        let happens = |what: u64, number: u64, share: f64| (chance(what, number) % 1_000_000) < parts(share);
        let wrong = happens(4, number, self.corrupt).then(|| {
            let how = chance(5, number);
            (usize::try_from(how >> 16).unwrap_or(0), u8::try_from(how % 255).unwrap_or(0) + 1)
        });
        let overtaken = happens(2, number, self.reorder);
        Fate {
            lost: happens(1, number / self.burst.max(1), self.drop) || self.largest.is_some_and(|most| length > most),
            twice: happens(3, number, self.duplicate),
            wrong,
            delay: self.delay + if overtaken { self.late } else { Duration::ZERO },
            overtaken,
        }
    }

    /// These faults, changed by an object: `seed`, `drop`, `burst`, `delay`, `reorder`, `late`, `duplicate`, `corrupt`, `largest` (null: any);
    /// times in ms.
    ///
    /// # Errors
    /// Names what is not known or does not fit.
    pub fn changed(mut self, json: &Json) -> Result<Self, String> {
        let Json::Object(pairs) = json else { return Err(format!("`{json}` is no object")) };
        for (key, value) in pairs {
            let whole = || value.as_whole().ok_or_else(|| format!("{key}: `{value}` is no whole number"));
            let share = || match value {
                Json::Number(share) if (0.0..=100.0).contains(share) => Ok(*share),
                _ => Err(format!("{key}: `{value}` is no share of a hundred")),
            };
            match key.as_str() {
                "seed" => self.seed = whole()?,
                "burst" => self.burst = whole()?,
                "delay" => self.delay = Duration::from_millis(whole()?),
                "late" => self.late = Duration::from_millis(whole()?),
                "drop" => self.drop = share()?,
                "reorder" => self.reorder = share()?,
                "duplicate" => self.duplicate = share()?,
                "corrupt" => self.corrupt = share()?,
                "largest" if *value == Json::Null => self.largest = None,
                "largest" => self.largest = Some(usize::try_from(whole()?).unwrap_or(usize::MAX)),
                _ => return Err(format!("no fault `{key}`")),
            }
        }
        Ok(self)
    }
}

/// Millionths of a share of a hundred.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped before
fn parts(share: f64) -> u64 {
    (share.clamp(0.0, 100.0) * 10_000.0) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    const MANY: u64 = 100_000;

    fn count(faults: &Faults, what: impl Fn(Fate) -> bool) -> u64 {
        (0..MANY).filter(|&n| what(faults.fate(Direction::ToServer, n, 1_200))).count() as u64
    }

    fn near(count: u64, share: u64) -> bool {
        count.abs_diff(MANY * share / 100) < MANY / 200
    }

    #[test]
    fn a_good_network_does_nothing() {
        let faults = Faults::default();
        assert!((0..MANY).all(|n| faults.fate(Direction::ToClient, n, 65_000) == Fate::default()));
    }

    #[test]
    fn shares_are_met_and_independent() {
        let faults = Faults { drop: 20.0, reorder: 10.0, duplicate: 5.0, corrupt: 2.0, ..Faults::default() };
        assert!(near(count(&faults, |fate| fate.lost), 20));
        assert!(near(count(&faults, |fate| fate.overtaken), 10));
        assert!(near(count(&faults, |fate| fate.twice), 5));
        assert!(near(count(&faults, |fate| fate.wrong.is_some()), 2));
        assert!(near(count(&faults, |fate| fate.lost && fate.overtaken), 2));
        assert_eq!(count(&Faults { drop: 100.0, ..faults }, |fate| fate.lost), MANY);
    }

    #[test]
    fn the_seed_the_direction_and_the_number_decide_and_nothing_else() {
        let faults = Faults { drop: 50.0, ..Faults::default() };
        let lost = |faults: &Faults, direction| (0..64).map(|n| faults.fate(direction, n, 9).lost).collect::<Vec<_>>();
        assert_eq!(lost(&faults, Direction::ToServer), lost(&faults, Direction::ToServer));
        assert_ne!(lost(&faults, Direction::ToServer), lost(&faults, Direction::ToClient));
        let other = Faults { seed: 2, ..faults };
        assert_ne!(lost(&faults, Direction::ToServer), lost(&other, Direction::ToServer));
    }

    #[test]
    fn bursts_are_lost_together_at_the_same_share() {
        let faults = Faults { drop: 30.0, burst: 3, ..Faults::default() };
        assert!(near(count(&faults, |fate| fate.lost), 30));
        for n in (0..MANY).step_by(3) {
            let lost = |n| faults.fate(Direction::ToServer, n, 9).lost;
            assert_eq!((lost(n), lost(n)), (lost(n + 1), lost(n + 2)));
        }
    }

    #[test]
    fn what_is_too_large_is_lost() {
        let faults = Faults { largest: Some(1_200), ..Faults::default() };
        assert!(!faults.fate(Direction::ToServer, 0, 1_200).lost);
        assert!(faults.fate(Direction::ToServer, 0, 1_201).lost);
    }

    #[test]
    fn a_hole_swallows_its_direction() {
        use Direction::{ToClient, ToServer};
        for (hole, ways) in [
            (Hole::None, (false, false)),
            (Hole::ToServer, (true, false)),
            (Hole::ToClient, (false, true)),
            (Hole::Both, (true, true)),
        ] {
            assert_eq!((hole.swallows(ToServer), hole.swallows(ToClient)), ways);
        }
    }

    #[test]
    fn faults_are_changed_by_name() {
        let json = |text: &str| Json::parse(text).unwrap();
        let faults = Faults { seed: 9, ..Faults::default() };
        let changed = faults.changed(&json(r#"{"drop":2.5,"delay":20,"largest":1200}"#)).unwrap();
        let expected = Faults { drop: 2.5, delay: Duration::from_millis(20), largest: Some(1_200), ..faults };
        assert_eq!(changed, expected);
        assert_eq!(expected.changed(&json(r#"{"largest":null}"#)).unwrap().largest, None);
        assert!(faults.changed(&json(r#"{"dorp":1}"#)).unwrap_err().contains("dorp"));
        assert!(faults.changed(&json(r#"{"drop":101}"#)).unwrap_err().contains("drop"));
    }
}
