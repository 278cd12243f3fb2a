//! One HTTP/2 connection: the `h2` crate's, driven by one future that also sends the requests and reads the answers.
//!
//! ```text
//!               first SETTINGS, or a limit is known           GOAWAY, a limit of ours
//!   Unannounced ----------------------------------> Open --------------------------------> Away
//!        \                                            \                                      \ the core closes it
//!         +--------------------------------------------+--------------------------------------+--> Gone (told once)
//! ```
//!
//! Promise: SETTINGS, GOAWAY and the end reach the core in the poll that parsed them, before the streams that they end; only streams
//! that something happened to are looked at. What the pool should do about it is the core's to say. Used by
//! `connection`. Not here: one exchange (`stream`), how bytes move (`io`), what failed (`error`).

mod ending;
mod path;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use forebay_core::{Class, DrainReason, Stat, StreamId};
use forebay_reactor::{Handle, Timer};
use h2::Reason;
use h2::client::{self, SendRequest};
use http::Version;

use super::bandwidth::Bandwidth;
use super::io::{Io, Watch};
use super::keepalive::KeepAlive;
use super::stream::{Around, End, Stream, head_of};
use crate::connection::{Link, Order};
use crate::dial::Dialled;
use crate::error::{Code, Failure, Lost, Phase, h2_lost};
use crate::message::message;
use crate::nudges::{Nudges, One, Whole};
use crate::pool::Pool;
use crate::request::Aim;
use crate::sink::RequestId;
use crate::wire::Wire;

/// The header list that the `h2` crate takes, as a multiple of our bound: so that a head past ours can be told from a malformed
/// one, and one far past it ends the connection. Source: the design, section 8.
const HEADER_LIST_RATIO: usize = 4;
/// Streams that failed by what the peer sent before the connection takes no more. Source: the contract, 3.14.
const MAX_STREAM_ERRORS: u64 = 512;
/// Streams that are remembered after we reset them, so that what was under way for them harms nobody. A guess: the default of
/// streams at once.
const REMEMBERED_RESETS: usize = 1_024;
/// Bytes that small DATA frames may cost before the `h2` crate ends the connection. They are taken at once, so what counts is
/// what passes in one go; the meter bounds that far below.
const DATA_FRAME_BUDGET: usize = 64 * 1024 * 1024;

/// A connection that is up.
#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
pub(crate) struct H2 {
    inner: client::Connection<Io, Bytes>,
    send: Option<SendRequest<Bytes>>,
    watch: Rc<Watch>,
    handle: Handle,
    nudges: Arc<Nudges>,
    waker: Waker,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Taken from `nudges`; kept for its space.
    due: Vec<u32>,
    /// Streams whose bodies wait for their heads to leave.
    gated: Vec<u32>,
    /// Until the pool was told that it is up.
    unannounced: Option<Dialled>,
    secure: bool,
    /// What the pool was told of the peer's limit.
    limit: Option<u32>,
    /// For the first SETTINGS and the answer to ours.
    settings: Timer,
    keepalive: KeepAlive,
    /// What the path holds, where windows follow that.
    bandwidth: Option<Bandwidth>,
    /// The window of streams that was announced, and the next, as soon as that can be.
    window: u32,
    wider: Option<u32>,
    /// Bytes that had come and left when the pool last heard of them.
    passed: (u64, u64),
    away: bool,
    /// Streams that we reset for reasons of our own.
    resets: u64,
    /// Streams that were reset for the peer's.
    errors: u64,
    /// Too many of them.
    spoiled: bool,
    /// Whether a response came over it before.
    answered: bool,
}

struct Place {
    one: Arc<One>,
    waker: Waker,
    timer: Timer,
    stream: Option<Box<Stream>>,
}

impl H2 {
    /// Sends the preface and our SETTINGS.
    pub(crate) async fn start(pool: &Pool, link: &Link, wire: Wire) -> Result<Self, Failure> {
        let config = &pool.config;
        let handle = pool.shared.handle.clone();
        let (io, watch) = Io::on(wire, pool.traffic.clone());
        let head_list = u32::try_from(config.max_head_size.saturating_mul(HEADER_LIST_RATIO)).unwrap_or(u32::MAX);
        let shaken = client::Builder::new()
            .enable_push(false)
            .initial_window_size(config.http2.stream_window)
            .initial_connection_window_size(config.http2.connection_window)
            .max_header_list_size(head_list)
            .max_concurrent_reset_streams(REMEMBERED_RESETS)
            .max_local_error_reset_streams(None)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .max_send_buffer_size(config.body_buffer.saturating_mul(16))
            .handshake::<_, Bytes>(io)
            .await;
        let (send, mut inner) = shaken.map_err(|error| {
            let lost = h2_lost(Some(&error), watch.fault(), watch.end().as_ref());
            Failure { class: Class::Unprocessed, phase: Phase::Connect, ..lost.failure(false, false) }
        })?;
        link.multiplex();
        let nudges = Arc::new(Nudges::default());
        let waker = Waker::from(Arc::new(Whole(nudges.clone())));
        waker.wake_by_ref();
        let mut settings = handle.timer();
        settings.reset(handle.now() + config.http2.settings_timeout);
        let keepalive = KeepAlive::new(&handle, config.http2.ping, inner.ping_pong(), link.number);
        let adaptive = config.http2.adaptive_window;
        let bandwidth = adaptive.map(|bounds| Bandwidth::new(config.http2.stream_window, bounds.max_stream_window));
        Ok(Self {
            inner,
            send: Some(send),
            watch,
            handle,
            nudges,
            waker,
            places: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
            gated: Vec::new(),
            unannounced: None,
            secure: config.tls.is_some(),
            limit: None,
            settings,
            keepalive,
            bandwidth,
            window: config.http2.stream_window,
            wider: None,
            passed: (0, 0),
            away: false,
            resets: 0,
            errors: 0,
            spoiled: false,
            answered: false,
        })
    }

    /// The dial is done: the pool hears of it now, or with the first SETTINGS.
    pub(crate) fn dialled(&mut self, pool: &Rc<Pool>, link: &Link, dialled: Dialled) {
        if pool.awaits_settings() {
            link.reached(&dialled.peer);
            pool.shaken(link);
            self.unannounced = Some(dialled);
        } else {
            pool.multiplexed(link, &dialled, None);
        }
        pool.turn();
    }

    /// Exchanges that a panic of ours interrupted, and whether their head had come.
    pub(crate) fn interrupted(&self) -> Vec<(RequestId, StreamId, bool)> {
        let open = self.places.iter().filter_map(|place| place.stream.as_ref());
        open.map(|s| (s.carried.request, s.carried.id, s.carried.is_headed())).collect()
    }

    /// Goes on until nothing moves. Ready: the connection is gone and the pool knows.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Poll<()> {
        self.nudges.enter(cx.waker());
        loop {
            if link.order() == Order::Close {
                self.farewell();
                return Poll::Ready(());
            }
            let mut moved = false;
            if self.nudges.take_connection() {
                moved = true;
                if let Some(lost) = self.drive(pool, link) {
                    return self.over(pool, link, &lost);
                }
            }
            if let Some(lost) = self.serve(pool, link, &mut moved) {
                return self.over(pool, link, &lost);
            }
            if moved {
                // What the core says now may be for this connection.
                pool.turn();
            } else if self.nudges.leave() {
                return Poll::Pending;
            }
        }
    }

    /// Lets the `h2` crate read and write, and looks at what it knows since. What is returned ended it.
    fn drive(&mut self, pool: &Rc<Pool>, link: &Link) -> Option<Lost> {
        let cx = &mut Context::from_waker(&self.waker);
        self.watch.go_on();
        let done = Pin::new(&mut self.inner).poll(cx);
        let counts = self.watch.counts();
        let passed = self.watch.passed();
        if std::mem::replace(&mut self.passed, passed) != passed {
            pool.mark();
        }
        if counts.settings > 0 {
            let limit = u32::try_from(self.inner.max_concurrent_send_streams()).unwrap_or(u32::MAX);
            if let Some(dialled) = self.unannounced.take() {
                pool.multiplexed(link, &dialled, Some(limit));
            } else if self.limit != Some(limit) {
                pool.stream_limit(link, limit);
            }
            self.limit = Some(limit);
        }
        if !self.away
            && let Some(send) = &mut self.send
            && let Poll::Ready(Err(error)) = send.poll_ready(cx)
        {
            self.away = true;
            if error.is_go_away() && error.is_remote() {
                pool.goes_away(link);
            }
        }
        self.open_gates(counts.highest);
        if let Poll::Ready(result) = done {
            return Some(self.lost(result.as_ref().err()));
        }
        let errors = counts.resets.saturating_sub(self.resets);
        if errors > self.errors {
            // The crate does not wake whoever waits for an answer on a stream that it resets itself.
            self.places.iter().filter(|place| place.stream.is_some()).for_each(|place| place.waker.wake_by_ref());
        }
        self.errors = errors;
        if errors >= MAX_STREAM_ERRORS && !self.spoiled {
            self.spoiled = true;
            pool.drain_link(link, DrainReason::LocalErrors);
        }
        self.keepalive.heard(counts.frames);
        let cx = &mut Context::from_waker(&self.waker);
        if self.keepalive.poll(cx).is_ready() {
            pool.bump(Stat::Http2KeepaliveTimeout);
            return Some(Lost::new(Code::KeepaliveTimeout, "no answer to PING"));
        }
        self.follow_the_path(pool, counts.data);
        let cx = &mut Context::from_waker(&self.waker);
        if counts.settings > 0 && counts.acknowledged > 0 {
            self.settings.clear();
        } else if self.settings.poll(cx).is_ready() {
            self.settings.clear();
            if counts.settings == 0 {
                return Some(Lost::new(Code::SettingsTimeout, "no SETTINGS came"));
            }
            pool.drain_link(link, DrainReason::Manual);
        }
        None
    }

    /// Heads have left: the bodies may follow.
    fn open_gates(&mut self, highest: u32) {
        let places = &mut self.places;
        self.gated.retain(|index| {
            let place = &mut places[*index as usize];
            let Some(stream) = &mut place.stream else { return false };
            if stream.number > highest {
                return true;
            }
            stream.carried.head_left();
            place.waker.wake_by_ref();
            false
        });
    }

    /// Looks at the streams that something happened to, and takes what the pool has for this connection.
    fn serve(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, moved: &mut bool) -> Option<Lost> {
        // First: the caller of a cancelled exchange has its answer, and its number may be another's by now.
        for stream in link.take_resets() {
            *moved = true;
            self.cancel(pool, stream);
        }
        let mut due = std::mem::take(&mut self.due);
        self.nudges.take_streams(&mut due);
        due.extend(link.take_touched());
        *moved |= !due.is_empty();
        let mut broken = None;
        for place in due.drain(..) {
            if let Some(error) = self.step(place, pool, link) {
                broken = Some(error);
            }
        }
        self.due = due;
        if let Some(error) = broken {
            return Some(self.lost(Some(&error)));
        }
        while let Some((request, stream)) = link.take_next() {
            *moved = true;
            self.open(pool, link, request, stream);
        }
        None
    }

    fn step(&mut self, index: u32, pool: &Rc<Pool>, link: &Link) -> Option<h2::Error> {
        let place = self.places.get_mut(index as usize)?;
        place.one.taken();
        let stream = place.stream.as_mut()?;
        let around = Around {
            pool,
            number: link.number,
            watch: &self.watch,
            answered: self.answered,
            window: self.window,
            lost: None,
        };
        let cx = &mut Context::from_waker(&place.waker);
        match stream.poll(cx, &mut place.timer, &around)? {
            End::Connection(error) => Some(error),
            End::Whole => {
                pool.stream_whole(stream.carried.request, stream.carried.id);
                self.answered = true;
                link.answer();
                self.vacate(index);
                None
            }
            End::Failed { failure, reset, silent } => {
                if let Some(reason) = reset {
                    stream.reset(reason);
                    if reason == Reason::CANCEL {
                        self.resets += 1;
                    }
                }
                if failure.code == Code::WriteTimeout && self.watch.counts().window <= 0 {
                    // Nothing can be sent on this connection at all.
                    pool.drain_link(link, DrainReason::Manual);
                }
                let both = (stream.carried.request, stream.carried.id);
                pool.stream_failed(link, both, failure, self.answered, stream.carried.has_begun());
                if silent {
                    self.keepalive.ask();
                }
                self.vacate(index);
                None
            }
        }
    }

    fn vacate(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.stream = None;
        place.timer.clear();
        self.free.push(index);
    }

    fn open(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, request: RequestId, stream: StreamId) {
        let secure = self.secure;
        // If its caller has gone, a reset follows; its number may be another's by now.
        if pool.shared.exchanges.with(request, |e| e.stream == Some(stream)) != Some(true) {
            return;
        }
        let Some(made) = pool.begin(request, link, |head, e| message(head, e, Version::HTTP_2, secure)) else { return };
        let Some(send) = self.send.as_mut().filter(|_| !self.away) else {
            pool.stream_unsent(request, stream);
            return;
        };
        let Some(mut made) = made else {
            let failure = Failure::new(Code::InvalidRequest, Phase::Send, Class::Never, "host");
            pool.stream_failed(link, (request, stream), failure, self.answered, false);
            return;
        };
        if made.aim == Aim::Upgrade && !send.is_extended_connect_protocol_enabled() {
            let text = "the upstream takes no upgrade over HTTP/2";
            let failure = Failure::new(Code::VersionRequired, Phase::Send, Class::Unprocessed, text);
            pool.stream_failed(link, (request, stream), failure, self.answered, false);
            return;
        }
        self.keepalive.before_request();
        let head = head_of(&mut made);
        let ends = made.upload.is_none();
        match send.send_request(head, ends) {
            Ok((answer, to)) => {
                let around = Around {
                    pool,
                    number: link.number,
                    watch: &self.watch,
                    answered: self.answered,
                    window: self.window,
                    lost: None,
                };
                let mut stream = Stream::new((request, stream), answer, to, made, &around);
                let gated = stream.carried.is_gated();
                if !gated {
                    stream.carried.head_left();
                }
                self.occupy(pool, Box::new(stream), gated);
            }
            Err(error) if error.reason().is_none() && !error.is_io() => {
                // What the crate will not send was not checked well enough.
                let failure = Failure::new(Code::InvalidRequest, Phase::Send, Class::Never, &error.to_string());
                pool.stream_failed(link, (request, stream), failure, self.answered, false);
            }
            Err(_) => pool.stream_unsent(request, stream),
        }
    }

    fn occupy(&mut self, pool: &Pool, stream: Box<Stream>, gated: bool) {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.places.len()).expect("fewer streams at once than 2^32");
            let one = One::new(self.nudges.clone(), index);
            let waker = Waker::from(one.clone());
            self.places.push(Place { one, waker, timer: self.handle.timer(), stream: None });
            index
        });
        pool.shared.exchanges.with(stream.carried.request, |e| e.place = index);
        if gated {
            self.gated.push(index);
        }
        let place = &mut self.places[index as usize];
        place.stream = Some(stream);
        place.waker.wake_by_ref();
    }

    /// The core no longer wants it.
    fn cancel(&mut self, pool: &Rc<Pool>, stream: StreamId) {
        let found = self.places.iter().position(|p| p.stream.as_ref().is_some_and(|s| s.carried.id == stream));
        if let Some(index) = found {
            if let Some(stream) = &mut self.places[index].stream {
                stream.reset(Reason::CANCEL);
                self.resets += 1;
            }
            self.vacate(u32::try_from(index).expect("places are counted in u32"));
        }
        pool.stream_cancelled(stream);
    }

    fn lost(&self, error: Option<&h2::Error>) -> Lost {
        h2_lost(error, self.watch.fault(), self.watch.end().as_ref())
    }
}
