//! Random inputs in any order, also senseless ones: after each turn the machine's promises hold (`check`, section 12 of the contract),
//! and every stream is answered exactly once. Failures are shrunk. The simulator compares with a model besides.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_core::{
    Admission, Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd, ConnectionId, DrainMode, Effect,
    FailureReason, Gate, Group, GroupConfig, H2Config, H3Config, HeadStart, Http3, Http3Config, Instant, LimitName,
    LimitsConfig, MethodClass, NewStream, Offer, OnMaxRequests, Priority, Protocol, Protocols, Scope, Stat, StreamEnd,
    StreamId, UpstreamConfig,
};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

/// Cases of each property: a few seconds in a debug build.
const CASES: u32 = 150;

#[derive(Clone, Copy, Debug)]
enum Input {
    Request { safe: bool, replayable: bool, high: bool, http3: u8 },
    Cancel(usize),
    EarlyData(usize),
    Connected(usize, Option<u32>),
    ConnectFailed(usize),
    Head(usize),
    Ended(usize, StreamEnd),
    GoAway(usize),
    Limit(usize, u32),
    Hint(usize, u64),
    Closed(usize, bool),
    Pass(u64),
    Drain(DrainMode),
    Destroy,
    Gate(bool),
    Shed(bool),
    EndTurn,
}

fn ends() -> impl Strategy<Value = StreamEnd> {
    let failed = |class, reason, response_started| StreamEnd::Failed { class, reason, response_started };
    prop_oneof![
        3 => (0..1_u8).prop_map(|_| StreamEnd::Complete),
        1 => (0..1_u8).prop_map(|_| StreamEnd::Cancelled),
        1 => (0..1_u8).prop_map(|_| StreamEnd::Requeue),
        1 => any::<bool>().prop_map(move |started| failed(Class::Maybe, FailureReason::ConnectionTermination, started)),
        1 => any::<bool>().prop_map(move |started| failed(Class::Unprocessed, FailureReason::RemoteRefused, started)),
        1 => any::<bool>().prop_map(move |started| failed(Class::Unprocessed, FailureReason::VersionRequired, started)),
    ]
}

fn inputs() -> impl Strategy<Value = Input> {
    let place = || 0..12_usize;
    let limit = || prop_oneof![0..4_u32, 100..101_u32];
    prop_oneof![
        6 => (any::<bool>(), any::<bool>(), any::<bool>(), 0..8_u8)
            .prop_map(|(safe, replayable, high, http3)| Input::Request { safe, replayable, high, http3 }),
        1 => place().prop_map(Input::Cancel),
        1 => place().prop_map(Input::EarlyData),
        4 => (place(), proptest::option::of(limit())).prop_map(|(place, limit)| Input::Connected(place, limit)),
        1 => place().prop_map(Input::ConnectFailed),
        2 => place().prop_map(Input::Head),
        5 => (place(), ends()).prop_map(|(place, end)| Input::Ended(place, end)),
        1 => place().prop_map(Input::GoAway),
        1 => (place(), limit()).prop_map(|(place, limit)| Input::Limit(place, limit)),
        1 => (place(), 0..3_000_u64).prop_map(|(place, hint)| Input::Hint(place, hint)),
        2 => (place(), any::<bool>()).prop_map(|(place, remote)| Input::Closed(place, remote)),
        2 => (0..200_u64).prop_map(Input::Pass),
        1 => prop_oneof![
            (0..1_u8).prop_map(|_| DrainMode::Existing),
            (0..1_u8).prop_map(|_| DrainMode::ExistingNonMigratable),
            (0..1_u8).prop_map(|_| DrainMode::Delete)
        ].prop_map(Input::Drain),
        1 => (0..1_u8).prop_map(|_| Input::Destroy),
        1 => any::<bool>().prop_map(Input::Gate),
        1 => any::<bool>().prop_map(Input::Shed),
        6 => (0..1_u8).prop_map(|_| Input::EndTurn),
    ]
}

struct Shell {
    group: Group,
    upstream: forebay_core::UpstreamId,
    protocol: Protocol,
    now: Instant,
    tokens: u64,
    streams: Vec<StreamId>,
    connections: Vec<(ConnectionId, Protocol)>,
    /// Answered by the shell or by a failure.
    answered: BTreeSet<StreamId>,
}

impl Shell {
    /// `grid`: HTTP/3 may race against what the upstream chooses of a mixed offer.
    fn new(protocol: Protocol, grid: bool, limits: LimitsConfig) -> Self {
        let mut group = Group::new(GroupConfig { default: limits, ..GroupConfig::default() }, 7);
        let upstream = group.add_upstream(UpstreamConfig {
            protocols: if grid { Protocols::Mixed } else { Protocols::Fixed(protocol) },
            http3: grid.then(|| Http3Config { connect_timeout: Duration::from_millis(70) }),
            connect_timeout: Duration::from_millis(100),
            idle_timeout: Some(Duration::from_millis(150)),
            queue_timeout: Some(Duration::from_millis(120)),
            max_connection_duration: Some(Duration::from_millis(300)),
            drain_timeout: Some(Duration::from_millis(80)),
            max_requests_per_connection: 4,
            h2: H2Config { max_concurrent_streams: 3, ..H2Config::default() },
            h3: H3Config { early_data: true, ..H3Config::default() },
            ..UpstreamConfig::default()
        });
        let now = Instant::from_epoch(Duration::from_secs(1));
        Self {
            group,
            upstream,
            protocol,
            now,
            tokens: 0,
            streams: Vec::new(),
            connections: Vec::new(),
            answered: BTreeSet::new(),
        }
    }

    fn stream(&self, place: usize) -> Option<StreamId> {
        self.streams.iter().rev().nth(place).copied()
    }

    fn connection(&self, place: usize) -> Option<(ConnectionId, Protocol)> {
        self.connections.iter().rev().nth(place).copied()
    }

    fn put(&mut self, input: Input) {
        let now = self.now;
        match input {
            Input::Request { safe, replayable, high, http3 } => {
                self.tokens += 1;
                let mut new = NewStream::new(self.tokens, self.upstream);
                new.replayable = replayable;
                new.method = if safe { MethodClass::Safe } else { MethodClass::Other };
                new.http3 = tried(http3);
                new.priority = if high { Priority::High } else { Priority::Default };
                match self.group.request(now, new) {
                    Admission::Attached(id) | Admission::Queued(id) => self.streams.push(id),
                    Admission::Refused(_) => {}
                }
            }
            Input::Cancel(place) => {
                if let Some(id) = self.stream(place) {
                    self.group.cancel(now, id);
                }
            }
            Input::Head(place) => {
                if let Some(id) = self.stream(place) {
                    self.group.response_head(now, id);
                }
            }
            Input::Ended(place, end) => {
                if let Some(id) = self.stream(place) {
                    self.group.stream_ended(now, id, end);
                }
            }
            Input::Pass(time) => {
                self.now = now + Duration::from_millis(time);
                self.group.timeout(self.now);
            }
            Input::Drain(mode) => self.group.drain(now, Scope::Group, mode),
            Input::Destroy => self.group.destroy(now, Scope::Group),
            Input::Gate(open) => self.group.gate(now, self.upstream, if open { Gate::Open } else { Gate::Shut }),
            Input::Shed(shut) => self.group.shed(now, shut),
            Input::EndTurn => self.end_turn(),
            Input::EarlyData(place)
            | Input::Connected(place, _)
            | Input::ConnectFailed(place)
            | Input::GoAway(place)
            | Input::Limit(place, _)
            | Input::Hint(place, _)
            | Input::Closed(place, _) => {
                if let Some((id, protocol)) = self.connection(place) {
                    self.put_connection(id, protocol, input);
                }
            }
        }
    }

    fn put_connection(&mut self, id: ConnectionId, protocol: Protocol, input: Input) {
        let now = self.now;
        match input {
            Input::EarlyData(_) => {
                self.group.early_data_ready(now, id);
            }
            Input::Connected(_, stream_limit) => self.group.connected(now, id, Connected { protocol, stream_limit }),
            Input::ConnectFailed(_) => {
                let failure = ConnectFailure { reason: ConnectFailureReason::Remote, class: Class::Unprocessed };
                self.group.connect_failed(now, id, failure);
            }
            Input::GoAway(_) => self.group.go_away(now, id),
            Input::Limit(_, limit) => self.group.stream_limit_changed(now, id, limit),
            Input::Hint(_, hint) => self.group.keep_alive_hint(now, id, Duration::from_millis(hint)),
            Input::Closed(_, remote) => {
                self.group.connection_closed(now, id, ConnectionEnd { remote, protocol_error: false });
            }
            _ => {}
        }
    }

    fn end_turn(&mut self) {
        self.group.end_turn(self.now);
        while let Some(effect) = self.group.poll_effect() {
            match effect {
                Effect::Connect { connection, offer, .. } => {
                    let protocol = match offer {
                        Offer::All => self.protocol,
                        Offer::OnlyH1 => Protocol::H1,
                        Offer::Http3 | Offer::Http3Alternate => Protocol::H3,
                    };
                    self.connections.push((connection, protocol));
                }
                Effect::Open { stream, .. } => assert!(!self.answered.contains(&stream), "5: opened after its answer"),
                Effect::Fail { stream, .. } => assert!(self.answered.insert(stream), "5: answered twice"),
                Effect::Reset { .. } | Effect::Close { .. } | Effect::Http3 { .. } | Effect::UpstreamGone { .. } => {}
            }
        }
        if let Err(broken) = self.group.check() {
            panic!("{broken}");
        }
    }

    fn finish(&mut self) {
        self.end_turn();
        self.group.destroy(self.now, Scope::Group);
        self.end_turn();
        for gauge in [Stat::CxActive, Stat::RqActive, Stat::RqPendingActive] {
            assert_eq!(self.group.stats().get(gauge), 0, "20: {}", gauge.name());
        }
        for limit in LimitName::COUNTED {
            assert_eq!(self.group.limit(limit, Priority::Default).current, 0, "20: {}", limit.name());
        }
        assert_eq!(self.group.next_deadline(), None, "14: a timer outlived everything");
    }
}

fn run(protocol: Protocol, limits: LimitsConfig, inputs: Vec<Input>) {
    run_with(Shell::new(protocol, false, limits), inputs);
}

fn run_grid(protocol: Protocol, limits: LimitsConfig, inputs: Vec<Input>) {
    run_with(Shell::new(protocol, true, limits), inputs);
}

fn run_with(mut shell: Shell, inputs: Vec<Input>) {
    for input in inputs {
        shell.put(input);
    }
    shell.finish();
}

/// How HTTP/3 is tried, if the upstream has it beside TCP.
fn tried(kind: u8) -> Http3 {
    let start = HeadStart { delay: Duration::from_millis(30), tcp_at_once: false, alternate: false };
    match kind {
        0 => Http3::Skip,
        1 => Http3::Failed,
        2 => Http3::Race(HeadStart { tcp_at_once: true, ..start }),
        3 => Http3::Race(HeadStart { tcp_at_once: true, alternate: true, ..start }),
        4 | 5 => Http3::Race(HeadStart { alternate: true, ..start }),
        _ => Http3::Race(start),
    }
}

fn tight() -> LimitsConfig {
    LimitsConfig {
        max_connections: 2,
        max_pending_requests: 3,
        max_requests: 3,
        on_max_requests: OnMaxRequests::Queue,
        max_connection_pools: 1,
        ..LimitsConfig::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn http_1_keeps_its_promises_under_any_inputs(inputs in collection::vec(inputs(), 1..120)) {
        run(Protocol::H1, LimitsConfig::default(), inputs);
    }

    #[test]
    fn http_2_keeps_its_promises_under_any_inputs(inputs in collection::vec(inputs(), 1..120)) {
        run(Protocol::H2, LimitsConfig::default(), inputs);
    }

    #[test]
    fn http_3_with_early_data_keeps_its_promises_under_any_inputs(inputs in collection::vec(inputs(), 1..120)) {
        run(Protocol::H3, LimitsConfig::default(), inputs);
    }

    #[test]
    fn races_keep_their_promises_under_any_inputs(inputs in collection::vec(inputs(), 1..120)) {
        run_grid(Protocol::H2, LimitsConfig::default(), inputs.clone());
        run_grid(Protocol::H1, LimitsConfig::default(), inputs);
    }

    #[test]
    fn races_keep_their_promises_under_tight_limits(inputs in collection::vec(inputs(), 1..120)) {
        run_grid(Protocol::H2, tight(), inputs.clone());
        run_grid(Protocol::H1, LimitsConfig { on_max_requests: OnMaxRequests::Reject, ..tight() }, inputs);
    }

    #[test]
    fn tight_limits_hold_under_any_inputs(inputs in collection::vec(inputs(), 1..120)) {
        run(Protocol::H1, tight(), inputs.clone());
        run(Protocol::H3, tight(), inputs);
    }
}
