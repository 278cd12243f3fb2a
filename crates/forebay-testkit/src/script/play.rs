//! Plays one script on one connection.
//!
//! Promise: returns how it ended; the socket is closed by the caller. Every wait ends when the server stops. Used by `server`.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::channel::Channel;
use super::connection::End;
use super::shared::Shared;
use super::step::{Pieces, Script, Send, Step};
use crate::framing::{BodyDecoder, parse_head};
use crate::h2::frame;
use crate::pattern;

/// Bytes put together for one write when they are sent many times. A guess.
const BLOCK: usize = 64 * 1024;

/// How long `close` waits for the peer's FIN. A guess: longer than any client's own limit in a test.
const LINGER: Duration = Duration::from_secs(5);

pub(super) struct Player {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) channel: Channel,
    /// Read and not yet used by a step.
    pub(super) buffer: Vec<u8>,
    /// Signals used up.
    pub(super) signals: u64,
}

impl Player {
    pub(super) fn play(&mut self, script: &Script) -> End {
        for (i, step) in script.steps.iter().enumerate() {
            self.shared.update(self.index, |connection| connection.step = i);
            if let Err(end) = self.step(step) {
                return end;
            }
        }
        self.shared.update(self.index, |connection| connection.step = script.steps.len());
        loop {
            self.buffer.clear();
            if let Err(end) = self.read() {
                return end;
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Head => self.request(false),
            Step::Request => self.request(true),
            Step::Preface => self.preface(),
            Step::Streams { count, answering } => self.frames(Some(*count), *answering),
            Step::Frames => self.frames(None, true),
            Step::Read(len) => {
                let len = usize::try_from(*len).unwrap_or(usize::MAX);
                let mut left = len;
                while left > 0 {
                    if self.buffer.is_empty() {
                        self.read()?;
                    }
                    let take = left.min(self.buffer.len());
                    self.buffer.drain(..take);
                    left -= take;
                }
                Ok(())
            }
            Step::ReadToEnd => loop {
                self.buffer.clear();
                match self.read() {
                    Ok(()) => {}
                    Err(End::PeerClosed) => return Ok(()),
                    Err(end) => return Err(end),
                }
            },
            Step::Send(send) => self.send(send, Channel::write),
            Step::Raw(send) => self.send(send, Channel::write_raw),
            Step::Pattern(len) => {
                let (mut at, mut block) = (0, Vec::new());
                while at < *len {
                    let take = usize::try_from(*len - at).unwrap_or(usize::MAX).min(BLOCK);
                    block.clear();
                    pattern::extend(&mut block, at, take);
                    self.write(&block, Channel::write)?;
                    at += take as u64;
                }
                Ok(())
            }
            Step::Wait(pause) => self.shared.pause(*pause),
            Step::Signal => {
                self.signals += 1;
                self.shared.await_signal(self.index, self.signals)
            }
            Step::CloseNotify => self.channel.close_notify(),
            Step::Close => Err(self.close()),
            Step::Drop => Err(End::Closed),
            Step::HalfClose => Ok(self.channel.stream().shutdown(Shutdown::Write)?),
            Step::Reset => {
                SockRef::from(self.channel.stream()).set_linger(Some(Duration::ZERO))?;
                Err(End::Reset)
            }
            Step::Park => Err(self.shared.park()),
            Step::Repeat { steps, times } => {
                let mut played = 0;
                while times.is_none_or(|times| played < times) {
                    played += 1;
                    for step in steps {
                        self.step(step)?;
                    }
                    if steps.is_empty() {
                        break;
                    }
                    self.shared.running()?;
                }
                Ok(())
            }
            Step::Tls(handshake) => {
                let config = self.shared.tls_config(&handshake.options);
                let shared = Arc::clone(&self.shared);
                let info = self.channel.handshake(config, handshake, |every| shared.pause(every))?;
                self.shared.update(self.index, |connection| connection.tls = info);
                Ok(())
            }
            Step::Record { content_type, bytes, times } => self.channel.records(*content_type, bytes, *times),
            Step::KeyUpdates(times) => self.channel.key_updates(*times),
        }
    }

    /// Reads one request head and, if asked for, its body; the rest stays in the buffer.
    fn request(&mut self, with_body: bool) -> Result<(), End> {
        let head = loop {
            match parse_head(&self.buffer, |_, _| ()) {
                Ok(Some((head, ()))) => break head,
                Ok(None) => self.read()?,
                Err(why) => return Err(End::Script(format!("no request came: {why}"))),
            }
        };
        self.buffer.drain(..head.len);
        let mut body = BodyDecoder::new(head.body);
        while with_body && !body.is_done() {
            let taken = body
                .decode(&self.buffer, usize::MAX, |_| {})
                .map_err(|why| End::Script(format!("no request body came: {why}")))?;
            self.buffer.drain(..taken);
            if taken == 0 {
                self.read()?;
            }
        }
        self.shared.update(self.index, |connection| connection.requests += 1);
        Ok(())
    }

    fn preface(&mut self) -> Result<(), End> {
        while self.buffer.len() < frame::PREFACE.len() {
            self.read()?;
        }
        if !self.buffer.starts_with(frame::PREFACE) {
            return Err(End::Script("no HTTP/2 preface came".to_owned()));
        }
        self.buffer.drain(..frame::PREFACE.len());
        Ok(())
    }

    /// Reads frames until `streams` HEADERS have come, or to the end.
    fn frames(&mut self, streams: Option<u64>, answering: bool) -> Result<(), End> {
        let mut seen = 0;
        while streams.is_none_or(|streams| seen < streams) {
            let head = frame::Head::parse(&self.buffer).filter(|h| self.buffer.len() >= frame::HEAD + h.length);
            let Some(head) = head else {
                match self.read() {
                    Err(End::PeerClosed) if streams.is_none() => return Ok(()),
                    other => other?,
                }
                continue;
            };
            let payload: Vec<u8> = self.buffer.drain(..frame::HEAD + head.length).skip(frame::HEAD).collect();
            let asks = answering && head.flags & frame::ACK == 0;
            match head.kind {
                frame::kind::HEADERS => {
                    seen += 1;
                    self.shared.update(self.index, |connection| connection.requests += 1);
                }
                frame::kind::SETTINGS if asks => self.write(&frame::settings_ack(), Channel::write)?,
                frame::kind::PING if asks => {
                    let pong = frame::frame(frame::kind::PING, frame::ACK, 0, &payload);
                    self.write(&pong, Channel::write)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), End> {
        let bytes = self.channel.read()?;
        self.shared.received(self.index, &bytes);
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], by: impl Fn(&mut Channel, &[u8]) -> Result<(), End>) -> Result<(), End> {
        by(&mut self.channel, bytes)?;
        self.shared.update(self.index, |connection| connection.sent += bytes.len() as u64);
        Ok(())
    }

    fn send(&mut self, send: &Send, by: impl Fn(&mut Channel, &[u8]) -> Result<(), End> + Copy) -> Result<(), End> {
        if send.bytes.is_empty() {
            return Ok(());
        }
        if send.pieces == Pieces::Whole && send.every.is_zero() {
            // Short bytes are joined to larger writes.
            let at_once = (BLOCK / send.bytes.len()).max(1) as u64;
            let block = send.bytes.repeat(usize::try_from(at_once.min(send.times)).unwrap_or(1));
            let mut left = send.times;
            while left > 0 {
                let take = left.min(at_once);
                let len = usize::try_from(take).map_or(block.len(), |take| take * send.bytes.len());
                self.write(&block[..len], by)?;
                left -= take;
            }
            return Ok(());
        }
        let mut cuts = send.pieces.cuts();
        let mut first = true;
        for _ in 0..send.times {
            let mut rest = send.bytes.as_slice();
            while !rest.is_empty() {
                if !first && !send.every.is_zero() {
                    self.shared.pause(send.every)?;
                }
                first = false;
                let (piece, after) = rest.split_at(cuts.next(rest.len()));
                self.write(piece, by)?;
                rest = after;
            }
        }
        Ok(())
    }

    /// FIN, then reads until the peer ends its side.
    fn close(&mut self) -> End {
        if self.channel.stream().shutdown(Shutdown::Write).is_err() {
            return End::Closed;
        }
        let until = Instant::now() + LINGER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.channel.stream().set_read_timeout(Some(left)).is_err() || self.read().is_err() {
                return End::Closed;
            }
            self.buffer.clear();
        }
    }
}
