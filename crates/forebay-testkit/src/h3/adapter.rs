//! A connection of quinn as the `h3` crate wants it.
//!
//! h3-quinn does the same, but lends its stream to the read that waits, and panics when the read is given up (`stop_sending`). Here a
//! read that waits holds nothing: quinn's reads may be dropped and begun again, its accepts and opens may not.
//!
//! Used by `server`. Not here: anything that a client needs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, WriteError};

use crate::endpoint::varint;

type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, ConnectionError>>>>;
type Both = (quinn::SendStream, quinn::RecvStream);

/// Ids of the requests that came in early data.
pub(super) type Early = Rc<RefCell<BTreeSet<u64>>>;

pub(super) struct Connection {
    quic: quinn::Connection,
    early: Early,
    accepting_bi: Option<Waiting<Both>>,
    accepting_uni: Option<Waiting<quinn::RecvStream>>,
    opening: Opener,
}

impl Connection {
    pub(super) fn new(quic: quinn::Connection, early: Early) -> Self {
        let opening = Opener { quic: quic.clone(), bi: None, uni: None };
        Self { quic, early, accepting_bi: None, accepting_uni: None, opening }
    }
}

/// Goes on with what waits, or begins it.
fn go_on<T>(
    place: &mut Option<Waiting<T>>,
    begin: impl FnOnce() -> Waiting<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, ConnectionErrorIncoming>> {
    let result = ready!(place.get_or_insert_with(begin).as_mut().poll(cx));
    *place = None;
    Poll::Ready(result.map_err(|error| connection_error(&error)))
}

impl<B: Buf> quic::Connection<B> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let quic = &self.quic;
        let accepted =
            go_on(&mut self.accepting_uni, || waiting(quic, |quic| async move { quic.accept_uni().await }), cx);
        Poll::Ready(ready!(accepted).map(RecvStream))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let quic = &self.quic;
        let accepted =
            go_on(&mut self.accepting_bi, || waiting(quic, |quic| async move { quic.accept_bi().await }), cx);
        let (send, recv) = ready!(accepted)?;
        if recv.is_0rtt() {
            self.early.borrow_mut().insert(recv.id().into());
        }
        Poll::Ready(Ok(BidiStream::new(send, recv)))
    }

    fn opener(&self) -> Opener {
        self.opening.clone()
    }
}

fn waiting<T, F: Future<Output = Result<T, ConnectionError>> + 'static>(
    quic: &quinn::Connection,
    how: impl FnOnce(quinn::Connection) -> F,
) -> Waiting<T> {
    Box::pin(how(quic.clone()))
}

impl<B: Buf> quic::OpenStreams<B> for Connection {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        self.opening.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        self.opening.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.quic.close(varint(code.value()), reason);
    }
}

/// Opens streams.
pub(super) struct Opener {
    quic: quinn::Connection,
    bi: Option<Waiting<Both>>,
    uni: Option<Waiting<quinn::SendStream>>,
}

impl Clone for Opener {
    fn clone(&self) -> Self {
        Self { quic: self.quic.clone(), bi: None, uni: None }
    }
}

impl<B: Buf> quic::OpenStreams<B> for Opener {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let quic = &self.quic;
        let opened = go_on(&mut self.bi, || waiting(quic, |quic| async move { quic.open_bi().await }), cx);
        Poll::Ready(ready!(opened).map(|(send, recv)| BidiStream::new(send, recv)).map_err(lost))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        let quic = &self.quic;
        let opened = go_on(&mut self.uni, || waiting(quic, |quic| async move { quic.open_uni().await }), cx);
        Poll::Ready(ready!(opened).map(SendStream::new).map_err(lost))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.quic.close(varint(code.value()), reason);
    }
}

/// Both sides of a request.
pub(super) struct BidiStream<B: Buf> {
    send: SendStream<B>,
    recv: RecvStream,
}

impl<B: Buf> BidiStream<B> {
    fn new(send: quinn::SendStream, recv: quinn::RecvStream) -> Self {
        Self { send: SendStream::new(send), recv: RecvStream(recv) }
    }
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = SendStream<B>;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream<B>, RecvStream) {
        (self.send, self.recv)
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.recv.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// What the peer sends.
pub(super) struct RecvStream(quinn::RecvStream);

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let chunk = ready!(pin!(self.0.read_chunk(usize::MAX, true)).poll(cx));
        Poll::Ready(match chunk {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
            Err(ReadError::Reset(code)) => Err(StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }),
            Err(ReadError::ConnectionLost(error)) => Err(lost(connection_error(&error))),
            Err(error) => Err(StreamErrorIncoming::Unknown(Box::new(error))),
        })
    }

    fn stop_sending(&mut self, code: u64) {
        // It may have ended.
        let _ = self.0.stop(varint(code));
    }

    fn recv_id(&self) -> StreamId {
        id(self.0.id())
    }
}

/// What we send.
pub(super) struct SendStream<B: Buf> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
}

impl<B: Buf> SendStream<B> {
    fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: None }
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self.writing.as_mut().filter(|data| Buf::has_remaining(*data)) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk())) {
                Ok(written) => data.advance(written),
                Err(WriteError::Stopped(code)) => {
                    return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }));
                }
                Err(WriteError::ConnectionLost(error)) => return Poll::Ready(Err(lost(connection_error(&error)))),
                Err(error) => return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(error)))),
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let what = "data before the last was written".to_owned();
            return Err(lost(ConnectionErrorIncoming::InternalError(what)));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        // It may have ended.
        let _ = self.stream.reset(varint(code));
    }

    fn send_id(&self) -> StreamId {
        id(self.stream.id())
    }
}

fn id(id: quinn::StreamId) -> StreamId {
    StreamId::try_from(u64::from(id)).expect("an id of QUIC is one of HTTP/3")
}

fn lost(connection_error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn connection_error(error: &ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other.clone())),
    }
}
