//! One HTTP/3 connection: quinn's, with one future that sends the requests and reads the answers.
//!
//! ```text
//!   dialled --> Open --GOAWAY, a stall, a limit of ours--> Away --the core closes it--> Gone
//!                 \                                          \
//!                  +------------------------------------------+--lost, or the peer broke a rule--> Gone (told once)
//! ```
//!
//! Promise: credit, GOAWAY and the end reach the core before the streams that they end; only streams that something happened to are
//! looked at. What the pool should do about it is the core's to say. Used by `connection`. Not here: one exchange (`stream`), what
//! failed (`error`).

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use forebay_core::{Class, DrainReason, Protocol, StreamId};
use forebay_h3::{Budget, Code as Wire, Error, PeerEvent, Settings, Target, control_stream, encode_head};
use forebay_reactor::{Handle, Timer};
use http::Version;
use quinn::{ConnectionError, SendStream};

use super::credit::Credit;
use super::out::Out;
use super::said::{Said, Trouble};
use super::stream::{Around, End, Stream};
use crate::connection::{Link, Order};
use crate::dial::Dialled;
use crate::error::{Code, Failure, Lost, Phase, h3_lost, h3_unprocessed, quic_lost};
use crate::message::{Message, message};
use crate::nudges::{Nudges, One, Whole};
use crate::pool::{Ended, Pool};
use crate::quic::{Endpoint, Quic, code};
use crate::request::Aim;
use crate::sink::RequestId;

/// Where the credit stands on the list of what was nudged: no exchange has this place.
const CREDIT: u32 = u32::MAX;
/// How long a peer that let a request time out has to show any sign of life. Source: the contract, 3.14, for HTTP/2.
const PROBE: Duration = Duration::from_secs(5);
/// Streams that failed by what the peer sent before the connection takes no more. Source: the contract, 3.14, for HTTP/2.
const MAX_STREAM_ERRORS: u32 = 512;

/// A connection that is up.
pub(crate) struct H3 {
    connection: quinn::Connection,
    /// Kept as long as the connection.
    _endpoint: Rc<Endpoint>,
    /// Our control stream: never ended.
    _control: SendStream,
    handle: Handle,
    credit: Credit,
    credit_one: Arc<One>,
    credit_waker: Waker,
    /// The credit as the core knows it.
    told: usize,
    said: Said,
    budget: Budget,
    settings: Option<Settings>,
    nudges: Arc<Nudges>,
    waker: Waker,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Taken from `nudges`; kept for its space.
    due: Vec<u32>,
    /// Bound to this connection, not begun: there is no stream for them yet, or SETTINGS must say whether they can be.
    waiting: VecDeque<(RequestId, StreamId)>,
    /// It takes no more requests.
    away: bool,
    /// Streams that failed by the peer's fault.
    errors: u32,
    /// Datagrams that had come when a request timed out; whether more come is looked at once the timer fires.
    probe: Option<u64>,
    prober: Timer,
    /// Since when no stall was seen.
    awake: Instant,
    /// Whether a response came over it before.
    answered: bool,
}

struct Place {
    one: Arc<One>,
    waker: Waker,
    timer: Timer,
    stream: Option<Box<Stream>>,
}

impl H3 {
    /// Opens our control stream.
    pub(crate) async fn start(pool: &Pool, link: &Link, quic: Quic) -> Result<(Dialled, Self), Failure> {
        let Quic { connection, endpoint, peer, handshake } = quic;
        let opening = async {
            let mut control = connection.open_uni().await.map_err(|e| quic_lost(&e))?;
            let section = u64::try_from(pool.config.max_head_size).unwrap_or(u64::MAX);
            let bytes = control_stream(section, None);
            control.write_all(&bytes).await.map_err(|e| Lost::new(Code::ConnectionClosed, &e.to_string()))?;
            Ok::<_, Lost>(control)
        };
        let control = opening.await.map_err(|lost| Failure {
            class: Class::Unprocessed,
            phase: Phase::Connect,
            ..lost.failure(false, false)
        })?;
        link.multiplex();
        let handle = pool.shared.handle.clone();
        let nudges = Arc::new(Nudges::default());
        let waker = Waker::from(Arc::new(Whole(nudges.clone())));
        waker.wake_by_ref();
        let mut credit = Credit::new(connection.clone(), pool.config.upstream.h3.max_concurrent_streams);
        let credit_one = One::new(nudges.clone(), CREDIT);
        let credit_waker = Waker::from(credit_one.clone());
        // If it is over already, its own end says so.
        let _ = credit.fill(&mut Context::from_waker(&credit_waker));
        let dialled = Dialled { peer, protocol: Protocol::H3, connect: handshake, tls: Duration::ZERO };
        let this = Self {
            said: Said::new(connection.clone()),
            connection,
            _endpoint: endpoint,
            _control: control,
            told: credit.room(),
            credit,
            credit_one,
            credit_waker,
            budget: Budget::default(),
            settings: None,
            nudges,
            waker,
            places: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
            waiting: VecDeque::new(),
            away: false,
            errors: 0,
            probe: None,
            prober: handle.timer(),
            awake: handle.now(),
            answered: false,
            handle,
        };
        Ok((dialled, this))
    }

    /// The dial is done: the pool hears of it.
    pub(crate) fn dialled(&mut self, pool: &Rc<Pool>, link: &Link, dialled: &Dialled) {
        pool.multiplexed(link, dialled, Some(count(self.told)));
        pool.turn();
    }

    /// Exchanges that a panic of ours interrupted, and whether their head had come.
    pub(crate) fn interrupted(&self) -> Vec<(RequestId, StreamId, bool)> {
        let open = self.places.iter().filter_map(|place| place.stream.as_ref()).map(|stream| &stream.carried);
        let waiting = self.waiting.iter().map(|(request, stream)| (*request, *stream, false));
        open.map(|s| (s.request, s.id, s.is_headed())).chain(waiting).collect()
    }

    /// Goes on until nothing moves. Ready: the connection is gone and the pool knows.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Poll<()> {
        self.nudges.enter(cx.waker());
        self.look_for_stall(pool, link);
        loop {
            if link.order() == Order::Close {
                self.farewell(Wire::NO_ERROR);
                return Poll::Ready(());
            }
            let mut moved = false;
            if self.nudges.take_connection() {
                moved = true;
                if let Err(over) = self.drive(pool, link) {
                    return self.over(pool, link, over);
                }
            }
            if let Err(over) = self.serve(pool, link, &mut moved) {
                return self.over(pool, link, over);
            }
            if moved {
                // What the core says now may be for this connection.
                pool.turn();
            } else if let Err(over) = self.tell_credit(pool, link, &mut moved) {
                return self.over(pool, link, over);
            } else if !moved && self.nudges.leave() {
                return Poll::Pending;
            }
        }
    }

    /// After a stall the peer may have given up on us without a word: what comes next goes over another connection.
    fn look_for_stall(&mut self, pool: &Rc<Pool>, link: &Link) {
        if self.handle.stalled_since(self.awake) {
            self.awake = self.handle.now();
            self.away = true;
            pool.drain_link(link, DrainReason::Manual);
        }
    }

    /// What the peer says on its own streams, and whether it is still there.
    fn drive(&mut self, pool: &Rc<Pool>, link: &Link) -> Result<(), Over> {
        let waker = self.waker.clone();
        let cx = &mut Context::from_waker(&waker);
        let mut events = Vec::new();
        let polled = self.said.poll(cx, &mut self.budget, |event| events.push(event));
        for event in events {
            match event {
                PeerEvent::Settings(settings) => self.settings = Some(settings),
                PeerEvent::GoAway(id) => self.goes_away(pool, link, id),
                PeerEvent::Unwanted => {}
            }
        }
        polled?;
        if let Some(datagrams) = self.probe
            && self.prober.poll(cx).is_ready()
        {
            self.probe = None;
            self.prober.clear();
            if self.connection.stats().udp_rx.datagrams == datagrams {
                return Err(Over::Lost(Lost::new(Code::KeepaliveTimeout, "no sign of life after a time-out")));
            }
        }
        Ok(())
    }

    /// GOAWAY: requests from `id` on were not and will not be processed.
    fn goes_away(&mut self, pool: &Rc<Pool>, link: &Link, id: u64) {
        self.away = true;
        pool.goes_away(link);
        for index in 0..self.places.len() {
            let Some(stream) = &mut self.places[index].stream else { continue };
            if stream.number < id {
                continue;
            }
            stream.reset(Wire::REQUEST_CANCELLED);
            let carried = &stream.carried;
            let failure = h3_unprocessed(carried.is_headed());
            pool.stream_failed(link, (carried.request, carried.id), failure, self.answered, carried.has_begun());
            self.vacate(count(index));
        }
    }

    /// Tells the core what may be opened now, if that is more than it knows. Nothing that it bound may be on its way here then.
    fn tell_credit(&mut self, pool: &Rc<Pool>, link: &Link, moved: &mut bool) -> Result<(), Over> {
        self.credit.fill(&mut Context::from_waker(&self.credit_waker))?;
        let room = self.credit.room().saturating_sub(self.waiting.len());
        if room > self.told && !self.away {
            self.told = room;
            pool.stream_limit(link, count(room));
            pool.turn();
            *moved = true;
        }
        Ok(())
    }

    /// Looks at the streams that something happened to, and takes what the pool has for this connection.
    fn serve(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, moved: &mut bool) -> Result<(), Over> {
        // First: the caller of a cancelled exchange has its answer, and its number may be another's by now.
        for stream in link.take_resets() {
            *moved = true;
            self.cancel(pool, stream);
        }
        let mut due = std::mem::take(&mut self.due);
        self.nudges.take_streams(&mut due);
        due.extend(link.take_touched());
        *moved |= !due.is_empty();
        let mut broken = Ok(());
        for place in due.drain(..) {
            if place == CREDIT {
                self.credit_one.taken();
                self.credit.woken();
            } else if let Err(over) = self.step(place, pool, link) {
                broken = Err(over);
            }
        }
        self.due = due;
        broken?;
        let mut retry = std::mem::take(&mut self.waiting);
        while let Some((request, stream)) = retry.pop_front() {
            self.open(pool, link, request, stream);
        }
        while let Some((request, stream)) = link.take_next() {
            *moved = true;
            self.told = self.told.saturating_sub(1);
            self.open(pool, link, request, stream);
        }
        Ok(())
    }

    fn step(&mut self, index: u32, pool: &Rc<Pool>, link: &Link) -> Result<(), Over> {
        let Some(place) = self.places.get_mut(index as usize) else { return Ok(()) };
        place.one.taken();
        let Some(stream) = place.stream.as_mut() else { return Ok(()) };
        let around = Around { pool, number: link.number, answered: self.answered, lost: None };
        let cx = &mut Context::from_waker(&place.waker);
        match stream.poll(cx, &mut place.timer, &mut self.budget, &around) {
            None => Ok(()),
            Some(End::Lost(error)) => Err(Over::Lost(quic_lost(&error))),
            Some(End::Fault(fault)) => Err(Over::Fault(fault, Some(stream.number))),
            Some(End::Whole) => {
                pool.stream_whole(stream.carried.request, stream.carried.id);
                self.answered = true;
                link.answer();
                self.vacate(index);
                Ok(())
            }
            Some(End::Failed { failure, timed_out }) => {
                let both = (stream.carried.request, stream.carried.id);
                if failure.code.is_breach() {
                    self.errors += 1;
                    if self.errors == MAX_STREAM_ERRORS {
                        pool.drain_link(link, DrainReason::LocalErrors);
                    }
                }
                pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                self.vacate(index);
                if timed_out {
                    self.ask();
                }
                Ok(())
            }
        }
    }

    /// The reset of the stream that timed out wants an acknowledgement: whether one comes shows if the path is there.
    fn ask(&mut self) {
        if self.probe.is_none() {
            self.probe = Some(self.connection.stats().udp_rx.datagrams);
            self.prober.reset(self.handle.now() + PROBE);
            self.waker.wake_by_ref();
        }
    }

    fn vacate(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.stream = None;
        place.timer.clear();
        self.free.push(index);
    }

    fn open(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, request: RequestId, stream: StreamId) {
        // If its caller has gone, a reset follows; its number may be another's by now.
        if pool.shared.exchanges.with(request, |e| e.stream == Some(stream)) != Some(true) {
            return;
        }
        if self.away {
            pool.stream_unsent(request, stream);
            return;
        }
        let upgrades = pool.shared.exchanges.with(request, |e| e.submission.aim == Aim::Upgrade) == Some(true);
        if upgrades && self.settings.is_none() {
            self.waiting.push_back((request, stream));
            return;
        }
        let Some((to, from)) = self.credit.take() else {
            self.waiting.push_back((request, stream));
            return;
        };
        let begun = pool.begin(request, link, |head, e| message(head, e, Version::HTTP_3, true));
        let head = match begun {
            None => {
                self.credit.put_back((to, from));
                return;
            }
            Some(made) => made.ok_or(unsendable("host")).and_then(|made| self.head(made)),
        };
        match head {
            Ok((made, head)) => {
                self.budget.allow();
                let ends = made.upload.is_none() && made.aim == Aim::Exchange;
                let max_section = self.settings.and_then(|settings| settings.max_field_section_size);
                let out = Out::new(to, head, ends, max_section);
                self.occupy(pool, Box::new(Stream::new((request, stream), (out, from), made, pool)));
            }
            Err(failure) => {
                self.credit.put_back((to, from));
                pool.stream_failed(link, (request, stream), failure, self.answered, false);
            }
        }
    }

    /// The head of a message, written.
    fn head(&self, message: Message) -> Result<(Message, bytes::Bytes), Failure> {
        let uri = message.head.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let scheme = uri.scheme_str().unwrap_or("https");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let protocol = message.protocol.as_ref().and_then(|protocol| protocol.to_str().ok());
        let target = match (message.aim, protocol) {
            (Aim::Connect, _) => Target::Connect { authority },
            (Aim::Upgrade, Some(protocol)) => {
                if !self.settings.is_some_and(|settings| settings.enable_connect_protocol) {
                    let text = "the upstream takes no upgrade over HTTP/3";
                    return Err(Failure::new(Code::VersionRequired, Phase::Send, Class::Unprocessed, text));
                }
                Target::Protocol { protocol, scheme, authority, path }
            }
            (Aim::Exchange | Aim::Upgrade, _) => Target::Request { scheme, authority, path },
        };
        let max = self.settings.and_then(|settings| settings.max_field_section_size);
        let mut out = BytesMut::new();
        encode_head(message.head.method().as_str(), target, message.head.headers(), max, &mut out)
            .map_err(|e| unsendable(&e.to_string()))?;
        Ok((message, out.freeze()))
    }

    fn occupy(&mut self, pool: &Pool, stream: Box<Stream>) {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = count(self.places.len());
            let one = One::new(self.nudges.clone(), index);
            let waker = Waker::from(one.clone());
            self.places.push(Place { one, waker, timer: self.handle.timer(), stream: None });
            index
        });
        pool.shared.exchanges.with(stream.carried.request, |e| e.place = index);
        let place = &mut self.places[index as usize];
        place.stream = Some(stream);
        place.waker.wake_by_ref();
    }

    /// The core no longer wants it.
    fn cancel(&mut self, pool: &Rc<Pool>, stream: StreamId) {
        let found = self.places.iter().position(|p| p.stream.as_ref().is_some_and(|s| s.carried.id == stream));
        if let Some(index) = found {
            if let Some(stream) = &mut self.places[index].stream {
                stream.reset(Wire::REQUEST_CANCELLED);
            }
            self.vacate(count(index));
        }
        self.waiting.retain(|(_, waiting)| *waiting != stream);
        pool.stream_cancelled(stream);
    }

    /// The connection is over: first the core knows, then each stream that ran on it ends.
    fn over(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, over: Over) -> Poll<()> {
        let (lost, culprit, reason) = match over {
            Over::Lost(lost) => (lost, None, Wire::NO_ERROR),
            Over::Fault(fault, culprit) => (h3_lost(&fault), culprit, fault.code),
        };
        let ended = match lost.code {
            code if code.is_breach() => Ended::Violation,
            Code::ConnectionReset => Ended::Reset,
            Code::KeepaliveTimeout => Ended::ByUs,
            _ => Ended::ByPeer,
        };
        pool.connection_over(link, ended);
        for stream in link.take_resets() {
            self.cancel(pool, stream);
        }
        for (request, stream) in std::mem::take(&mut self.waiting) {
            pool.stream_unsent(request, stream);
        }
        while let Some((request, stream)) = link.take_next() {
            pool.stream_unsent(request, stream);
        }
        let around = Around { pool, number: link.number, answered: self.answered, lost: Some((&lost, culprit)) };
        let mut closing = Vec::new();
        for place in &mut self.places {
            let Some(mut stream) = place.stream.take() else { continue };
            let cx = &mut Context::from_waker(Waker::noop());
            let both = (stream.carried.request, stream.carried.id);
            match stream.poll(cx, &mut place.timer, &mut self.budget, &around) {
                Some(End::Whole) => pool.stream_whole(both.0, both.1),
                _ if !stream.has_left() => pool.stream_unsent(both.0, both.1),
                Some(End::Failed { failure, .. }) => {
                    pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                }
                Some(End::Lost(_) | End::Fault(_)) | None => {
                    let failure = lost.failure(stream.carried.is_headed(), culprit == Some(stream.number));
                    pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                }
            }
            closing.push(stream);
        }
        self.farewell(reason);
        drop(closing);
        pool.let_go(link, (lost.code != Code::ConnectionClosed).then_some(lost.code));
        pool.turn();
        Poll::Ready(())
    }

    /// Closes it. What still runs is void with it: only then may streams be dropped, or each would say something of its own.
    fn farewell(&mut self, reason: Wire) {
        self.connection.close(code(reason.0), b"");
        for place in &mut self.places {
            place.stream = None;
        }
        self.credit.let_go();
    }
}

impl Drop for H3 {
    /// Of a connection that is not over only a panic, or the end of the reactor, comes here.
    fn drop(&mut self) {
        self.farewell(Wire::NO_ERROR);
    }
}

/// Why a connection is over.
enum Over {
    Lost(Lost),
    /// The peer broke a rule, on this stream if on one of ours.
    Fault(Error, Option<u64>),
}

impl From<Trouble> for Over {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost(error) => Self::Lost(quic_lost(&error)),
            Trouble::Fault(fault) => Self::Fault(fault, None),
        }
    }
}

impl From<ConnectionError> for Over {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(quic_lost(&error))
    }
}

fn unsendable(text: &str) -> Failure {
    Failure::new(Code::InvalidRequest, Phase::Send, Class::Never, text)
}

/// Places and credit are counted in u32: both are bounded far below.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
