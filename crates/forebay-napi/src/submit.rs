//! Submissions on their way to the driver: the bytes that JavaScript wrote become calls.
//!
//! Promise: bytes that are no record (a bug of ours in TypeScript) end the reading and harm nobody; bytes of a request
//! are shared with the one copy that was made of the buffer. Used by the runners.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use forebay_core::Priority;
use forebay_transport::Driver;
use forebay_transport::request::Submission;

use crate::record::{body, credit, plain, request, request_flag, special, submit_kind, word};

/// Reads the submissions of one channel. Keeps the requests whose body has not come whole.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    parts: BTreeMap<u32, (Submission, BytesMut, usize)>,
}

impl Intake {
    /// Does what `records` say, in order.
    pub(crate) fn read(&mut self, mut records: Bytes, driver: &Driver) {
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
        match at(word::KIND)? & 0xff {
            submit_kind::REQUEST => self.request(record, driver)?,
            submit_kind::BODY => self.body(record, subject, driver)?,
            submit_kind::CANCEL => {
                if let Some((submission, ..)) = self.parts.remove(&subject) {
                    driver.refuse_aborted(submission.id);
                }
                driver.cancel(subject);
            }
            submit_kind::CREDIT => driver.grant(subject, at(credit::BYTES)?),
            submit_kind::POOL_CLOSE => driver.close_pool(subject),
            submit_kind::POOL_DESTROY => driver.destroy_pool(subject),
            _ => return None,
        }
        Some(())
    }

    fn request(&mut self, record: &Bytes, driver: &Driver) -> Option<()> {
        let at = |index| word_of(record, index);
        let flags = at(word::KIND)? >> 8;
        let mut bytes = record.slice_ref(record.get(request::WORDS as usize * 4..)?);
        let mut take = |length: u32| {
            let length = length as usize;
            (length <= bytes.len()).then(|| bytes.split_to(length))
        };
        let method = take(at(request::METHOD_LENGTH)?)?;
        let path = take(at(request::PATH_LENGTH)?)?;
        let fields = take(at(request::HEAD_LENGTH)?)?;
        let here = take(at(request::BODY_LENGTH)?)?;
        let total = at(request::BODY_TOTAL)?;
        let mut submission = Submission {
            id: at(word::SUBJECT)?,
            pool: at(request::POOL)?,
            method,
            path,
            fields,
            body: None,
            priority: if flags & request_flag::HIGH == 0 { Priority::Default } else { Priority::High },
            idempotent: flags & request_flag::IDEMPOTENT != 0,
            credit: at(request::CREDIT)?,
        };
        let total_bytes = total as usize;
        if total == special::BODY_NONE {
            driver.request(submission);
        } else if here.len() == total_bytes {
            submission.body = Some(here);
            driver.request(submission);
        } else {
            let mut whole = BytesMut::with_capacity(total_bytes);
            whole.extend_from_slice(&here);
            self.parts.insert(submission.id, (submission, whole, total_bytes));
        }
        Some(())
    }

    fn body(&mut self, record: &Bytes, subject: u32, driver: &Driver) -> Option<()> {
        let length = word_of(record, body::LENGTH)? as usize;
        let begin = body::WORDS as usize * 4;
        let bytes = record.get(begin..begin + length)?;
        // A part for a request that was cancelled in the middle of its body.
        let Some((_, whole, total)) = self.parts.get_mut(&subject) else {
            return Some(());
        };
        whole.extend_from_slice(bytes);
        if whole.len() >= *total
            && let Some((mut submission, whole, _)) = self.parts.remove(&subject)
        {
            submission.body = Some(whole.freeze());
            driver.request(submission);
        }
        Some(())
    }
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
