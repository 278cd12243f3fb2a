//! One connection of the server.
//!
//! ```text
//!   Head --request--> Body --whole--> Delayed --time--> Answer --sent--> Head
//!     |                 '--/echo: sent as it arrives----^  '--closing--> Lingering --FIN of the peer, or time--> closed
//!     '--idle too long, malformed----------------------------------------^
//! ```
//!
//! Promise: `turn` does all that can be done now and is bounded in work; a peer that does not read is not read from.
//! Used by `event_loop`. Not here: what is answered (`route`), who wakes us.

use std::time::{Duration, Instant};

use super::route::{self, Exchange, Place, Route};
use super::socket::Socket;
use super::source::Source;
use super::stats::{ConnectionInfo, Shared};
use crate::framing::{BodyDecoder, BodyLength, parse_head};

/// Output that may wait for the peer before we make more, in bytes. A guess: one large write.
const OUTPUT_BOUND: usize = 64 * 1024;

/// Steps in one turn of a connection, so that the others get theirs. A guess.
const STEPS: u32 = 64;

/// How long a connection that we ended may wait for the peer's FIN. A guess: long for loopback. (Closing at once could send RST, which
/// takes the answer away from a peer that has not read it yet.)
const LINGER: Duration = Duration::from_secs(1);

/// Bytes of the next requests that are kept while one is delayed. A guess.
pub(super) const READ_AHEAD: usize = 64 * 1024;

/// What the connections of a loop share.
pub(super) struct Surroundings<'a> {
    pub(super) now: Instant,
    pub(super) shared: &'a Shared,
    pub(super) scratch: &'a mut [u8],
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_requests: Option<u64>,
    pub(super) keep_alive_field: Option<&'a str>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// Nothing to do before the next event or the deadline.
    Waits,
    /// More to do at once, after the others.
    Again,
    /// Drop it.
    Closed,
}

enum State {
    Head {
        since: Instant,
    },
    Body {
        decoder: BodyDecoder,
        exchange: Exchange,
        echoed: bool,
    },
    Delayed {
        exchange: Exchange,
        until: Instant,
    },
    Answer {
        source: Source,
        keep_alive: bool,
        counts: bool,
    },
    Lingering {
        until: Instant,
    },
    /// What comes goes back.
    Tunnel,
}

/// What a step needs before the next.
enum Need {
    Nothing,
    Read,
    Write,
    Time,
}

pub(super) struct Connection {
    id: u64,
    pub(super) socket: Socket,
    state: State,
    /// Read and not yet used: `input[used..]`.
    pub(super) input: Vec<u8>,
    pub(super) used: usize,
    /// Made and not yet sent: `output[sent..]`.
    pub(super) output: Vec<u8>,
    pub(super) sent: usize,
    /// Requests begun.
    nth: u64,
    pub(super) readable: bool,
    /// The peer's FIN has arrived, so that only a read of 0 empties the socket.
    pub(super) fin_arrived: bool,
    idle_timeout: Option<Duration>,
    /// The earliest timer that the loop holds for us.
    pub(super) armed: Option<Instant>,
}

impl Connection {
    pub(super) fn new(id: u64, socket: Socket, near: &Surroundings<'_>) -> Self {
        Self {
            id,
            socket,
            state: State::Head { since: near.now },
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
            sent: 0,
            nth: 0,
            readable: true,
            fin_arrived: false,
            idle_timeout: near.idle_timeout,
            armed: None,
        }
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        ConnectionInfo { id: self.id, requests: self.nth, open: true }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Whether a request is between its head and the end of its answer.
    pub(super) fn is_active(&self) -> bool {
        match self.state {
            State::Body { .. } | State::Delayed { .. } | State::Tunnel => true,
            State::Answer { counts, .. } => counts,
            State::Head { .. } | State::Lingering { .. } => false,
        }
    }

    /// Whether it is between two requests.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Head { .. }) && self.used == self.input.len()
    }

    /// When it wants a turn without an event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Head { since } if self.used == self.input.len() => self.idle_timeout.map(|timeout| since + timeout),
            State::Delayed { until, .. } | State::Lingering { until } => Some(until),
            _ => None,
        }
    }

    /// The system says what the socket can do.
    pub(super) fn ready(&mut self, readable: bool, fin_arrived: bool) {
        self.readable |= readable;
        self.fin_arrived |= fin_arrived;
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, near: &mut Surroundings<'_>) -> Turn {
        for _ in 0..STEPS {
            let done = match self.step(near) {
                Need::Nothing => Ok(true),
                // What was made goes out before we wait for more.
                Need::Read => self.flush().and_then(|_| self.read(near)),
                Need::Write => self.flush(),
                Need::Time if self.input.len() - self.used < READ_AHEAD => self.read(near),
                Need::Time => Ok(false),
            };
            match done {
                Ok(true) => {}
                Ok(false) if self.deadline().is_some_and(|deadline| deadline <= near.now) => match self.state {
                    State::Head { .. } => self.end(near.now),
                    State::Lingering { .. } => return Turn::Closed,
                    // Its next step sees the time.
                    _ => {}
                },
                Ok(false) => return Turn::Waits,
                Err(()) => return Turn::Closed,
            }
        }
        Turn::Again
    }

    /// Ends our side in order and waits for the peer's.
    pub(super) fn end(&mut self, now: Instant) {
        self.socket.end();
        self.state = State::Lingering { until: now + LINGER };
    }

    fn step(&mut self, near: &mut Surroundings<'_>) -> Need {
        match &mut self.state {
            State::Head { .. } => self.head(near),
            State::Body { .. } => self.body(near),
            State::Delayed { until, .. } if near.now < *until => Need::Time,
            State::Delayed { .. } => {
                let State::Delayed { exchange, .. } =
                    std::mem::replace(&mut self.state, State::Head { since: near.now })
                else {
                    return Need::Nothing;
                };
                self.answer(exchange, near)
            }
            State::Answer { source, keep_alive, counts } => {
                while !source.is_empty() && self.output.len() - self.sent < OUTPUT_BOUND {
                    source.fill(&mut self.output);
                }
                let (all_made, keep_alive, counts) = (source.is_empty(), *keep_alive, *counts);
                match self.flush() {
                    Ok(true) if all_made => {
                        if counts {
                            near.shared.completed();
                        }
                        self.state = State::Head { since: near.now };
                        if !keep_alive {
                            self.end(near.now);
                        }
                        Need::Nothing
                    }
                    Ok(true) => Need::Nothing,
                    // `turn` flushes again and finds out what is wrong.
                    Ok(false) | Err(()) => Need::Write,
                }
            }
            State::Lingering { .. } => {
                self.used = self.input.len();
                Need::Read
            }
            State::Tunnel => {
                self.output.extend_from_slice(&self.input[self.used..]);
                self.used = self.input.len();
                match self.flush() {
                    Ok(true) => Need::Read,
                    Ok(false) | Err(()) => Need::Write,
                }
            }
        }
    }

    fn head(&mut self, near: &mut Surroundings<'_>) -> Need {
        if self.used == self.input.len() {
            return Need::Read;
        }
        match parse_head(&self.input[self.used..], Exchange::new) {
            Ok(None) => Need::Read,
            Ok(Some((head, mut exchange))) => {
                self.used += head.len;
                self.nth += 1;
                near.shared.begun(self.nth);
                if near.max_requests.is_some_and(|max| self.nth >= max) {
                    exchange.keep_alive = false;
                }
                match exchange.route {
                    Route::Tunnel => {
                        route::tunnel_head(&exchange, &mut self.output);
                        self.state = State::Tunnel;
                        return Need::Nothing;
                    }
                    Route::Early { .. } | Route::Continue { refuses: true } => return self.whole(exchange, near),
                    _ => {}
                }
                if head.body == BodyLength::Known(0) {
                    return self.whole(exchange, near);
                }
                if head.expects_continue && exchange.route != (Route::Continue { refuses: false }) {
                    self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                let echoed = exchange.route == Route::Echo;
                if echoed {
                    let place = Place { connection: self.id, nth: self.nth, keep_alive_field: near.keep_alive_field };
                    route::echo_head(&mut exchange, place, &mut self.output);
                }
                self.state = State::Body { decoder: BodyDecoder::new(head.body), exchange, echoed };
                Need::Nothing
            }
            Err(why) => self.refuse(why, near, false),
        }
    }

    fn body(&mut self, near: &mut Surroundings<'_>) -> Need {
        let State::Body { decoder, exchange, echoed } = &mut self.state else {
            return Need::Nothing;
        };
        let chunked = exchange.body == BodyLength::Chunked;
        let waiting = self.output.len() - self.sent;
        if *echoed && waiting >= OUTPUT_BOUND {
            return Need::Write;
        }
        let (output, mut fits, before) = (&mut self.output, true, exchange.received);
        let decoded = decoder.decode(&self.input[self.used..], OUTPUT_BOUND, |bytes| {
            if !*echoed {
                fits = exchange.take_in(bytes) && fits;
                return;
            }
            exchange.received += bytes.len() as u64;
            if chunked && !bytes.is_empty() {
                output.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            }
            output.extend_from_slice(bytes);
            if chunked && !bytes.is_empty() {
                output.extend_from_slice(b"\r\n");
            }
        });
        near.shared.body_received(exchange.received - before);
        let (done, echoed) = (decoder.is_done(), *echoed);
        match decoded {
            Ok(_) if !fits => self.refuse("/echo-late keeps 64 MiB", near, true),
            Ok(taken) if done => {
                self.used += taken;
                let State::Body { exchange, .. } = std::mem::replace(&mut self.state, State::Head { since: near.now })
                else {
                    return Need::Nothing;
                };
                if !echoed {
                    return self.whole(exchange, near);
                }
                if chunked {
                    self.output.extend_from_slice(b"0\r\n\r\n");
                }
                self.state = State::Answer { source: Source::Empty, keep_alive: exchange.keep_alive, counts: true };
                Need::Nothing
            }
            Ok(0) => Need::Read,
            Ok(taken) => {
                self.used += taken;
                Need::Nothing
            }
            // The head of an echo is out already, so the connection is all that can end.
            Err(_) if echoed => {
                near.shared.bad();
                self.state = State::Answer { source: Source::Empty, keep_alive: false, counts: true };
                Need::Nothing
            }
            Err(why) => self.refuse(why, near, true),
        }
    }

    /// The request is whole: answer it now or after its delay.
    fn whole(&mut self, exchange: Exchange, near: &mut Surroundings<'_>) -> Need {
        if let Some(delay) = exchange.delay {
            self.state = State::Delayed { exchange, until: near.now + delay };
            return Need::Nothing;
        }
        self.answer(exchange, near)
    }

    fn answer(&mut self, mut exchange: Exchange, near: &mut Surroundings<'_>) -> Need {
        let place = Place { connection: self.id, nth: self.nth, keep_alive_field: near.keep_alive_field };
        let source = route::answer(&mut exchange, place, &mut self.output);
        self.state = State::Answer { source, keep_alive: exchange.keep_alive, counts: true };
        Need::Nothing
    }

    /// Answers 400 and ends. `counts`: the request was counted as begun.
    fn refuse(&mut self, why: &str, near: &Surroundings<'_>, counts: bool) -> Need {
        near.shared.bad();
        route::refuse(why, &mut self.output);
        self.used = self.input.len();
        self.state = State::Answer { source: Source::Empty, keep_alive: false, counts };
        Need::Nothing
    }
}
