//! One exchange with an HTTP/3 upstream that misbehaves, and what is left after it.

use std::sync::Arc;

use forebay_core::{Class, Protocol, Protocols, Stat};
use forebay_testkit::quic::{Options, Script, Server, To};
use forebay_transport::error::{Code, Phase};

use super::trial::{Left, authority};
use super::*;

/// A connection that answers every request well.
pub(crate) fn good() -> Script {
    Script::new().http3().serve(0, "ok")
}

/// A server with these scripts, then good ones.
pub(crate) fn serve(scripts: impl IntoIterator<Item = Script>) -> Server {
    let scripts = scripts.into_iter().chain([good()]).collect();
    Server::start_with(&Options::default(), authority(), scripts).unwrap()
}

/// HTTP/3 to `address`, whose certificate is of the authority of all servers here.
pub(crate) fn h3_alone(address: SocketAddr) -> PoolConfig {
    h3_trusting(&authority(), address)
}

/// The same, with another authority.
pub(crate) fn h3_trusting(
    authority: &Arc<forebay_testkit::certificates::Authority>,
    address: SocketAddr,
) -> PoolConfig {
    let mut config = config(address);
    config.tls = Some(offering(&authority.pem(), "localhost", &[b"h3"]));
    config.upstream.protocols = Protocols::Fixed(Protocol::H3);
    config
}

/// SETTINGS come, a request, and these bytes and no more on its stream.
pub(crate) fn answer(bytes: impl AsRef<[u8]>) -> Script {
    Script::new().http3().finish(To::Request(0), bytes)
}

/// What one request came to.
pub(crate) struct Outcome {
    pub(crate) server: Server,
    pub(crate) world: World,
    pub(crate) answer: Answer,
}

impl Outcome {
    /// Of a script that answers what comes after the first request well.
    pub(crate) fn of(script: Script) -> Self {
        Self::with(script, |_| {}, |_| {})
    }

    pub(crate) fn with(
        script: Script,
        configure: impl FnOnce(&mut PoolConfig),
        change: impl FnOnce(&mut Submission),
    ) -> Self {
        let server = serve([script.serve(1, "ok")]);
        let mut configured = h3_alone(server.addr());
        configured.upstream.replay = forebay_core::ReplayPolicy::None;
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

/// What is refused ends its stream only.
#[track_caller]
pub(crate) fn ends_its_stream(script: Script, code: Code, phase: Phase) {
    let outcome = Outcome::of(script);
    outcome.failed(code, phase, Class::Never);
    outcome.then(Left::Kept);
}

/// What ends the connection, which is told why.
#[track_caller]
pub(crate) fn ends_its_connection(script: Script, code: Code, class: Class, wire: u64) {
    let outcome = Outcome::of(script);
    outcome.failed(code, Phase::Head, class);
    assert_eq!(outcome.world.stat(Stat::CxProtocolError), 1);
    let told =
        |server: &Server| server.connections()[0].end.clone() == Some(forebay_testkit::quic::End::PeerClosed(wire));
    outcome.world.until("the server to be told why", |_| told(&outcome.server));
    outcome.then(Left::Closed);
}
