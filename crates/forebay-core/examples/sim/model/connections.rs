//! The model's connections: handshakes, limits, ends, retirement.

use std::time::Duration;

use forebay_core::{
    Class, CloseReason, ConnectFailureReason, Connected, FailureReason, OnConnectFailure, Protocol, Stat,
    UpstreamConfig,
};

use super::{Is, Model, close};

pub fn lifetime(protocol: Option<Protocol>, config: &UpstreamConfig) -> i64 {
    match (config.max_requests_per_connection, protocol) {
        (0, Some(Protocol::H1)) => i64::from(u32::MAX),
        (0, _) => 1 << 29,
        (most, _) => i64::from(most),
    }
}

pub fn concurrent(protocol: Option<Protocol>, config: &UpstreamConfig) -> i64 {
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
    pub(super) fn alive(&self, birth: u64) -> Option<u64> {
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
        let chosen = conn.protocol.is_none();
        if chosen {
            conn.protocol = Some(connected.protocol);
            conn.remaining = lifetime(conn.protocol, &config);
            conn.concurrent = concurrent(conn.protocol, &config);
        }
        let protocol = conn.protocol.expect("just set");
        if chosen {
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

    /// The handshake is done, SETTINGS are awaited.
    pub fn shaken(&mut self, birth: u64) {
        if let Some(conn) = self.conn(birth).filter(|conn| !conn.connected) {
            conn.connect = None;
        }
    }

    pub(super) fn limited(&mut self, birth: u64, limit: u32) {
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

    pub(super) fn failed(
        &mut self,
        birth: u64,
        by_us: Option<CloseReason>,
        remote: bool,
        reason: FailureReason,
        class: Class,
    ) {
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
    pub(super) fn forget(&mut self, birth: u64) {
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

    pub(super) fn rest(&mut self, birth: u64) {
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

    pub(super) fn retire(&mut self, birth: u64) -> bool {
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

    pub fn drain_connection(&mut self, birth: u64) {
        let Some(pool) = self.alive(birth) else { return };
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
}
