//! What is known of origins: whether they speak HTTP/3, how that went, and how far away they are.
//!
//! ```text
//!              handshake                  all attempts failed, TCP worked
//!   Pending ------------> Confirmed ----------------------------+
//!      |                     ^                                  v
//!      |                     +---- handshake ---- FailedRecently <--- 1 s x 2^k --- Broken
//!      +----------------------------------------------------------------------------^
//! ```
//!
//! Promise: bounded, whatever origins say: `MOST` of them, and of each one alternative, the only one that can be used (HTTP/3 at the
//! origin's own host and port). The shell keeps one for all pools of a process that speak of the same origins; a copy of an answer may be
//! old by a turn, which costs a dial. For the shell; the transport keeps none yet. Not here: the race itself (`race`), the syntax (`alt_svc`).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use crate::alt_svc::AltSvc;
use crate::race::{HeadStart, Http3, Http3Verdict};
use crate::time::Instant;

/// Origins that are known at once; one more removes the one that was known first. Source: the contract, 6.5 (Envoy,
/// `AlternateProtocolsCacheOptions.max_entries`).
const MOST: usize = 1_024;
/// How long HTTP/3 is alone where the way there was not measured. Source: Envoy.
const DEFAULT_DELAY: Duration = Duration::from_millis(300);
/// How long HTTP/3 is left alone after it broke the first time. Source: Envoy, `Http3StatusTrackerImpl`.
const FIRST_BREAK: Duration = Duration::from_secs(1);
/// How often that doubles: up to 131,072 s. Source: Envoy.
const MOST_DOUBLINGS: u32 = 17;

/// How HTTP/3 went at an origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Http3Status {
    /// Nobody knows.
    #[default]
    Pending,
    /// It works.
    Confirmed,
    /// It does not, and is left alone until then.
    Broken {
        /// When it becomes `FailedRecently`.
        until: Instant,
    },
    /// It did not; it is tried again, with TCP beside it.
    FailedRecently,
}

/// What a pool's options say of races.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RaceConfig {
    /// How long HTTP/3 is alone. `None`: 1.5 times the measured round trip, 300 ms if there is none (Envoy).
    pub tcp_delay: Option<Duration>,
    /// Whether the origin is known to speak HTTP/3 without saying so.
    pub prior_knowledge: bool,
    /// Whether a second of its addresses is tried beside the first. Default: no (Envoy).
    pub alternate: bool,
}

/// What a request says of HTTP/3.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Permission {
    /// It may be used.
    #[default]
    Allow,
    /// It may not; nothing follows from that.
    Skip,
    /// It was used for this request, and failed.
    Failed,
}

/// What is known of one origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// Until when its `h3` alternative holds.
    advertised: Option<Instant>,
    status: Http3Status,
    /// Breaks since it was confirmed.
    breaks: u32,
    srtt: Option<Duration>,
}

impl Origin {
    /// What the response said, if it said anything that can be read (RFC 7838: the newest replaces all before).
    pub fn advertise(&mut self, now: Instant, said: &AltSvc, port: u16) {
        self.advertised = said.http3(port).map(|age| now + age);
    }

    /// How HTTP/3 went.
    #[must_use]
    pub fn status(&self, now: Instant) -> Http3Status {
        match self.status {
            Http3Status::Broken { until } if until <= now => Http3Status::FailedRecently,
            status => status,
        }
    }

    /// A race told something. Whether HTTP/3 is broken by that, and was not before.
    pub fn learn(&mut self, now: Instant, verdict: Http3Verdict) -> bool {
        let is_broken = matches!(self.status(now), Http3Status::Broken { .. });
        match verdict {
            Http3Verdict::Confirmed => (self.status, self.breaks) = (Http3Status::Confirmed, 0),
            Http3Verdict::Broken | Http3Verdict::EarlyDataFailed if is_broken => return false,
            Http3Verdict::Broken => {
                self.status = Http3Status::Broken { until: now + FIRST_BREAK * (1 << self.breaks.min(MOST_DOUBLINGS)) };
                self.breaks = self.breaks.saturating_add(1);
                return true;
            }
            Http3Verdict::EarlyDataFailed => self.status = Http3Status::FailedRecently,
        }
        false
    }

    /// The machine is in another network: what did not work may work there.
    pub fn network_changed(&mut self) {
        if matches!(self.status, Http3Status::Broken { .. }) {
            self.status = Http3Status::FailedRecently;
        }
    }

    /// A connection measured its round trip, smoothed.
    pub fn measured(&mut self, srtt: Duration) {
        self.srtt = Some(srtt);
    }

    /// How HTTP/3 is to be tried for a request. An alternative that is over is forgotten with this.
    pub fn http3(&mut self, now: Instant, config: &RaceConfig, permission: Permission) -> Http3 {
        self.advertised = self.advertised.filter(|until| *until > now);
        let status = self.status(now);
        let known = config.prior_knowledge || self.advertised.is_some();
        if !known || matches!(status, Http3Status::Broken { .. }) {
            return Http3::Skip;
        }
        match permission {
            Permission::Skip => Http3::Skip,
            Permission::Failed => Http3::Failed,
            Permission::Allow => {
                let measured = || self.srtt.map_or(DEFAULT_DELAY, |srtt| srtt * 3 / 2);
                let delay = config.tcp_delay.unwrap_or_else(measured);
                let tcp_at_once = match status {
                    Http3Status::FailedRecently => true,
                    Http3Status::Pending => config.tcp_delay == Some(Duration::ZERO),
                    Http3Status::Confirmed | Http3Status::Broken { .. } => false,
                };
                Http3::Race(HeadStart { delay, tcp_at_once, alternate: config.alternate })
            }
        }
    }
}

/// All origins that are known, by scheme, host and port.
#[derive(Debug, Default)]
pub struct Origins {
    known: BTreeMap<String, Origin>,
    /// In the order in which they became known.
    order: VecDeque<String>,
}

impl Origins {
    /// None are known.
    #[must_use]
    pub const fn new() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new() }
    }

    /// What is known of an origin, if anything is.
    pub fn find(&mut self, name: &str) -> Option<&mut Origin> {
        self.known.get_mut(name)
    }

    /// The same; from now on something is known.
    pub fn of(&mut self, name: &str) -> &mut Origin {
        if !self.known.contains_key(name) {
            if self.order.len() >= MOST
                && let Some(first) = self.order.pop_front()
            {
                self.known.remove(&first);
            }
            self.order.push_back(String::from(name));
        }
        self.known.entry(String::from(name)).or_default()
    }

    /// The machine is in another network.
    pub fn network_changed(&mut self) {
        self.known.values_mut().for_each(Origin::network_changed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALLOW: Permission = Permission::Allow;
    const DEFAULT: RaceConfig = RaceConfig { tcp_delay: None, prior_knowledge: false, alternate: false };

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    fn said(value: &str) -> AltSvc {
        AltSvc::parse([value.as_bytes()]).unwrap()
    }

    fn speaking() -> Origin {
        let mut origin = Origin::default();
        origin.advertise(at(0), &said(r#"h3=":443"; ma=1000000000"#), 443);
        origin
    }

    fn start(origin: &mut Origin, now: Instant, config: &RaceConfig) -> HeadStart {
        match origin.http3(now, config, ALLOW) {
            Http3::Race(start) => start,
            other => panic!("no race but {other:?}"),
        }
    }

    #[test]
    fn inventory_102_the_head_start_is_one_and_a_half_round_trips_as_measured_last() {
        let mut origin = speaking();
        assert_eq!(start(&mut origin, at(1), &DEFAULT).delay, Duration::from_millis(300));
        origin.measured(Duration::from_millis(2));
        assert_eq!(start(&mut origin, at(1), &DEFAULT).delay, Duration::from_millis(3));
        origin.measured(Duration::from_millis(20));
        assert_eq!(start(&mut origin, at(1), &DEFAULT).delay, Duration::from_millis(30));
        let fixed = RaceConfig { tcp_delay: Some(Duration::from_millis(50)), ..DEFAULT };
        assert_eq!(start(&mut origin, at(1), &fixed).delay, Duration::from_millis(50));
    }

    #[test]
    fn without_any_delay_tcp_starts_at_once_until_http3_is_confirmed() {
        let none = RaceConfig { tcp_delay: Some(Duration::ZERO), ..DEFAULT };
        let mut origin = speaking();
        assert!(start(&mut origin, at(1), &none).tcp_at_once);
        origin.learn(at(1), Http3Verdict::Confirmed);
        assert!(!start(&mut origin, at(1), &none).tcp_at_once);
    }

    #[test]
    fn inventory_105_skip_changes_nothing_and_failed_is_an_attempt_that_failed() {
        let mut origin = speaking();
        assert_eq!(origin.http3(at(1), &DEFAULT, Permission::Skip), Http3::Skip);
        assert_eq!(origin.status(at(1)), Http3Status::Pending);
        assert_eq!(origin.http3(at(1), &DEFAULT, Permission::Failed), Http3::Failed);
    }

    #[test]
    fn inventory_110_without_a_valid_alternative_there_is_no_race() {
        let mut origin = Origin::default();
        assert_eq!(origin.http3(at(0), &DEFAULT, ALLOW), Http3::Skip);
        for value in [r#"h3="other:443""#, r#"h3=":444""#, r#"h9=":443""#, "clear", r#"h3=":443"; ma=0"#] {
            origin = speaking();
            start(&mut origin, at(1), &DEFAULT);
            origin.advertise(at(1), &said(value), 443);
            assert_eq!(origin.http3(at(1), &DEFAULT, ALLOW), Http3::Skip, "{value}");
        }
        origin.advertise(at(0), &said(r#"h3=":443"; ma=60"#), 443);
        start(&mut origin, at(59_999), &DEFAULT);
        assert_eq!(origin.http3(at(60_000), &DEFAULT, ALLOW), Http3::Skip, "it is over");
        assert_eq!(origin.http3(at(1), &DEFAULT, ALLOW), Http3::Skip, "and gone");
        let known = RaceConfig { prior_knowledge: true, ..DEFAULT };
        start(&mut origin, at(60_000), &known);
    }

    #[test]
    fn inventory_113_each_break_lasts_twice_as_long_until_a_handshake() {
        let mut origin = speaking();
        let mut now = at(10);
        for doubling in (0..=17).chain([17, 17]) {
            assert!(origin.learn(now, Http3Verdict::Broken));
            let almost = now + Duration::from_millis((1 << doubling) * 1_000 - 1);
            let until = now + Duration::from_secs(1 << doubling);
            assert_eq!(origin.status(almost), Http3Status::Broken { until });
            assert_eq!(origin.status(until), Http3Status::FailedRecently);
            assert!(start(&mut origin, until, &DEFAULT).tcp_at_once);
            now = until;
        }
        origin.learn(now, Http3Verdict::Confirmed);
        assert_eq!(origin.status(now), Http3Status::Confirmed);
        assert!(origin.learn(now, Http3Verdict::Broken));
        assert_eq!(origin.status(now), Http3Status::Broken { until: now + Duration::from_secs(1) });
    }

    #[test]
    fn a_break_outlives_what_is_said_and_is_not_made_longer_by_another() {
        let mut origin = speaking();
        assert!(origin.learn(at(0), Http3Verdict::Broken));
        assert!(!origin.learn(at(999), Http3Verdict::Broken));
        origin.advertise(at(500), &said("clear"), 443);
        origin.advertise(at(500), &said(r#"h3=":443""#), 443);
        assert_eq!(origin.http3(at(999), &DEFAULT, ALLOW), Http3::Skip);
        start(&mut origin, at(1_000), &DEFAULT);
        assert!(origin.learn(at(1_000), Http3Verdict::Broken));
        assert_eq!(origin.status(at(1_000)), Http3Status::Broken { until: at(3_000) }, "the other did not count");
    }

    #[test]
    fn inventory_114_another_network_gives_what_is_broken_another_chance_and_changes_nothing_else() {
        let (mut broken, mut confirmed, mut pending) = (speaking(), speaking(), speaking());
        broken.learn(at(0), Http3Verdict::Broken);
        confirmed.learn(at(0), Http3Verdict::Confirmed);
        for origin in [&mut broken, &mut confirmed, &mut pending] {
            origin.network_changed();
        }
        let status = [broken, confirmed, pending].map(|origin| origin.status(at(1)));
        assert_eq!(status, [Http3Status::FailedRecently, Http3Status::Confirmed, Http3Status::Pending]);
        broken.learn(at(1), Http3Verdict::Broken);
        assert_eq!(broken.status(at(1)), Http3Status::Broken { until: at(2_001) }, "how often is kept");
    }

    #[test]
    fn early_data_that_failed_puts_tcp_beside_the_next_but_breaks_nothing() {
        let mut origin = speaking();
        assert!(!origin.learn(at(0), Http3Verdict::EarlyDataFailed));
        assert!(start(&mut origin, at(0), &DEFAULT).tcp_at_once);
        origin.learn(at(0), Http3Verdict::Broken);
        origin.learn(at(1), Http3Verdict::EarlyDataFailed);
        assert!(matches!(origin.status(at(1)), Http3Status::Broken { .. }), "a break ends by time alone");
    }

    #[test]
    fn k25_a_thousand_and_twenty_four_are_known_and_the_first_goes_for_the_next() {
        let mut origins = Origins::new();
        for number in 0..=1_024 {
            origins.of(&alloc::format!("https://{number}:443")).measured(Duration::from_millis(number));
            // Being asked for makes none younger.
            assert_eq!(origins.find("https://0:443").is_some(), number < 1_024);
        }
        assert_eq!((origins.known.len(), origins.order.len()), (1_024, 1_024));
        assert!(origins.find("https://1:443").is_some() && origins.find("https://1024:443").is_some());
    }
}
