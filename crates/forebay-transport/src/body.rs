//! Request bodies as hyper reads them.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};

use crate::error::Failure;
use crate::upload::{Part, Upload, failed};

/// The body of one try.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// No body at all.
    None,
    /// One in memory; an empty one is sent as length 0.
    Whole {
        /// Until hyper took it.
        bytes: Option<Bytes>,
        /// Turns true then.
        taken: Rc<Cell<bool>>,
    },
    /// One that is being produced. Its producer wakes the connection: no waker is kept.
    Stream {
        /// What is produced.
        upload: Rc<Upload>,
        /// Trailers that the head names: hyper would leave out any other without a word.
        named: Vec<HeaderName>,
    },
}

/// How far a body has come.
#[derive(Clone, Debug)]
pub(crate) enum Sending {
    Nothing,
    Whole(Rc<Cell<bool>>),
    Stream(Rc<Upload>),
}

impl RequestBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole { bytes: Some(bytes), taken: Rc::default() }
    }

    pub(crate) fn sending(&self) -> Sending {
        match self {
            Self::None => Sending::Nothing,
            Self::Whole { taken, .. } => Sending::Whole(taken.clone()),
            Self::Stream { upload, .. } => Sending::Stream(upload.clone()),
        }
    }
}

impl Sending {
    /// hyper took all of it.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Whole(taken) => taken.get(),
            Self::Stream(upload) => upload.is_drained(),
        }
    }

    pub(crate) fn stream(&self) -> Option<&Rc<Upload>> {
        match self {
            Self::Stream(upload) => Some(upload),
            Self::Nothing | Self::Whole(_) => None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut *self {
            Self::None => Poll::Ready(None),
            Self::Whole { bytes, taken } => {
                taken.set(true);
                Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b))))
            }
            Self::Stream { upload, named } => upload.poll_part().map(|part| {
                part.map(|part| match part {
                    Part::Data(bytes) => Ok(Frame::data(bytes)),
                    Part::Trailers(fields) if fields.keys().all(|name| named.contains(name)) => {
                        Ok(Frame::trailers(fields))
                    }
                    Part::Trailers(_) => Err(failed("a trailer that the field `trailer` does not name")),
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Whole { bytes, .. } => bytes.is_none(),
            Self::Stream { upload, .. } => upload.is_drained(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream { upload, .. } => upload.length().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
