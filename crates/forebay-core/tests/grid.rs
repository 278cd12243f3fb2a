//! HTTP/3 beside TCP: the inventory's grid cases, on a core that is told what an origin is known to speak.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Duration;

use forebay_core::{
    Admission, AltSvc, Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd, ConnectionId, DrainMode,
    Effect, FailureReason, Gate, GroupConfig, Http3Config, Http3Status, LimitName, LimitsConfig, MethodClass,
    NewStream, Offer, OnCancel, Origin, Permission, Priority, Protocol, Protocols, RaceConfig, ReplayPolicy, Scope,
    Stat, StreamId, UpstreamConfig,
};
use support::{Scene, limits, ms, plain};

const MAIN: Offer = Offer::Http3;
const ALTERNATE: Offer = Offer::Http3Alternate;
const TCP: Offer = Offer::All;

fn upstream() -> UpstreamConfig {
    UpstreamConfig {
        protocols: Protocols::Mixed,
        http3: Some(Http3Config::default()),
        replay: ReplayPolicy::Idempotent,
        ..plain(Protocol::H2)
    }
}

/// A scene with what is known of the origin, which learns from each step.
struct Grid {
    scene: Scene,
    origin: Origin,
    config: RaceConfig,
    /// Everything dialled, in order.
    dialled: Vec<(ConnectionId, Offer)>,
    /// What the last failure says of the attempt before.
    earlier: Option<forebay_core::Earlier>,
}

impl Grid {
    fn with(group: GroupConfig, upstream: UpstreamConfig) -> Self {
        let scene = Scene::new(group, upstream);
        let mut origin = Origin::default();
        origin.advertise(scene.now, &AltSvc::parse([&br#"h3=":443""#[..]]).unwrap(), 443);
        Self { scene, origin, config: RaceConfig::default(), dialled: Vec::new(), earlier: None }
    }

    fn new() -> Self {
        Self::with(GroupConfig::default(), upstream())
    }

    /// With a second address, and TCP beside HTTP/3 from the start.
    fn at_once() -> Self {
        let mut grid = Self::new();
        grid.config = RaceConfig { tcp_delay: Some(Duration::ZERO), prior_knowledge: false, alternate: true };
        grid
    }

    fn with_alternate() -> Self {
        let mut grid = Self::new();
        grid.config.alternate = true;
        grid
    }

    fn learn(&mut self) {
        for effect in &self.scene.effects {
            match effect {
                Effect::Connect { connection, offer, .. } => self.dialled.push((*connection, *offer)),
                Effect::Http3 { verdict, .. } => {
                    let newly_broken = self.origin.learn(self.scene.now, *verdict);
                    if newly_broken {
                        self.scene.group.bump(Stat::Http3Broken);
                    }
                }
                Effect::Fail { earlier, .. } => self.earlier = *earlier,
                _ => {}
            }
        }
        self.scene.effects.clear();
    }

    fn turn(&mut self) {
        self.scene.turn();
        self.learn();
    }

    fn ask(&mut self, permission: Permission, change: impl FnOnce(&mut NewStream)) -> Admission {
        let http3 = self.origin.http3(self.scene.now, &self.config, permission);
        let admission = self.scene.ask(|new| {
            new.replayable = true;
            new.http3 = http3;
            change(new);
        });
        self.turn();
        admission
    }

    fn request(&mut self) -> StreamId {
        self.request_with(Permission::Allow)
    }

    fn request_with(&mut self, permission: Permission) -> StreamId {
        match self.ask(permission, |_| {}) {
            Admission::Attached(id) | Admission::Queued(id) => id,
            Admission::Refused(reason) => panic!("refused: {reason:?}"),
        }
    }

    /// The newest connection that was dialled so.
    fn dial(&self, offer: Offer) -> ConnectionId {
        let found = self.dialled.iter().rev().find(|(_, dialled)| *dialled == offer);
        found.unwrap_or_else(|| panic!("{offer:?} was not dialled")).0
    }

    fn offers(&self) -> Vec<Offer> {
        self.dialled.iter().map(|(_, offer)| *offer).collect()
    }

    /// It becomes ready; the turn goes on.
    fn readies(&mut self, offer: Offer) -> ConnectionId {
        let id = self.dial(offer);
        let protocol = if matches!(offer, MAIN | ALTERNATE) { Protocol::H3 } else { Protocol::H2 };
        self.scene.group.connected(self.scene.now, id, Connected { protocol, stream_limit: Some(100) });
        id
    }

    fn ready(&mut self, offer: Offer) -> ConnectionId {
        let id = self.readies(offer);
        self.turn();
        id
    }

    /// It fails; the turn goes on.
    fn breaks(&mut self, offer: Offer) {
        let failure = ConnectFailure { reason: ConnectFailureReason::Remote, class: Class::Unprocessed };
        let id = self.dial(offer);
        self.scene.connections.retain(|open| *open != id);
        self.scene.group.connect_failed(self.scene.now, id, failure);
    }

    fn fail(&mut self, offer: Offer) {
        self.breaks(offer);
        self.turn();
    }

    fn pass(&mut self, millis: u64) {
        self.scene.pass(ms(millis));
        self.learn();
    }

    fn status(&self) -> Http3Status {
        self.origin.status(self.scene.now)
    }

    fn is_broken(&self) -> bool {
        matches!(self.status(), Http3Status::Broken { .. })
    }

    fn runs_on(&self, stream: StreamId) -> Option<ConnectionId> {
        self.scene.opened.get(&stream).copied()
    }

    /// The upstream with a connection by its second address alone.
    fn alternate_in_use(&mut self) {
        let stream = self.request();
        self.fail(MAIN);
        self.ready(ALTERNATE);
        self.scene.complete(stream);
        self.learn();
        self.dialled.clear();
    }

    /// HTTP/3 broke some time ago.
    fn failed_recently(&mut self) {
        self.origin.learn(self.scene.now, forebay_core::Http3Verdict::Broken);
        self.pass(1_000);
        assert_eq!(self.status(), Http3Status::FailedRecently);
    }
}

#[test]
fn inventory_093_where_http3_is_ready_in_time_tcp_is_never_started() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.pass(299);
    assert_eq!((grid.offers(), grid.status()), (vec![MAIN], Http3Status::Pending));
    let id = grid.ready(MAIN);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(id), Http3Status::Confirmed));
    grid.pass(1_000);
    assert_eq!(grid.offers(), [MAIN]);
    let Admission::Attached(next) = grid.ask(Permission::Allow, |_| {}) else { panic!("HTTP/3 is ready") };
    assert_eq!(grid.runs_on(next), Some(id));
}

#[test]
fn inventory_094_both_fail_over_http3_and_tcp_answers_which_breaks_http3() {
    let mut grid = Grid::with_alternate();
    let stream = grid.request();
    grid.fail(MAIN);
    assert_eq!(grid.offers(), [MAIN, ALTERNATE]);
    grid.fail(ALTERNATE);
    assert_eq!(grid.offers(), [MAIN, ALTERNATE, TCP], "before the delay is over");
    assert!(!grid.is_broken());
    let id = grid.ready(TCP);
    assert_eq!((grid.runs_on(stream), grid.is_broken(), grid.scene.failed.len()), (Some(id), true, 0));
    assert_eq!(grid.scene.stat(Stat::Http3Broken), 1);
}

#[test]
fn inventory_095_after_a_failure_and_with_the_alternate_in_use_all_start_at_once() {
    let mut grid = Grid::with_alternate();
    grid.alternate_in_use();
    // It is in use, and full.
    grid.scene.settings(grid.scene.connections[0], 0);
    grid.failed_recently();
    grid.request();
    let mut offers = grid.offers();
    offers.sort();
    assert_eq!(offers, [TCP, MAIN, ALTERNATE]);
}

#[test]
fn inventory_096_without_delay_http3_may_still_win_and_then_stays_alone() {
    let mut grid = Grid::at_once();
    grid.config.alternate = false;
    let stream = grid.request();
    assert_eq!(grid.offers(), [MAIN, TCP]);
    let id = grid.ready(MAIN);
    assert_eq!(grid.runs_on(stream), Some(id));
    assert_eq!(grid.scene.pool().pending, 0, "TCP was given up");
    grid.request();
    assert_eq!(grid.offers(), [MAIN, TCP]);
}

#[test]
fn inventory_097_where_tcp_is_first_nothing_is_learnt_until_http3_is_there() {
    let mut grid = Grid::at_once();
    grid.config.alternate = false;
    let stream = grid.request();
    let id = grid.ready(TCP);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(id), Http3Status::Pending));
    grid.ready(MAIN);
    assert_eq!(grid.status(), Http3Status::Confirmed);
}

#[test]
fn inventory_098_http3_that_fails_is_broken_once_tcp_works_and_then_left_alone() {
    let mut grid = Grid::at_once();
    grid.config.alternate = false;
    grid.request();
    grid.fail(MAIN);
    assert!(!grid.is_broken());
    grid.ready(TCP);
    assert!(grid.is_broken());
    grid.scene.group.drain(grid.scene.now, Scope::Group, DrainMode::Existing);
    grid.dialled.clear();
    grid.request();
    assert_eq!(grid.offers(), [TCP]);
}

#[test]
fn inventory_099_both_fail_and_http3_is_tried_again() {
    let mut grid = Grid::at_once();
    grid.config.alternate = false;
    grid.request();
    grid.fail(MAIN);
    grid.fail(TCP);
    assert_eq!((grid.scene.failed.len(), grid.status()), (1, Http3Status::Pending));
    let stream = grid.request();
    assert_eq!(grid.offers(), [MAIN, TCP, MAIN, TCP]);
    grid.fail(TCP);
    let id = grid.ready(MAIN);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(id), Http3Status::Confirmed));
}

#[test]
fn inventory_100_an_alternate_that_is_ready_takes_over_in_the_turn_of_the_failure() {
    let mut grid = Grid::with_alternate();
    let first = grid.request();
    grid.fail(MAIN);
    let alternate = grid.ready(ALTERNATE);
    grid.scene.complete(first);
    // The main pool has a connection again, so that it comes first; and loses it.
    let held = grid.ask(Permission::Allow, |_| {});
    assert!(matches!(held, Admission::Attached(_)), "by the alternate, in the turn");
    let main = grid.ready(MAIN);
    grid.scene.close(main, ConnectionEnd::REMOTE);
    grid.learn();
    let Admission::Attached(stream) = grid.ask(Permission::Allow, |_| {}) else { panic!("the alternate is ready") };
    assert_eq!(grid.runs_on(stream), Some(alternate));
    assert!(!grid.offers().contains(&TCP));
}

#[test]
fn inventory_100_a_failure_of_the_main_attempt_alone_starts_no_tcp() {
    let mut grid = Grid::with_alternate();
    let stream = grid.request();
    grid.breaks(MAIN);
    grid.turn();
    let id = grid.ready(ALTERNATE);
    assert_eq!((grid.runs_on(stream), grid.offers()), (Some(id), vec![MAIN, ALTERNATE]));
}

#[test]
fn inventory_101_at_the_end_of_the_delay_alternate_and_tcp_start() {
    let mut grid = Grid::with_alternate();
    grid.request();
    grid.pass(300);
    assert_eq!(grid.offers(), [MAIN, ALTERNATE, TCP]);
    grid.fail(MAIN);
    grid.fail(ALTERNATE);
    assert!(!grid.is_broken());
    grid.ready(TCP);
    assert!(grid.is_broken());
    assert_eq!(grid.offers(), [MAIN, ALTERNATE, TCP], "each once");
}

#[test]
fn inventory_102_the_delay_is_that_of_the_measured_round_trip() {
    let mut grid = Grid::new();
    for (srtt, delay) in [(2, 3), (20, 30)] {
        grid.origin.measured(ms(srtt));
        grid.dialled.clear();
        let stream = grid.request();
        grid.pass(delay - 1);
        assert!(!grid.offers().contains(&TCP));
        grid.pass(1);
        assert!(grid.offers().contains(&TCP));
        grid.scene.cancel(stream);
        grid.scene.group.destroy(grid.scene.now, Scope::Group);
        grid.turn();
    }
}

#[test]
fn inventory_103_tcp_may_fail_while_http3_goes_on() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.pass(300);
    grid.fail(TCP);
    let id = grid.ready(MAIN);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(id), Http3Status::Confirmed));
}

#[test]
fn inventory_104_one_failure_names_both() {
    for (first, second) in [(TCP, MAIN), (MAIN, TCP)] {
        let mut grid = Grid::new();
        let stream = grid.request();
        grid.pass(300);
        let (before, last) = (grid.dial(first), grid.dial(second));
        grid.fail(first);
        assert_eq!(grid.scene.failed.len(), 0);
        grid.fail(second);
        assert_eq!(grid.scene.failed, [(stream, FailureReason::RemoteConnectionFailure, Class::Unprocessed)]);
        let earlier = grid.earlier.unwrap();
        assert_eq!((earlier.http3, earlier.connection), (first == MAIN, Some(before)));
        assert_ne!(before, last);
        // What the origin said still holds.
        grid.dialled.clear();
        grid.request();
        assert_eq!(grid.offers(), [MAIN]);
    }
}

#[test]
fn inventory_105_skip_goes_by_tcp_and_failed_breaks_http3_once_tcp_works() {
    let mut grid = Grid::new();
    grid.request_with(Permission::Skip);
    grid.ready(TCP);
    assert_eq!((grid.offers(), grid.status()), (vec![TCP], Http3Status::Pending));

    let mut grid = Grid::new();
    grid.request_with(Permission::Failed);
    assert!(!grid.is_broken());
    grid.ready(TCP);
    assert_eq!((grid.offers(), grid.is_broken()), (vec![TCP], true));
}

#[test]
fn inventory_106_what_fails_in_the_turn_is_refused_and_breaks_nothing() {
    let mut grid = Grid::new();
    grid.scene.group.dialable(grid.scene.now, grid.scene.upstream, false);
    let admission = grid.ask(Permission::Allow, |_| {});
    assert_eq!(admission, Admission::Refused(FailureReason::LocalConnectionFailure));
    assert_eq!((grid.scene.failed.len(), grid.status()), (0, Http3Status::Pending));
    assert_eq!(grid.scene.stat(Stat::RqPendingTotal), 0);
}

#[test]
fn inventory_107_a_cancel_reaches_every_attempt() {
    for kept in [true, false] {
        let on_cancel = if kept { OnCancel::Keep } else { OnCancel::CloseExcess };
        let mut grid = Grid::with(GroupConfig::default(), UpstreamConfig { on_cancel, ..upstream() });
        grid.config.alternate = true;
        let stream = grid.request();
        grid.pass(300);
        assert_eq!(grid.offers().len(), 3);
        grid.scene.cancel(stream);
        assert_eq!(grid.scene.stat(Stat::CxActive), if kept { 3 } else { 0 });
        assert_eq!((grid.scene.stat(Stat::RqCancelled), grid.scene.stat(Stat::RqPendingActive)), (1, 0));
        assert!(!grid.scene.group.has_work(Scope::Group));
    }
}

#[test]
fn inventory_107_destroying_it_fails_what_is_open_without_an_idle_event() {
    let mut grid = Grid::new();
    let running = grid.request();
    grid.ready(MAIN);
    grid.scene.settings(grid.dial(MAIN), 0);
    let waiting = grid.request();
    grid.pass(300);
    grid.scene.group.destroy(grid.scene.now, Scope::Group);
    grid.turn();
    let mut failed = grid.scene.failed_streams();
    failed.sort();
    assert_eq!(failed, [running, waiting]);
    assert!(grid.scene.failed.iter().all(|(_, reason, _)| *reason == FailureReason::LocalConnectionFailure));
    assert_eq!((grid.scene.idle_events(), grid.status()), (0, Http3Status::Confirmed));
}

#[test]
fn inventory_108_drains_reach_the_pools_that_are_there_and_may_be_repeated() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.ready(MAIN);
    grid.scene.complete(stream);
    let scope = Scope::Pool(grid.scene.upstream, Priority::Default, 0);
    for _ in 0..2 {
        grid.scene.group.drain(grid.scene.now, scope, DrainMode::Existing);
        grid.turn();
    }
    assert_eq!((grid.scene.stat(Stat::CxActive), grid.offers()), (0, vec![MAIN]));

    let stream = grid.request();
    grid.pass(300);
    grid.ready(TCP);
    grid.ready(MAIN);
    grid.scene.complete(stream);
    let before = grid.scene.idle_events();
    grid.scene.group.drain(grid.scene.now, scope, DrainMode::Delete);
    grid.turn();
    assert_eq!(grid.scene.stat(Stat::CxActive), 0);
    assert_eq!(grid.scene.idle_events(), before + 1, "one pool to the outside");
}

#[test]
fn inventory_109_while_it_is_broken_there_is_tcp_alone_and_its_success_changes_nothing() {
    let mut grid = Grid::new();
    grid.origin.learn(grid.scene.now, forebay_core::Http3Verdict::Broken);
    let status = grid.status();
    let stream = grid.request();
    let id = grid.ready(TCP);
    assert_eq!((grid.runs_on(stream), grid.offers(), grid.status()), (Some(id), vec![TCP], status));
}

#[test]
fn inventory_110_without_an_alternative_there_is_tcp_alone() {
    let mut grid = Grid::new();
    grid.origin = Origin::default();
    grid.request();
    assert_eq!(grid.offers(), [TCP]);
}

#[test]
fn inventory_111_after_a_failure_the_race_that_tcp_won_still_breaks_http3() {
    let mut grid = Grid::with_alternate();
    grid.failed_recently();
    let stream = grid.request();
    assert_eq!(grid.offers(), [MAIN, TCP]);
    grid.pass(300);
    assert_eq!(grid.offers(), [MAIN, TCP, ALTERNATE]);
    let id = grid.ready(TCP);
    assert_eq!(grid.runs_on(stream), Some(id));
    grid.fail(MAIN);
    assert!(!grid.is_broken(), "the alternate may still work");
    grid.fail(ALTERNATE);
    assert!(grid.is_broken());
}

#[test]
fn inventory_112_a_dial_that_cannot_be_begun_is_a_failure_like_any_other() {
    let mut grid = Grid::new();
    let stream = grid.request();
    let failure = ConnectFailure { reason: ConnectFailureReason::Local, class: Class::Unprocessed };
    grid.scene.group.connect_failed(grid.scene.now, grid.dial(MAIN), failure);
    grid.turn();
    let id = grid.ready(TCP);
    assert_eq!((grid.runs_on(stream), grid.is_broken()), (Some(id), true));
}

#[test]
fn inventory_115_where_tcp_wins_http3_connects_and_opens_no_stream() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.pass(300);
    let tcp = grid.ready(TCP);
    let http3 = grid.ready(MAIN);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(tcp), Http3Status::Confirmed));
    assert_eq!(grid.scene.stat(Stat::RqTotal), 1);
    let Admission::Attached(next) = grid.ask(Permission::Allow, |_| {}) else { panic!("HTTP/3 is ready") };
    assert_eq!(grid.runs_on(next), Some(http3));
}

#[test]
fn q01_a_network_that_drops_udp_costs_the_first_request_the_delay_and_the_next_nothing() {
    let mut grid = Grid::new();
    let first = grid.request();
    grid.pass(300);
    let tcp = grid.ready(TCP);
    assert_eq!((grid.runs_on(first), grid.status()), (Some(tcp), Http3Status::Pending));
    // While HTTP/3 still tries, the next has TCP at once.
    let Admission::Attached(second) = grid.ask(Permission::Allow, |_| {}) else { panic!("TCP is ready") };
    assert_eq!(grid.runs_on(second), Some(tcp));
    grid.pass(2_699);
    assert!(!grid.is_broken());
    grid.pass(1);
    assert!(grid.is_broken(), "its own connect time-out: 3 s");
    grid.dialled.clear();
    let Admission::Attached(third) = grid.ask(Permission::Allow, |_| {}) else { panic!("TCP is ready") };
    assert_eq!((grid.runs_on(third), grid.offers()), (Some(tcp), vec![]));
    grid.pass(1_000);
    let fourth = grid.request();
    assert_eq!((grid.runs_on(fourth), grid.offers()), (Some(tcp), vec![MAIN]), "HTTP/3 has another chance");
    let http3 = grid.ready(MAIN);
    let fifth = grid.request();
    assert_eq!((grid.runs_on(fifth), grid.status()), (Some(http3), Http3Status::Confirmed));
}

#[test]
fn one_place_for_each_that_waits_and_one_for_all_pools() {
    let mut group = limits(|limits| {
        limits.max_pending_requests = 2;
        limits.max_connection_pools = 1;
        limits.max_connections = 1;
    });
    group.high = LimitsConfig::default();
    let mut grid = Grid::with(group, upstream());
    let streams = [grid.request(), grid.request()];
    grid.pass(300);
    assert_eq!(grid.offers(), [MAIN, TCP], "each pool may have one connection whatever the limit");
    let gauge = |grid: &Grid, limit| grid.scene.group.limit(limit, Priority::Default).current;
    assert_eq!((gauge(&grid, LimitName::MaxPendingRequests), gauge(&grid, LimitName::MaxConnectionPools)), (2, 1));
    assert_eq!(grid.scene.stat(Stat::RqPendingActive), 2);
    let refused = grid.ask(Permission::Allow, |_| {});
    assert_eq!(refused, Admission::Refused(FailureReason::Overflow(LimitName::MaxPendingRequests)));
    let tcp = grid.ready(TCP);
    assert_eq!(streams.map(|stream| grid.runs_on(stream)), [Some(tcp); 2]);
    assert_eq!(gauge(&grid, LimitName::MaxPendingRequests), 0);
    assert_eq!(grid.scene.group.stats().rq_queue_ms.sum(), 600);
}

#[test]
fn where_nothing_may_wait_a_cold_grid_refuses_without_a_dial_and_a_warm_one_serves() {
    let mut grid = Grid::with(limits(|limits| limits.max_pending_requests = 0), upstream());
    let refused = grid.ask(Permission::Allow, |_| {});
    assert_eq!(refused, Admission::Refused(FailureReason::Overflow(LimitName::MaxPendingRequests)));
    assert_eq!(grid.offers(), []);
    grid.scene.group.warm(grid.scene.now, grid.scene.upstream, Priority::Default, 1);
    grid.turn();
    grid.ready(TCP);
    grid.failed_recently();
    assert!(
        matches!(grid.ask(Permission::Allow, |_| {}), Admission::Attached(_)),
        "TCP is ready, and may start at once"
    );
}

#[test]
fn the_time_in_the_queue_is_bounded_over_all_attempts() {
    let config = UpstreamConfig { queue_timeout: Some(ms(1_000)), ..upstream() };
    let mut grid = Grid::with(GroupConfig::default(), config);
    let stream = grid.request();
    grid.pass(999);
    assert_eq!(grid.scene.failed.len(), 0);
    grid.pass(1);
    assert_eq!(grid.scene.failed, [(stream, FailureReason::QueueTimeout, Class::Unprocessed)]);
    assert_eq!(grid.scene.stat(Stat::RqPendingTimeout), 1);
}

#[test]
fn a_shut_gate_ends_the_race_and_starts_nothing() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.scene.group.gate(grid.scene.now, grid.scene.upstream, Gate::Shut);
    grid.turn();
    assert_eq!(grid.scene.failed, [(stream, FailureReason::GateShut, Class::Unprocessed)]);
    assert_eq!(grid.offers(), [MAIN]);
}

#[test]
fn what_http3_refused_races_again_and_what_wants_another_version_goes_to_tcp() {
    let mut grid = Grid::new();
    let stream = grid.request();
    let first = grid.ready(MAIN);
    grid.scene.go_away(first);
    grid.scene.fails(stream, Class::Unprocessed, FailureReason::RemoteRefused);
    grid.learn();
    assert_eq!((grid.offers(), grid.scene.stat(Stat::RqReplay)), (vec![MAIN, MAIN], 1));
    grid.pass(300);
    assert_eq!(grid.offers(), [MAIN, MAIN, TCP]);
    let second = grid.ready(MAIN);
    assert_eq!(grid.runs_on(stream), Some(second));
    grid.scene.fails(stream, Class::Unprocessed, FailureReason::VersionRequired);
    grid.learn();
    let tcp = grid.ready(TCP);
    assert_eq!((grid.runs_on(stream), grid.status()), (Some(tcp), Http3Status::Confirmed));
}

#[test]
fn early_data_that_is_lost_with_its_handshake_puts_tcp_beside_the_next() {
    let mut config = upstream();
    config.h3.early_data = true;
    config.replay = ReplayPolicy::None;
    let mut grid = Grid::with(GroupConfig::default(), config);
    assert!(matches!(grid.ask(Permission::Allow, |new| new.method = MethodClass::Safe), Admission::Queued(_)));
    grid.scene.group.early_data_ready(grid.scene.now, grid.dial(MAIN));
    grid.turn();
    assert_eq!(grid.scene.opened.len(), 1);
    grid.fail(MAIN);
    assert_eq!((grid.scene.failed.len(), grid.status()), (1, Http3Status::FailedRecently));
    assert!(matches!(grid.ask(Permission::Allow, |new| new.method = MethodClass::Safe), Admission::Queued(_)));
    assert_eq!(grid.offers(), [MAIN, MAIN, TCP]);
    grid.scene.group.early_data_ready(grid.scene.now, grid.dial(MAIN));
    grid.turn();
    assert_eq!(grid.scene.opened.len(), 0, "after a failure nothing goes early");
}

#[test]
fn an_upstream_without_http3_beside_it_heeds_no_race() {
    let mut grid = Grid::with(GroupConfig::default(), UpstreamConfig { http3: None, ..upstream() });
    grid.request();
    assert_eq!(grid.offers(), [TCP]);
}

#[test]
fn a_removed_upstream_serves_its_race_to_the_end_and_is_gone() {
    let mut grid = Grid::new();
    let stream = grid.request();
    grid.scene.group.remove_upstream(grid.scene.now, grid.scene.upstream);
    grid.turn();
    grid.pass(300);
    let tcp = grid.ready(TCP);
    assert_eq!(grid.runs_on(stream), Some(tcp));
    grid.scene.complete(stream);
    assert!(grid.scene.effects.iter().any(|effect| matches!(effect, Effect::UpstreamGone { .. })));
}
