//! Plays one script on one connection, and records what the client does meanwhile.
//!
//! ```text
//!   serve --> record: each stream of the client's is read to its end, in a task of its own
//!         '-> Player: the steps, one after another
//! ```
//!
//! Promise: returns when the connection has ended, and how it ended is known by then. Used by `server`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use quinn::crypto::rustls::HandshakeData;
use quinn::{ReadError, RecvStream, SendStream};
use tokio::task::{spawn_local, yield_now};

use super::connection::{End, StreamEnd, StreamInfo};
use super::shared::{Kind, Shared};
use super::step::{Script, Send, Step, To};
use crate::endpoint::varint;
use crate::h3::frame;
use crate::pattern;

/// Body bytes of one DATA frame of `Step::Pattern`. A guess.
const BLOCK: usize = 16 * 1024;

/// What the tasks of one connection share.
#[derive(Default)]
struct Streams {
    /// What we can send on. Who sends takes the stream out meanwhile.
    sends: BTreeMap<To, SendStream>,
    /// Requests that the client is to stop sending, with the code.
    stops: BTreeMap<usize, u64>,
}

/// Why a step could not be done: the connection has ended, or the client does not want the stream.
struct Ended;

/// Plays `script` and records until the connection has ended.
pub(super) async fn serve(shared: Arc<Shared>, mut connecting: quinn::Connecting, reads: bool) {
    let peer = connecting.remote_address();
    // Before the client's first message is whole its limits are not known, and quinn never tells a stream that waits for them.
    if connecting.handshake_data().await.is_err() {
        return;
    }
    // What comes in early data is seen as such.
    let Ok((quic, accepted)) = connecting.into_0rtt() else { return };
    let (index, script) = shared.accepted(peer);
    let streams = Rc::new(RefCell::new(Streams::default()));
    let recorder =
        Rc::new(Recorder { shared: shared.clone(), index, quic: quic.clone(), streams: streams.clone(), reads });
    let (handshake, requests, unidirectional) = (recorder.clone(), recorder.clone(), recorder);
    spawn_local(async move {
        accepted.await;
        handshake.shaken();
    });
    spawn_local(requests.requests());
    spawn_local(unidirectional.unidirectional());
    let mut player =
        Player { shared: shared.clone(), index, quic: quic.clone(), streams, flood: Vec::new(), signals: 0 };
    let closed = quic.closed();
    tokio::pin!(closed);
    let error = tokio::select! {
        error = &mut closed => error,
        () = player.play(&script) => closed.await,
    };
    shared.update(index, |connection| connection.info.end = Some(End::from(&error)));
}

struct Recorder {
    shared: Arc<Shared>,
    index: usize,
    quic: quinn::Connection,
    streams: Rc<RefCell<Streams>>,
    /// Whether requests are read; if not, their windows fill.
    reads: bool,
}

impl Recorder {
    fn shaken(&self) {
        let data = self.quic.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        self.shared.update(self.index, |connection| {
            let info = &mut connection.info;
            info.shaken = self.quic.close_reason().is_none();
            if let Some(data) = data {
                info.alpn = data.protocol.map(|name| String::from_utf8_lossy(&name).into_owned());
                info.server_name = data.server_name;
            }
        });
    }

    async fn requests(self: Rc<Self>) {
        while let Ok((send, recv)) = self.quic.accept_bi().await {
            let stopped = send.stopped();
            let place = self.shared.begun(self.index, Kind::Request, recv.is_0rtt());
            self.streams.borrow_mut().sends.insert(To::Request(place), send);
            // The player may wait for the stream itself.
            self.shared.change(|_| ());
            let this = self.clone();
            spawn_local(async move {
                if let Ok(Some(code)) = stopped.await {
                    let note = |info: &mut StreamInfo| info.stopped = Some(code.into_inner());
                    this.shared.stream(this.index, Kind::Request, place, note);
                }
            });
            spawn_local(self.clone().read(Kind::Request, place, recv, self.reads));
        }
    }

    async fn unidirectional(self: Rc<Self>) {
        while let Ok(recv) = self.quic.accept_uni().await {
            let place = self.shared.begun(self.index, Kind::Unidirectional, recv.is_0rtt());
            spawn_local(self.clone().read(Kind::Unidirectional, place, recv, true));
        }
    }

    /// Reads a stream to its end; where it is not read, only a reset is seen.
    async fn read(self: Rc<Self>, kind: Kind, place: usize, mut recv: RecvStream, reads: bool) {
        let end = loop {
            let asked = || (kind == Kind::Request).then(|| self.streams.borrow_mut().stops.remove(&place)).flatten();
            let mut code = None;
            tokio::select! {
                () = self.shared.until(|_| { code = code.or_else(asked); code.is_some() }) => {}
                next = next(&mut recv, reads) => match next {
                    Ok(bytes) => {
                        self.shared.received(self.index, kind, place, &bytes);
                        continue;
                    }
                    Err(end) => break end,
                },
            }
            let _ = recv.stop(varint(code.unwrap_or_default()));
            break StreamEnd::Stopped;
        };
        self.shared.stream(self.index, kind, place, |info| info.end = Some(end));
    }
}

async fn next(recv: &mut RecvStream, reads: bool) -> Result<bytes::Bytes, StreamEnd> {
    if !reads {
        return Err(match recv.received_reset().await {
            Ok(Some(code)) => StreamEnd::Reset(code.into_inner()),
            Ok(None) => StreamEnd::Fin,
            Err(_) => StreamEnd::Lost,
        });
    }
    match recv.read_chunk(usize::MAX, true).await {
        Ok(Some(chunk)) => Ok(chunk.bytes),
        Ok(None) => Err(StreamEnd::Fin),
        Err(ReadError::Reset(code)) => Err(StreamEnd::Reset(code.into_inner())),
        Err(_) => Err(StreamEnd::Lost),
    }
}

struct Player {
    shared: Arc<Shared>,
    index: usize,
    quic: quinn::Connection,
    streams: Rc<RefCell<Streams>>,
    /// Of `Step::Flood`: kept, because a stream that is dropped ends.
    flood: Vec<SendStream>,
    /// Signals used up.
    signals: u64,
}

impl Player {
    async fn play(&mut self, script: &Script) {
        for (at, step) in script.steps.iter().enumerate() {
            self.shared.update(self.index, |connection| connection.info.step = at);
            // What one stream refuses, another may take.
            let _ = self.step(step).await;
        }
        self.shared.update(self.index, |connection| connection.info.step = script.steps.len());
    }

    async fn step(&mut self, step: &Step) -> Result<(), Ended> {
        let index = self.index;
        match step {
            Step::Streams(count) => {
                self.shared.until(|all| all.connections[index].info.requests.len() as u64 >= *count).await;
            }
            Step::Ended(place) => self.request(*place, |info| info.end.is_some()).await,
            Step::Received(place, bytes) => self.request(*place, |info| info.received >= *bytes).await,
            Step::Send(send) => self.send(send).await?,
            Step::Pattern(to, length) => self.pattern(*to, *length).await?,
            Step::Reset(to, code) => {
                let mut stream = self.take(*to).await?;
                let _ = stream.reset(varint(*code));
            }
            Step::Stop(place, code) => {
                self.request(*place, |_| true).await;
                self.streams.borrow_mut().stops.insert(*place, *code);
                self.shared.change(|_| ());
            }
            Step::Flood(count, bytes) => {
                for _ in 0..*count {
                    let mut stream = self.quic.open_uni().await.map_err(|_| Ended)?;
                    stream.write_all(bytes).await.map_err(|_| Ended)?;
                    self.flood.push(stream);
                    self.shared.update(index, |connection| connection.info.flooded += 1);
                }
            }
            Step::Serve(from, body) => {
                for place in *from.. {
                    self.request(place, |info| info.end.is_some()).await;
                    let send = Send { fin: true, ..Send::new(To::Request(place), frame::response(body)) };
                    // A client that has reset it does not want it.
                    let _ = self.send(&send).await;
                }
            }
            Step::Credit(streams) => self.quic.set_max_concurrent_bi_streams(varint(*streams)),
            Step::KeyUpdate => self.quic.force_key_update(),
            Step::Close(code, reason) => self.quic.close(varint(*code), reason),
            Step::Wait(pause) => tokio::time::sleep(*pause).await,
            Step::Signal => {
                self.signals += 1;
                let signals = self.signals;
                self.shared.until(|all| all.connections[index].signals >= signals).await;
            }
            Step::Repeat { steps, times } => {
                for _ in 0..*times {
                    for step in steps {
                        Box::pin(self.step(step)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until a request is there and as told.
    async fn request(&self, place: usize, holds: impl Fn(&StreamInfo) -> bool) {
        let index = self.index;
        self.shared.until(|all| all.connections[index].info.requests.get(place).is_some_and(&holds)).await;
    }

    /// Takes out a stream: a request is awaited, a stream of ours is opened.
    async fn take(&self, to: To) -> Result<SendStream, Ended> {
        let streams = &self.streams;
        if let To::Request(_) = to {
            self.shared.until(|_| streams.borrow().sends.contains_key(&to)).await;
        }
        let known = streams.borrow_mut().sends.remove(&to);
        match (known, to) {
            (Some(stream), _) => Ok(stream),
            (None, To::Uni(_)) => self.quic.open_uni().await.map_err(|_| Ended),
            (None, To::Request(_) | To::Bidi(_)) => Ok(self.quic.open_bi().await.map_err(|_| Ended)?.0),
        }
    }

    fn put_back(&self, to: To, stream: SendStream) {
        self.streams.borrow_mut().sends.insert(to, stream);
    }

    async fn send(&self, send: &Send) -> Result<(), Ended> {
        let mut stream = self.take(send.to).await?;
        let written = write(&mut stream, send).await;
        if send.fin {
            let _ = stream.finish();
        }
        self.put_back(send.to, stream);
        written
    }

    async fn pattern(&self, to: To, length: u64) -> Result<(), Ended> {
        let mut stream = self.take(to).await?;
        let mut at = 0;
        while at < length {
            let take = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
            let mut block = Vec::with_capacity(take);
            pattern::extend(&mut block, at, take);
            stream.write_all(&frame::data(&block)).await.map_err(|_| Ended)?;
            at += take as u64;
        }
        self.put_back(to, stream);
        Ok(())
    }
}

async fn write(stream: &mut SendStream, send: &Send) -> Result<(), Ended> {
    let mut cuts = send.pieces.cuts();
    for _ in 0..send.times {
        let mut rest = send.bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next(rest.len()));
            stream.write_all(piece).await.map_err(|_| Ended)?;
            if !send.every.is_zero() {
                tokio::time::sleep(send.every).await;
            } else if !after.is_empty() {
                // The connection gets its turn, so that the piece leaves alone.
                yield_now().await;
            }
            rest = after;
        }
    }
    Ok(())
}
