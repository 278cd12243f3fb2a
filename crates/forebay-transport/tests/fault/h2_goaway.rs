//! F23 to F28: upstreams that send their HTTP/2 connections away.

use std::time::Duration;

use forebay_core::{BackoffConfig, Class, Stat};
use forebay_testkit::h2::frame::{ALL_STREAMS, code, frame as raw, goaway, kind, response};
use forebay_testkit::script::{Pieces, Script};
use forebay_transport::error::{Code, Phase};

use super::h2_connection::wait;
use super::support::http2::{Outcome, answer, prior_knowledge, serve};
use super::support::trial::Left;
use super::support::{PATIENCE, World};

#[test]
fn f23_two_steps_of_goaway_end_only_what_is_above_the_last_id() {
    let script = Script::new()
        .http2(&[])
        .streams(5)
        .send([goaway(ALL_STREAMS, 0, b""), goaway(5, 0, b"")].concat())
        .send([response(1, b"1"), response(3, b"3"), response(5, b"5")].concat())
        .frames();
    let server = serve([
        script,
        Script::new().http2(&[]).streams(2).send([response(1, b"7"), response(3, b"9")].concat()).frames(),
    ]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let all: Vec<_> = (0..5).map(|_| world.post("/", Vec::new())).collect();
    let bodies: Vec<_> = all.into_iter().map(|id| world.answer(id).body).collect();
    assert_eq!(bodies, [b"1", b"3", b"5", b"7", b"9"]);
    assert_eq!(world.stat(Stat::RqReplay), 2);
    world.until("the end of the first", |w| w.stat(Stat::CxDestroy) == 1);
    world.finish();
}

#[test]
fn f24_a_last_id_that_grows_ends_the_connection() {
    let script = Script::new().http2(&[]).streams(2).send([goaway(1, 0, b""), goaway(3, 0, b"")].concat()).frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let (first, second) = (world.post("/", Vec::new()), world.post("/", Vec::new()));
    assert_eq!(world.answer(first).code(), Some(Code::ProtocolError));
    assert_eq!(world.answer(second).body, b"ok", "sent once more, elsewhere");
    assert_eq!(world.stat(Stat::CxProtocolError), 1);
    world.finish();
}

#[test]
fn f26_an_error_and_a_close_end_each_stream_by_its_id() {
    let script = Script::new().http2(&[]).streams(3).send(goaway(3, code::INTERNAL_ERROR, b"bye")).close();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let all: Vec<_> = (0..3).map(|_| world.post("/", Vec::new())).collect();
    let answers: Vec<_> = all.into_iter().map(|id| world.answer(id)).collect();
    for answer in &answers[..2] {
        let failure = answer.failure.as_ref().unwrap();
        assert_eq!((failure.code, failure.phase, failure.class), (Code::ConnectionClosed, Phase::Head, Class::Maybe));
    }
    assert_eq!(answers[2].body, b"ok");
    world.finish();
}

#[test]
fn f27_goaway_with_much_text_drains_and_a_broken_one_is_an_error() {
    let bytes = [goaway(1, 0, &[b'\x1b'; 16_000]), response(1, b"ok")].concat();
    let outcome = Outcome::of(answer(bytes, Pieces::Whole).frames());
    outcome.succeeded(200, "ok");
    outcome.then(Left::Closed);
    for bytes in [raw(kind::GOAWAY, 0, 1, &[0; 8]), raw(kind::GOAWAY, 0, 0, &[0; 7])] {
        let outcome = Outcome::of(answer(bytes, Pieces::Whole).frames());
        outcome.failed(Code::ProtocolError, Phase::Head, Class::Maybe);
        outcome.then(Left::Closed);
    }
}

#[test]
fn f28_we_close_what_is_gone_away_when_its_last_request_ends() {
    let script = Script::new().http2(&[]).streams(1).send(goaway(1, 0, b"")).signal().send(response(1, b"ok")).frames();
    let server = serve([script]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let id = world.get("/");
    wait(&server, &world, |all| all.first().is_some_and(|c| c.sent > 30));
    world.settle();
    assert_eq!((world.stat(Stat::CxCloseNotify), world.stat(Stat::CxDestroy)), (1, 0));
    server.signal(0);
    assert_eq!(world.answer(id).body, b"ok");
    world.until("our close", |w| w.stat(Stat::CxDestroyLocal) == 1);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()));
    world.finish();
}

#[test]
fn f25_where_every_connection_is_sent_away_each_stream_ends_by_its_id_and_dials_back_off() {
    let calm = |last, more: &[u8]| {
        let script = Script::new().http2(&[]).streams(1);
        script.send([&goaway(last, code::ENHANCE_YOUR_CALM, b"too many")[..], more].concat()).frames()
    };
    // The first stream of the first connection is processed, nothing else ever is.
    let first = Script::new().http2(&[]).streams(2);
    let first = first.send([goaway(1, code::ENHANCE_YOUR_CALM, b""), response(1, b"one")].concat()).frames();
    let server = serve([first].into_iter().chain((0..12).map(|_| calm(0, b""))));
    let mut config = prior_knowledge(server.addr());
    config.upstream.backoff = BackoffConfig::default();
    let mut world = World::with_clock(config);
    let (one, two) = (world.post("/", Vec::new()), world.post("/", Vec::new()));
    assert_eq!(world.answer(one).body, b"one");
    // The clock stands still: the first failure in a row waits for nothing, the second does.
    world.until("further dials", |_| server.connections().len() >= 2);
    wait(&server, &world, |all| all[1].requests == 1);
    world.settle();
    let mut waited = Duration::ZERO;
    while !world.has_ended(two) {
        // No time goes by while the upstream has the word.
        world.until("the end of a connection", |w| w.has_ended(two) || w.stat(Stat::CxActive) == 0);
        let dials = server.connections().len();
        world.settle();
        assert!(server.connections().len() <= dials + 1, "one at a time");
        world.pass(Duration::from_millis(5));
        waited += Duration::from_millis(5);
        assert!(waited < Duration::from_secs(3), "it ends");
    }
    let failure = world.answer(two).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::StreamRefused, Phase::Head, Class::Unprocessed));
    assert_eq!((world.stat(Stat::RqReplay), server.connections().len()), (8, 9));
    // At least half of 25, 50, 100, 200 and 250 ms, a few of these.
    assert!(waited >= Duration::from_millis(400), "{waited:?}");
    world.finish();
}
