//! Submissions on their way to the driver: the bytes that JavaScript wrote become calls.
//!
//! Promise: bytes that are no record (a bug of ours in TypeScript) end the reading and harm nobody; bytes of a request
//! are shared with the one copy that was made of the buffer. Used by the runners.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use forebay_core::{Priority, Stat};
use forebay_transport::Driver;
use forebay_transport::request::{Aim, Content, Submission};
use forebay_transport::timeouts::{Limit, Timeouts};

use crate::record::{
    body, body_flag, counted, credit, gate_flag, plain, request, request_flag, request_retry, request_timeouts,
    special, submit_kind, word,
};

/// Long bodies by request, in the order of the requests: what `Channel.give` was given.
pub(crate) type Given = VecDeque<(u32, Bytes)>;

/// Reads the submissions of one channel.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    given: Given,
    /// Bytes of the buffer that is being read.
    batch: usize,
}

impl Intake {
    /// Does what `records` say, in order. `given`: the long bodies of their requests.
    pub(crate) fn read(&mut self, mut records: Bytes, given: Given, driver: &Driver) {
        self.given = given;
        self.batch = records.len();
        while let Some(length) = word_of(&records, word::LENGTH) {
            let length = length as usize;
            if length < 12 || length > records.len() {
                debug_assert!(false, "a record within the buffer");
                return;
            }
            let record = records.split_to(length);
            if self.one(&record, driver).is_none() {
                debug_assert!(false, "a well-formed record");
                return;
            }
        }
    }

    fn one(&mut self, record: &Bytes, driver: &Driver) -> Option<()> {
        let at = |index| word_of(record, index);
        let subject = at(word::SUBJECT)?;
        let kind = at(word::KIND)?;
        match kind & 0xff {
            submit_kind::REQUEST => self.request(record, driver)?,
            submit_kind::BODY => self.body(record, subject, driver)?,
            submit_kind::CANCEL => driver.cancel(subject),
            submit_kind::CREDIT => driver.grant(subject, at(credit::BYTES)?),
            submit_kind::POOL_CLOSE => driver.close_pool(subject),
            submit_kind::POOL_DESTROY => driver.destroy_pool(subject),
            submit_kind::GATE => driver.gate(subject, (kind >> 8) & gate_flag::SHUT != 0),
            submit_kind::POOL_DRAIN => driver.drain_pool(subject),
            submit_kind::COUNTED => driver.count(subject, stat(at(counted::WHAT)?)?),
            _ => return None,
        }
        Some(())
    }

    fn request(&mut self, record: &Bytes, driver: &Driver) -> Option<()> {
        let at = |index| word_of(record, index);
        let flags = at(word::KIND)? >> 8;
        let has = |flag| flags & flag != 0;
        let mut words = request::WORDS;
        let mut timeouts = None;
        if has(request_flag::TIMEOUTS) {
            timeouts = Some(Box::new(read_timeouts(record, words)?));
            words += request_timeouts::WORDS;
        }
        let mut retry = None;
        if has(request_flag::RETRY) {
            retry = Some(Duration::from_millis(u64::from(at(words + request_retry::BACKOFF)?)));
            words += request_retry::WORDS;
        }
        let mut bytes = record.slice_ref(record.get(words as usize * 4..)?);
        let mut take = |length: u32| {
            let length = length as usize;
            (length <= bytes.len()).then(|| bytes.split_to(length))
        };
        let method = take(at(request::METHOD_LENGTH)?)?;
        let path = take(at(request::PATH_LENGTH)?)?;
        let fields = take(at(request::HEAD_LENGTH)?)?;
        let here = take(at(request::BODY_LENGTH)?)?;
        let total = at(request::BODY_TOTAL)?;
        let length = (total != special::BODY_NONE).then_some(total);
        let mut submission = Submission {
            id: at(word::SUBJECT)?,
            pool: at(request::POOL)?,
            method,
            path,
            fields,
            body: Content::None,
            aim: match (has(request_flag::TUNNEL), has(request_flag::UPGRADE)) {
                (false, false) => Aim::Exchange,
                (true, false) => Aim::Connect,
                (false, true) => Aim::Upgrade,
                (true, true) => return None,
            },
            expect: has(request_flag::EXPECT),
            informational: has(request_flag::INFORMATIONAL),
            priority: if has(request_flag::HIGH) { Priority::High } else { Priority::Default },
            idempotent: has(request_flag::IDEMPOTENT),
            credit: at(request::CREDIT)?,
            timeouts,
            retry,
        };
        match length {
            _ if has(request_flag::STREAM) => submission.body = Content::Stream(length.map(u64::from)),
            None => {}
            Some(_) if has(request_flag::GIVEN) => {
                let (_, body) = self.given.pop_front().filter(|(id, _)| *id == submission.id)?;
                submission.body = Content::Whole(body);
            }
            Some(_) => submission.body = Content::Whole(here),
        }
        driver.request(submission);
        Some(())
    }

    fn body(&self, record: &Bytes, subject: u32, driver: &Driver) -> Option<()> {
        let flags = word_of(record, word::KIND)? >> 8;
        let length = word_of(record, body::LENGTH)? as usize;
        let trailers_length = word_of(record, body::TRAILERS_LENGTH)? as usize;
        let begin = body::WORDS as usize * 4;
        let bytes = record.get(begin..begin + length)?;
        let trailers = record.get(begin + length..begin + length + trailers_length)?;
        if flags & body_flag::FAIL == 0 {
            // A small part would keep the whole buffer that it came in, far beyond the window.
            let part =
                if bytes.len() * 2 >= self.batch { record.slice_ref(bytes) } else { Bytes::copy_from_slice(bytes) };
            driver.body(subject, part, flags & body_flag::END != 0, trailers);
        } else {
            driver.body_failed(subject);
        }
        Some(())
    }
}

/// What a `COUNTED` counts.
fn stat(what: u32) -> Option<Stat> {
    match what {
        0 => Some(Stat::RqRetrySuccess),
        1 => Some(Stat::RqRetryLimitExceeded),
        _ => None,
    }
}

/// The section of time-outs that begins at a word.
fn read_timeouts(record: &[u8], begin: u32) -> Option<Timeouts> {
    let at = |index| {
        word_of(record, begin + index).map(|ms| match ms {
            special::POOL_TIMEOUT => Limit::Pools,
            0 => Limit::Off,
            ms => Limit::After(Duration::from_millis(u64::from(ms))),
        })
    };
    Some(Timeouts {
        queue: at(request_timeouts::QUEUE)?,
        headers: at(request_timeouts::HEADERS)?,
        body_idle: at(request_timeouts::BODY_IDLE)?,
        per_try: at(request_timeouts::PER_TRY)?,
        per_try_idle: at(request_timeouts::PER_TRY_IDLE)?,
        total: at(request_timeouts::TOTAL)?,
        duration: at(request_timeouts::DURATION)?,
        expect: at(request_timeouts::EXPECT)?,
    })
}

/// How many requests (and closings of pools) `records` begin: each ends with one terminal record.
pub(crate) fn count_openings(mut records: &[u8]) -> usize {
    let mut openings = 0;
    while records.len() >= (plain::WORDS * 4) as usize {
        let mut words = records;
        let (length, kind) = (words.get_u32_le() as usize, words.get_u32_le() & 0xff);
        if length == 0 || length > records.len() {
            break;
        }
        if matches!(kind, submit_kind::REQUEST | submit_kind::POOL_CLOSE | submit_kind::POOL_DESTROY) {
            openings += 1;
        }
        records = &records[length..];
    }
    openings
}

fn word_of(record: &[u8], index: u32) -> Option<u32> {
    let at = index as usize * 4;
    record.get(at..at + 4).map(|mut b| b.get_u32_le())
}
