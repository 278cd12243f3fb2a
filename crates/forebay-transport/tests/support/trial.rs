//! One exchange with an upstream that misbehaves, and what is left after it.
//!
//! A trial plays a script after the request, looks at the answer, then sends a second request: it must succeed, over the
//! same connection (kept) or over another (closed), and the first connection must have ended as the server sees it.

use std::sync::{Arc, OnceLock};

use forebay_core::Class;
use forebay_testkit::certificates::Authority;
use forebay_testkit::script::{Options, Pieces, Script, Server};
use forebay_transport::error::Phase;

use super::*;

/// An answer that leaves nothing to be desired.
pub(crate) const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The ways in which the bytes of a row arrive.
pub(crate) const WAYS: [Pieces; 3] = [Pieces::Whole, Pieces::Of(1), Pieces::Random(7)];

/// A connection that serves well for ever.
pub(crate) fn good() -> Script {
    Script::new().repeat(None, Script::new().request().send(GOOD))
}

/// The root of all servers here.
pub(crate) fn authority() -> Arc<Authority> {
    static ROOT: OnceLock<Arc<Authority>> = OnceLock::new();
    ROOT.get_or_init(|| Arc::new(Authority::new())).clone()
}

/// A server with these scripts; then good ones.
pub(crate) fn serve(scripts: impl IntoIterator<Item = Script>) -> Server {
    let scripts = scripts.into_iter().chain([good()]).collect();
    Server::start_with(Options::default(), authority(), scripts).unwrap()
}

/// After a request, these bytes, arriving so.
pub(crate) fn answer_with(bytes: impl AsRef<[u8]>, way: Pieces) -> Script {
    Script::new().request().send_in(bytes, way, Duration::ZERO)
}

/// What became of the connection of a trial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// X.
    Closed,
    /// K.
    Kept,
}

pub(crate) struct Trial {
    pub(crate) server: Server,
    pub(crate) world: World,
    pub(crate) answer: Answer,
}

impl Trial {
    /// A GET that `first` answers.
    pub(crate) fn get(first: Script) -> Self {
        Self::run(first, |_| {}, |_| {})
    }

    pub(crate) fn run(
        first: Script,
        configure: impl FnOnce(&mut PoolConfig),
        change: impl FnOnce(&mut Submission),
    ) -> Self {
        let mut steps = first;
        steps.steps.extend(good().steps);
        let server = serve([steps]);
        let mut configured = config(server.addr());
        configure(&mut configured);
        let mut world = World::new(configured);
        let id = world.submit(change);
        let answer = world.answer(id);
        Self { server, world, answer }
    }

    /// As `run`, where the script waits for a signal once it sent so many bytes, and those have been read.
    pub(crate) fn signalled(
        first: Script,
        sent: usize,
        configure: impl FnOnce(&mut PoolConfig),
        change: impl FnOnce(&mut Submission),
    ) -> Self {
        let server = serve([first]);
        let mut configured = config(server.addr());
        configure(&mut configured);
        let mut world = World::new(configured);
        let id = world.submit(change);
        world.until("the bytes to be sent", |_| server.connections().first().is_some_and(|c| c.sent == sent as u64));
        world.settle();
        assert!(!world.has_ended(id), "before the signal");
        server.signal(0);
        let answer = world.answer(id);
        Self { server, world, answer }
    }

    /// The outcome of a row: code, phase and class.
    #[track_caller]
    pub(crate) fn failed(&self, code: Code, phase: Phase, class: Class) -> &Self {
        let failure = self.answer.failure.as_ref().unwrap_or_else(|| panic!("no {code:?}: {:?}", self.answer));
        assert_eq!((failure.code, failure.phase, failure.class), (code, phase, class), "{failure}");
        self
    }

    /// The outcome `ok`.
    #[track_caller]
    pub(crate) fn succeeded(&self, status: u16, body: impl AsRef<[u8]>) -> &Self {
        assert_eq!(self.answer.failure, None);
        assert_eq!(self.answer.status, Some(status));
        assert!(self.answer.body == body.as_ref(), "body of {} bytes", self.answer.body.len());
        self
    }

    /// Breaches of the protocol that were counted.
    #[track_caller]
    pub(crate) fn breaches(&self, count: u64) -> &Self {
        self.world.settle();
        assert_eq!(self.world.stat(Stat::CxProtocolError), count, "protocol errors");
        self
    }

    /// X or K: a second request succeeds, and over which connection; then nothing is left.
    #[track_caller]
    pub(crate) fn then(mut self, left: Left) {
        if left == Left::Closed {
            self.world.until("the end of the connection", |w| !w.sink.disconnected.borrow().is_empty());
        }
        let next = self.world.get("/");
        let next = self.world.answer(next);
        assert_eq!((next.status, &next.body[..]), (Some(200), &b"ok"[..]), "{:?}", next.failure);
        match left {
            Left::Kept => {
                assert!(next.reused, "over the connection that answered before");
                assert_eq!(next.connection, self.answer.connection);
                assert_eq!(self.server.connections().len(), 1);
            }
            Left::Closed => {
                assert!(!next.reused, "over a new connection");
                assert_eq!(self.server.connections().len(), 2);
                let gone = self.server.wait_until(PATIENCE, |all| all[0].end.is_some());
                assert!(gone, "the server saw the end");
                let told: Vec<_> = self.world.sink.disconnected.borrow().iter().map(|(c, _)| *c).collect();
                assert_eq!(told, [1], "the sink was told once");
            }
        }
        self.world.finish();
    }
}

/// A response that is refused, in each way: no byte of it is delivered but `before`, and the connection is closed.
#[track_caller]
pub(crate) fn refuses(response: impl AsRef<[u8]>, code: Code, phase: Phase, before: Option<&[u8]>) {
    for way in WAYS {
        let trial = Trial::get(answer_with(&response, way));
        trial.failed(code, phase, Class::Never).breaches(1);
        assert_eq!(trial.answer.status.is_some(), before.is_some(), "a head: {way:?}");
        assert_eq!(trial.answer.body, before.unwrap_or_default(), "{way:?}");
        trial.then(Left::Closed);
    }
}

/// A head that is malformed.
#[track_caller]
pub(crate) fn malformed(response: impl AsRef<[u8]>) {
    refuses(response, Code::ResponseMalformed, Phase::Head, None);
}
