//! What a script is made of, and the short way to write one in Rust:
//!
//! ```
//! use forebay_testkit::h3::frame;
//! use forebay_testkit::quic::{Script, To};
//! let script = Script::new().http3().streams(1).finish(To::Request(0), frame::response(b"hello"));
//! assert_eq!(script.steps.len(), 3);
//! ```

use std::time::Duration;

use crate::h3::frame;
use crate::script::Pieces;

/// What one connection is to see.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
}

/// A stream, by its place among those of its kind.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum To {
    /// The client's bidirectional stream of this place, from 0; a step that names it waits for it.
    Request(usize),
    /// Our unidirectional stream of this place, from 0; it is opened when a step first names it.
    Uni(usize),
    /// Our bidirectional stream of this place (which HTTP/3 forbids).
    Bidi(usize),
}

/// One thing that the server does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Waits until so many requests in all have begun.
    Streams(u64),
    /// Waits until the client has ended its side of this request.
    Ended(usize),
    /// Waits until so many bytes of this request have come.
    Received(usize, u64),
    /// Sends bytes on a stream.
    Send(Send),
    /// Sends this many bytes of `pattern`, in DATA frames.
    Pattern(To, u64),
    /// Resets our side of a stream.
    Reset(To, u64),
    /// Asks the client to stop sending on a request.
    Stop(usize, u64),
    /// Opens so many further unidirectional streams, each with these bytes and without an end; waits for credit.
    Flood(u64, Vec<u8>),
    /// Answers each request from this place on, once it has ended, with status 200 and these bytes, for ever.
    Serve(usize, Vec<u8>),
    /// How many requests may be open at once from now on; what was granted stays granted.
    Credit(u64),
    /// New keys.
    KeyUpdate,
    /// Closes the connection with a code and a reason of the application.
    Close(u64, Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Waits for a signal to this connection that no earlier step has used up.
    Signal,
    /// Plays these steps so many times.
    Repeat {
        /// The steps.
        steps: Vec<Step>,
        /// How often.
        times: u64,
    },
}

/// Bytes, their stream, and how they go out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Send {
    /// Where.
    pub to: To,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the stream ends with them.
    pub fin: bool,
    /// How often they are sent.
    pub times: u64,
    /// How they are cut into writes.
    pub pieces: Pieces,
    /// Pause between two pieces.
    pub every: Duration,
}

impl Send {
    /// All at once, once, without an end.
    #[must_use]
    pub fn new(to: To, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self { to, bytes, fin: false, times: 1, pieces: Pieces::Whole, every: Duration::ZERO }
    }
}

impl Script {
    /// Nothing: takes what comes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Opens the control stream, `To::Uni(0)`, with empty SETTINGS.
    #[must_use]
    pub fn http3(self) -> Self {
        self.send(To::Uni(0), frame::control(&[]))
    }

    /// `Step::Streams`.
    #[must_use]
    pub fn streams(self, count: u64) -> Self {
        self.step(Step::Streams(count))
    }

    /// `Step::Ended`.
    #[must_use]
    pub fn ended(self, request: usize) -> Self {
        self.step(Step::Ended(request))
    }

    /// Sends bytes.
    #[must_use]
    pub fn send(self, to: To, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(Send::new(to, bytes)))
    }

    /// Sends bytes in pieces.
    #[must_use]
    pub fn send_in(self, to: To, bytes: impl AsRef<[u8]>, pieces: Pieces) -> Self {
        self.step(Step::Send(Send { pieces, ..Send::new(to, bytes) }))
    }

    /// Sends bytes so many times.
    #[must_use]
    pub fn send_times(self, to: To, bytes: impl AsRef<[u8]>, times: u64) -> Self {
        self.step(Step::Send(Send { times, ..Send::new(to, bytes) }))
    }

    /// Sends bytes and ends the stream.
    #[must_use]
    pub fn finish(self, to: To, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(Send { fin: true, ..Send::new(to, bytes) }))
    }

    /// `Step::Reset`.
    #[must_use]
    pub fn reset(self, to: To, code: u64) -> Self {
        self.step(Step::Reset(to, code))
    }

    /// `Step::Stop`.
    #[must_use]
    pub fn stop(self, request: usize, code: u64) -> Self {
        self.step(Step::Stop(request, code))
    }

    /// `Step::Serve`.
    #[must_use]
    pub fn serve(self, from: usize, body: impl AsRef<[u8]>) -> Self {
        self.step(Step::Serve(from, body.as_ref().to_vec()))
    }

    /// Waits.
    #[must_use]
    pub fn wait(self, pause: Duration) -> Self {
        self.step(Step::Wait(pause))
    }

    /// Waits for a signal.
    #[must_use]
    pub fn signal(self) -> Self {
        self.step(Step::Signal)
    }

    /// `Step::Close`.
    #[must_use]
    pub fn close(self, code: u64) -> Self {
        self.step(Step::Close(code, Vec::new()))
    }
}
