//! A driver on a reactor, a sink that remembers, and short words for both.
#![allow(
    dead_code,
    clippy::struct_excessive_bools,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "shared by test programs, each uses a part"
)]

pub(crate) mod http2;
pub(crate) mod http3;
pub(crate) mod trial;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_core::{GroupConfig, Priority, Stat, UpstreamConfig};
use forebay_reactor::{Clock, ManualClock, Reactor};
use forebay_transport::config::{Http2Config, Http3Config};
use forebay_transport::error::{Code, Failure};
use forebay_transport::request::{Aim, Content, Submission};
use forebay_transport::sink::{Connected, ConnectionNumber, Head, PoolId, RequestId, Sink};
use forebay_transport::tls::{Tls, TlsOptions};
use forebay_transport::{Driver, PoolConfig};
use http::{HeaderMap, StatusCode};

/// The longest that a test waits for what must come, in real time. A guess: the longest take 1 s of a processor that many may share.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Names and values.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    /// The phrase, where it is not the usual one.
    pub(crate) reason: Option<Bytes>,
    pub(crate) fields: Fields,
    pub(crate) connection: ConnectionNumber,
    pub(crate) reused: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) failure: Option<Failure>,
    /// Terminal calls: must become 1.
    pub(crate) endings: u32,
    pub(crate) trailers: Fields,
    /// 1xx, with their fields.
    pub(crate) informational: Vec<(u16, Fields)>,
    /// Bytes of a produced body that were told as taken.
    pub(crate) taken: u64,
    pub(crate) stopped: bool,
    pub(crate) tunnel: bool,
    pub(crate) peer_ended: bool,
    /// Attempts that failed before this answer.
    pub(crate) replayed: Vec<(Code, Option<ConnectionNumber>, Duration)>,
    /// Of a retry: whether it was granted.
    pub(crate) granted: Option<bool>,
}

impl Answer {
    pub(crate) fn code(&self) -> Option<Code> {
        self.failure.as_ref().map(|f| f.code)
    }
}

/// A sink that remembers everything.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) answers: RefCell<BTreeMap<RequestId, Answer>>,
    pub(crate) connected: RefCell<Vec<Connected>>,
    pub(crate) disconnected: RefCell<Vec<(ConnectionNumber, Option<Code>)>>,
    pub(crate) closed: RefCell<Vec<PoolId>>,
    pub(crate) data_calls: RefCell<u32>,
    /// The call that panics, once, after it has noted what it was told.
    pub(crate) panic_in: Cell<Option<&'static str>>,
}

impl Memory {
    fn edit(&self, id: RequestId, edit: impl FnOnce(&mut Answer)) {
        let mut answers = self.answers.borrow_mut();
        let answer = answers.entry(id).or_default();
        assert_eq!(answer.endings, 0, "request {id} had ended");
        edit(answer);
    }

    fn maybe_panic(&self, call: &'static str) {
        if self.panic_in.get() == Some(call) {
            self.panic_in.set(None);
            panic!("the sink panics in `{call}`, as the test wants");
        }
    }
}

fn pairs(fields: &HeaderMap) -> Fields {
    fields.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect()
}

fn head_into(answer: &mut Answer, head: &Head) {
    assert_eq!(answer.status, None, "one head");
    answer.status = Some(head.status.as_u16());
    answer.reason.clone_from(&head.reason);
    answer.fields = pairs(&head.fields);
    answer.tunnel = head.tunnel;
    answer.connection = head.connection;
    answer.reused = head.reused;
}

impl Sink for Memory {
    fn connected(&self, _: PoolId, connected: &Connected) {
        self.connected.borrow_mut().push(connected.clone());
    }
    fn disconnected(&self, _: PoolId, connection: ConnectionNumber, fault: Option<Code>) {
        self.disconnected.borrow_mut().push((connection, fault));
    }
    fn response(&self, request: RequestId, head: &Head, body: &[Bytes]) {
        self.edit(request, |a| {
            head_into(a, head);
            a.body = body.concat();
            a.endings += 1;
        });
        self.maybe_panic("response");
    }
    fn head(&self, request: RequestId, head: &Head) {
        self.edit(request, |a| head_into(a, head));
        self.maybe_panic("head");
    }
    fn data(&self, request: RequestId, part: Bytes) {
        *self.data_calls.borrow_mut() += 1;
        self.edit(request, |a| a.body.extend_from_slice(&part));
        self.maybe_panic("data");
    }
    fn end(&self, request: RequestId, trailers: Option<&HeaderMap>) {
        self.edit(request, |a| {
            a.endings += 1;
            a.trailers = trailers.map(pairs).unwrap_or_default();
        });
        self.maybe_panic("end");
    }
    fn fail(&self, request: RequestId, failure: &Failure, _: Option<(ConnectionNumber, bool)>) {
        self.edit(request, |a| {
            a.failure = Some(failure.clone());
            a.endings += 1;
        });
        self.maybe_panic("fail");
    }
    fn taken(&self, request: RequestId, bytes: u32) {
        self.edit(request, |a| a.taken += u64::from(bytes));
    }
    fn stopped(&self, request: RequestId) {
        self.edit(request, |a| {
            assert!(!a.stopped, "told once");
            a.stopped = true;
        });
    }
    fn informational(&self, request: RequestId, status: StatusCode, fields: &HeaderMap) {
        self.edit(request, |a| {
            assert_eq!(a.status, None, "before the head");
            a.informational.push((status.as_u16(), pairs(fields)));
        });
    }
    fn peer_ended(&self, request: RequestId) {
        self.edit(request, |a| {
            assert!(a.tunnel && !a.peer_ended, "of a tunnel, once");
            a.peer_ended = true;
        });
    }
    fn replayed(&self, request: RequestId, code: Code, via: Option<ConnectionNumber>, time: Duration) {
        self.edit(request, |a| a.replayed.push((code, via, time)));
    }
    fn retry(&self, request: RequestId, granted: bool) {
        self.edit(request, |a| {
            assert!(a.granted.is_none() && a.status.is_none(), "the first word");
            a.granted = Some(granted);
            a.endings += u32::from(!granted);
        });
    }
    fn pool_closed(&self, pool: PoolId) {
        self.closed.borrow_mut().push(pool);
    }
}

/// A driver with one pool, number 1.
pub(crate) struct World {
    pub(crate) reactor: Reactor,
    pub(crate) driver: Driver,
    pub(crate) sink: Rc<Memory>,
    pub(crate) clock: Option<ManualClock>,
    next: RequestId,
}

impl World {
    /// On the system's clock.
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self::on(Clock::System, None, config)
    }

    /// On a clock that the test advances.
    pub(crate) fn with_clock(config: PoolConfig) -> Self {
        let clock = ManualClock::new();
        Self::on(Clock::Settable(clock.clone()), Some(clock), config)
    }

    fn on(clock: Clock, manual: Option<ManualClock>, config: PoolConfig) -> Self {
        let reactor = Reactor::new(clock).unwrap();
        let sink = Rc::new(Memory::default());
        let driver = Driver::new(reactor.handle(), sink.clone());
        driver.add_pool(1, config, 7);
        Self { reactor, driver, sink, clock: manual, next: 0 }
    }

    pub(crate) fn submit(&mut self, change: impl FnOnce(&mut Submission)) -> RequestId {
        let id = self.next;
        self.next += 1;
        let mut submission = Submission {
            id,
            pool: 1,
            method: Bytes::from_static(b"GET"),
            path: Bytes::from_static(b"/"),
            fields: Bytes::new(),
            body: Content::None,
            aim: Aim::Exchange,
            expect: false,
            informational: false,
            timeouts: None,
            retry: None,
            priority: Priority::Default,
            idempotent: true,
            credit: 1 << 20,
        };
        change(&mut submission);
        self.driver.request(submission);
        id
    }

    pub(crate) fn get(&mut self, path: &str) -> RequestId {
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.submit(|s| s.path = path)
    }

    pub(crate) fn post(&mut self, path: &str, body: Vec<u8>) -> RequestId {
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.submit(|s| {
            s.path = path;
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Whole(body.into());
            s.idempotent = false;
        })
    }

    /// A POST with a body that is produced.
    pub(crate) fn upload(&mut self, path: &str, length: Option<u64>) -> RequestId {
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.submit(|s| {
            s.path = path;
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Stream(length);
            s.idempotent = false;
        })
    }

    /// The producer gives a part.
    pub(crate) fn give(&self, id: RequestId, part: impl Into<Bytes>) {
        self.driver.body(id, part.into(), false, b"");
    }

    /// The producer says that the body is whole.
    pub(crate) fn give_end(&self, id: RequestId) {
        self.driver.body(id, Bytes::new(), true, b"");
    }

    /// The producer gives `length` bytes of the pattern, within a window of `window` bytes; gives up when it is told to stop.
    pub(crate) fn give_pattern(&self, id: RequestId, length: u64, window: u64) {
        let mut given = 0;
        while given < length {
            let now = self.so_far(id);
            let room = (window - (given - now.taken)).min(length - given).min(60_000);
            if now.stopped || now.endings > 0 {
                return;
            }
            if room > 0 {
                let mut part = Vec::new();
                forebay_testkit::pattern::extend(&mut part, given, room as usize);
                self.give(id, part);
                given += room;
            } else {
                self.until("room", |w| {
                    let now = w.so_far(id);
                    now.taken + window > given || now.stopped || now.endings > 0
                });
            }
        }
        self.give_end(id);
    }

    /// What is known of a request.
    pub(crate) fn so_far(&self, id: RequestId) -> Answer {
        self.sink.answers.borrow().get(&id).cloned().unwrap_or_default()
    }

    /// Turns until `done`.
    pub(crate) fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            self.reactor.turn(Some(Duration::from_millis(5)));
            assert!(begun.elapsed() < PATIENCE, "{what} did not come: {:?}", self.sink.answers.borrow());
        }
    }

    /// Turns a few times: what could happen has happened.
    pub(crate) fn settle(&self) {
        for _ in 0..5 {
            self.reactor.turn(Some(Duration::from_millis(2)));
        }
    }

    /// Time goes by, on the clock of the test.
    pub(crate) fn pass(&self, time: Duration) {
        self.settle();
        self.clock.as_ref().expect("a world with a clock").advance(time);
        self.settle();
    }

    /// Turns until so many connections are up.
    pub(crate) fn until_connected(&self, count: usize) {
        self.until("a connection", |w| w.sink.connected.borrow().len() == count);
    }

    pub(crate) fn has_ended(&self, id: RequestId) -> bool {
        self.sink.answers.borrow().get(&id).is_some_and(|a| a.endings > 0)
    }

    /// Turns until the request has ended.
    pub(crate) fn answer(&self, id: RequestId) -> Answer {
        self.until("the answer", |w| w.has_ended(id));
        self.sink.answers.borrow()[&id].clone()
    }

    pub(crate) fn stat(&self, stat: Stat) -> u64 {
        self.driver.with_core(1, |core| core.stats().get(stat)).unwrap()
    }

    /// Destroys the pool; then nothing may be left.
    pub(crate) fn finish(self) {
        self.driver.destroy_pool(1);
        self.until("the end of the pool", |w| !w.sink.closed.borrow().is_empty());
        self.until("the end of all tasks", |w| w.reactor.tasks() == 0);
        assert_eq!(self.reactor.sockets(), 0, "sockets are closed");
        for gauge in [Stat::CxActive, Stat::RqActive, Stat::RqPendingActive] {
            assert_eq!(self.stat(gauge), 0, "{}", gauge.name());
        }
        for (id, answer) in &*self.sink.answers.borrow() {
            assert_eq!(answer.endings, 1, "request {id} ended once");
        }
    }
}

/// A pool for `address` with the defaults.
pub(crate) fn config(address: SocketAddr) -> PoolConfig {
    PoolConfig {
        name: "test".into(),
        authority: address.to_string().parse().unwrap(),
        addresses: vec![address],
        socket_path: None,
        local_address: None,
        tcp_user_timeout: None,
        address_delay: Duration::from_millis(300),
        tls: None,
        headers_timeout: Some(Duration::from_secs(30)),
        body_idle_timeout: Some(Duration::from_secs(30)),
        per_try_timeout: None,
        per_try_idle_timeout: None,
        total_timeout: None,
        max_stream_duration: None,
        max_head_size: 64 * 1024,
        max_head_fields: 100,
        body_buffer: 256 * 1024,
        http2: Http2Config::default(),
        http3: Http3Config::default(),
        drain_vanished: true,
        group: GroupConfig::default(),
        upstream: UpstreamConfig::default(),
    }
}

/// The same over TLS, with `ca` trusted.
pub(crate) fn tls_config(address: SocketAddr, ca: &str, name: &str) -> PoolConfig {
    PoolConfig { tls: Some(trusting(ca, name)), ..config(address) }
}

pub(crate) fn trusting(ca: &str, name: &str) -> Tls {
    offering(ca, name, &[b"http/1.1"])
}

/// As `trusting`, with these protocols offered.
pub(crate) fn offering(ca: &str, name: &str, alpn: &[&[u8]]) -> Tls {
    Tls::new(&TlsOptions {
        ca: ca.as_bytes(),
        crl: None,
        identity: None,
        server_name: name,
        only_tls13: false,
        alpn,
        session_cache: 256,
        skip_verification: false,
        early_data: false,
    })
    .unwrap()
}
