//! HTTP/3 against TCP, for one stream: which attempts are made, and what their ends mean.
//!
//! ```text
//!   begin:     Main, and at once with it Alternate and Tcp where that is told
//!   the delay: what was not begun yet
//!   a failure: Alternate, if it may and was not begun; else Tcp, if nothing runs
//!   a winner:  the rest is given up; HTTP/3 is broken if TCP won after all of HTTP/3 failed
//! ```
//!
//! Promise: each attempt is begun once at most; TCP is never begun while HTTP/3 may still win within its head start. Used by
//! `group::racing`, which makes the attempts. The transport asks for no race yet. Not here: what is known of the origin (`origin`), time.

use core::time::Duration;

use crate::id::ConnectionId;
use crate::outcome::{FailureReason, StreamFailure};

/// How HTTP/3 is tried for a stream, as `Origin::http3` says. Only a mixed upstream with `UpstreamConfig::http3` heeds it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Http3 {
    /// Not at all.
    #[default]
    Skip,
    /// First, and TCP after a while.
    Race(HeadStart),
    /// It was tried for this request before, and failed: only TCP is left, and if that works HTTP/3 is broken.
    Failed,
}

/// The rules of a race.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadStart {
    /// How long HTTP/3 is alone.
    pub delay: Duration,
    /// TCP starts with it, and nothing goes as early data.
    pub tcp_at_once: bool,
    /// A second attempt at HTTP/3, by another of the origin's addresses, may be made beside the first.
    pub alternate: bool,
}

/// What the races of an upstream told of its HTTP/3: for `Origins::learn`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Http3Verdict {
    /// A handshake was completed.
    Confirmed,
    /// All attempts of a stream failed, and TCP worked.
    Broken,
    /// A handshake failed after streams had gone as its early data.
    EarlyDataFailed,
}

/// The attempt that failed before the one that a failure is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Earlier {
    /// It was HTTP/3; else TCP.
    pub http3: bool,
    /// What happened.
    pub reason: FailureReason,
    /// Whose failure it was.
    pub connection: Option<ConnectionId>,
}

/// One attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leg {
    /// HTTP/3.
    Main,
    /// HTTP/3 by another address.
    Alternate,
    /// What the upstream speaks without HTTP/3.
    Tcp,
}

impl Leg {
    pub(crate) const ALL: [Self; 3] = [Self::Main, Self::Alternate, Self::Tcp];

    pub(crate) const fn place(self) -> usize {
        self as usize
    }

    pub(crate) const fn is_http3(self) -> bool {
        matches!(self, Self::Main | Self::Alternate)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Untried,
    /// It may not be tried.
    Barred,
    Running,
    /// `blamed`: by its network or peer, and not by a limit of ours.
    Failed {
        blamed: bool,
    },
}

/// The attempts of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Race {
    steps: [Step; 3],
    last: Option<(Leg, StreamFailure)>,
    earlier: Option<Earlier>,
}

impl Race {
    pub(crate) fn new(start: HeadStart) -> Self {
        let alternate = if start.alternate { Step::Untried } else { Step::Barred };
        Self { steps: [Step::Untried, alternate, Step::Untried], last: None, earlier: None }
    }

    fn step(&self, leg: Leg) -> Step {
        self.steps[leg.place()]
    }

    pub(crate) fn is_untried(&self, leg: Leg) -> bool {
        self.step(leg) == Step::Untried
    }

    /// Whether the end of the delay would begin anything.
    pub(crate) fn holds_back(&self) -> bool {
        Leg::ALL.into_iter().any(|leg| self.is_untried(leg))
    }

    pub(crate) fn begun(&mut self, leg: Leg) {
        debug_assert!(self.is_untried(leg), "each is begun once");
        self.steps[leg.place()] = Step::Running;
    }

    /// It gave no connection. What is to be begun now.
    pub(crate) fn failed(&mut self, leg: Leg, failure: StreamFailure) -> Option<Leg> {
        let blamed = matches!(
            failure.reason,
            FailureReason::Timeout
                | FailureReason::RemoteConnectionFailure
                | FailureReason::LocalConnectionFailure
                | FailureReason::ProtocolError
        );
        self.steps[leg.place()] = Step::Failed { blamed };
        if let Some((leg, StreamFailure { reason, connection, .. })) = self.last.replace((leg, failure)) {
            self.earlier = Some(Earlier { http3: leg.is_http3(), reason, connection });
        }
        if self.is_untried(Leg::Alternate) {
            return Some(Leg::Alternate);
        }
        (!self.is_running() && self.is_untried(Leg::Tcp)).then_some(Leg::Tcp)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.steps.contains(&Step::Running)
    }

    /// HTTP/3 was tried, and every attempt at it failed for a reason that speaks against it.
    pub(crate) fn is_http3_down(&self) -> bool {
        let http3 = [self.step(Leg::Main), self.step(Leg::Alternate)];
        let stands = |step| matches!(step, Step::Running | Step::Failed { blamed: false });
        http3.contains(&Step::Failed { blamed: true }) && !http3.into_iter().any(stands)
    }

    /// Why nothing is left: the last failure, and the latest before it.
    pub(crate) fn failure(&self) -> Option<(StreamFailure, Option<Earlier>)> {
        self.last.map(|(_, failure)| (failure, self.earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;

    const START: HeadStart = HeadStart { delay: Duration::from_millis(300), tcp_at_once: false, alternate: true };

    fn failure(reason: FailureReason) -> StreamFailure {
        StreamFailure { reason, class: Class::Unprocessed, connection: None }
    }

    #[test]
    fn a_failure_begins_the_alternate_and_then_tcp() {
        let mut race = Race::new(START);
        race.begun(Leg::Main);
        assert_eq!(race.failed(Leg::Main, failure(FailureReason::Timeout)), Some(Leg::Alternate));
        race.begun(Leg::Alternate);
        assert!(!race.is_http3_down());
        assert_eq!(race.failed(Leg::Alternate, failure(FailureReason::RemoteConnectionFailure)), Some(Leg::Tcp));
        race.begun(Leg::Tcp);
        assert!(race.is_http3_down() && race.is_running());
        assert_eq!(race.failed(Leg::Tcp, failure(FailureReason::Timeout)), None);
        let earlier = Earlier { http3: true, reason: FailureReason::RemoteConnectionFailure, connection: None };
        assert_eq!(race.failure(), Some((failure(FailureReason::Timeout), Some(earlier))));
    }

    #[test]
    fn a_barred_alternate_is_never_begun() {
        let mut race = Race::new(HeadStart { alternate: false, ..START });
        race.begun(Leg::Main);
        assert_eq!(race.failed(Leg::Main, failure(FailureReason::Timeout)), Some(Leg::Tcp));
        race.begun(Leg::Tcp);
        assert!(!race.holds_back());
    }

    #[test]
    fn a_limit_of_ours_says_nothing_of_http3() {
        let mut race = Race::new(HeadStart { alternate: false, ..START });
        race.begun(Leg::Main);
        assert_eq!(
            race.failed(Leg::Main, failure(FailureReason::Overflow(crate::LimitName::MaxConnections))),
            Some(Leg::Tcp)
        );
        assert!(!race.is_http3_down());
    }

    #[test]
    fn tcp_is_not_begun_by_a_failure_while_another_attempt_runs() {
        let mut race = Race::new(START);
        race.begun(Leg::Main);
        race.begun(Leg::Alternate);
        assert_eq!(race.failed(Leg::Alternate, failure(FailureReason::Timeout)), None);
        assert!(!race.is_http3_down());
    }
}
