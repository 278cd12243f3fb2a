//! Request bodies as hyper reads them.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that is in memory, or none.
#[derive(Debug)]
pub struct RequestBody {
    bytes: Option<Bytes>,
    taken: Rc<Cell<bool>>,
}

impl RequestBody {
    /// `None` is no body at all; an empty one is sent as length 0.
    pub(crate) fn new(bytes: Option<Bytes>) -> Self {
        let taken = Rc::new(Cell::new(bytes.is_none()));
        Self { bytes, taken }
    }

    /// Turns true when hyper took the last of it.
    pub(crate) fn taken(&self) -> Rc<Cell<bool>> {
        self.taken.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.set(true);
        Poll::Ready(self.bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |b| b.len() as u64))
    }
}
