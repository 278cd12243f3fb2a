//! The end of an HTTP/2 connection, ours or the peer's, and of what ran on it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use forebay_core::Class;

use super::H2;
use crate::connection::Link;
use crate::error::{Code, Failure, Lost, Phase, h2_lost};
use crate::h2::stream::{Around, End};
use crate::pool::{Ended, Pool};

/// Polls in which a farewell must leave. A guess: one to write, one to flush, one to end.
const FAREWELL: usize = 3;

impl H2 {
    /// The connection is over: first the core knows, then each stream that ran on it ends.
    pub(super) fn over(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, lost: &Lost) -> Poll<()> {
        if self.unannounced.is_some() {
            let failure = Failure { class: Class::Unprocessed, phase: Phase::Connect, ..lost.failure(false, false) };
            let failure = match link.address() {
                Some(address) => failure.at(address),
                None => failure,
            };
            pool.no_settings(link, failure);
            pool.turn();
            return Poll::Ready(());
        }
        if self.away {
            // The `h2` crate ends with the last stream: what is whole was not cut off. Nobody gets the places.
            for place in 0..u32::try_from(self.places.len()).unwrap_or(u32::MAX) {
                self.step(place, pool, link);
            }
        }
        let ended = match lost.code {
            // The peer went away, its last stream has ended, and the `h2` crate closes.
            Code::ConnectionClosed if self.away && self.watch.end().is_none() => Ended::ByUs,
            code if code.is_breach() => Ended::Violation,
            Code::ConnectionReset => Ended::Reset,
            Code::KeepaliveTimeout | Code::SettingsTimeout => Ended::ByUs,
            _ => Ended::ByPeer,
        };
        pool.connection_over(link, ended);
        let highest = self.watch.counts().highest;
        for stream in link.take_resets() {
            self.cancel(pool, stream);
        }
        while let Some((request, stream)) = link.take_next() {
            pool.stream_unsent(request, stream);
        }
        let around = Around {
            pool,
            number: link.number,
            watch: &self.watch,
            answered: self.answered,
            window: self.window,
            lost: Some(lost),
        };
        for place in &mut self.places {
            let Some(mut stream) = place.stream.take() else { continue };
            let cx = &mut Context::from_waker(Waker::noop());
            let (both, sent) = ((stream.carried.request, stream.carried.id), stream.number <= highest);
            match stream.poll(cx, &mut place.timer, &around) {
                Some(End::Whole) => pool.stream_whole(both.0, both.1),
                _ if !sent => pool.stream_unsent(both.0, both.1),
                Some(End::Failed { failure, .. }) => {
                    pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                }
                end @ (Some(End::Connection(_)) | None) => {
                    // What the stream was told may say more.
                    let own = match &end {
                        Some(End::Connection(error)) if error.is_library() => {
                            h2_lost(Some(error), around.watch.fault(), around.watch.end().as_ref())
                        }
                        _ => lost.clone(),
                    };
                    let failure = own.failure(stream.carried.is_headed(), around.watch.last_stream() == stream.number);
                    pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                }
            }
        }
        // The peer may still be told why.
        self.farewell();
        pool.let_go(link, (lost.code != Code::ConnectionClosed).then_some(lost.code));
        pool.turn();
        Poll::Ready(())
    }

    /// Says GOAWAY, if the socket takes it at once. What still runs is reset.
    pub(super) fn farewell(&mut self) {
        for place in &mut self.places {
            place.stream = None;
        }
        self.send = None;
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..FAREWELL {
            self.watch.go_on();
            if Pin::new(&mut self.inner).poll(cx).is_ready() {
                break;
            }
        }
    }
}
