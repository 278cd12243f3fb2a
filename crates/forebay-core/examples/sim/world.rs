//! A world of random upstreams and callers around one group: it asks the core and the model the same, and compares all they say.
//!
//! Everything follows from the seed. After each turn: the core's own invariants (section 12 of the contract), every admission, effect,
//! counter, gauge, sum and deadline against the model, and what only a history shows: each stream is answered exactly once, nothing is
//! opened on a connection that is gone. At the end everything is destroyed and every gauge must be 0.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::{
    Admission, Ahead, BackoffConfig, Class, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd,
    ConnectionId, DrainMode, Effect, Event, FailureReason, Gate, Group, GroupConfig, H2Config, H3Config, Health,
    Instant, LimitName, LimitsConfig, MethodClass, NewStream, OnCancel, OnConnectFailure, OnMaxRequests, OriginMemory,
    PerHostConfig, Pick, Priority, Protocol, Protocols, Ratio, ReplayPolicy, RetryLimit, RetryTicket, Scope, Stat,
    StreamEnd, StreamId, UNLIMITED, UpstreamConfig, UpstreamId,
};

use crate::model::connections::Which;
use crate::model::streams::{Answer, Ask};
use crate::model::{self, Is, Model, Told};

/// Turns of one run: enough for pools to come, fail, drain and go several times.
const TURNS: u32 = 120;

/// The world's own dice: xorshift64*, apart from the core's generator.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn small(&mut self, sides: u32) -> u32 {
        u32::try_from(self.roll(u64::from(sides))).unwrap()
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let place = self.roll(choices.len() as u64);
        choices[usize::try_from(place).unwrap()].clone()
    }

    fn any<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(self.of(choices)) }
    }
}

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
            default: limits(&mut dice),
            high: limits(&mut dice),
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
        let config = upstream(&mut self.dice);
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
            71..76 => {
                self.connection_ends();
                Ok(())
            }
            76..81 => {
                self.peer_speaks();
                Ok(())
            }
            81..91 => {
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

    /// Births of dialled connections in a state.
    fn births_in(&self, wanted: &[Is]) -> Vec<u64> {
        let conns = self.model.pools.iter().flat_map(model::Pool::open);
        conns.filter(|conn| conn.dialled && wanted.contains(&conn.is())).map(|conn| conn.birth).collect()
    }

    fn protocol_of(&mut self, birth: u64) -> Protocol {
        let pool = self.model.pools.iter().find(|pool| pool.conns.iter().any(|conn| conn.birth == birth));
        match pool.map(|pool| self.model.upstreams[pool.upstream].config.protocols) {
            Some(Protocols::Fixed(protocol)) => protocol,
            Some(Protocols::Mixed) | None => self.dice.of(&[Protocol::H1, Protocol::H2]),
        }
    }

    fn dial_ends(&mut self) {
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
    fn stream_moves(&mut self) {
        let open: Vec<u64> =
            self.streams.iter().filter(|(_, known)| known.on.is_some()).map(|(token, _)| *token).collect();
        let Some(token) = self.dice.any(&open) else { return self.late_stream() };
        let known = self.streams[&token];
        let birth = known.on.expect("filtered");
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
    fn late_stream(&mut self) {
        if let Some(id) = self.dice.any(&self.over) {
            self.group.response_head(self.now, id);
            self.group.stream_ended(self.now, id, StreamEnd::Requeue);
            self.group.cancel(self.now, id);
        }
    }

    fn head(&mut self, token: u64) {
        self.say(|| format!("head {token}"));
        let known = self.streams.get_mut(&token).expect("a known stream");
        known.head = true;
        self.group.response_head(self.now, known.id);
        self.model.response_head(token);
    }

    fn end(&mut self, token: u64, end: StreamEnd) {
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

    fn forget(&mut self, token: u64) {
        if let Some(known) = self.streams.remove(&token) {
            self.over.push(known.id);
        }
    }

    fn cancel(&mut self) {
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

    fn close(&mut self, birth: u64, end: ConnectionEnd) {
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

    fn connection_ends(&mut self) {
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

    fn peer_speaks(&mut self) {
        let births = self.births_in(&[Is::Connecting, Is::Ready, Is::Busy, Is::Draining]);
        let Some(birth) = self.dice.any(&births) else { return };
        match self.dice.roll(5) {
            0 | 1 => self.go_away(birth),
            2 => self.hint(birth),
            _ => {
                let limit = self.dice.of(&[0, 1, 2, 5, 100, u32::MAX]);
                self.say(|| format!("limit {birth} {limit}"));
                self.group.stream_limit_changed(self.now, self.connections[&birth], limit);
                self.model.stream_limit_changed(birth, limit);
            }
        }
    }

    fn go_away(&mut self, birth: u64) {
        self.say(|| format!("go_away {birth}"));
        self.group.go_away(self.now, self.connections[&birth]);
        self.model.go_away(birth);
    }

    fn hint(&mut self, birth: u64) {
        let hint = ms(self.dice.of(&[500, 1_000, 1_020, 5_000]));
        self.say(|| format!("hint {birth} {hint:?}"));
        self.group.keep_alive_hint(self.now, self.connections[&birth], hint);
        self.model.keep_alive_hint(birth, hint);
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
                self.say(|| format!("remove {index}"));
                self.group.remove_upstream(self.now, upstream);
                self.model.remove_upstream(index);
                self.add_upstream();
            }
        }
    }

    fn end_turn(&mut self) -> Result<(), String> {
        self.group.end_turn(self.now);
        let expected = self.model.end_turn();
        let mut told = Vec::new();
        let mut dials = expected.iter().filter_map(|told| match told {
            Told::Connect { birth, .. } => Some(*birth),
            _ => None,
        });
        while let Some(effect) = self.group.poll_effect() {
            if let Effect::Connect { connection, .. } = effect {
                let birth = dials.next().ok_or("more dials than the model makes")?;
                self.births.insert(connection, birth);
                self.connections.insert(birth, connection);
            }
            told.push(self.translate(effect)?);
        }
        self.say(|| format!("  {told:?}"));
        Self::compare_told(&told, &expected)?;
        for told in &told {
            self.follow(told)?;
        }
        while let Some(event) = self.group.poll_event() {
            self.idle_events += u64::from(matches!(event, Event::PoolIdle { .. }));
        }
        self.group.check()?;
        self.compare_state()
    }

    fn translate(&self, effect: Effect) -> Result<Told, String> {
        let birth = |connection: ConnectionId| {
            self.births.get(&connection).copied().ok_or(format!("{effect:?} names a stranger"))
        };
        let upstream = |id: UpstreamId| {
            self.upstreams.iter().position(|known| *known == id).ok_or(format!("{effect:?} names a stranger"))
        };
        Ok(match effect {
            Effect::Connect { connection, upstream: id } => {
                Told::Connect { birth: birth(connection)?, upstream: upstream(id)? }
            }
            Effect::Open { connection, token, stream } => {
                if self.streams.get(&token).is_none_or(|known| known.id != stream || known.on.is_some()) {
                    return Err(format!("5: {effect:?} opens what is over or open"));
                }
                Told::Open { birth: birth(connection)?, token }
            }
            Effect::Fail { token, failure, .. } => model::fail(token, failure.reason, failure.class),
            Effect::Reset { connection, token, .. } => Told::Reset { birth: birth(connection)?, token },
            Effect::Close { connection, reason } => model::close(birth(connection)?, reason),
            Effect::UpstreamGone { upstream: id } => Told::Gone { upstream: upstream(id)? },
        })
    }

    /// Opens, failures and dials in order; the rest in any order.
    fn compare_told(told: &[Told], expected: &[Told]) -> Result<(), String> {
        let ordered = |all: &[Told], wanted: fn(&Told) -> bool| {
            all.iter().filter(|told| wanted(told)).cloned().collect::<Vec<_>>()
        };
        let kinds: [fn(&Told) -> bool; 3] = [
            |told| matches!(told, Told::Open { .. }),
            |told| matches!(told, Told::Fail { .. }),
            |told| matches!(told, Told::Connect { .. }),
        ];
        for kind in kinds {
            let (said, wanted) = (ordered(told, kind), ordered(expected, kind));
            if said != wanted {
                return Err(format!("the core says {said:?}, the model {wanted:?}"));
            }
        }
        let sorted = |all: &[Told]| {
            let mut all = all.to_vec();
            all.sort();
            all
        };
        let (said, wanted) = (sorted(told), sorted(expected));
        if said == wanted { Ok(()) } else { Err(format!("the core says {said:?}, the model {wanted:?}")) }
    }

    /// What the shell knows from now on.
    fn follow(&mut self, told: &Told) -> Result<(), String> {
        match told {
            Told::Open { birth, token } => {
                let known = self.streams.get_mut(token).ok_or("5: an open of an unknown stream")?;
                known.on = Some(*birth);
                known.head = false;
            }
            Told::Fail { token, .. } => {
                if !self.streams.contains_key(token) {
                    return Err(format!("5: {told:?} fails what is over"));
                }
                self.forget(*token);
            }
            Told::Connect { .. } | Told::Reset { .. } | Told::Close { .. } | Told::Gone { .. } => {}
        }
        Ok(())
    }

    fn compare_state(&mut self) -> Result<(), String> {
        for stat in Stat::ALL {
            let (said, wanted) = (self.group.stats().get(*stat), self.model.stat(*stat));
            if said != wanted {
                return Err(format!("{} is {said}, the model says {wanted}", stat.name()));
            }
        }
        let held = |group: &Group, limit, priority| group.limit(limit, priority).current;
        for priority in Priority::ALL {
            for limit in LimitName::COUNTED {
                let (said, wanted) = (held(&self.group, limit, priority), self.model.held(limit, priority));
                if said != wanted {
                    return Err(format!("{} of {priority:?} holds {said}, the model {wanted}", limit.name()));
                }
            }
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            for priority in Priority::ALL {
                for key in [0, 1] {
                    let said = self.group.pool(*upstream, priority, key);
                    let said = said.map(|pool| {
                        (pool.active, pool.pending, pool.capacity, pool.connecting_capacity, pool.connections)
                    });
                    let wanted = self.model.pool_state(index, priority, key);
                    let wanted = wanted.map(|pool| {
                        (pool.active(), pool.pending(), pool.capacity(), pool.connecting(), pool.open().count())
                    });
                    if said != wanted {
                        return Err(format!("pool {index} {priority:?} {key} is {said:?}, the model says {wanted:?}"));
                    }
                }
            }
        }
        if self.idle_events != self.model.idle_events {
            return Err(format!("15: {} idle events, the model has {}", self.idle_events, self.model.idle_events));
        }
        if self.group.next_deadline() != self.model.next_deadline() {
            let (said, wanted) = (self.group.next_deadline(), self.model.next_deadline());
            return Err(format!("14: the deadline is {said:?}, the model says {wanted:?}"));
        }
        // A stream that the core took back silently (cancelled, then cut) is over for the world too.
        let gone: Vec<u64> = self.streams.keys().filter(|token| !self.is_known(**token)).copied().collect();
        for token in gone {
            self.forget(token);
        }
        Ok(())
    }

    fn is_known(&self, token: u64) -> bool {
        let queued = self.model.pools.iter().any(|pool| pool.queue.iter().any(|request| request.token == token));
        queued || self.model.runs_on(token).is_some()
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

fn limits(dice: &mut Dice) -> LimitsConfig {
    LimitsConfig {
        max_connections: dice.of(&[1024, 1024, 0, 1, 2, 4]),
        max_pending_requests: dice.of(&[1024, 1024, 0, 1, 3, 10]),
        max_requests: dice.of(&[1024, 1024, 0, 1, 2, 6]),
        on_max_requests: dice.of(&[OnMaxRequests::Reject, OnMaxRequests::Queue]),
        retries: dice.of(&[RetryLimit::Count(2), RetryLimit::Budget { percent: 50, min_concurrency: 1 }]),
        max_connection_pools: dice.of(&[UNLIMITED, UNLIMITED, 0, 1, 2]),
    }
}

fn upstream(dice: &mut Dice) -> UpstreamConfig {
    let protocols = [
        Protocols::Fixed(Protocol::H1),
        Protocols::Fixed(Protocol::H1),
        Protocols::Fixed(Protocol::H2),
        Protocols::Fixed(Protocol::H3),
        Protocols::Mixed,
    ];
    let remember = !dice.one_in(3);
    UpstreamConfig {
        protocols: dice.of(&protocols),
        connect_timeout: ms(dice.of(&[10, 50, 5_000])),
        queue_timeout: dice.of(&[None, Some(ms(15)), Some(ms(200)), Some(ms(15_000))]),
        idle_timeout: dice.of(&[None, Some(ms(20)), Some(ms(55_000))]),
        max_connection_duration: dice.of(&[None, Some(ms(100))]),
        duration_jitter: Ratio::from_thousandths(dice.of(&[0, 100, 1_000])),
        drain_timeout: dice.of(&[None, Some(ms(30))]),
        max_requests_per_connection: dice.of(&[0, 0, 1, 2, 5]),
        pick: dice.of(&[Pick::LeastLoaded, Pick::MostRecent, Pick::RoundRobin]),
        on_connect_failure: dice.of(&[OnConnectFailure::Uncovered, OnConnectFailure::All]),
        on_cancel: dice.of(&[OnCancel::Keep, OnCancel::CloseExcess]),
        backoff: BackoffConfig { base: ms(dice.of(&[0, 5, 25])), max: ms(250) },
        preconnect_ratio: Ratio::from_thousandths(dice.of(&[1_000, 1_000, 1_500, 3_000])),
        predictive_preconnect_ratio: Ratio::from_thousandths(dice.of(&[0, 1_100, 3_000])),
        replay: dice.of(&[ReplayPolicy::Idempotent, ReplayPolicy::Unprocessed, ReplayPolicy::None]),
        h2: H2Config {
            max_concurrent_streams: dice.of(&[1, 3, 100]),
            pre_settings_streams: dice.of(&[None, Some(2)]),
            remember,
        },
        h3: H3Config { max_concurrent_streams: dice.of(&[1, 3, 100]), early_data: false, migrates: false },
        memory: dice.of(&[OriginMemory::default(), OriginMemory { h1: true, stream_limit: Some(2) }]),
    }
}
