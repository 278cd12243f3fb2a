//! Records that wait for JavaScript, and how they get into its slab.
//!
//! Promise: whole records only, in order; nothing is lost when the slab is smaller than what waits; a large part of a body
//! is copied once, from where it was received. Used by `complete`, which adds, and by the runners. Not here: what a record
//! says (`complete`).

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use forebay_transport::sink::{Head, RequestId};

use crate::complete::{micros, put_fields, to_u32};
use crate::record::{data, data_flag, deliver_kind, response, response_flag, special, word};
use crate::target::Targets;

/// A part of a body from this size on is not copied into the run of small records, in bytes. A guess.
const LARGE: usize = 4 * 1024;

/// Most bytes of body in one record: a fraction of the slab, so that any record fits.
const MAX_PART: usize = 128 * 1024;

/// Heads that are remembered until a large part of their body comes. A guess: few responses begin in one turn.
const HEADS: usize = 64;

/// Records that wait.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Records one after another; a large payload of a record is not among them.
    pub(crate) run: Vec<u8>,
    /// Where the first record that still waits begins.
    read: usize,
    /// Records with a payload of their own, in order.
    large: VecDeque<Large>,
    /// Bytes of their payloads.
    large_bytes: usize,
    /// Heads of bodies of which no large part came yet: request, and where in `run` the head stands.
    heads: Vec<(RequestId, usize)>,
    /// Terminal records among those that wait.
    pub(crate) terminals: usize,
    /// Whether the last fill ended before a body whose reader may name a target.
    paused: bool,
}

/// A part of a body that is not copied into the run.
#[derive(Debug)]
struct Large {
    /// Where its record stands in the run.
    at: usize,
    bytes: Bytes,
    /// Where the head stands whose first such part it is.
    head: Option<usize>,
}

impl Outbox {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.read == self.run.len()
    }

    /// Bytes that wait, about.
    pub(crate) fn waiting(&self) -> usize {
        self.run.len() - self.read + self.large_bytes
    }

    /// Terminal records that were added since this was last asked.
    pub(crate) fn take_terminals(&mut self) -> usize {
        std::mem::take(&mut self.terminals)
    }

    /// Whether JavaScript should run before the next fill.
    pub(crate) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Puts `other` behind what waits; `other` is empty then.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            self.clear();
            std::mem::swap(self, other);
            return;
        }
        let (start, end) = (other.read, self.run.len());
        let shift = |at: usize| at - start + end;
        self.run.extend_from_slice(&other.run[start..]);
        self.large.extend(other.large.drain(..).map(|part| Large {
            at: shift(part.at),
            head: part.head.filter(|at| *at >= start).map(shift),
            bytes: part.bytes,
        }));
        self.large_bytes += other.large_bytes;
        self.terminals += other.terminals;
        other.clear();
    }

    fn clear(&mut self) {
        self.run.clear();
        self.read = 0;
        self.large.clear();
        self.large_bytes = 0;
        self.heads.clear();
        self.terminals = 0;
    }

    /// Copies as many whole records as fit into `slab`; gives how many bytes. Parts of bodies that have a target go there
    /// instead. Ends before the first large part of a body whose head it has copied: the reader may name a target for it.
    pub(crate) fn fill<M: AsMut<[u8]>>(&mut self, slab: &mut [u8], targets: &mut Targets<M>) -> usize {
        let mut at = 0;
        let begin = self.read;
        self.paused = false;
        while !self.is_empty() {
            let next_large = self.large.front().map_or(self.run.len(), |part| part.at);
            if self.read < next_large {
                let small = if targets.is_empty() {
                    self.small_until(next_large, slab.len() - at)
                } else {
                    self.length_at(self.read)
                };
                if small == 0 || small > slab.len() - at {
                    break;
                }
                let records = &self.run[self.read..self.read + small];
                at += if targets.is_empty() {
                    copy(records, &mut slab[at..])
                } else {
                    divert(records, &mut slab[at..], targets)
                };
                self.read += small;
                continue;
            }
            let length = self.length_at(self.read);
            self.paused = self.large.front().is_some_and(|part| part.head >= Some(begin));
            if self.paused || length > slab.len() - at {
                break;
            }
            let Some(part) = self.large.pop_front() else {
                break;
            };
            self.large_bytes -= part.bytes.len();
            let words = &self.run[self.read..self.read + DATA_HEAD];
            if targets.put(word_at(words, word::SUBJECT), &part.bytes) {
                at += direct(words, &mut slab[at..]);
            } else {
                copy(words, &mut slab[at..]);
                copy(&part.bytes, &mut slab[at + DATA_HEAD..]);
                at += length;
            }
            self.read += DATA_HEAD;
        }
        if self.is_empty() {
            self.run.clear();
            self.heads.clear();
            self.read = 0;
        }
        at
    }

    /// How many bytes of whole records lie before `until` and fit into `room`.
    fn small_until(&self, until: usize, room: usize) -> usize {
        if until - self.read <= room {
            return until - self.read;
        }
        let mut fits = 0;
        loop {
            let length = self.length_at(self.read + fits);
            if fits + length > room {
                return fits;
            }
            fits += length;
        }
    }

    fn length_at(&self, at: usize) -> usize {
        self.run.get(at..).map_or(0, |record| word_at(record, word::LENGTH)) as usize
    }

    fn word(&mut self, value: u32) {
        self.run.extend_from_slice(&value.to_le_bytes());
    }

    fn pad(&mut self) {
        self.run.resize(self.run.len().next_multiple_of(4), 0);
    }

    /// Writes a record: `words` after the length, then what `tail` writes; the length last.
    pub(crate) fn record(&mut self, words: &[u32], tail: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.run.len();
        self.word(0);
        for word in words {
            self.word(*word);
        }
        tail(&mut self.run);
        self.pad();
        let length = to_u32(self.run.len() - begin);
        self.run[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn data(&mut self, request: RequestId, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(MAX_PART));
            let size = to_u32(part.len());
            if part.len() < LARGE {
                self.record(&[deliver_kind::DATA, request, size], |out| out.extend_from_slice(&part));
            } else {
                let at = self.run.len();
                let found = self.heads.iter().position(|(id, _)| *id == request);
                let head = found.map(|index| self.heads.swap_remove(index).1);
                self.word(data::WORDS * 4 + size.next_multiple_of(4));
                for word in [deliver_kind::DATA, request, size] {
                    self.word(word);
                }
                self.large_bytes += part.len();
                self.large.push_back(Large { at, bytes: part, head });
            }
        }
    }

    pub(crate) fn response(&mut self, request: RequestId, head: &Head, body: Option<&[Bytes]>) {
        let begin = self.run.len();
        if body.is_none() {
            if self.heads.len() == HEADS {
                self.heads.swap_remove(0);
            }
            self.heads.push((request, begin));
        }
        let length = body.map_or(0, |b| b.iter().map(Bytes::len).sum());
        let flags = (if body.is_some() { response_flag::COMPLETE } else { 0 })
            | (if head.reused { response_flag::REUSED } else { 0 })
            | (if head.tunnel { response_flag::TUNNEL } else { 0 });
        let total = head.body_length.and_then(|l| u32::try_from(l).ok()).unwrap_or(special::BODY_NONE);
        let words = [
            deliver_kind::RESPONSE | flags << 8,
            request,
            u32::from(head.status.as_u16()),
            head.connection,
            0,
            to_u32(length),
            micros(head.queued),
            micros(head.waited),
            total,
        ];
        self.record(&words, |out| {
            let head_begin = out.len();
            let reason = head.reason.as_deref().or(head.status.canonical_reason().map(str::as_bytes));
            out.extend_from_slice(reason.unwrap_or_default());
            out.push(0);
            put_fields(out, &head.fields);
            let head_length = to_u32(out.len() - head_begin).to_le_bytes();
            let slot = begin + (response::HEAD_LENGTH * 4) as usize;
            out[slot..slot + 4].copy_from_slice(&head_length);
            for part in body.unwrap_or_default() {
                out.extend_from_slice(part);
            }
        });
    }
}

/// Bytes of a `DATA` record before its payload.
const DATA_HEAD: usize = (data::WORDS * 4) as usize;

fn copy(bytes: &[u8], into: &mut [u8]) -> usize {
    into[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

/// The record of a part that went to its target.
fn direct(words: &[u8], into: &mut [u8]) -> usize {
    copy(words, into);
    into[..4].copy_from_slice(&(data::WORDS * 4).to_le_bytes());
    into[4..8].copy_from_slice(&(deliver_kind::DATA | data_flag::DIRECT << 8).to_le_bytes());
    DATA_HEAD
}

/// Copies one small record, or puts the part in it where its target is.
fn divert<M: AsMut<[u8]>>(record: &[u8], into: &mut [u8], targets: &mut Targets<M>) -> usize {
    let request = word_at(record, word::SUBJECT);
    match word_at(record, word::KIND) & 0xff {
        deliver_kind::DATA => {
            let length = word_at(record, data::LENGTH) as usize;
            if targets.put(request, &record[DATA_HEAD..DATA_HEAD + length]) {
                return direct(&record[..DATA_HEAD], into);
            }
        }
        deliver_kind::END | deliver_kind::FAIL => targets.release(request),
        _ => {}
    }
    copy(record, into)
}

fn word_at(record: &[u8], index: u32) -> u32 {
    let at = index as usize * 4;
    record.get(at..at + 4).map_or(0, |mut b| b.get_u32_le())
}

#[cfg(test)]
mod tests;
