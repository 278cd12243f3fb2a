//! The model's connections and pools: growth, handshakes, ends, drains, time.

use std::time::Duration;

use forebay_core::{
    Ahead, Class, CloseReason, ConnectFailureReason, Connected, DrainMode, FailureReason, Gate, Health, Instant,
    LimitName, OnConnectFailure, Priority, Protocol, Protocols, Stat, UpstreamConfig,
};

use super::{Conn, Is, Model, Pool, Told, close};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grown {
    Created,
    AtLeastOne,
    Unwanted,
    Shed,
    Undialable,
    Backoff,
    Limit,
}

#[derive(Clone, Copy)]
enum Want {
    Present,
    Next(Ahead),
    Ordered,
}

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    Connect(u64),
    Duration(u64),
    Idle(u64),
    Drain(u64),
    Queue(u64),
    Backoff(u64),
}

/// Which pools a command is about.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    All,
    Of(usize),
}

fn lifetime(protocol: Option<Protocol>, config: &UpstreamConfig) -> i64 {
    match (config.max_requests_per_connection, protocol) {
        (0, Some(Protocol::H1)) => i64::from(u32::MAX),
        (0, _) => 1 << 29,
        (most, _) => i64::from(most),
    }
}

fn concurrent(protocol: Option<Protocol>, config: &UpstreamConfig) -> i64 {
    let remembered = i64::from(config.memory.stream_limit.filter(|limit| *limit > 0).unwrap_or(u32::MAX));
    match protocol {
        Some(Protocol::H1) => 1,
        Some(Protocol::H2) => {
            let before = i64::from(config.h2.pre_settings_streams.unwrap_or(u32::MAX));
            i64::from(config.h2.max_concurrent_streams).min(remembered).min(before)
        }
        Some(Protocol::H3) => i64::from(config.h3.max_concurrent_streams),
        None if config.memory.h1 => 1,
        None => remembered.min(1_024).min(lifetime(None, config)),
    }
}

impl Model {
    pub(super) fn pool_for(&mut self, upstream: usize, priority: Priority, key: u64) -> Result<u64, FailureReason> {
        if let Some(pool) = self.pool_state(upstream, priority, key) {
            return Ok(pool.number);
        }
        if !self.has_room(LimitName::MaxConnectionPools, priority) {
            let same = |pool: &&Pool| {
                pool.upstream == upstream && pool.priority == priority && !pool.deleting && !pool.has_work()
            };
            let spare = self.pools.iter().filter(same).min_by_key(|pool| pool.key).map(|pool| pool.number);
            if let Some(spare) = spare {
                self.destroy_pool(spare);
            }
            if spare.is_none() || !self.has_room(LimitName::MaxConnectionPools, priority) {
                self.count(Stat::CxPoolOverflow);
                return Err(FailureReason::Overflow(LimitName::MaxConnectionPools));
            }
        }
        let (failures, until) = self.upstreams[upstream].lost.remove(&(priority, key)).unwrap_or_default();
        self.pool_numbers += 1;
        self.pools.push(Pool {
            number: self.pool_numbers,
            upstream,
            priority,
            key,
            queue: Vec::new(),
            conns: Vec::new(),
            failures,
            until,
            backoff: None,
            deleting: false,
            gained: false,
            awaits: false,
            ranks: 0,
        });
        Ok(self.pool_numbers)
    }

    pub(super) fn grow(&mut self, pool: u64) -> Grown {
        for _ in 0..3 {
            let grown = self.create_if(pool, Want::Present);
            if grown != Grown::Created {
                return grown;
            }
        }
        Grown::Created
    }

    pub(super) fn grow_if_waiting(&mut self, pool: u64) {
        if !self.pool_ref(pool).queue.is_empty() {
            self.replace(pool);
        }
    }

    fn replace(&mut self, pool: u64) {
        if self.grow(pool) == Grown::Undialable && self.pool_ref(pool).open().next().is_none() {
            self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
        }
    }

    fn wants(&self, pool: u64, want: Want) -> bool {
        let found = self.pool_ref(pool);
        if found.deleting {
            return !found.queue.is_empty() && found.open().next().is_none();
        }
        let upstream = &self.upstreams[found.upstream];
        let healthy = upstream.health == Health::Healthy;
        let demand = |pools: &[&Pool], ahead: i64, ratio: forebay_core::Ratio| {
            let sum = |of: fn(&Pool) -> i64| pools.iter().map(|pool| of(pool)).sum::<i64>();
            let streams = sum(Pool::pending) + sum(Pool::active) + ahead;
            streams * i64::from(ratio.thousandths()) > (sum(Pool::free) + sum(Pool::active)) * 1_000
        };
        let predictive = upstream.config.predictive_preconnect_ratio;
        match want {
            Want::Present if healthy => demand(&[found], 0, upstream.config.preconnect_ratio),
            Want::Present => found.pending() > found.connecting(),
            Want::Next(Ahead::OfPool) => healthy && demand(&[found], 1, predictive),
            Want::Next(Ahead::OfGroup) => {
                let row: Vec<&Pool> = self.pools.iter().filter(|pool| pool.priority == found.priority).collect();
                healthy && demand(&row, 1, predictive)
            }
            Want::Ordered => healthy,
        }
    }

    fn create_if(&mut self, pool: u64, want: Want) -> Grown {
        let upstream_index = self.pool_ref(pool).upstream;
        let upstream = &self.upstreams[upstream_index];
        if upstream.gate == Gate::Shut || !self.wants(pool, want) {
            return Grown::Unwanted;
        }
        if self.shed {
            return Grown::Shed;
        }
        if !upstream.dialable {
            return Grown::Undialable;
        }
        if let Some(until) = self.pool_ref(pool).until.filter(|until| *until > self.now) {
            if self.pool_ref(pool).backoff.is_none() {
                let timer = self.arm(until - self.now);
                self.pool(pool).backoff = timer;
            }
            return Grown::Backoff;
        }
        let priority = self.pool_ref(pool).priority;
        let of_host: usize =
            self.pools.iter().filter(|found| found.upstream == upstream_index).map(|found| found.open().count()).sum();
        let room = of_host < self.config.per_host.max_connections as usize
            && self.has_room(LimitName::MaxConnections, priority);
        if !room {
            self.count(Stat::CxOverflow);
            if self.pool_ref(pool).open().next().is_some() {
                return Grown::Limit;
            }
        }
        self.create(pool);
        if room { Grown::Created } else { Grown::AtLeastOne }
    }

    fn create(&mut self, pool: u64) {
        self.births += 1;
        let config = self.config_of(pool).clone();
        let upstream = self.pool_ref(pool).upstream;
        let protocol = match config.protocols {
            Protocols::Fixed(protocol) => Some(protocol),
            Protocols::Mixed => None,
        };
        let connect = self.arm(config.connect_timeout);
        let birth = self.births;
        self.pool(pool).conns.push(Conn {
            birth,
            protocol,
            dialled: false,
            connected: false,
            draining: false,
            closed: false,
            remaining: lifetime(protocol, &config),
            concurrent: concurrent(protocol, &config),
            credit: if protocol == Some(Protocol::H3) { 100 } else { i64::from(u32::MAX) },
            runs: Vec::new(),
            served: 0,
            heads: 0,
            blamed: false,
            notified: false,
            hint: None,
            rank: None,
            connect,
            duration: None,
            idle: None,
            drain: None,
        });
        self.count(Stat::CxTotal);
        self.told.push(Told::Connect { birth, upstream });
    }

    fn pool_ahead(&mut self, upstream: usize, priority: Priority) -> Option<u64> {
        let found = &self.upstreams[upstream];
        if found.removed || found.gate == Gate::Shut {
            return None;
        }
        self.pool_for(upstream, priority, 0).ok()
    }

    pub fn preconnect(&mut self, upstream: usize, priority: Priority, ahead: Ahead) -> bool {
        let Some(pool) = self.pool_ahead(upstream, priority) else { return false };
        matches!(self.create_if(pool, Want::Next(ahead)), Grown::Created | Grown::AtLeastOne)
    }

    pub fn warm(&mut self, upstream: usize, priority: Priority, count: u32) -> u32 {
        let Some(pool) = self.pool_ahead(upstream, priority) else { return 0 };
        let living = self.pool_ref(pool).open().filter(|conn| !conn.draining).count();
        let mut begun = 0;
        while living + (begun as usize) < count as usize {
            match self.create_if(pool, Want::Ordered) {
                Grown::Created => begun += 1,
                Grown::AtLeastOne => return begun + 1,
                _ => break,
            }
        }
        begun
    }

    fn alive(&self, birth: u64) -> Option<u64> {
        let pool = self.pool_of(birth)?;
        self.conn_ref(birth).filter(|conn| !conn.closed).map(|_| pool)
    }

    pub fn connected(&mut self, birth: u64, connected: Connected) {
        let Some(pool) = self.alive(birth) else { return };
        if self.conn_ref(birth).is_some_and(|conn| conn.connected) {
            return;
        }
        let upstream = self.pool_ref(pool).upstream;
        let config = self.upstreams[upstream].config.clone();
        let conn = self.conn(birth).expect("alive");
        conn.connect = None;
        conn.connected = true;
        if conn.protocol.is_none() {
            conn.protocol = Some(connected.protocol);
            conn.remaining = lifetime(conn.protocol, &config);
            conn.concurrent = concurrent(conn.protocol, &config);
        }
        let protocol = conn.protocol.expect("just set");
        if config.protocols == Protocols::Mixed {
            self.upstreams[upstream].config.memory.h1 = protocol == Protocol::H1;
        }
        if let Some(limit) = connected.stream_limit {
            self.limited(birth, limit);
        }
        self.count(match protocol {
            Protocol::H1 => Stat::CxHttp1Total,
            Protocol::H2 => Stat::CxHttp2Total,
            Protocol::H3 => Stat::CxHttp3Total,
        });
        if let Some(duration) = config.max_connection_duration {
            let jitter = config.duration_jitter.thousandths().min(1_000);
            let length = self.between(duration * (1_000 - jitter) / 1_000, duration);
            let timer = self.arm(length);
            self.conn(birth).expect("alive").duration = timer;
        }
        self.settle(birth, false);
        if self.conn_ref(birth).is_some_and(|conn| conn.concurrent == 0) {
            self.blame(birth);
        }
        self.rest(birth);
        self.gain(pool);
    }

    fn limited(&mut self, birth: u64, limit: u32) {
        let pool = self.pool_of(birth).expect("alive");
        let upstream = self.pool_ref(pool).upstream;
        let config = &mut self.upstreams[upstream].config;
        let (most, remember) = (config.h2.max_concurrent_streams, config.h2.remember);
        let conn = self.conn(birth).expect("alive");
        match conn.protocol {
            Some(Protocol::H2) => {
                conn.concurrent = i64::from(limit.min(most));
                if remember {
                    self.upstreams[upstream].config.memory.stream_limit = Some(limit);
                }
            }
            Some(Protocol::H3) => conn.credit = i64::from(limit),
            Some(Protocol::H1) | None => {}
        }
    }

    pub fn stream_limit_changed(&mut self, birth: u64, limit: u32) {
        let Some(pool) = self.alive(birth) else { return };
        let usable = |model: &Self| model.conn_ref(birth).expect("alive").usable();
        let before = usable(self);
        self.limited(birth, limit);
        let after = usable(self);
        self.settle(birth, false);
        if self.conn_ref(birth).is_some_and(|conn| conn.concurrent == 0) {
            self.blame(birth);
        }
        if after > before {
            self.gain(pool);
        } else if after < before {
            self.grow_if_waiting(pool);
        }
    }

    pub fn connect_failed(&mut self, birth: u64, reason: ConnectFailureReason, class: Class) {
        if self.alive(birth).is_none() || self.conn_ref(birth).is_some_and(|conn| conn.connected) {
            return;
        }
        let (reason, remote) = match reason {
            ConnectFailureReason::Timeout => (FailureReason::Timeout, false),
            ConnectFailureReason::Remote => (FailureReason::RemoteConnectionFailure, true),
            ConnectFailureReason::Local => (FailureReason::LocalConnectionFailure, false),
        };
        self.failed(birth, None, remote, reason, class);
    }

    fn failed(&mut self, birth: u64, by_us: Option<CloseReason>, remote: bool, reason: FailureReason, class: Class) {
        let pool = self.pool_of(birth).expect("alive");
        self.count(Stat::CxConnectFail);
        if reason == FailureReason::Timeout {
            self.count(Stat::CxConnectTimeout);
        }
        self.blame(birth);
        self.close(birth, by_us, remote);
        let found = self.pool_ref(pool);
        let any = |is: &[Is]| found.open().any(|conn| is.contains(&conn.is()));
        let keep = match self.config_of(pool).on_connect_failure {
            OnConnectFailure::All => 0,
            OnConnectFailure::Uncovered if found.failures >= 3 || !any(&[Is::Connecting, Is::Ready, Is::Busy]) => 0,
            OnConnectFailure::Uncovered if any(&[Is::Ready, Is::Busy]) => i64::MAX,
            OnConnectFailure::Uncovered => found.connecting(),
        };
        self.purge(pool, keep, reason, class, true);
        self.replace(pool);
    }

    pub fn connection_closed(&mut self, birth: u64, remote: bool, protocol_error: bool) {
        let Some(pool) = self.alive(birth) else { return };
        if protocol_error {
            self.count(Stat::CxProtocolError);
        }
        if self.conn_ref(birth).is_some_and(|conn| !conn.connected) {
            let reason =
                if remote { FailureReason::RemoteConnectionFailure } else { FailureReason::LocalConnectionFailure };
            self.failed(birth, None, remote, reason, Class::Unprocessed);
            return;
        }
        if remote {
            self.blame(birth);
        }
        self.close(birth, None, remote);
        self.grow_if_waiting(pool);
    }

    pub(super) fn close(&mut self, birth: u64, by_us: Option<CloseReason>, remote: bool) {
        let conn = self.conn(birth).expect("a living connection");
        assert!(!conn.closed, "closed is final");
        conn.closed = true;
        conn.rank = None;
        (conn.connect, conn.duration, conn.idle, conn.drain) = (None, None, None, None);
        let (active, dialled) = (!conn.runs.is_empty(), conn.dialled);
        self.count(Stat::CxDestroy);
        self.count(if remote { Stat::CxDestroyRemote } else { Stat::CxDestroyLocal });
        if active {
            self.count(Stat::CxDestroyWithActiveRq);
            self.count(if remote { Stat::CxDestroyRemoteWithActiveRq } else { Stat::CxDestroyLocalWithActiveRq });
            self.severed.push(birth);
        }
        if let Some(reason) = by_us.filter(|_| dialled) {
            self.told.push(close(birth, reason));
        }
        self.forget(birth);
    }

    /// A closed connection goes with its last stream.
    fn forget(&mut self, birth: u64) {
        for pool in &mut self.pools {
            pool.conns.retain(|conn| conn.birth != birth || !conn.closed || !conn.runs.is_empty());
        }
    }

    pub(super) fn relieved(&mut self, birth: u64) {
        let Some(pool) = self.pool_of(birth) else { return };
        let conn = self.conn_ref(birth).expect("found above");
        match conn.is() {
            Is::Closed => self.forget(birth),
            Is::Draining if conn.runs.is_empty() => {
                self.close(birth, Some(CloseReason::Drained), false);
                self.grow_if_waiting(pool);
            }
            _ => {
                let idle = conn.runs.is_empty();
                self.settle(birth, false);
                if idle {
                    self.rest(birth);
                }
                self.gain(pool);
            }
        }
    }

    pub(super) fn cut(&mut self, birth: u64, reason: FailureReason) {
        while let Some(token) = self.conn_ref(birth).and_then(|conn| conn.runs.last()).map(|run| run.request.token) {
            let pool = self.pool_of(birth).expect("found above");
            let run = self.detach(birth, token);
            self.relieved(birth);
            if run.cancelled {
                continue;
            }
            if run.opened {
                let class = if run.head { Class::Never } else { Class::Maybe };
                self.run_failed(pool, run, reason, class, true);
            } else {
                self.requeue(pool, run);
            }
        }
    }

    fn rest(&mut self, birth: u64) {
        let pool = self.pool_of(birth).expect("a living connection");
        let configured = self.config_of(pool).idle_timeout;
        let conn = self.conn_ref(birth).expect("found above");
        if !conn.connected || conn.draining || conn.closed {
            return;
        }
        let timeout = [configured, conn.hint].into_iter().flatten().min();
        let timer = timeout.and_then(|timeout| self.arm(timeout));
        self.conn(birth).expect("found above").idle = timer;
    }

    fn retire(&mut self, birth: u64) -> bool {
        let pool = self.pool_of(birth).expect("a living connection");
        let drain_timeout = self.config_of(pool).drain_timeout;
        let conn = self.conn(birth).expect("found above");
        if matches!(conn.is(), Is::Connecting | Is::Draining | Is::Closed) {
            return false;
        }
        conn.draining = true;
        conn.idle = None;
        let idle = conn.runs.is_empty();
        self.settle(birth, false);
        if idle {
            self.close(birth, Some(CloseReason::Drained), false);
        } else {
            let timer = drain_timeout.and_then(|timeout| self.arm(timeout));
            self.conn(birth).expect("found above").drain = timer;
        }
        true
    }

    pub fn go_away(&mut self, birth: u64) {
        let Some(pool) = self.alive(birth) else { return };
        let conn = self.conn(birth).expect("alive");
        let connecting = conn.is() == Is::Connecting;
        if !std::mem::replace(&mut conn.notified, true) {
            self.count(Stat::CxCloseNotify);
        }
        if connecting {
            self.failed(birth, None, true, FailureReason::RemoteConnectionFailure, Class::Unprocessed);
            return;
        }
        self.blame(birth);
        if self.retire(birth) {
            self.replace(pool);
        }
    }

    pub fn keep_alive_hint(&mut self, birth: u64, hint: Duration) {
        let Some(pool) = self.alive(birth) else { return };
        if self.conn_ref(birth).is_some_and(|conn| !conn.connected || !conn.is_h1()) {
            return;
        }
        if hint <= Duration::from_secs(1) {
            self.retire(birth);
            self.grow_if_waiting(pool);
            return;
        }
        let conn = self.conn(birth).expect("alive");
        conn.hint = Some(hint.saturating_sub(Duration::from_secs(1)));
        if conn.runs.is_empty() && !conn.draining {
            self.rest(birth);
        }
    }

    pub(super) fn due(&self) -> Option<(Instant, u64, u64)> {
        self.timers().into_iter().map(|((at, number), _)| (at, number, 0)).min()
    }

    fn timers(&self) -> Vec<((Instant, u64), Due)> {
        let mut timers = Vec::new();
        for pool in &self.pools {
            timers.extend(pool.backoff.map(|timer| (timer, Due::Backoff(pool.number))));
            for request in &pool.queue {
                timers.extend(request.timer.map(|timer| (timer, Due::Queue(request.token))));
            }
            for conn in &pool.conns {
                timers.extend(conn.connect.map(|timer| (timer, Due::Connect(conn.birth))));
                timers.extend(conn.duration.map(|timer| (timer, Due::Duration(conn.birth))));
                timers.extend(conn.idle.map(|timer| (timer, Due::Idle(conn.birth))));
                timers.extend(conn.drain.map(|timer| (timer, Due::Drain(conn.birth))));
            }
        }
        timers
    }

    pub fn timeout(&mut self) {
        while let Some((_, due)) =
            self.timers().into_iter().filter(|((at, _), _)| *at <= self.now).min_by_key(|(timer, _)| *timer)
        {
            match due {
                Due::Connect(birth) => {
                    self.failed(
                        birth,
                        Some(CloseReason::ConnectTimeout),
                        false,
                        FailureReason::Timeout,
                        Class::Unprocessed,
                    );
                }
                Due::Idle(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    self.count(Stat::CxIdleTimeout);
                    self.close(birth, Some(CloseReason::IdleTimeout), false);
                    self.grow_if_waiting(pool);
                }
                Due::Duration(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    let conn = self.conn(birth).expect("alive");
                    conn.duration = None;
                    if !conn.draining {
                        self.count(Stat::CxMaxDurationReached);
                        self.retire(birth);
                        self.replace(pool);
                    }
                }
                Due::Drain(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    self.close(birth, Some(CloseReason::DrainTimeout), false);
                    self.cut(birth, FailureReason::ConnectionTermination);
                    self.grow_if_waiting(pool);
                }
                Due::Queue(token) => self.queued_too_long(token),
                Due::Backoff(pool) => {
                    self.pool(pool).backoff = None;
                    self.grow_if_waiting(pool);
                }
            }
        }
    }

    fn numbers(&self, which: Which) -> Vec<u64> {
        let of = |pool: &&Pool| match which {
            Which::All => true,
            Which::Of(upstream) => pool.upstream == upstream,
        };
        self.pools.iter().filter(of).map(|pool| pool.number).collect()
    }

    pub fn drain(&mut self, which: Which, mode: DrainMode) {
        for pool in self.numbers(which) {
            match mode {
                DrainMode::Existing | DrainMode::ExistingNonMigratable => self.drain_existing(pool),
                DrainMode::Delete => {
                    self.pool(pool).deleting = true;
                    self.grow_if_waiting(pool);
                    self.close_idle(pool);
                }
            }
        }
    }

    fn drain_existing(&mut self, pool: u64) {
        let waiting = !self.pool_ref(pool).queue.is_empty();
        let births: Vec<u64> = self.pool_ref(pool).open().map(|conn| conn.birth).collect();
        for birth in births {
            let connecting = self.conn_ref(birth).is_some_and(|conn| conn.is() == Is::Connecting);
            if !connecting {
                self.retire(birth);
            } else if !waiting {
                self.close(birth, Some(CloseReason::Drained), false);
            }
        }
        self.replace(pool);
    }

    /// What is over at the end of the turn: idle connections of deleting pools, and pools without anything.
    pub(super) fn tidy(&mut self) {
        for pool in self.numbers(Which::All) {
            if self.pool_ref(pool).deleting {
                self.close_idle(pool);
            }
            let found = self.pool_ref(pool);
            if found.queue.is_empty() && found.conns.is_empty() {
                self.idle_events += 1;
                self.remove_pool(pool);
            }
        }
    }

    fn close_idle(&mut self, pool: u64) {
        let found = self.pool_ref(pool);
        if found.queue.is_empty() {
            let idle: Vec<u64> = found.open().filter(|conn| conn.runs.is_empty()).map(|conn| conn.birth).collect();
            for birth in idle {
                self.close(birth, Some(CloseReason::Drained), false);
            }
        }
    }

    fn remove_pool(&mut self, number: u64) {
        let place = self.pools.iter().position(|pool| pool.number == number).expect("a living pool");
        let pool = self.pools.remove(place);
        let upstream = &mut self.upstreams[pool.upstream];
        if !pool.deleting && pool.failures > 0 {
            upstream.lost.insert((pool.priority, pool.key), (pool.failures, pool.until));
        }
        self.forget_upstream(pool.upstream);
    }

    fn forget_upstream(&mut self, index: usize) {
        let upstream = &mut self.upstreams[index];
        if upstream.removed && !upstream.gone && !self.pools.iter().any(|pool| pool.upstream == index) {
            upstream.gone = true;
            self.told.push(Told::Gone { upstream: index });
        }
    }

    pub fn remove_upstream(&mut self, index: usize) {
        if self.upstreams[index].gone {
            return;
        }
        self.upstreams[index].removed = true;
        self.drain(Which::Of(index), DrainMode::Delete);
        self.forget_upstream(index);
    }

    pub fn destroy(&mut self, which: Which) {
        for pool in self.numbers(which) {
            self.destroy_pool(pool);
        }
    }

    fn destroy_pool(&mut self, pool: u64) {
        self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
        let (closed, open): (Vec<&Conn>, Vec<&Conn>) = self.pool_ref(pool).conns.iter().partition(|conn| conn.closed);
        let mut closed: Vec<u64> = closed.into_iter().map(|conn| conn.birth).collect();
        closed.sort_by_key(|birth| self.severed.iter().position(|severed| severed == birth));
        let open: Vec<u64> = open.into_iter().map(|conn| conn.birth).collect();
        for birth in open {
            self.close(birth, Some(CloseReason::Destroyed), false);
            self.fail_all(birth);
        }
        for birth in closed {
            self.fail_all(birth);
        }
        self.remove_pool(pool);
    }

    fn fail_all(&mut self, birth: u64) {
        let Some(conn) = self.conn(birth) else { return };
        for run in std::mem::take(&mut conn.runs).into_iter().rev().filter(|run| !run.cancelled) {
            let class = match (run.head, run.opened) {
                (true, _) => Class::Never,
                (false, true) => Class::Maybe,
                (false, false) => Class::Unprocessed,
            };
            self.failing.push((run.request.token, false));
            self.told.push(super::fail(run.request.token, FailureReason::LocalConnectionFailure, class));
        }
        self.forget(birth);
    }

    pub fn gate(&mut self, upstream: usize, gate: Gate) {
        if self.upstreams[upstream].gone {
            return;
        }
        self.upstreams[upstream].gate = gate;
        if gate == Gate::Shut {
            for pool in self.numbers(Which::Of(upstream)) {
                self.purge(pool, 0, FailureReason::GateShut, Class::Unprocessed, false);
            }
        }
    }

    pub fn shed(&mut self, shut: bool) {
        let opens = std::mem::replace(&mut self.shed, shut) && !shut;
        if opens {
            for pool in self.numbers(Which::All) {
                self.grow_if_waiting(pool);
            }
        }
    }

    pub fn dialable(&mut self, upstream: usize, dialable: bool) {
        if self.upstreams[upstream].gone {
            return;
        }
        self.upstreams[upstream].dialable = dialable;
        for pool in self.numbers(Which::Of(upstream)) {
            if dialable {
                self.grow_if_waiting(pool);
            } else if self.pool_ref(pool).open().next().is_none() {
                self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
            }
        }
    }
}
