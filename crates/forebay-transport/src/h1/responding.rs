//! The body of a response, from its head to its last byte; and what is still sent beside it.
//!
//! Promise: the clock runs only while we are ready to read, and to write if there is something to write. Used by
//! `connection`. Not here: what is delivered when (`reading`).

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use forebay_core::Class;
use http_body::Body as _;

use super::connection::{H1, Stage, Step, set, timed_out};
use super::sending::Awaits;
use crate::connection::Link;
use crate::error::{Code, Phase, h1_body_failure, ours};
use crate::pool::Pool;

/// Parts of a body that are gathered to go as one record with the head, in bytes. Beyond it the head goes at once.
/// A guess: a head and this still fit a sixteenth of the smallest slab.
const GATHER: usize = 64 * 1024;

impl H1 {
    pub(super) fn body(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        let mut driven = false;
        let mut moved = false;
        loop {
            let Stage::Body(reading) = &mut self.stage else {
                return Step::Again;
            };
            if reading.unsent() || reading.ends_apart() {
                reading.deliver(pool);
            }
            if (reading.whole || reading.body.is_end_stream()) && !reading.unsent() {
                let ending = Stage::Ending(reading.current.request, reading.current.stream);
                if let Stage::Body(reading) = std::mem::replace(&mut self.stage, ending) {
                    reading.finish(pool);
                }
                return Step::Again;
            }
            if reading.is_full(pool) {
                // The upload goes on all the same.
                if driven || reading.current.sending.is_taken() {
                    break;
                }
                self.drive_both(cx, pool);
                driven = true;
                continue;
            }
            match Pin::new(&mut reading.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    driven = false;
                    moved = true;
                    match frame.into_data() {
                        Ok(part) if part.is_empty() => {}
                        Ok(part) => {
                            reading.push(part);
                            if reading.head.is_none() || reading.gathered() > GATHER {
                                reading.deliver(pool);
                            }
                        }
                        Err(frame) => reading.keep_trailers(frame),
                    }
                }
                Poll::Ready(None) => reading.whole = true,
                Poll::Ready(Some(Err(error))) => {
                    let failure = match &self.over {
                        Some(Err(why)) => ours(why).cloned(),
                        Some(Ok(())) | None => None,
                    };
                    let failure = failure.unwrap_or_else(|| h1_body_failure(&error));
                    reading.deliver(pool);
                    return self.fail(pool, link, failure);
                }
                Poll::Pending if driven => break,
                Poll::Pending => {
                    self.drive_both(cx, pool);
                    driven = true;
                }
            }
        }
        self.wait_for_body(cx, pool, link, moved)
    }

    /// hyper reads and writes, and the upload with it.
    fn drive_both(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>) {
        loop {
            self.drive(cx);
            let Stage::Body(reading) = &mut self.stage else { return };
            if !reading.current.advance(pool, &self.watch) {
                return;
            }
        }
    }

    /// The clock runs while we are ready to read; a reader that stopped does not count against the peer, nor does a producer
    /// that is slow: the peer may wait for what it gives.
    fn wait_for_body(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>, moved: bool) -> Step {
        let Stage::Body(reading) = &mut self.stage else {
            return Step::Again;
        };
        reading.deliver(pool);
        let awaits = reading.current.awaits(&self.watch);
        let written = reading.current.has_moved(&self.watch);
        let reads = !reading.is_full(pool);
        let writes = awaits == Awaits::Room && !reading.current.is_stopped();
        if awaits == Awaits::Producer || !(reads || writes) {
            self.timer.clear();
            return Step::Wait;
        }
        let limit = reading.current.timeouts.body_idle;
        if moved || written || self.timer.deadline().is_none() {
            set(&mut self.timer, pool, limit);
        }
        if self.timer.poll(cx).is_pending() {
            return Step::Wait;
        }
        self.fail(pool, link, timed_out(Code::BodyTimeout, Phase::Body, Class::Never, limit))
    }
}
