//! A request's body on its way out over a connection that carries several: as much at a time as the peer's windows take.
//! Used by `h2` and `h3`, each with its own [`Pipe`].
//!
//! Promise: nothing leaves before `open`, so that until the head has left, a lost connection costs nothing.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;

use crate::pool::Pool;
use crate::sink::RequestId;
use crate::upload::{self, Part};

/// A stream that takes a body.
pub(crate) trait Pipe {
    /// What went wrong; the response says why.
    type Error;

    /// Ready: so many of `wanted` bytes may be given now. `None`: the stream is over, the response says how.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<usize, Self::Error>>>;

    /// Takes a part, at most as long as there is room; `end`: that was all.
    fn give(&mut self, part: Bytes, end: bool) -> Result<(), Self::Error>;

    /// Takes the trailers, which end it.
    fn give_trailers(&mut self, trailers: HeaderMap) -> Result<(), Self::Error>;
}

/// Where the bytes come from.
pub(crate) enum Source {
    /// In memory: kept, and can be sent again.
    Whole(Bytes),
    /// Produced while it is sent. Its producer wakes the stream: no waker is kept.
    Produced(Rc<upload::Upload>),
}

/// A body that is not sent whole.
pub(crate) struct Outgoing {
    source: Source,
    /// Taken from there, not sent.
    part: Bytes,
    sent: u64,
    /// There is no more.
    ended: bool,
    open: bool,
}

impl Outgoing {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, part: Bytes::new(), sent: 0, ended: false, open: false }
    }

    fn produced(&self) -> Option<&upload::Upload> {
        match &self.source {
            Source::Whole(_) => None,
            Source::Produced(upload) => Some(upload),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it can be sent again whole.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.source, Source::Whole(_))
    }

    /// It may leave.
    pub(crate) fn open(&mut self) {
        self.open = true;
        if let Some(upload) = self.produced() {
            upload.open();
        }
    }

    /// Whether the connection could go on, but the producer has nothing for it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.part.is_empty() && self.produced().is_some_and(upload::Upload::is_waiting)
    }

    /// The rest is of no use: its producer is told, once.
    pub(crate) fn stop(&mut self, pool: &Pool, request: RequestId) {
        self.open = false;
        if let Some(upload) = self.produced()
            && !(upload.is_drained() || upload.is_stopped())
        {
            upload.stop();
            pool.shared.sink.stopped(request);
        }
    }

    /// Tells the producer what has left.
    pub(crate) fn tell(&self, pool: &Pool, request: RequestId) {
        let news = self.produced().map_or(0, |upload| upload.tell(self.sent));
        if news > 0 {
            pool.shared.sink.taken(request, news);
        }
    }

    /// The next part; `None`: that was all.
    fn next(&mut self) -> Poll<Option<Part>> {
        match &mut self.source {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Part::Data(std::mem::take(bytes)))),
            Source::Produced(upload) => upload.poll_part(),
        }
    }

    fn is_drained(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Produced(upload) => upload.is_drained(),
        }
    }

    /// Sends what there is room for; ready: the body is out, or the stream is over. Whether anything moved is put into `moved`.
    pub(crate) fn poll<P: Pipe>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut P,
        moved: &mut bool,
    ) -> Poll<Result<(), P::Error>> {
        if !self.open {
            return Poll::Pending;
        }
        loop {
            if self.part.is_empty() {
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
                match self.next() {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Part::Data(part))) => self.part = part,
                    Poll::Ready(Some(Part::Trailers(trailers))) => {
                        self.ended = true;
                        *moved = true;
                        return Poll::Ready(to.give_trailers(trailers));
                    }
                    Poll::Ready(None) => {
                        self.ended = true;
                        *moved = true;
                        return Poll::Ready(to.give(Bytes::new(), true));
                    }
                }
                continue;
            }
            let room = match to.poll_room(cx, self.part.len()) {
                Poll::Pending | Poll::Ready(None) => return Poll::Pending,
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            };
            let part = self.part.split_to(room.min(self.part.len()));
            self.sent += part.len() as u64;
            *moved = true;
            self.ended = self.part.is_empty() && self.is_drained();
            to.give(part, self.ended)?;
        }
    }
}
