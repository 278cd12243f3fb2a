//! A stream of HTTP/3 as `streams` answers it.

use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::{HeaderMap, Response};

use super::adapter::BidiStream;
use crate::streams;

pub(super) struct Stream {
    pub(super) inner: RequestStream<BidiStream<Bytes>, Bytes>,
}

/// Why a stream ended early: the crate's error, or a reset of ours.
#[derive(Debug)]
pub(super) enum Ended {
    Failed,
    Reset,
}

impl From<StreamError> for Ended {
    fn from(_: StreamError) -> Self {
        Self::Failed
    }
}

impl streams::Stream for Stream {
    type Error = Ended;

    async fn interim(&mut self, head: Response<()>) -> Result<(), Ended> {
        Ok(self.inner.send_response(head).await?)
    }

    async fn head(&mut self, head: Response<()>, last: bool) -> Result<(), Ended> {
        self.inner.send_response(head).await?;
        if last {
            self.inner.finish().await?;
        }
        Ok(())
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Ended> {
        Ok(self.inner.send_data(bytes).await?)
    }

    async fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), Ended> {
        if let Some(trailers) = trailers {
            self.inner.send_trailers(trailers).await?;
        }
        Ok(self.inner.finish().await?)
    }

    fn reset(&mut self, code: u64) -> Ended {
        self.inner.stop_sending(Code::from(code));
        self.inner.stop_stream(Code::from(code));
        Ended::Reset
    }

    fn refuse_body(&mut self) {
        self.inner.stop_sending(Code::H3_NO_ERROR);
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Ended> {
        let part = self.inner.recv_data().await?;
        Ok(part.map(|mut part| part.copy_to_bytes(part.remaining())))
    }

    async fn trailers(&mut self) -> Result<Option<HeaderMap>, Ended> {
        Ok(self.inner.recv_trailers().await?)
    }
}
