//! One exchange with an HTTP/2 upstream that misbehaves, in clear, and what is left after it.

use std::time::Duration;

use forebay_core::{Class, Protocol, Protocols, Stat};
use forebay_testkit::h2::frame;
use forebay_testkit::script::{Pieces, Script, Server};
use forebay_transport::error::{Code, Phase};

use super::trial::{Left, authority};
use super::*;

/// A connection that answers one request well, and whatever comes after it not at all.
pub(crate) fn good() -> Script {
    Script::new().http2(&[]).streams(1).send(frame::response(1, b"ok")).frames()
}

/// A server with these scripts, then good ones.
pub(crate) fn serve(scripts: impl IntoIterator<Item = Script>) -> Server {
    let scripts = scripts.into_iter().chain([good()]).collect();
    Server::start_with(forebay_testkit::script::Options::default(), authority(), scripts).unwrap()
}

pub(crate) fn prior_knowledge(address: SocketAddr) -> PoolConfig {
    let mut config = config(address);
    config.upstream.protocols = Protocols::Fixed(Protocol::H2);
    config
}

/// SETTINGS come, a request, then these bytes.
pub(crate) fn answer(bytes: impl AsRef<[u8]>, way: Pieces) -> Script {
    Script::new().http2(&[]).streams(1).send_in(bytes, way, Duration::ZERO)
}

/// The rest of a script whose connection lives on: the next request is answered.
pub(crate) fn and_goes_on(script: Script) -> Script {
    let mut script = script.streams(1).send(frame::response(3, b"ok"));
    script.steps.extend(Script::new().frames().steps);
    script
}

/// What one request came to.
pub(crate) struct Outcome {
    pub(crate) server: Server,
    pub(crate) world: World,
    pub(crate) answer: Answer,
}

impl Outcome {
    pub(crate) fn of(script: Script) -> Self {
        Self::with(script, |_| {}, |_| {})
    }

    pub(crate) fn with(
        script: Script,
        configure: impl FnOnce(&mut PoolConfig),
        change: impl FnOnce(&mut Submission),
    ) -> Self {
        let server = serve([script]);
        let mut configured = prior_knowledge(server.addr());
        configure(&mut configured);
        let mut world = World::new(configured);
        let id = world.submit(change);
        let answer = world.answer(id);
        Self { server, world, answer }
    }

    #[track_caller]
    pub(crate) fn failed(&self, code: Code, phase: Phase, class: Class) -> &Self {
        let failure = self.answer.failure.as_ref().unwrap_or_else(|| panic!("no {code:?}: {:?}", self.answer));
        assert_eq!((failure.code, failure.phase, failure.class), (code, phase, class), "{failure}");
        self
    }

    #[track_caller]
    pub(crate) fn succeeded(&self, status: u16, body: impl AsRef<[u8]>) -> &Self {
        assert_eq!(self.answer.failure, None);
        assert_eq!((self.answer.status, &self.answer.body[..]), (Some(status), body.as_ref()));
        self
    }

    /// X or K (T): a second request succeeds, and over which connection; then nothing is left.
    #[track_caller]
    pub(crate) fn then(mut self, left: Left) {
        if left == Left::Closed {
            self.world.until("the end of the connection", |w| w.stat(Stat::CxDestroy) == 1);
        }
        let next = self.world.get("/");
        let next = self.world.answer(next);
        assert_eq!((next.status, &next.body[..]), (Some(200), &b"ok"[..]), "{:?}", next.failure);
        let connections = if left == Left::Kept { 1 } else { 2 };
        assert_eq!(self.server.connections().len(), connections);
        self.world.finish();
    }
}

/// A message that is refused in each way it may arrive; only its stream ends.
#[track_caller]
pub(crate) fn ends_its_stream(bytes: impl AsRef<[u8]>, code: Code, phase: Phase) {
    for way in [Pieces::Whole, Pieces::Of(1), Pieces::Random(7)] {
        let outcome = Outcome::of(and_goes_on(answer(&bytes, way)));
        outcome.failed(code, phase, Class::Never);
        outcome.then(Left::Kept);
    }
}

/// Frames that end the connection, in each way they may arrive.
#[track_caller]
pub(crate) fn ends_its_connection(bytes: impl AsRef<[u8]>, code: Code, phase: Phase, class: Class) {
    for way in [Pieces::Whole, Pieces::Of(1), Pieces::Random(7)] {
        let outcome = Outcome::of(answer(&bytes, way).frames());
        outcome.failed(code, phase, class);
        assert_eq!(outcome.world.stat(Stat::CxProtocolError), 1, "{way:?}");
        outcome.then(Left::Closed);
    }
}
