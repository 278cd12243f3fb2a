//! The body of a request while its producer still makes it: parts come in through the driver, and go out as the connection
//! takes them. The same for every protocol, and for what goes into a tunnel.
//!
//! Promise: what waits here and in the connection's buffers never exceeds the window; what is told as taken has left. A body
//! with an announced length is passed on whole only when its producer has said that it is: its last byte waits for that, so
//! that neither a body cut short nor one too long ever looks complete. Nothing leaves while the gate is shut: until a byte
//! of the head has left, a lost connection costs nothing; `Expect` holds it too.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;

use crate::error::{Code, Failure, Phase};
use forebay_core::Class;

/// What a connection takes.
#[derive(Debug)]
pub(crate) enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// A body that is being produced.
#[derive(Debug)]
pub(crate) struct Upload {
    state: RefCell<State>,
    window: usize,
    length: Option<u64>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
struct State {
    parts: VecDeque<Bytes>,
    /// Bytes that the producer gave.
    pushed: u64,
    /// Bytes that the connection took.
    passed: u64,
    /// Parts that it took.
    passed_parts: u64,
    /// Bytes that the producer was told have left.
    told: u64,
    trailers: Option<HeaderMap>,
    /// The producer gave all.
    whole: bool,
    /// The connection has taken all, and knows it.
    drained: bool,
    /// The rest is of no use.
    stopped: bool,
    open: bool,
}

impl Upload {
    /// A body of `length` bytes, if that is known, of which `window` may wait.
    pub(crate) fn new(length: Option<u64>, window: usize) -> Self {
        // hyper never asks for a body of no bytes.
        let state = State { drained: length == Some(0), ..State::default() };
        Self { state: RefCell::new(state), window, length }
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The producer gives a part; `end`: and that is all, with these trailers.
    pub(crate) fn push(&self, part: Bytes, end: bool, trailers: Option<HeaderMap>) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        if state.stopped || state.whole {
            return Ok(());
        }
        state.pushed += part.len() as u64;
        if state.pushed - state.told > self.window as u64 {
            let text = "more of a body than its window";
            return Err(Failure::new(Code::Internal, Phase::Send, Class::Never, text));
        }
        if self.length.is_some_and(|length| state.pushed > length || (end && state.pushed < length)) {
            return Err(failed("the body is not as long as was announced"));
        }
        if !part.is_empty() {
            state.parts.push_back(part);
        }
        state.whole = end;
        state.trailers = trailers;
        Ok(())
    }

    /// The connection takes the next part; `Ready(None)`: that was all.
    pub(crate) fn poll_part(&self) -> Poll<Option<Part>> {
        let mut state = self.state.borrow_mut();
        if !state.open || state.stopped {
            return Poll::Pending;
        }
        if let Some(mut part) = state.parts.pop_front() {
            let completes = self.length == Some(state.passed + part.len() as u64);
            if completes && !state.whole {
                let last = part.split_off(part.len() - 1);
                state.parts.push_front(last);
                if part.is_empty() {
                    return Poll::Pending;
                }
            }
            state.passed += part.len() as u64;
            state.passed_parts += 1;
            state.drained = state.whole && state.parts.is_empty() && state.trailers.is_none();
            return Poll::Ready(Some(Part::Data(part)));
        }
        if !state.whole {
            return Poll::Pending;
        }
        state.drained = true;
        Poll::Ready(state.trailers.take().map(Part::Trailers))
    }

    /// Parts may leave.
    pub(crate) fn open(&self) {
        self.state.borrow_mut().open = true;
    }

    /// A try begins, or has failed before anything left.
    pub(crate) fn shut(&self) {
        self.state.borrow_mut().open = false;
    }

    /// Nothing more is taken, nothing more is kept.
    pub(crate) fn stop(&self) {
        let mut state = self.state.borrow_mut();
        state.stopped = true;
        state.parts.clear();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.borrow().stopped
    }

    /// The producer gave all of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.state.borrow().whole
    }

    /// The connection took all of it.
    pub(crate) fn is_drained(&self) -> bool {
        self.state.borrow().drained
    }

    /// Any of it was taken: it cannot be sent again.
    pub(crate) fn is_begun(&self) -> bool {
        let state = self.state.borrow();
        state.passed > 0 || (state.drained && self.length != Some(0))
    }

    /// The connection could go on, but the producer has nothing for it.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.state.borrow();
        let held = self.length.is_some_and(|length| state.passed + 1 == length) && state.parts.len() == 1;
        !state.whole && !state.stopped && (state.parts.is_empty() || held)
    }

    /// Bytes that the connection took, and in how many parts.
    pub(crate) fn passed(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.passed, state.passed_parts)
    }

    /// Bytes that have left since this was last asked, where `left` have in all.
    pub(crate) fn tell(&self, left: u64) -> u32 {
        let mut state = self.state.borrow_mut();
        let left = left.min(state.passed);
        let news = left.saturating_sub(state.told);
        state.told += news;
        u32::try_from(news).unwrap_or(u32::MAX)
    }
}

/// The producer's failure.
pub(crate) fn failed(text: &str) -> Failure {
    Failure::new(Code::RequestBodyFailed, Phase::Send, Class::Never, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn opened(length: Option<u64>) -> Upload {
        let upload = Upload::new(length, 10);
        upload.open();
        upload
    }

    fn take(upload: &Upload) -> Option<Vec<u8>> {
        match upload.poll_part() {
            Poll::Ready(Some(Part::Data(bytes))) => Some(bytes.to_vec()),
            Poll::Pending => None,
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }

    fn push(upload: &Upload, part: &'static [u8], end: bool) -> Result<(), Code> {
        upload.push(Bytes::from_static(part), end, None).map_err(|f| f.code)
    }

    #[test]
    fn the_last_byte_of_an_announced_length_waits_for_the_producers_word() {
        let upload = opened(Some(5));
        push(&upload, b"hello", false).unwrap();
        assert_eq!(take(&upload).unwrap(), b"hell");
        assert_eq!(take(&upload), None);
        assert!(upload.is_waiting() && !upload.is_drained());
        push(&upload, b"", true).unwrap();
        assert_eq!(take(&upload).unwrap(), b"o");
        assert!(upload.is_drained());
        assert!(matches!(upload.poll_part(), Poll::Ready(None)));
    }

    #[test]
    fn a_body_that_is_longer_or_shorter_than_announced_is_refused() {
        assert_eq!(push(&opened(Some(5)), b"hello!", false), Err(Code::RequestBodyFailed));
        assert_eq!(push(&opened(Some(5)), b"hell", true), Err(Code::RequestBodyFailed));
    }

    #[test]
    fn more_than_the_window_is_a_defect_of_the_producer() {
        let upload = opened(None);
        push(&upload, b"0123456789", false).unwrap();
        take(&upload).unwrap();
        assert_eq!(push(&upload, b"x", false), Err(Code::Internal), "taken, but it has not left");
        let upload = opened(None);
        push(&upload, b"0123456789", false).unwrap();
        take(&upload).unwrap();
        assert_eq!((upload.tell(4), upload.tell(4), upload.tell(99)), (4, 0, 6));
        push(&upload, b"0123456789", false).unwrap();
    }

    #[test]
    fn nothing_leaves_through_a_shut_gate_or_after_the_stop() {
        let upload = Upload::new(None, 10);
        push(&upload, b"a", false).unwrap();
        assert_eq!(take(&upload), None);
        assert!(!upload.is_begun());
        upload.open();
        assert_eq!(take(&upload).unwrap(), b"a");
        assert!(upload.is_begun());
        upload.stop();
        push(&upload, &[0; 100], true).unwrap();
        assert!(upload.poll_part().is_pending());
    }
}
