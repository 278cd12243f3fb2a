//! Watches the frames of a connection before the `h2` crate reads them: their heads, and SETTINGS whole.
//!
//! Promise: bytes pass as they are, up to the first fault and never beyond, and no more of them in one go than what the streams
//! can take in between (`Pass::Later`): the `h2` crate keeps what comes in one go without a bound. Cheap: nine bytes of a
//! frame are looked at, the rest is counted. Pure, no I/O. Used by `io`. Not here: what a fault means to callers (`error`).

use std::rc::Rc;

use super::fault::Fault;
use super::settings::Settings;
use super::traffic::Traffic;

/// Length of a frame's head, in bytes. Source: RFC 9113 section 4.1.
const HEAD: usize = 9;

/// Length of what a client sends before its frames. Source: RFC 9113 section 3.4.
const PREFACE: usize = 24;

/// Control frames of a connection. Source: the bounds of the hostile upstream rows.
const CONTROL_FRAMES: u64 = 1_000;
/// More of them for each HEADERS or DATA of an open request, in either direction. Source: the same.
pub(super) const CONTROL_FRAMES_MORE: u64 = 10;

/// Heads of messages that pass in one go: as many as one response may have before its final head, so that the bound on
/// them is looked at before the next come.
const HEADS_AT_ONCE: u32 = 100;
/// Bytes that pass in one go: what the smallest DATA frames in them cost in memory is bounded by it. A guess: four reads.
const BYTES_AT_ONCE: usize = 64 * 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// `ACK` of SETTINGS.
const ACK: u8 = 1;

/// The window of a connection before the peer widens it. Source: RFC 9113 section 6.9.2.
const FIRST_WINDOW: i64 = 65_535;

/// What of some bytes may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pass {
    /// All.
    All,
    /// So many; the rest in the next go.
    Later(usize),
    /// So many, and no more ever.
    Fault(usize, Fault),
}

/// Follows the frames in one direction.
#[derive(Debug, Default)]
struct Walk {
    head: [u8; HEAD],
    have: usize,
    /// Bytes of payload to come.
    left: usize,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Walk {
    /// Takes bytes of a head; gives it when it is whole, and how many bytes were taken.
    fn head(&mut self, bytes: &[u8]) -> (usize, Option<Head>) {
        let take = bytes.len().min(HEAD - self.have);
        self.head[self.have..self.have + take].copy_from_slice(&bytes[..take]);
        self.have += take;
        if self.have < HEAD {
            return (take, None);
        }
        self.have = 0;
        let head = &self.head;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        self.left = length;
        (take, Some(Head { length, kind: head[3], flags: head[4], stream }))
    }
}

/// The meter of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    read: Walk,
    written: Walk,
    /// The frame whose payload passes now, on the way in.
    current: u8,
    /// The stream of the last frame that passed, if that was a part of a message; else 0.
    stream: u32,
    first: bool,
    settings: Settings,
    settings_open: bool,
    /// The increment of a `WINDOW_UPDATE` of the connection, as far as it has come.
    increment: Option<(u32, usize)>,
    allowed: u64,
    control: u64,
    heads: u32,
    bytes: usize,
    counts: Counts,
    traffic: Rc<Traffic>,
}

/// What passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// Bytes in DATA that came.
    pub(super) data: u64,
    /// Frames that came.
    pub(super) frames: u64,
    /// SETTINGS that came whole.
    pub(super) settings: u64,
    /// Of ours, acknowledged.
    pub(super) acknowledged: u64,
    /// `RST_STREAM` that we sent.
    pub(super) resets: u64,
    /// The highest stream whose HEADERS we sent.
    pub(super) highest: u32,
    /// What the peer lets us send on the connection.
    pub(super) window: i64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { data: 0, frames: 0, settings: 0, acknowledged: 0, resets: 0, highest: 0, window: FIRST_WINDOW }
    }
}

impl Meter {
    /// What passes is counted in `traffic` too.
    pub(super) fn new(traffic: Rc<Traffic>) -> Self {
        Self {
            read: Walk::default(),
            written: Walk { left: PREFACE, ..Walk::default() },
            current: 0,
            stream: 0,
            first: true,
            settings: Settings::default(),
            settings_open: false,
            increment: None,
            allowed: CONTROL_FRAMES,
            control: 0,
            heads: 0,
            bytes: 0,
            counts: Counts::default(),
            traffic,
        }
    }

    /// What passed so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The stream of the last frame that passed, if that was a part of a message; else 0.
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    /// The streams have taken what passed: another go begins.
    pub(super) fn go_on(&mut self) {
        self.heads = 0;
        self.bytes = 0;
    }

    /// A frame of an open request came: the connection may have more control frames.
    pub(super) fn allow(&mut self) {
        self.allowed = self.allowed.saturating_add(CONTROL_FRAMES_MORE);
    }

    /// Whether nothing passes before `go_on`.
    pub(super) fn is_full(&self) -> bool {
        self.read.have == 0 && self.read.left == 0 && self.is_enough()
    }

    fn is_enough(&self) -> bool {
        self.heads >= HEADS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    /// Bytes have come.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Pass {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.read.left > 0 {
                let take = self.read.left.min(rest.len());
                if let Err(fault) = self.payload(&rest[..take]) {
                    return Pass::Fault(at, fault);
                }
                self.read.left -= take;
                self.bytes += take;
                at += take;
                if self.read.left == 0 {
                    self.end();
                }
                continue;
            }
            if self.read.have == 0 && self.is_enough() {
                return Pass::Later(at);
            }
            let (taken, head) = self.read.head(rest);
            if let Some(head) = head {
                if let Err(fault) = self.begin(head) {
                    return Pass::Fault(at, fault);
                }
                if head.length == 0 {
                    self.end();
                }
            }
            self.bytes += taken;
            at += taken;
        }
        Pass::All
    }

    fn begin(&mut self, head: Head) -> Result<(), Fault> {
        if self.first {
            if self.read.head.starts_with(b"HTTP/") {
                return Err(Fault::LooksLikeHttp1);
            }
            if head.kind != SETTINGS || head.flags & ACK != 0 || head.stream != 0 {
                return Err(Fault::NotSettings);
            }
            self.first = false;
        }
        self.counts.frames += 1;
        self.traffic.received.frame(head.kind);
        self.current = head.kind;
        // Only frames of a message can be one request's fault.
        self.stream = if matches!(head.kind, DATA | HEADERS | CONTINUATION) { head.stream } else { 0 };
        self.increment = None;
        match head.kind {
            // The `h2` crate bounds empty DATA and CONTINUATION.
            DATA => {
                self.counts.data += head.length as u64;
                return Ok(());
            }
            CONTINUATION => return Ok(()),
            HEADERS => {
                self.heads += 1;
                return Ok(());
            }
            SETTINGS if head.flags & ACK != 0 => self.counts.acknowledged += 1,
            SETTINGS => {
                self.settings.begin();
                self.settings_open = true;
            }
            WINDOW_UPDATE if head.stream == 0 => self.increment = Some((0, 0)),
            _ => {}
        }
        self.control += 1;
        if self.control > self.allowed { Err(Fault::TooManyControlFrames) } else { Ok(()) }
    }

    fn payload(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.settings_open && self.current == SETTINGS {
            return self.settings.pass(bytes);
        }
        if let Some((value, have)) = &mut self.increment {
            for byte in bytes.iter().take(4 - (*have).min(4)) {
                *value = *value << 8 | u32::from(*byte);
                *have += 1;
            }
        }
        Ok(())
    }

    /// The frame is whole.
    fn end(&mut self) {
        if self.settings_open {
            self.settings_open = false;
            self.counts.settings += 1;
        }
        if let Some((value, 4)) = self.increment.take() {
            self.counts.window += i64::from(value & 0x7fff_ffff);
        }
    }

    /// Bytes have left.
    pub(super) fn sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = self.written.left.min(bytes.len());
            self.written.left -= take;
            bytes = &bytes[take..];
            if self.written.left > 0 || bytes.is_empty() {
                return;
            }
            let (taken, head) = self.written.head(bytes);
            bytes = &bytes[taken..];
            if let Some(head) = head {
                self.wrote(head);
            }
        }
    }

    fn wrote(&mut self, head: Head) {
        self.traffic.sent.frame(head.kind);
        match head.kind {
            HEADERS => {
                self.counts.highest = self.counts.highest.max(head.stream);
                self.allow();
            }
            DATA => {
                // The frame's length is at most 2^24.
                self.counts.window -= i64::try_from(head.length).unwrap_or(i64::MAX);
                self.allow();
            }
            RST_STREAM => self.counts.resets += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
