//! A stream of HTTP/2 as `streams` answers it.

use std::future::poll_fn;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Error, Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};

use crate::streams;

pub(super) struct Stream {
    pub(super) to: SendResponse<Bytes>,
    pub(super) body: RecvStream,
    /// Once the head is sent.
    pub(super) out: Option<SendStream<Bytes>>,
}

impl Stream {
    fn out(&mut self) -> Result<&mut SendStream<Bytes>, Error> {
        self.out.as_mut().ok_or(Error::from(Reason::INTERNAL_ERROR))
    }
}

impl streams::Stream for Stream {
    type Error = Error;

    async fn interim(&mut self, head: Response<()>) -> Result<(), Error> {
        self.to.send_informational(head)
    }

    async fn head(&mut self, head: Response<()>, last: bool) -> Result<(), Error> {
        self.out = Some(self.to.send_response(head, last)?);
        Ok(())
    }

    async fn data(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let out = self.out()?;
        while !bytes.is_empty() {
            out.reserve_capacity(bytes.len());
            let room = poll_fn(|cx| out.poll_capacity(cx)).await.ok_or(Reason::CANCEL)??;
            let part = bytes.split_to(room.min(bytes.len()));
            out.send_data(part, false)?;
        }
        Ok(())
    }

    async fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), Error> {
        match trailers {
            Some(trailers) => self.out()?.send_trailers(trailers),
            None => self.out()?.send_data(Bytes::new(), true),
        }
    }

    fn reset(&mut self, code: u64) -> Error {
        let reason = Reason::from(u32::try_from(code).unwrap_or(u32::MAX));
        match &mut self.out {
            Some(out) => out.send_reset(reason),
            None => self.to.send_reset(reason),
        }
        reason.into()
    }

    /// The crate itself sends `NO_ERROR` when a response has ended before its request.
    fn refuse_body(&mut self) {}

    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(part) = self.body.data().await.transpose()? else { return Ok(None) };
        self.body.flow_control().release_capacity(part.len())?;
        Ok(Some(part))
    }

    async fn trailers(&mut self) -> Result<Option<HeaderMap>, Error> {
        self.body.trailers().await
    }
}
