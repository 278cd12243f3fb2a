//! Answers on their way to JavaScript: what the transport says becomes records, in order, that are copied into the slab.
//!
//! Promise: whole records only; nothing is lost when the slab is smaller than what waits; a large part of a body is
//! copied once, from where it was received. Used by the runners. Not here: who calls JavaScript (`runner`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use forebay_core::{Class, DrainReason, LimitName, Priority, Protocol};
use forebay_transport::error::{Code, Failure};
use forebay_transport::sink::{Connected, ConnectionNumber, Head, Peer, PoolId, RequestId, Sink};
use http::{HeaderMap, StatusCode};

use crate::record::{
    connected, data, data_flag, deliver_kind, disconnected, draining, end, fail, fail_flag, informational, overflow,
    replayed, response, response_flag, special, taken, word,
};
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
    run: Vec<u8>,
    /// Where the first record that still waits begins.
    read: usize,
    /// Records with a payload of their own, in order.
    large: VecDeque<Large>,
    /// Heads of bodies of which no large part came yet: request, and where in `run` the head stands.
    heads: Vec<(RequestId, usize)>,
    /// Terminal records among those that wait.
    terminals: usize,
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
        self.terminals += other.terminals;
        other.clear();
    }

    fn clear(&mut self) {
        self.run.clear();
        self.read = 0;
        self.large.clear();
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
    fn record(&mut self, words: &[u32], tail: impl FnOnce(&mut Vec<u8>)) {
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

    fn data(&mut self, request: RequestId, mut bytes: Bytes) {
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
                self.large.push_back(Large { at, bytes: part, head });
            }
        }
    }

    fn response(&mut self, request: RequestId, head: &Head, body: Option<&[Bytes]>) {
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

/// The sink of one channel: what the transport says, as records.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    out: RefCell<Outbox>,
}

impl Outlet {
    /// What waits, to be copied or moved on.
    pub(crate) fn outbox(&self) -> &RefCell<Outbox> {
        &self.out
    }
}

impl Sink for Outlet {
    fn connected(&self, pool: PoolId, info: &Connected) {
        let (address, port) = match &info.peer {
            Peer::Ip(ip, port) => (ip.to_string(), *port),
            Peer::Unix(path) => (path.clone(), 0),
        };
        let words = [
            deliver_kind::CONNECTED,
            info.connection,
            pool,
            match info.protocol {
                Protocol::H1 => 0,
                Protocol::H2 => 1,
                Protocol::H3 => 2,
            },
            u32::from(port),
            micros(info.connect),
            micros(info.tls),
            to_u32(address.len()),
        ];
        debug_assert_eq!(words.len() + 1, connected::WORDS as usize);
        self.out.borrow_mut().record(&words, |out| out.extend_from_slice(address.as_bytes()));
    }

    fn disconnected(&self, pool: PoolId, connection: ConnectionNumber, fault: Option<Code>) {
        let code = fault.map_or(0, |c| c as u32 + 1);
        let words = [deliver_kind::DISCONNECTED, connection, pool, code];
        debug_assert_eq!(words.len() + 1, disconnected::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn draining(&self, pool: PoolId, connection: ConnectionNumber, reason: DrainReason) {
        let reason = match reason {
            DrainReason::GoAway => 0,
            DrainReason::MaxDuration => 1,
            DrainReason::MaxRequests => 2,
            DrainReason::CloseHeader => 3,
            DrainReason::KeepAliveHint => 4,
            DrainReason::Manual => 5,
            DrainReason::AddressGone => 6,
            DrainReason::Unhealthy => 7,
            DrainReason::LocalErrors => 8,
        };
        let words = [deliver_kind::DRAINING, connection, pool, reason];
        debug_assert_eq!(words.len() + 1, draining::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn overflow(&self, pool: PoolId, priority: Priority, limit: LimitName, count: u32) {
        let priority = match priority {
            Priority::Default => 0,
            Priority::High => 1,
        };
        let limit = match limit {
            LimitName::MaxConnections => 0,
            LimitName::MaxPendingRequests => 1,
            LimitName::MaxRequests => 2,
            LimitName::MaxRetries => 3,
            LimitName::MaxConnectionPools => 4,
            LimitName::Shed => 5,
        };
        let words = [deliver_kind::OVERFLOW, pool, priority, limit, count];
        debug_assert_eq!(words.len() + 1, overflow::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn response(&self, request: RequestId, head: &Head, body: &[Bytes]) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.response(request, head, Some(body));
    }

    fn head(&self, request: RequestId, head: &Head) {
        self.out.borrow_mut().response(request, head, None);
    }

    fn data(&self, request: RequestId, part: Bytes) {
        self.out.borrow_mut().data(request, part);
    }

    fn end(&self, request: RequestId, trailers: Option<&HeaderMap>) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        let begin = out.run.len();
        debug_assert_eq!(end::WORDS, 4);
        out.record(&[deliver_kind::END, request, 0], |out| {
            if let Some(fields) = trailers {
                let from = out.len();
                put_fields(out, fields);
                let length = to_u32(out.len() - from).to_le_bytes();
                let slot = begin + (end::TRAILERS_LENGTH * 4) as usize;
                out[slot..slot + 4].copy_from_slice(&length);
            }
        });
    }

    fn taken(&self, request: RequestId, bytes: u32) {
        debug_assert_eq!(taken::WORDS, 4);
        self.out.borrow_mut().record(&[deliver_kind::TAKEN, request, bytes], |_| {});
    }

    fn stopped(&self, request: RequestId) {
        self.out.borrow_mut().record(&[deliver_kind::STOPPED, request], |_| {});
    }

    fn peer_ended(&self, request: RequestId) {
        self.out.borrow_mut().record(&[deliver_kind::PEER_ENDED, request], |_| {});
    }

    fn informational(&self, request: RequestId, status: StatusCode, fields: &HeaderMap) {
        let mut out = self.out.borrow_mut();
        let begin = out.run.len();
        let words = [deliver_kind::INFORMATIONAL, request, u32::from(status.as_u16()), 0];
        debug_assert_eq!(words.len() + 1, informational::WORDS as usize);
        out.record(&words, |out| {
            let from = out.len();
            out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
            out.push(0);
            put_fields(out, fields);
            let length = to_u32(out.len() - from).to_le_bytes();
            let slot = begin + (informational::HEAD_LENGTH * 4) as usize;
            out[slot..slot + 4].copy_from_slice(&length);
        });
    }

    fn replayed(&self, request: RequestId, code: Code, via: Option<ConnectionNumber>, time: Duration) {
        let words = [deliver_kind::REPLAYED, request, code as u32, via.unwrap_or(0), micros(time)];
        debug_assert_eq!(words.len() + 1, replayed::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn fail(&self, request: RequestId, failure: &Failure, via: Option<(ConnectionNumber, bool)>) {
        let (connection, reused) = via.unwrap_or_default();
        let flags = if reused { fail_flag::REUSED } else { 0 };
        let retryable = match failure.class {
            Class::Never => 0,
            Class::Maybe => 1,
            Class::Unprocessed => 2,
        };
        let endpoint = failure.endpoint.map(|e| e.to_string()).unwrap_or_default();
        let words = [
            deliver_kind::FAIL | flags << 8,
            request,
            failure.code as u32,
            retryable,
            failure.phase as u32,
            connection,
            failure.number,
            to_u32(failure.text.len()),
            to_u32(endpoint.len()),
        ];
        debug_assert_eq!(words.len() + 1, fail::WORDS as usize);
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.record(&words, |out| {
            out.extend_from_slice(failure.text.as_bytes());
            out.extend_from_slice(endpoint.as_bytes());
        });
    }

    fn pool_closed(&self, pool: PoolId) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.record(&[deliver_kind::POOL_CLOSED, pool], |_| {});
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

/// `name NUL value NUL` for each.
fn put_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(0);
        out.extend_from_slice(value.as_bytes());
        out.push(0);
    }
}

/// Lengths are bounded far below: heads by their bound, parts by `MAX_PART`.
fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn none() -> Targets<Vec<u8>> {
        Targets::default()
    }

    fn records(mut slab: &[u8]) -> Vec<(u32, u32, usize)> {
        let mut found = vec![];
        while !slab.is_empty() {
            let mut words = slab;
            let (length, kind, subject) = (words.get_u32_le(), words.get_u32_le(), words.get_u32_le());
            found.push((kind & 0xff, subject, length as usize));
            slab = &slab[length as usize..];
        }
        found
    }

    #[test]
    fn records_that_do_not_fit_wait_whole_and_in_order() {
        let outlet = Outlet::default();
        for request in 0..10 {
            outlet.end(request, None);
            outlet.data(request, Bytes::from(vec![7; LARGE + 1]));
        }
        let mut out = outlet.out.borrow_mut();
        let mut slab = vec![0; LARGE * 2];
        let mut seen = vec![];
        while !out.is_empty() {
            let filled = out.fill(&mut slab, &mut none());
            assert!(filled > 0);
            seen.extend(records(&slab[..filled]));
        }
        let expected: Vec<_> = (0..10).flat_map(|r| [(deliver_kind::END, r), (deliver_kind::DATA, r)]).collect();
        assert_eq!(seen.iter().map(|(k, r, _)| (*k, *r)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn appended_records_keep_their_payloads() {
        let (first, second) = (Outlet::default(), Outlet::default());
        first.end(1, None);
        second.data(2, Bytes::from(vec![9; LARGE]));
        second.data(3, Bytes::from(vec![8; 3]));
        let mut all = first.out.take();
        all.append(&mut second.out.take());
        let mut slab = vec![0; LARGE * 2];
        let filled = all.fill(&mut slab, &mut none());
        assert_eq!(records(&slab[..filled]).iter().map(|r| r.1).collect::<Vec<_>>(), [1, 2, 3]);
        let payload = (end::WORDS + data::WORDS) as usize * 4;
        assert!(slab[payload..payload + LARGE].iter().all(|b| *b == 9));
        assert_eq!(all.take_terminals(), 1);
    }

    #[test]
    fn a_long_part_is_split_into_records_that_fit_any_slab() {
        let outlet = Outlet::default();
        outlet.data(1, Bytes::from(vec![1; MAX_PART * 3 + 5]));
        let mut slab = vec![0; MAX_PART * 4];
        let filled = outlet.out.borrow_mut().fill(&mut slab, &mut none());
        let found = records(&slab[..filled]);
        assert_eq!(found.len(), 4);
        assert_eq!(found[3].2, (data::WORDS * 4 + 8) as usize);
    }

    fn is_direct(record: &[u8]) -> bool {
        word_at(record, word::KIND) == deliver_kind::DATA | data_flag::DIRECT << 8
    }

    #[test]
    fn parts_of_a_body_with_a_target_go_there_and_others_to_the_slab() {
        let outlet = Outlet::default();
        outlet.data(1, Bytes::from(vec![1; LARGE]));
        outlet.data(2, Bytes::from(vec![2; LARGE]));
        outlet.data(1, Bytes::from(vec![3; 5]));
        outlet.end(1, None);
        let mut targets = Targets::default();
        targets.set(1, vec![0; LARGE + 5]);
        let mut slab = vec![0; LARGE * 4];
        let filled = outlet.out.borrow_mut().fill(&mut slab, &mut targets);
        let small = (data::WORDS * 4) as usize;
        let found: Vec<_> = records(&slab[..filled]).iter().map(|r| (r.0, r.1, r.2)).collect();
        let large = small + LARGE;
        let ended = (deliver_kind::END, 1, (end::WORDS * 4) as usize);
        assert_eq!(
            found,
            [(deliver_kind::DATA, 1, small), (deliver_kind::DATA, 2, large), (deliver_kind::DATA, 1, small), ended]
        );
        assert!(is_direct(&slab) && !is_direct(&slab[small..]) && is_direct(&slab[small + large..]));
        assert_eq!(word_at(&slab[small + large..], data::LENGTH), 5);
        assert!(targets.is_empty(), "the end lets go of it");
    }

    #[test]
    fn what_does_not_fit_its_target_goes_to_the_slab() {
        let outlet = Outlet::default();
        outlet.data(1, Bytes::from(vec![1; LARGE]));
        outlet.data(1, Bytes::from(vec![2; LARGE]));
        let mut targets = Targets::default();
        targets.set(1, vec![0; LARGE * 2 - 1]);
        let mut slab = vec![0; LARGE * 4];
        let filled = outlet.out.borrow_mut().fill(&mut slab, &mut targets);
        let small = (data::WORDS * 4) as usize;
        assert_eq!(filled, small + small + LARGE);
        assert!(is_direct(&slab) && !is_direct(&slab[small..]));
        assert!(targets.is_empty());
    }

    #[test]
    fn a_delivery_ends_between_a_head_and_the_first_large_part() {
        let head = Head {
            status: StatusCode::OK,
            reason: None,
            fields: HeaderMap::new(),
            connection: 1,
            reused: false,
            queued: Duration::ZERO,
            waited: Duration::ZERO,
            body_length: Some(LARGE as u64 * 2),
            tunnel: false,
        };
        let (before, turn) = (Outlet::default(), Outlet::default());
        before.end(8, None);
        let all = &mut before.out.take();
        turn.end(7, None);
        turn.head(1, &head);
        turn.data(1, Bytes::from(vec![1; LARGE]));
        turn.data(1, Bytes::from(vec![1; LARGE]));
        all.append(&mut turn.out.take());
        let mut slab = vec![0; LARGE * 4];
        let filled = all.fill(&mut slab, &mut none());
        assert_eq!(records(&slab[..filled]).last().map(|r| r.0), Some(deliver_kind::RESPONSE));
        let filled = all.fill(&mut slab, &mut none());
        assert_eq!(records(&slab[..filled]).iter().map(|r| r.0).collect::<Vec<_>>(), [deliver_kind::DATA; 2]);
        assert!(all.is_empty());
    }
}
