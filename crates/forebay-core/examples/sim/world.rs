//! A world of random upstreams and callers around one group: it asks the core and the model the same, and compares all they say.
//!
//! Everything follows from the seed. After each turn: the core's own invariants (section 12 of the contract), every admission, effect,
//! counter, gauge, sum and deadline against the model, and what only a history shows: each stream is answered exactly once, nothing is
//! opened on a connection that is gone. At the end everything is destroyed and every gauge must be 0.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::{
    Admission, Ahead, ConnectionId, DrainMode, Gate, Group, GroupConfig, Health, Instant, MethodClass, NewStream,
    PerHostConfig, Priority, RetryTicket, Scope, Stat, StreamId, UNLIMITED, UpstreamId,
};

#[path = "world/compare.rs"]
mod compare;
#[path = "world/dice.rs"]
mod dice;
#[path = "world/frames.rs"]
mod frames;
#[path = "world/options.rs"]
mod options;
#[path = "world/peers.rs"]
mod peers;

use crate::model::Model;
use crate::model::pools::Which;
use crate::model::streams::{Answer, Ask};
use dice::Dice;

/// Turns of one run: enough for pools to come, fail, drain and go several times.
const TURNS: u32 = 120;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the world knows of a stream that it handed in.
#[derive(Clone, Copy)]
struct Known {
    id: StreamId,
    /// Opened and not over.
    on: Option<u64>,
    head: bool,
}

struct World {
    dice: Dice,
    group: Group,
    model: Model,
    now: Instant,
    upstreams: Vec<UpstreamId>,
    births: BTreeMap<ConnectionId, u64>,
    connections: BTreeMap<u64, ConnectionId>,
    streams: BTreeMap<u64, Known>,
    /// Streams that are over: their ids come back as late inputs.
    over: Vec<StreamId>,
    tokens: u64,
    tickets: [Vec<RetryTicket>; 2],
    idle_events: u64,
    quiet: bool,
}

/// Runs one seed.
///
/// # Errors
/// What went wrong.
pub fn run(seed: u64) -> Result<(), String> {
    run_with(seed, false)
}

/// The same, with every input printed.
///
/// # Errors
/// As `run`.
pub fn run_loud(seed: u64) -> Result<(), String> {
    run_with(seed, true)
}

fn run_with(seed: u64, loud: bool) -> Result<(), String> {
    let mut world = World::new(seed, !loud);
    for turn in 0..TURNS {
        world.turn().map_err(|wrong| format!("turn {turn}: {wrong}"))?;
    }
    world.tear_down().map_err(|wrong| format!("tear-down: {wrong}"))
}

impl World {
    fn new(seed: u64, quiet: bool) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            dice.roll(2);
        }
        let config = GroupConfig {
            default: options::limits(&mut dice),
            high: options::limits(&mut dice),
            per_host: PerHostConfig { max_connections: dice.of(&[UNLIMITED, UNLIMITED, 1, 3]) },
        };
        let mut world = Self {
            group: Group::new(config.clone(), seed),
            model: Model::new(config, seed),
            dice,
            now: Instant::from_epoch(ms(1_000)),
            upstreams: Vec::new(),
            births: BTreeMap::new(),
            connections: BTreeMap::new(),
            streams: BTreeMap::new(),
            over: Vec::new(),
            tokens: 0,
            tickets: [Vec::new(), Vec::new()],
            idle_events: 0,
            quiet,
        };
        world.model.now = world.now;
        for _ in 0..=world.dice.roll(2) {
            world.add_upstream();
        }
        world
    }

    fn add_upstream(&mut self) {
        let config = options::upstream(&mut self.dice);
        self.say(|| format!("upstream {config:?}"));
        self.model.add_upstream(config.clone());
        let id = self.group.add_upstream(config);
        self.upstreams.push(id);
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.quiet {
            return;
        }
        eprintln!("{}", what());
    }

    /// Some inputs, the end of the turn, and the comparison.
    fn turn(&mut self) -> Result<(), String> {
        for _ in 0..=self.dice.roll(4) {
            self.input()?;
        }
        self.end_turn()
    }

    fn input(&mut self) -> Result<(), String> {
        match self.dice.roll(100) {
            0..30 => self.request(),
            30..46 => {
                self.dial_ends();
                Ok(())
            }
            46..66 => {
                self.stream_moves();
                Ok(())
            }
            66..71 => {
                self.cancel();
                Ok(())
            }
            71..75 => {
                self.connection_ends();
                Ok(())
            }
            75..79 => {
                self.peer_speaks();
                Ok(())
            }
            79..83 => {
                self.speaks_of_many();
                Ok(())
            }
            83..91 => {
                self.time_passes();
                Ok(())
            }
            91..94 => self.retry(),
            94..97 => self.ahead(),
            _ => {
                self.command();
                Ok(())
            }
        }
    }

    fn upstream_index(&mut self) -> usize {
        usize::try_from(self.dice.roll(self.upstreams.len() as u64)).unwrap()
    }

    fn priority(&mut self) -> Priority {
        if self.dice.one_in(4) { Priority::High } else { Priority::Default }
    }

    fn request(&mut self) -> Result<(), String> {
        self.tokens += 1;
        let ask = Ask {
            token: self.tokens,
            upstream: self.upstream_index(),
            priority: self.priority(),
            key: u64::from(self.dice.one_in(8)),
            replayable: !self.dice.one_in(4),
            method: self.dice.of(&[MethodClass::Safe, MethodClass::Idempotent, MethodClass::Other]),
            queue_timeout: self.dice.of(&[None, None, Some(ms(20)), Some(Duration::ZERO)]),
        };
        let mut new = NewStream::new(ask.token, self.upstreams[ask.upstream]);
        (new.priority, new.key, new.replayable) = (ask.priority, ask.key, ask.replayable);
        (new.method, new.queue_timeout) = (ask.method, ask.queue_timeout);
        let admission = self.group.request(self.now, new);
        let answer = self.model.request(ask);
        self.say(|| format!("{ask:?} -> {answer:?}"));
        let (id, said) = match admission {
            Admission::Attached(id) => (Some(id), Answer::Attached),
            Admission::Queued(id) => (Some(id), Answer::Queued),
            Admission::Refused(reason) => (None, Answer::Refused(reason)),
        };
        if said != answer {
            return Err(format!("{ask:?} was {said:?}, the model says {answer:?}"));
        }
        if let Some(id) = id {
            self.streams.insert(ask.token, Known { id, on: None, head: false });
        }
        Ok(())
    }

    /// To the next deadline, a bit, or a jump past many.
    fn time_passes(&mut self) {
        self.now = match self.dice.roll(4) {
            0 => self.group.next_deadline().map_or(self.now, |deadline| deadline.max(self.now)),
            1 => self.now + ms(self.dice.roll(10_000)),
            _ => self.now + ms(self.dice.roll(30)),
        };
        self.model.now = self.now;
        self.say(|| String::from("time passes"));
        self.group.timeout(self.now);
        self.model.timeout();
    }

    fn retry(&mut self) -> Result<(), String> {
        let priority = self.priority();
        let row = usize::from(priority == Priority::High);
        if self.dice.one_in(3) {
            if let Some(ticket) = self.tickets[row].pop() {
                self.group.retry_ended(ticket);
                self.model.retries[row] -= 1;
            }
            return Ok(());
        }
        let ticket = self.group.retry(priority);
        let granted = self.model.retry(priority);
        if ticket.is_some() != granted {
            return Err(format!("a retry was granted: {}, the model says {granted}", ticket.is_some()));
        }
        self.tickets[row].extend(ticket);
        Ok(())
    }

    fn ahead(&mut self) -> Result<(), String> {
        let (index, priority) = (self.upstream_index(), self.priority());
        let upstream = self.upstreams[index];
        if self.dice.one_in(2) {
            let count = 1 + self.dice.small(3);
            let begun = self.group.warm(self.now, upstream, priority, count);
            let expected = self.model.warm(index, priority, count);
            self.say(|| format!("warm {index} {priority:?} {count} -> {expected}"));
            return if begun == expected { Ok(()) } else { Err(format!("warm began {begun}, the model {expected}")) };
        }
        let ahead = self.dice.of(&[Ahead::OfPool, Ahead::OfGroup]);
        let began = self.group.preconnect(self.now, upstream, priority, ahead);
        let expected = self.model.preconnect(index, priority, ahead);
        self.say(|| format!("preconnect {index} {priority:?} {ahead:?} -> {expected}"));
        if began == expected { Ok(()) } else { Err(format!("preconnect: {began}, the model says {expected}")) }
    }

    fn command(&mut self) {
        let index = self.upstream_index();
        let upstream = self.upstreams[index];
        let (scope, which) = if self.dice.one_in(2) {
            (Scope::Group, Which::All)
        } else {
            (Scope::Upstream(upstream), Which::Of(index))
        };
        match self.dice.roll(12) {
            0..3 => {
                let mode = self.dice.of(&[DrainMode::Existing, DrainMode::ExistingNonMigratable, DrainMode::Delete]);
                self.say(|| format!("drain {which:?} {mode:?}"));
                self.group.drain(self.now, scope, mode);
                self.model.drain(which, mode);
            }
            3 => {
                self.say(|| format!("destroy {which:?}"));
                self.group.destroy(self.now, scope);
                self.model.destroy(which);
            }
            4..6 => {
                let gate = self.dice.of(&[Gate::Open, Gate::Open, Gate::Shut]);
                self.say(|| format!("gate {index} {gate:?}"));
                self.group.gate(self.now, upstream, gate);
                self.model.gate(index, gate);
            }
            6..8 => {
                let shut = self.dice.one_in(3);
                self.say(|| format!("shed {shut}"));
                self.group.shed(self.now, shut);
                self.model.shed(shut);
            }
            8 | 9 => {
                let health = self.dice.of(&[Health::Healthy, Health::Degraded, Health::Unhealthy]);
                self.say(|| format!("health {index} {health:?}"));
                self.group.health(upstream, health);
                self.model.upstreams[index].health = health;
            }
            10 => {
                let dialable = !self.dice.one_in(3);
                self.say(|| format!("dialable {index} {dialable}"));
                self.group.dialable(self.now, upstream, dialable);
                self.model.dialable(index, dialable);
            }
            _ => {
                let index = self.one_at_work().unwrap_or(index);
                let upstream = self.upstreams[index];
                self.say(|| format!("remove {index}"));
                self.group.remove_upstream(self.now, upstream);
                self.model.remove_upstream(index);
                self.last_demand(index);
                self.add_upstream();
            }
        }
    }

    fn tear_down(&mut self) -> Result<(), String> {
        for (row, tickets) in self.tickets.iter_mut().enumerate() {
            for ticket in tickets.drain(..) {
                self.group.retry_ended(ticket);
                self.model.retries[row] -= 1;
            }
        }
        self.group.destroy(self.now, Scope::Group);
        self.model.destroy(Which::All);
        self.end_turn()?;
        for gauge in [Stat::CxActive, Stat::RqActive, Stat::RqPendingActive] {
            if self.group.stats().get(gauge) != 0 {
                return Err(format!("20: {} is not 0 at the end", gauge.name()));
            }
        }
        if !self.streams.is_empty() {
            return Err(format!("5: {} streams were never answered", self.streams.len()));
        }
        Ok(())
    }
}
