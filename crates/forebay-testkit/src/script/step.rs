//! What a script is made of, and the short way to write one in Rust:
//!
//! ```
//! use forebay_testkit::script::Script;
//! let script = Script::new().request().send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").close();
//! assert_eq!(script.steps.len(), 3);
//! ```

use std::time::Duration;

use crate::random;
use crate::tls::TlsOptions;

/// What one connection is to see.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
}

/// One thing that the server does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Reads one request head.
    Head,
    /// Reads one request, its body too.
    Request,
    /// Reads the preface of an HTTP/2 client.
    Preface,
    /// Reads HTTP/2 frames until so many HEADERS have come; PING and SETTINGS are answered if `answering`.
    Streams {
        /// How many.
        count: u64,
        /// Whether PING and SETTINGS are answered in passing.
        answering: bool,
    },
    /// Reads HTTP/2 frames until the peer ends its side; PING and SETTINGS are answered.
    Frames,
    /// Reads this many bytes.
    Read(u64),
    /// Reads until the peer ends its side.
    ReadToEnd,
    /// Sends bytes.
    Send(Send),
    /// Sends this many bytes of `pattern`.
    Pattern(u64),
    /// Sends bytes below TLS, as they are.
    Raw(Send),
    /// Waits.
    Wait(Duration),
    /// Waits for a signal to this connection that no earlier step has used up.
    Signal,
    /// TLS `close_notify`.
    CloseNotify,
    /// FIN, then reads until the peer ends its side (5 s at most), so that no RST follows. Without `close_notify`.
    Close,
    /// Closes at once: FIN, or RST if unread bytes are left.
    Drop,
    /// FIN; the connection goes on reading.
    HalfClose,
    /// RST.
    Reset,
    /// Reads nothing until the server stops.
    Park,
    /// Plays these steps so many times; `None`: for ever.
    Repeat {
        /// The steps.
        steps: Vec<Step>,
        /// How often.
        times: Option<u64>,
    },
    /// A TLS handshake; later steps speak through it.
    Tls(Handshake),
    /// An encrypted TLS record of any content type. After it nothing is decrypted any more.
    Record {
        /// 20 `change_cipher_spec`, 21 alert, 22 handshake, 23 application data.
        content_type: u8,
        /// What it carries, up to 16 KiB; may be empty.
        bytes: Vec<u8>,
        /// How many such records.
        times: u64,
    },
    /// So many TLS 1.3 `KeyUpdate` messages, each with its new key.
    KeyUpdates(u64),
}

/// Bytes and how they go out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Send {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How often they are sent.
    pub times: u64,
    /// How they are cut.
    pub pieces: Pieces,
    /// Pause between two pieces.
    pub every: Duration,
}

/// How bytes are cut into writes. (The system may join what it has not sent yet; a pause keeps pieces apart.)
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pieces {
    /// In writes as large as is useful.
    Whole,
    /// In writes of so many bytes.
    Of(usize),
    /// In writes of 1 to 16 bytes, chosen by this seed.
    Random(u64),
}

/// Largest piece of `Pieces::Random`, in bytes. A guess: cuts inside every token.
const MAX_RANDOM_PIECE: u64 = 16;

impl Pieces {
    pub(crate) fn cuts(self) -> Cuts {
        let random = if let Self::Random(seed) = self { seed } else { 0 };
        Cuts { pieces: self, random }
    }
}

/// Where bytes are cut, one piece after another.
pub(crate) struct Cuts {
    pieces: Pieces,
    random: u64,
}

impl Cuts {
    /// The size of the next piece of so many bytes.
    pub(crate) fn next(&mut self, left: usize) -> usize {
        let size = match self.pieces {
            Pieces::Whole => left,
            Pieces::Of(size) => size.max(1),
            Pieces::Random(_) => usize::try_from(random::next(&mut self.random) % MAX_RANDOM_PIECE).unwrap_or(0) + 1,
        };
        size.min(left)
    }
}

/// A TLS handshake as the server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Handshake {
    /// Certificate, ALPN, versions.
    pub options: TlsOptions,
    /// Stops after so many bytes of ours; later steps speak without TLS.
    pub cut: Option<usize>,
    /// Sends our handshake in pieces of so many bytes.
    pub pieces: Option<usize>,
    /// Pause between two pieces.
    pub every: Duration,
}

impl From<TlsOptions> for Handshake {
    fn from(options: TlsOptions) -> Self {
        Self { options, ..Self::default() }
    }
}

impl From<Vec<u8>> for Send {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, times: 1, pieces: Pieces::Whole, every: Duration::ZERO }
    }
}

impl Script {
    /// Nothing: accepts, then records.
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

    /// Reads a request head.
    #[must_use]
    pub fn head(self) -> Self {
        self.step(Step::Head)
    }

    /// Reads a request.
    #[must_use]
    pub fn request(self) -> Self {
        self.step(Step::Request)
    }

    /// `Step::Read`.
    #[must_use]
    pub fn read(self, bytes: u64) -> Self {
        self.step(Step::Read(bytes))
    }

    /// `Step::ReadToEnd`.
    #[must_use]
    pub fn read_to_end(self) -> Self {
        self.step(Step::ReadToEnd)
    }

    /// `Step::HalfClose`.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Sends bytes.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(Send::from(bytes.as_ref().to_vec())))
    }

    /// Sends bytes so many times.
    #[must_use]
    pub fn send_times(self, bytes: impl AsRef<[u8]>, times: u64) -> Self {
        self.step(Step::Send(Send { times, ..Send::from(bytes.as_ref().to_vec()) }))
    }

    /// Sends bytes in pieces, with a pause between two.
    #[must_use]
    pub fn send_in(self, bytes: impl AsRef<[u8]>, pieces: Pieces, every: Duration) -> Self {
        self.step(Step::Send(Send { pieces, every, ..Send::from(bytes.as_ref().to_vec()) }))
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

    /// FIN, in order.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Reads the preface of an HTTP/2 client and sends these SETTINGS.
    #[must_use]
    pub fn http2(self, settings: &[(u16, u32)]) -> Self {
        self.step(Step::Preface).send(crate::h2::frame::settings(settings))
    }

    /// Reads HTTP/2 frames until so many HEADERS have come, answering PING and SETTINGS.
    #[must_use]
    pub fn streams(self, count: u64) -> Self {
        self.step(Step::Streams { count, answering: true })
    }

    /// Reads HTTP/2 frames until the peer ends its side, answering PING and SETTINGS.
    #[must_use]
    pub fn frames(self) -> Self {
        self.step(Step::Frames)
    }

    /// RST.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Reads nothing any more.
    #[must_use]
    pub fn park(self) -> Self {
        self.step(Step::Park)
    }

    /// A TLS handshake.
    #[must_use]
    pub fn tls(self, handshake: impl Into<Handshake>) -> Self {
        self.step(Step::Tls(handshake.into()))
    }

    /// Plays steps so many times; `None`: for ever.
    #[must_use]
    pub fn repeat(self, times: Option<u64>, steps: Script) -> Self {
        self.step(Step::Repeat { steps: steps.steps, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(pieces: Pieces, mut left: usize) -> Vec<usize> {
        let mut cuts = pieces.cuts();
        let mut sizes = Vec::new();
        while left > 0 {
            sizes.push(cuts.next(left));
            left -= sizes[sizes.len() - 1];
        }
        sizes
    }

    #[test]
    fn pieces_have_the_size_asked_for_and_add_up() {
        assert_eq!(sizes(Pieces::Whole, 7), [7]);
        assert_eq!(sizes(Pieces::Of(3), 7), [3, 3, 1]);
        assert_eq!(sizes(Pieces::Of(0), 2), [1, 1]);
    }

    #[test]
    fn random_pieces_are_the_same_for_the_same_seed() {
        let cuts = |seed| sizes(Pieces::Random(seed), 300);
        assert_eq!(cuts(5), cuts(5));
        assert_ne!(cuts(5), cuts(6));
        assert!(cuts(5).iter().all(|size| (1..=16).contains(size)));
        assert_eq!(cuts(5).iter().sum::<usize>(), 300);
    }
}
