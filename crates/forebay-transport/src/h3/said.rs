//! What the peer says on streams that it opens: SETTINGS, GOAWAY, QPACK. QUIC keeps their number within our limit.
//!
//! Promise: they are read as they come, so that their windows never fill, and to the last byte that came before the connection's end.
//! Used by `connection`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use forebay_h3::{Budget, Code, Error, Peer, PeerEvent, UniStream};
use quinn::{ConnectionError, ReadError, RecvStream};

use crate::quic::code;

type Accepting = Pin<Box<dyn Future<Output = Result<RecvStream, ConnectionError>>>>;

/// Why nothing more is read.
pub(super) enum Trouble {
    Lost(ConnectionError),
    Fault(Error),
}

/// The peer's streams.
pub(super) struct Said {
    connection: quinn::Connection,
    accepting: Option<Accepting>,
    streams: Vec<(RecvStream, UniStream)>,
    peer: Peer,
}

impl Said {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        Self { connection, accepting: None, streams: Vec::new(), peer: Peer::default() }
    }

    /// Takes what came; `tell` hears of SETTINGS and GOAWAY.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        budget: &mut Budget,
        mut tell: impl FnMut(PeerEvent),
    ) -> Result<(), Trouble> {
        let mut over = None;
        loop {
            let connection = &self.connection;
            let accepting = self.accepting.get_or_insert_with(|| {
                let connection = connection.clone();
                Box::pin(async move { connection.accept_uni().await })
            });
            match accepting.as_mut().poll(cx) {
                Poll::Pending => break,
                Poll::Ready(accepted) => {
                    self.accepting = None;
                    match accepted {
                        Ok(stream) => self.streams.push((stream, UniStream::default())),
                        Err(error) => {
                            over = Some(error);
                            break;
                        }
                    }
                }
            }
        }
        // Though it is over: what came before may say what became of our requests.
        let mut at = 0;
        while let Some((from, kind)) = self.streams.get_mut(at) {
            match read(cx, &mut self.peer, from, kind, budget, &mut tell) {
                Ok(true) => at += 1,
                Ok(false) => drop(self.streams.swap_remove(at)),
                Err(Trouble::Lost(error)) => {
                    over = Some(error);
                    at += 1;
                }
                Err(fault) => return Err(fault),
            }
        }
        over.map_or(Ok(()), |error| Err(Trouble::Lost(error)))
    }
}

/// Reads one of them; false: it is of no more use.
fn read(
    cx: &mut Context<'_>,
    peer: &mut Peer,
    from: &mut RecvStream,
    kind: &mut UniStream,
    budget: &mut Budget,
    tell: &mut impl FnMut(PeerEvent),
) -> Result<bool, Trouble> {
    loop {
        let chunk = match pin!(from.read_chunk(usize::MAX, true)).poll(cx) {
            Poll::Pending => return Ok(true),
            Poll::Ready(Ok(Some(chunk))) => chunk.bytes,
            Poll::Ready(Err(ReadError::ConnectionLost(error))) => return Err(Trouble::Lost(error)),
            Poll::Ready(Ok(None) | Err(_)) => {
                kind.closed().map_err(Trouble::Fault)?;
                return Ok(false);
            }
        };
        let mut input = &chunk[..];
        while let Some(event) = peer.receive(kind, &mut input, budget).map_err(Trouble::Fault)? {
            if event == PeerEvent::Unwanted {
                // It fails only where the stream is over.
                let _ = from.stop(code(Code::STREAM_CREATION_ERROR.0));
                return Ok(false);
            }
            tell(event);
        }
    }
}
