//! The peer's unidirectional streams (RFC 9114, section 6.2; RFC 9204, section 4.2): which is which, and what they say.
//!
//! ```text
//!               +-- 0x00 --> control         SETTINGS, GOAWAY
//! type varint --+-- 0x01 --> push            never allowed: ends the connection
//!               +-- 0x02 --> QPACK encoder   may only say that its table is empty
//!               +-- 0x03 --> QPACK decoder   may only cancel streams
//!               +-- other -> unwanted        the caller stops it
//! ```
//!
//! Promise: nothing is buffered but a number that is not whole. Not here: requests (`response`), streams as QUIC has them.

use crate::budget::Budget;
use crate::control::{Control, Event};
use crate::error::{Code, Error};
use crate::qpack::{DecoderStream, encoder_stream};
use crate::settings::Settings;
use crate::varint::Partial;

/// The type of a control stream.
pub(crate) const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const ENCODER: u64 = 0x02;
const DECODER: u64 = 0x03;

/// What a unidirectional stream of the peer led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerEvent {
    /// Its settings: once, before any GOAWAY.
    Settings(Settings),
    /// Requests on streams of this id and above were not and will not be processed; those below may go on. A multiple of 4,
    /// at most 2^62 - 4 (which says only that an id follows), and never larger than before.
    GoAway(u64),
    /// The stream is of no use: to be stopped with `H3_STREAM_CREATION_ERROR`, and not read any more.
    Unwanted,
}

/// What one unidirectional stream of the peer is, as far as it is known.
#[derive(Debug, Default)]
pub struct UniStream {
    role: Role,
}

impl UniStream {
    /// The peer ended or reset it. One whose type has not come may end (section 6.2).
    ///
    /// # Errors
    /// `H3_CLOSED_CRITICAL_STREAM` if it is a control or QPACK stream.
    pub fn closed(&self) -> Result<(), Error> {
        match self.role {
            Role::Control | Role::Encoder | Role::Decoder => {
                Err(Error::connection(Code::CLOSED_CRITICAL_STREAM, "a control or QPACK stream was closed"))
            }
            Role::Unknown(_) | Role::Unwanted => Ok(()),
        }
    }
}

#[derive(Debug)]
enum Role {
    Unknown(Partial),
    Control,
    Encoder,
    Decoder,
    Unwanted,
}

impl Default for Role {
    fn default() -> Self {
        Self::Unknown(Partial::default())
    }
}

/// What a connection knows of its peer's unidirectional streams.
#[derive(Debug, Default)]
pub struct Peer {
    control: Option<Control>,
    decoder: Option<DecoderStream>,
    has_encoder: bool,
}

impl Peer {
    /// Bytes came on `stream`: takes them from the front of `input` up to the next event. `None`: all of them.
    ///
    /// # Errors
    /// The peer broke the protocol: the connection ends.
    pub fn receive(
        &mut self,
        stream: &mut UniStream,
        input: &mut &[u8],
        budget: &mut Budget,
    ) -> Result<Option<PeerEvent>, Error> {
        if let Role::Unknown(number) = &mut stream.role {
            let Some(kind) = number.take(input) else { return Ok(None) };
            stream.role = self.role(kind, budget)?;
            if matches!(stream.role, Role::Unwanted) {
                *input = &[];
                return Ok(Some(PeerEvent::Unwanted));
            }
        }
        match (&stream.role, &mut self.control, &mut self.decoder) {
            (Role::Control, Some(control), _) => {
                let event = control.receive(input, budget)?;
                return Ok(event.map(|event| match event {
                    Event::Settings(settings) => PeerEvent::Settings(settings),
                    Event::GoAway(id) => PeerEvent::GoAway(id),
                }));
            }
            (Role::Encoder, ..) => encoder_stream(input, budget)?,
            (Role::Decoder, _, Some(decoder)) => decoder.receive(input, budget)?,
            _ => *input = &[],
        }
        Ok(None)
    }

    fn role(&mut self, kind: u64, budget: &mut Budget) -> Result<Role, Error> {
        let (again, role) = match kind {
            CONTROL => (self.control.replace(Control::default()).is_some(), Role::Control),
            // We never allow one (section 4.6).
            PUSH => return Err(Error::connection(Code::ID_ERROR, "a push that was not allowed")),
            ENCODER => (std::mem::replace(&mut self.has_encoder, true), Role::Encoder),
            DECODER => (self.decoder.replace(DecoderStream::default()).is_some(), Role::Decoder),
            _ => {
                budget.spend()?;
                (false, Role::Unwanted)
            }
        };
        if again {
            return Err(Error::connection(Code::STREAM_CREATION_ERROR, "a second control or QPACK stream"));
        }
        Ok(role)
    }
}

/// The peer stopped one of our unidirectional streams: they are needed as long as the connection (RFC 9114, section 6.2.1).
pub const OWN_STREAM_STOPPED: Error =
    Error::connection(Code::CLOSED_CRITICAL_STREAM, "a control or QPACK stream was stopped");
