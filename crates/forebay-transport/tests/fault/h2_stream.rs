//! M01 to M25: responses of an HTTP/2 upstream that are wrong, and streams that end early.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Protocols, Stat};
use forebay_testkit::h2::frame::{
    self, END_HEADERS, code, data, frame as raw, goaway, headers, kind, reset, response, setting, window_update,
};
use forebay_testkit::script::{Pieces, Script, Server, Step};
use forebay_testkit::tls::TlsOptions as ServerTls;
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::{Aim, Content};

use super::support::http2::{
    Outcome, and_goes_on, answer, ends_its_connection, ends_its_stream, prior_knowledge, serve,
};
use super::support::trial::{self, Left, authority};
use super::support::{PATIENCE, World, config, offering};

const OK: &[(&str, &str)] = &[(":status", "200")];

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, fields, false)
}

#[test]
fn m01_a_refused_stream_is_sent_again() {
    let script = and_goes_on(answer(reset(1, code::REFUSED_STREAM), Pieces::Whole));
    let outcome = Outcome::of(script);
    outcome.succeeded(200, "ok");
    assert_eq!((outcome.world.stat(Stat::RqReplay), outcome.world.stat(Stat::RqRxReset)), (1, 0));
    outcome.world.finish();
}

#[test]
fn m01_one_that_is_refused_for_ever_fails_after_eight_repeats() {
    let mut script = Script::new().http2(&[]);
    for id in (1..).step_by(2).take(9) {
        script = script.streams(1).send(reset(id, code::REFUSED_STREAM));
    }
    let outcome = Outcome::of(script.frames());
    outcome.failed(Code::StreamRefused, Phase::Head, Class::Unprocessed);
    assert_eq!(outcome.world.stat(Stat::RqReplay), 8);
    outcome.world.finish();
}

#[test]
fn m02_m03_a_reset_ends_its_stream_by_whether_the_head_had_come() {
    for reason in [code::CANCEL, code::INTERNAL_ERROR, code::NO_ERROR] {
        let outcome = Outcome::of(and_goes_on(answer(reset(1, reason), Pieces::Whole)));
        outcome.failed(Code::StreamReset, Phase::Head, Class::Maybe);
        outcome.then(Left::Kept);
    }
    for reason in [code::CANCEL, code::REFUSED_STREAM] {
        let bytes = [head(OK), data(1, b"part", false), reset(1, reason)].concat();
        let outcome = Outcome::of(and_goes_on(answer(bytes, Pieces::Whole)));
        outcome.failed(Code::StreamReset, Phase::Body, Class::Never);
        assert_eq!(outcome.answer.status, Some(200));
        outcome.then(Left::Kept);
    }
}

#[test]
fn m04_a_reset_after_a_whole_response_harms_nobody() {
    let bytes = [response(1, b"ok"), reset(1, code::NO_ERROR)].concat();
    for way in [Pieces::Whole, Pieces::Of(1)] {
        let outcome = Outcome::of(and_goes_on(answer(&bytes, way)));
        outcome.succeeded(200, "ok").then_kept();
    }
}

impl Outcome {
    fn then_kept(&self) {
        assert_eq!(self.world.stat(Stat::CxDestroy), 0);
    }
}

#[test]
fn m05_another_version_is_asked_for() {
    let outcome = Outcome::of(and_goes_on(answer(reset(1, code::HTTP_1_1_REQUIRED), Pieces::Whole)));
    outcome.failed(Code::VersionRequired, Phase::Head, Class::Unprocessed);
    assert_eq!(outcome.world.stat(Stat::RqReplay), 0, "it would be refused again");
    outcome.then(Left::Kept);
}

/// An upstream that speaks both: these HTTP/2 connections, in order with connections of HTTP/1.1 that answer all; and a pool that
/// speaks both.
fn speaking_both(http2: Script) -> (Server, World) {
    let tls = || ServerTls { alpn: vec!["h2".to_owned(), "http/1.1".to_owned()], ..ServerTls::default() };
    let with_tls = |script: Script| Script { steps: [Script::new().tls(tls()).steps, script.steps].concat() };
    let server = serve([with_tls(http2), with_tls(trial::good()), with_tls(trial::good())]);
    let mut config = config(server.addr());
    config.tls = Some(offering(&authority().pem(), "localhost", &[b"h2", b"http/1.1"]));
    config.upstream.protocols = Protocols::Mixed;
    let world = World::with_clock(config);
    (server, world)
}

fn spoken(server: &Server) -> Vec<String> {
    let tls = server.connections().into_iter().map(|c| c.tls.and_then(|tls| tls.alpn));
    tls.map(Option::unwrap_or_default).collect()
}

#[test]
fn m05_a_mixed_pool_sends_what_is_refused_over_http1_and_the_rest_as_before() {
    let refusing = Script::new().http2(&[]).streams(2).send(reset(1, code::HTTP_1_1_REQUIRED));
    let (server, mut world) =
        speaking_both(refusing.send(response(3, b"two")).streams(1).send(response(5, b"five")).frames());
    let (refused, other) = (world.get("/"), world.get("/"));
    let answer = world.answer(refused);
    assert_eq!((&answer.body[..], answer.replayed.len()), (&b"ok"[..], 1));
    assert_eq!(world.answer(other).body, b"two", "it was not refused");
    let later = world.get("/");
    assert_eq!(world.answer(later).body, b"five", "HTTP/2 works for others");
    assert_eq!((world.stat(Stat::RqReplay), world.stat(Stat::CxDestroy)), (1, 0), "the connection is kept");
    assert_eq!(spoken(&server), ["h2", "http/1.1"]);
    world.finish();
}

#[test]
fn m05_an_upstream_whose_http2_answers_nothing_is_remembered() {
    let refusing = Script::new().http2(&[]).streams(1).send(reset(1, code::HTTP_1_1_REQUIRED));
    let (server, mut world) = speaking_both(refusing.streams(1).send(response(3, b"three")).frames());
    for _ in 0..3 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body, b"ok");
    }
    assert_eq!((world.stat(Stat::RqReplay), world.stat(Stat::CxDestroy)), (1, 0));
    assert_eq!(spoken(&server), ["h2", "http/1.1"]);
    world.pass(Duration::from_secs(1));
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"three", "HTTP/2 has another chance, over the connection that was kept");
    world.finish();
}

#[test]
fn m05_a_goaway_that_asks_for_http1_moves_what_it_did_not_process() {
    let going =
        Script::new().http2(&[]).streams(2).send(goaway(1, code::HTTP_1_1_REQUIRED, b"")).send(response(1, b"one"));
    let (server, mut world) = speaking_both(going.frames());
    let (first, second) = (world.get("/"), world.get("/"));
    assert_eq!(world.answer(first).body, b"one");
    assert_eq!(world.answer(second).body, b"ok");
    assert_eq!(spoken(&server), ["h2", "http/1.1"]);
    world.finish();
}

#[test]
fn m06_resets_of_all_streams_fail_each_by_its_code() {
    let resets: Vec<u8> = (0..100).flat_map(|n| reset(2 * n + 1, code::CANCEL)).collect();
    let server = serve([Script::new().http2(&[]).streams(100).send(resets).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let all: Vec<_> = (0..100).map(|_| world.get("/")).collect();
    for id in all {
        assert_eq!(world.answer(id).code(), Some(Code::StreamReset));
    }
    assert_eq!((world.stat(Stat::RqRxReset), world.stat(Stat::CxDestroy)), (100, 0));
    world.finish();
}

#[test]
fn m07_streams_that_the_peer_spoils_drain_the_connection_in_the_end() {
    // One window grows past its bound for each request; the 512th such error drains.
    let mut script = Script::new().http2(&[]);
    for n in 0..512 {
        script = script.streams(1).send(window_update(2 * n + 1, 0x7fff_ffff).repeat(2));
    }
    let server = serve([script.frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    for n in 0..512 {
        // Longer than the window, so that the stream is open both ways.
        let id = world.post("/", vec![7; 70_000]);
        assert_eq!(world.answer(id).code(), Some(Code::ProtocolError), "{n}");
    }
    world.until("the drain", |w| w.stat(Stat::CxDestroy) == 1);
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 2);
    world.finish();
}

#[test]
fn m08_late_data_for_what_was_cancelled_harms_nobody() {
    const COUNT: u32 = 300;
    let late: Vec<u8> =
        (0..COUNT).flat_map(|n| [head_of(2 * n + 1), data(2 * n + 1, &[7; 100], true)].concat()).collect();
    let script = Script::new()
        .http2(&[(setting::MAX_CONCURRENT_STREAMS, 1_000)])
        .streams(u64::from(COUNT))
        .signal()
        .send(late)
        .streams(1)
        .send(response(2 * COUNT + 1, b"ok"))
        .frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let all: Vec<_> = (0..COUNT).map(|_| world.get("/")).collect();
    world.until("the requests", |_| server.connections().first().is_some_and(|c| c.requests == u64::from(COUNT)));
    for id in all {
        world.driver.cancel(id);
    }
    server.signal(0);
    world.settle();
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!((server.connections().len(), world.stat(Stat::CxDestroy)), (1, 0));
    world.finish();
}

fn head_of(stream: u32) -> Vec<u8> {
    headers(stream, OK, false)
}

#[test]
fn m09_tiny_frames_on_unread_streams_are_no_flood() {
    const STREAMS: u32 = 20;
    const FRAMES: usize = 3_000;
    let bytes: Vec<u8> = (0..STREAMS)
        .flat_map(|n| [head_of(2 * n + 1), data(2 * n + 1, b"x", false).repeat(FRAMES)].concat())
        .chain((0..STREAMS).flat_map(|n| data(2 * n + 1, b"", true)))
        .collect();
    let server = serve([Script::new().http2(&[]).streams(u64::from(STREAMS)).send(bytes).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let all: Vec<_> = (0..STREAMS).map(|_| world.submit(|s| s.credit = 10)).collect();
    world.until("all parts", |w| w.sink.answers.borrow().values().all(|a| a.body.len() == 10));
    for id in all {
        world.driver.grant(id, 1 << 20);
        assert_eq!(world.answer(id).body.len(), FRAMES);
    }
    world.finish();
}

#[test]
fn m10_empty_data_without_end_is_a_flood() {
    let script = Script::new().http2(&[]).streams(1).send(head(OK)).send_times(data(1, b"", false), 1_000_000);
    let outcome = Outcome::of(script);
    outcome.failed(Code::Flood, Phase::Body, Class::Never);
    outcome.then(Left::Closed);
}

#[test]
fn m11_data_past_a_window_is_an_error_of_its_stream_or_connection() {
    let configure = |config: &mut forebay_transport::PoolConfig| {
        config.http2.stream_window = 65_535;
        config.http2.connection_window = 1 << 20;
    };
    let unread = |s: &mut forebay_transport::request::Submission| s.credit = 1_000;
    let past_stream = [head(OK), data(1, &[7; 16_000], false).repeat(5)].concat();
    let outcome = Outcome::with(and_goes_on(answer(past_stream, Pieces::Whole)), configure, unread);
    outcome.failed(Code::ProtocolError, Phase::Body, Class::Never);
    outcome.then(Left::Kept);
}

#[test]
fn m12_m14_frames_where_none_may_be_end_the_connection() {
    let promise = [&4_u32.to_be_bytes()[..], &frame::block(&[(":method", "GET"), (":path", "/")])].concat();
    for bytes in [
        data(0, b"x", false),
        reset(0, code::CANCEL),
        data(5, b"x", false),
        reset(5, code::CANCEL),
        headers(2, OK, false),
        headers(4, OK, true),
        raw(kind::PUSH_PROMISE, END_HEADERS, 1, &promise),
    ] {
        for way in [Pieces::Whole, Pieces::Of(1)] {
            let outcome = Outcome::of(answer(&bytes, way).frames());
            let failure = outcome.answer.failure.clone().expect("a failure");
            assert_eq!((failure.code, failure.phase), (Code::ProtocolError, Phase::Head), "{bytes:?}");
            outcome.then(Left::Closed);
        }
    }
}

#[test]
fn m13_what_follows_the_end_leaves_the_response_as_it_was() {
    for more in [data(1, b"more", false), headers(1, &[("x", "y")], true)] {
        let outcome = Outcome::of(answer([response(1, b"ok"), more].concat(), Pieces::Whole).frames());
        outcome.succeeded(200, "ok");
        outcome.world.finish();
    }
}

#[test]
fn m15_unsound_names_and_values_are_refused() {
    for value in [" b", "b\t", " "] {
        let bytes = headers(1, &[(":status", "200"), ("a", value)], true);
        ends_its_stream(bytes, Code::ResponseMalformed, Phase::Head);
    }
    // Of these the `h2` crate makes an error of the connection: it reads names and values where it unpacks them.
    for (name, value) in
        [("X-Upper", "a"), ("", "a"), ("a b", "a"), ("a:b", "a"), ("a", "b\0c"), ("a", "b\rc"), ("a", "b\nc")]
    {
        let bytes = headers(1, &[(":status", "200"), (name, value)], true);
        ends_its_connection(bytes, Code::ProtocolError, Phase::Head, Class::Never);
    }
}

#[test]
fn m16_fields_of_a_connection_are_malformed() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
    ] {
        let bytes = headers(1, &[(":status", "200"), (name, value)], true);
        ends_its_stream(bytes, Code::ResponseMalformed, Phase::Head);
    }
}

#[test]
fn m17_unsound_pseudo_fields_are_malformed() {
    let cases: [&[(&str, &str)]; 3] =
        [&[("a", "b")], &[(":status", "200"), (":status", "200")], &[("a", "b"), (":status", "200")]];
    for fields in cases {
        ends_its_stream(headers(1, fields, true), Code::ResponseMalformed, Phase::Head);
    }
    for field in [(":status", "2x0"), (":unknown", "x")] {
        let bytes = headers(1, &[field], true);
        ends_its_connection(bytes, Code::ProtocolError, Phase::Head, Class::Never);
    }
}

#[test]
fn m18_unsound_trailers_are_malformed() {
    let without_end = [head(OK), data(1, b"x", false), headers(1, &[("x", "y")], false)].concat();
    ends_its_stream(without_end, Code::ResponseMalformed, Phase::Body);
}

#[test]
fn m19_interim_heads_are_bounded_and_sound() {
    ends_its_stream(head(&[(":status", "101")]), Code::ResponseMalformed, Phase::Head);
    ends_its_stream(headers(1, &[(":status", "103")], true), Code::ResponseMalformed, Phase::Head);
    let many = head(&[(":status", "103")]).repeat(100);
    let outcome = Outcome::of(answer([many, response(1, b"ok")].concat(), Pieces::Whole).frames());
    outcome.succeeded(200, "ok");
    outcome.world.finish();
    let script = Script::new().http2(&[]).streams(1).send_times(head(&[(":status", "103")]), 5_000);
    let outcome = Outcome::of(and_goes_on(script));
    outcome.failed(Code::Flood, Phase::Head, Class::Never);
    outcome.then(Left::Kept);
}

#[test]
fn m20_a_length_that_is_not_kept_is_malformed() {
    let says = |length: &str| head(&[(":status", "200"), ("content-length", length)]);
    let short = [says("10"), data(1, b"hello", true)].concat();
    ends_its_stream(short, Code::ResponseMalformed, Phase::Body);
    let long = [says("5"), data(1, b"hello", false), data(1, b"world", true)].concat();
    ends_its_stream(long, Code::ResponseMalformed, Phase::Body);
    for second in ["5", "6"] {
        let twice = head(&[(":status", "200"), ("content-length", "5"), ("content-length", second)]);
        ends_its_stream(twice, Code::ResponseMalformed, Phase::Head);
    }
    for bad in ["+5", "5 5", "0x5", "-1", ""] {
        ends_its_stream(says(bad), Code::ResponseMalformed, Phase::Head);
    }
    let no_content = head(&[(":status", "204"), ("content-length", "5")]);
    ends_its_stream(no_content, Code::ResponseMalformed, Phase::Head);
}

#[test]
fn m21_a_window_that_stays_shut_costs_its_upload_only() {
    let script = Script::new()
        .http2(&[(setting::INITIAL_WINDOW_SIZE, 0)])
        .streams(2)
        .send(response(3, b"ok"))
        .streams(1)
        .send(response(5, b"ok"))
        .frames();
    let server = serve([script]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let upload = world.post("/", vec![7; 1_000]);
    let other = world.get("/");
    assert_eq!(world.answer(other).body, b"ok");
    world.pass(Duration::from_secs(31));
    let failure = world.answer(upload).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::WriteTimeout, Phase::Send, Class::Maybe));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn m22_an_answer_during_the_upload_stops_it() {
    let script = Script::new().http2(&[]).streams(1).send([response(1, b"enough"), reset(1, code::NO_ERROR)].concat());
    let server = serve([and_goes_on(script)]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let upload = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.body = Content::Whole(vec![7; 1 << 20].into());
    });
    let answer = world.answer(upload);
    assert_eq!((answer.status, &answer.body[..]), (Some(200), &b"enough"[..]), "{:?}", answer.failure);
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn m23_silence_after_the_head_ends_the_stream() {
    let server = serve([and_goes_on(answer(head(OK), Pieces::Whole))]);
    let mut world = World::with_clock(prior_knowledge(server.addr()));
    let id = world.get("/");
    world.until("the head", |w| w.sink.answers.borrow().get(&id).is_some_and(|a| a.status.is_some()));
    world.pass(Duration::from_secs(31));
    assert_eq!(world.answer(id).code(), Some(Code::BodyTimeout));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn m24_what_comes_for_a_cancelled_stream_gives_its_window_back() {
    // Twice the connection's window for streams that nobody wants, then a whole body.
    const WINDOW: u32 = 65_535;
    let mut script = Script::new().http2(&[]);
    for n in 0..4 {
        let id = 2 * n + 1;
        script = script
            .streams(1)
            .signal()
            .send([head_of(id), data(id, &[7; 16_000], false), data(id, &[7; 16_000], true)].concat());
    }
    script = script.streams(1).send(response(9, &[8; 16_000])).frames();
    let server = serve([script]);
    let mut configured = prior_knowledge(server.addr());
    configured.http2.stream_window = WINDOW;
    configured.http2.connection_window = WINDOW;
    let mut world = World::new(configured);
    for n in 0..4 {
        let id = world.get("/");
        world.until("the request", |_| server.connections().first().is_some_and(|c| c.requests == n + 1));
        world.driver.cancel(id);
        world.settle();
        server.signal(0);
        world.settle();
    }
    let id = world.get("/");
    assert_eq!(world.answer(id).body.len(), 16_000);
    world.finish();
}

#[test]
fn m25_a_goaway_that_crosses_the_request_costs_nothing() {
    let script = Script::new().http2(&[]).step(Step::Signal).send(frame::goaway(0, code::NO_ERROR, b"")).frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    // A connection that is up, and idle.
    let first = world.get("/");
    world.until("the connection", |w| w.sink.connected.borrow().len() == 1);
    server.signal(0);
    assert!(server.wait_until(PATIENCE, |all| all[0].sent > 9 + 17));
    let answer = world.answer(first);
    assert_eq!(answer.body, b"ok", "{:?}", answer.failure);
    assert_eq!(server.connections().len(), 2);
    world.finish();
}

#[test]
fn a_stalled_reader_stalls_its_stream_only() {
    let script = Script::new().http2(&[]).streams(1).send([head_of(1), data(1, &[7; 5_000], false)].concat());
    let mut script = script;
    for n in 1..50 {
        script = script.streams(1).send(response(2 * n + 1, &[8; 1_000]));
    }
    let server = serve([script.send(data(1, b"", true)).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let stalled = world.submit(|s| s.credit = 100);
    for _ in 1..50 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body.len(), 1_000);
    }
    assert!(!world.has_ended(stalled));
    world.driver.grant(stalled, 10_000);
    assert_eq!(world.answer(stalled).body.len(), 5_000);
    world.finish();
}

#[test]
fn a_broken_stream_does_not_take_its_neighbours_along() {
    let bytes = [headers(1, &[(":status", "200"), ("te", "gzip")], true), response(3, b"fine")].concat();
    let server = serve([Script::new().http2(&[]).streams(2).send(bytes).frames()]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let (bad, fine) = (world.get("/"), world.get("/"));
    assert_eq!(world.answer(bad).code(), Some(Code::ResponseMalformed));
    assert_eq!(world.answer(fine).body, b"fine");
    world.finish();
}

#[test]
fn a_tunnel_is_one_stream_among_others() {
    let script = Script::new()
        .http2(&[])
        .streams(1)
        .send([head_of(1), data(1, b"hello", false)].concat())
        .streams(1)
        .send(response(3, b"ok"))
        .signal()
        .send(data(1, b"", true))
        .frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let tunnel = world.submit(|s| {
        s.method = Bytes::from_static(b"CONNECT");
        s.path = Bytes::from_static(b"other.test:443");
        s.aim = Aim::Connect;
        s.body = Content::Stream(None);
        s.idempotent = false;
    });
    world.until("what the peer says", |w| w.sink.answers.borrow().get(&tunnel).is_some_and(|a| a.body == b"hello"));
    assert!(world.sink.answers.borrow()[&tunnel].tunnel);
    world.driver.body(tunnel, Bytes::from_static(b"question"), false, b"");
    let other = world.get("/");
    assert_eq!(world.answer(other).body, b"ok");
    server.signal(0);
    world.until("the peer's end", |w| w.sink.answers.borrow()[&tunnel].peer_ended);
    assert!(!world.has_ended(tunnel), "our side is open");
    world.driver.body(tunnel, Bytes::new(), true, b"");
    let answer = world.answer(tunnel);
    assert_eq!((answer.failure, answer.taken), (None, 8));
    let sent = server.received(0).unwrap();
    assert!(sent.windows(8).any(|w| w == b"question"));
    assert_eq!(server.connections().len(), 1);
    world.finish();
}
