//! What the core costs a request: admit -> attach -> head -> end, and the turn around it.
//!
//! `cargo bench -p forebay-core`. The bound is 300 ns with 1, 1,000 and 10,000 connections or pending streams; `--check` makes it a
//! failure. Not a gate of every build: a busy machine is not the core's fault.
#![allow(clippy::unwrap_used, missing_docs)]
// Measuring time is what this is for.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant as Clock};

use forebay_core::{
    Admission, Connected, ConnectionId, Effect, Group, GroupConfig, H2Config, Instant, LimitsConfig, NewStream,
    Priority, Protocol, Protocols, StreamEnd, StreamId, UNLIMITED, UpstreamConfig, UpstreamId,
};

/// The bound for a request, in ns.
const BOUND_NS: f64 = 300.0;
/// Requests of one measurement: short enough to fit between two switches of a busy machine.
const REQUESTS: u32 = 4_000;
/// Measurements; the least counts, because noise only adds.
const ROUNDS: u32 = 300;

struct Bench {
    group: Group,
    upstream: UpstreamId,
    now: Instant,
    opened: Vec<StreamId>,
}

impl Bench {
    fn new(protocol: Protocol, connections: u32) -> Self {
        Self::limited(protocol, connections, UNLIMITED)
    }

    fn limited(protocol: Protocol, connections: u32, max_connections: u32) -> Self {
        let row = LimitsConfig {
            max_connections,
            max_pending_requests: UNLIMITED,
            max_requests: UNLIMITED,
            ..LimitsConfig::default()
        };
        let mut group = Group::new(GroupConfig { default: row, ..GroupConfig::default() }, 1);
        let upstream = group.add_upstream(UpstreamConfig {
            protocols: Protocols::Fixed(protocol),
            h2: H2Config { max_concurrent_streams: 100, ..H2Config::default() },
            ..UpstreamConfig::default()
        });
        let now = Instant::from_epoch(Duration::from_secs(1));
        group.warm(now, upstream, Priority::Default, connections);
        group.end_turn(now);
        let mut dialled: Vec<ConnectionId> = Vec::new();
        while let Some(effect) = group.poll_effect() {
            if let Effect::Connect { connection, .. } = effect {
                dialled.push(connection);
            }
        }
        for connection in dialled {
            group.connected(now, connection, Connected { protocol, stream_limit: None });
        }
        group.end_turn(now);
        while group.poll_event().is_some() {}
        Self { group, upstream, now, opened: Vec::new() }
    }

    fn request(&mut self, token: u64) -> Option<StreamId> {
        match self.group.request(self.now, NewStream::new(token, self.upstream)) {
            Admission::Attached(id) | Admission::Queued(id) => Some(id),
            Admission::Refused(_) => None,
        }
    }

    fn end(&mut self, stream: StreamId) {
        self.group.response_head(self.now, stream);
        self.group.stream_ended(self.now, stream, StreamEnd::Complete);
    }

    /// Ends the turn and notes what was opened, in order.
    fn turn(&mut self) {
        self.group.end_turn(self.now);
        while let Some(effect) = self.group.poll_effect() {
            if let Effect::Open { stream, .. } = black_box(effect) {
                self.opened.push(stream);
            }
        }
        while self.group.poll_event().is_some() {}
    }

    fn tick(&mut self) {
        self.now = self.now + Duration::from_micros(10);
    }
}

/// Nothing waits: each request takes a free connection at once. One turn for the request, one for its end.
fn attached_at_once(protocol: Protocol, connections: u32) -> f64 {
    let mut bench = Bench::new(protocol, connections);
    measure(|token| {
        bench.request(token);
        bench.turn();
        let stream = bench.opened.pop().expect("it was opened");
        bench.tick();
        bench.end(stream);
        bench.turn();
    })
}

/// Half of what there are connections run all the time: each connection takes its turn, so that the sets move.
fn rotating(protocol: Protocol, connections: u32) -> f64 {
    let mut bench = Bench::new(protocol, connections);
    let mut running = std::collections::VecDeque::new();
    let half = u64::from(connections / 2);
    for token in 0..half {
        bench.request(token);
        bench.turn();
        running.extend(bench.opened.drain(..));
    }
    measure(|token| {
        bench.request(token);
        bench.turn();
        running.extend(bench.opened.drain(..));
        let stream = running.pop_front().expect("one runs");
        bench.tick();
        bench.end(stream);
        bench.turn();
    })
}

/// `pending` streams wait; one connection serves them: each request queues, is attached from the queue and ends.
fn queued(protocol: Protocol, pending: u32) -> f64 {
    let mut bench = Bench::limited(protocol, 1, 1);
    for token in 0..=u64::from(pending) {
        bench.request(token);
    }
    bench.turn();
    measure(|token| {
        let stream = bench.opened.pop().expect("one runs");
        bench.end(stream);
        bench.turn();
        bench.request(token);
        bench.turn();
    })
}

fn measure(mut step: impl FnMut(u64)) -> f64 {
    let mut best = f64::INFINITY;
    let mut token = 1_000_000;
    for _ in 0..ROUNDS {
        let start = Clock::now();
        for _ in 0..REQUESTS {
            token += 1;
            step(token);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS));
    }
    best
}

type Case = (&'static str, fn(u32) -> f64);

const CASES: [Case; 5] = [
    ("HTTP/1, free connections", |size| attached_at_once(Protocol::H1, size)),
    ("HTTP/1, free connections, half in use", |size| rotating(Protocol::H1, size)),
    ("HTTP/2, free connections", |size| attached_at_once(Protocol::H2, size)),
    ("HTTP/2, free connections, some in use", |size| rotating(Protocol::H2, size)),
    ("HTTP/1, streams that wait", |size| queued(Protocol::H1, size)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (options, filters): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--"));
    let mut within = true;
    for size in [1, 1_000, 10_000] {
        for (name, case) in CASES {
            let line = format!("{name:<42} {size:>6}");
            if filters.iter().all(|filter| line.contains(filter.as_str())) {
                let ns = case(size);
                within &= ns <= BOUND_NS;
                println!("{line} {ns:>7.1} ns");
            }
        }
    }
    let checks = options.iter().any(|option| *option == "--check");
    if within || !checks { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
