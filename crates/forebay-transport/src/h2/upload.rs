//! A request's body on its way out: as much at a time as the peer's windows take.
//!
//! Promise: nothing leaves before `open`, so that until the head has left, a lost connection costs nothing.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;

use crate::pool::Pool;
use crate::sink::RequestId;
use crate::upload::{self, Part};

/// Where the bytes come from.
pub(super) enum Source {
    /// In memory: kept, and can be sent again.
    Whole(Bytes),
    /// Produced while it is sent. Its producer wakes the stream: no waker is kept.
    Produced(Rc<upload::Upload>),
}

/// A body that is not sent whole.
pub(super) struct Upload {
    source: Source,
    /// Taken from there, not sent.
    part: Bytes,
    sent: u64,
    /// There is no more.
    ended: bool,
    open: bool,
}

impl Upload {
    pub(super) fn new(source: Source) -> Self {
        Self { source, part: Bytes::new(), sent: 0, ended: false, open: false }
    }

    fn produced(&self) -> Option<&upload::Upload> {
        match &self.source {
            Source::Whole(_) => None,
            Source::Produced(upload) => Some(upload),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it can be sent again whole.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.source, Source::Whole(_))
    }

    /// It may leave.
    pub(super) fn open(&mut self) {
        self.open = true;
        if let Some(upload) = self.produced() {
            upload.open();
        }
    }

    /// Whether the connection could go on, but the producer has nothing for it.
    pub(super) fn is_waiting(&self) -> bool {
        self.part.is_empty() && self.produced().is_some_and(upload::Upload::is_waiting)
    }

    /// The rest is of no use: its producer is told, once.
    pub(super) fn stop(&mut self, pool: &Pool, request: RequestId) {
        self.open = false;
        if let Some(upload) = self.produced()
            && !(upload.is_drained() || upload.is_stopped())
        {
            upload.stop();
            pool.shared.sink.stopped(request);
        }
    }

    /// Tells the producer what has left.
    pub(super) fn tell(&self, pool: &Pool, request: RequestId) {
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
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut SendStream<Bytes>,
        moved: &mut bool,
    ) -> Poll<Result<(), h2::Error>> {
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
                        return Poll::Ready(to.send_trailers(trailers));
                    }
                    Poll::Ready(None) => {
                        self.ended = true;
                        *moved = true;
                        return Poll::Ready(to.send_data(Bytes::new(), true));
                    }
                }
                continue;
            }
            to.reserve_capacity(self.part.len());
            let room = match to.poll_capacity(cx) {
                // None: the stream is over, the response says how.
                Poll::Pending | Poll::Ready(None) => return Poll::Pending,
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            };
            let part = self.part.split_to(room.min(self.part.len()));
            self.sent += part.len() as u64;
            *moved = true;
            self.ended = self.part.is_empty() && self.is_drained();
            to.send_data(part, self.ended)?;
        }
    }
}
