//! The peer's control stream (RFC 9114, section 6.2.1): SETTINGS first and once, then GOAWAY and what we skip.
//!
//! ```text
//! First --SETTINGS--> Settings --its end--> Between --GOAWAY--> GoAway --its end--> Between
//!                                           Between --unknown-> Skip   --its end--> Between
//! ```
//!
//! Promise: nothing of a frame is buffered. Used by `peer`.

use crate::budget::Budget;
use crate::error::{Code, Error};
use crate::frame::{Head, HeadReader, Kind, skip};
use crate::settings::{self, Settings};
use crate::varint::Partial;

/// What the peer says on its control stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Settings(Settings),
    /// Requests on streams of this id and above were not and will not be processed (section 5.2).
    GoAway(u64),
}

#[derive(Debug, Default)]
enum State {
    /// Before the first frame.
    #[default]
    First,
    Settings {
        left: u64,
        reader: settings::Reader,
    },
    Between,
    GoAway {
        left: u64,
        id: Partial,
    },
    Skip {
        left: u64,
    },
}

/// Reads the stream after its type.
#[derive(Debug, Default)]
pub(crate) struct Control {
    head: HeadReader,
    state: State,
    /// The id of the last GOAWAY.
    go_away: Option<u64>,
}

impl Control {
    /// Takes bytes from the front of `input` up to the next event; `None`: all of them.
    pub(crate) fn receive(&mut self, input: &mut &[u8], budget: &mut Budget) -> Result<Option<Event>, Error> {
        loop {
            match &mut self.state {
                State::First | State::Between => {
                    let Some(head) = self.head.take(input) else { return Ok(None) };
                    self.begin(head, budget)?;
                }
                State::Settings { left, reader } => {
                    let before = *input;
                    skip(left, input);
                    reader.take(&before[..before.len() - input.len()])?;
                    if *left > 0 {
                        return Ok(None);
                    }
                    let settings = reader.finish()?;
                    self.state = State::Between;
                    return Ok(Some(Event::Settings(settings)));
                }
                State::GoAway { left, id } => {
                    let before = *input;
                    skip(left, input);
                    let mut payload = &before[..before.len() - input.len()];
                    let id = id.take(&mut payload);
                    match (id, *left) {
                        (Some(id), 0) if payload.is_empty() => {
                            self.state = State::Between;
                            return self.go_away(id).map(Some);
                        }
                        (None, 1..) => return Ok(None),
                        _ => return Err(Error::connection(Code::FRAME_ERROR, "GOAWAY is not one id")),
                    }
                }
                State::Skip { left } => {
                    skip(left, input);
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.state = State::Between;
                }
            }
        }
    }

    fn begin(&mut self, Head { kind, len }: Head, budget: &mut Budget) -> Result<(), Error> {
        let first = matches!(self.state, State::First);
        if first != (kind == Kind::Settings) {
            return Err(if first {
                Error::connection(Code::MISSING_SETTINGS, "the control stream does not begin with SETTINGS")
            } else {
                Error::connection(Code::FRAME_UNEXPECTED, "SETTINGS came twice")
            });
        }
        self.state = match kind {
            Kind::Settings => State::Settings { left: len, reader: settings::Reader::default() },
            Kind::GoAway => {
                budget.spend()?;
                State::GoAway { left: len, id: Partial::default() }
            }
            Kind::Unknown => {
                budget.spend()?;
                State::Skip { left: len }
            }
            // It takes back a push of an id that we never allowed (section 7.2.3).
            Kind::CancelPush => return Err(Error::connection(Code::ID_ERROR, "a push that was not allowed")),
            Kind::Data | Kind::Headers | Kind::PushPromise | Kind::MaxPushId | Kind::PriorityUpdate | Kind::OfHttp2 => {
                let text = "a frame that has no place on a server's control stream";
                return Err(Error::connection(Code::FRAME_UNEXPECTED, text));
            }
        };
        Ok(())
    }

    /// Its id is that of a bidirectional stream of ours, and never grows (section 7.2.6).
    fn go_away(&mut self, id: u64) -> Result<Event, Error> {
        if !id.is_multiple_of(4) {
            return Err(Error::connection(Code::ID_ERROR, "the id of GOAWAY is not that of a request"));
        }
        if self.go_away.is_some_and(|last| id > last) {
            return Err(Error::connection(Code::ID_ERROR, "the id of GOAWAY grew"));
        }
        self.go_away = Some(id);
        Ok(Event::GoAway(id))
    }
}
