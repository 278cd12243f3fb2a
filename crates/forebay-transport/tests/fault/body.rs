//! B01 to B07, B15 to B25: bodies of HTTP/1.1 responses, and responses that do not wait for ours.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, Stat};
use forebay_testkit::pattern;
use forebay_testkit::script::{Pieces, Script, Step};
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;

use super::support::trial::{GOOD, Left, Trial, WAYS, answer_with, refuses, serve};
use super::support::{PATIENCE, World, config};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A chunked body that goes wrong after a chunk, and at once.
fn malformed_chunks(bad: &str) {
    let (code, phase) = (Code::ResponseMalformed, Phase::Body);
    refuses(format!("{CHUNKED}5\r\nhello\r\n{bad}"), code, phase, Some(b"hello"));
    refuses(format!("{CHUNKED}{bad}"), code, phase, Some(b""));
}

fn incomplete(trial: &Trial, before: &[u8]) {
    trial.failed(Code::BodyIncomplete, Phase::Body, Class::Never).breaches(0);
    assert_eq!(trial.answer.status, Some(200));
    assert_eq!(trial.answer.body, before);
}

fn pattern_of(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    pattern::extend(&mut bytes, 0, length);
    bytes
}

#[test]
fn b01_unsound_chunk_sizes_are_malformed_after_the_good_chunks() {
    for size in ["Z", "-5", "", "0x5", "00000000000000005"] {
        malformed_chunks(&format!("{size}\r\nworld\r\n0\r\n\r\n"));
    }
    for way in WAYS {
        let trial = Trial::get(answer_with(format!("{CHUNKED}5 \r\nhello\r\n0\r\n\r\n"), way));
        trial.succeeded(200, "hello").breaches(0);
        trial.then(Left::Kept);
    }
}

#[test]
fn b02_chunks_that_do_not_end_in_cr_lf_are_malformed() {
    malformed_chunks("5\nworld\r\n0\r\n\r\n");
    malformed_chunks("5\rworld\r\n0\r\n\r\n");
    for end in ["\n", "\r", ""] {
        let body = format!("{CHUNKED}5\r\nhello\r\n5\r\nworld{end}0\r\n\r\n");
        refuses(body, Code::ResponseMalformed, Phase::Body, Some(b"helloworld"));
    }
}

#[test]
fn b03_extensions_are_bounded_and_may_not_hide_a_line() {
    let flood = |extension: &str| {
        refuses(format!("{CHUNKED}5{extension}\r\nhello\r\n0\r\n\r\n"), Code::Flood, Phase::Body, Some(b""));
    };
    flood(&format!(";{}", "x".repeat(64 * 1024)));
    flood(&";a=".repeat(20_000));
    malformed_chunks("5;a=\"x\r\ny\"\r\nworld\r\n0\r\n\r\n");
}

#[test]
fn b04_framing_that_outweighs_its_payload_is_a_flood() {
    for (chunk, times) in [
        (format!("1;{}\r\nx\r\n", "e".repeat(99)), 10_000_000),
        // Without an extension: sizes padded with zeros.
        ("0000000000000001\r\nx\r\n".to_owned(), 10_000_000),
    ] {
        let script = Script::new().request().send(CHUNKED).send_times(&chunk, times);
        let trial = Trial::run(script, |_| {}, |s| s.credit = u32::MAX);
        trial.failed(Code::Flood, Phase::Body, Class::Never).breaches(1);
        assert!(trial.answer.body.iter().all(|b| *b == b'x'), "data, then the error");
        assert!(trial.answer.body.len() < 70_000, "at the bound");
        trial.then(Left::Closed);
    }
}

#[test]
fn b05_an_end_before_the_end_of_the_body_is_never_clean() {
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_owned();
    for part in [
        format!("{CHUNKED}5\r\nhello\r\n0\r\n"),
        format!("{CHUNKED}5\r\nhello\r\n"),
        format!("{CHUNKED}a\r\nhello"),
        format!("{CHUNKED}5\r\nhello\r\n0\r\nx: y\r\n"),
        length,
    ] {
        for way in WAYS {
            let trial = Trial::get(answer_with(&part, way).close());
            incomplete(&trial, b"hello");
            trial.then(Left::Closed);
        }
        let script = answer_with(&part, Pieces::Whole).signal().reset();
        let trial = Trial::signalled(script, part.len(), |_| {}, |_| {});
        incomplete(&trial, b"hello");
        trial.then(Left::Closed);
    }
}

#[test]
fn b06_trailers_stay_apart_from_the_head() {
    let trailers = "content-length: 9\r\ntransfer-encoding: gzip\r\nhost: x\r\nset-cookie: a=b\r\nx-sum: 1\r\n";
    for way in WAYS {
        let trial = Trial::get(answer_with(format!("{CHUNKED}5\r\nhello\r\n0\r\n{trailers}\r\n"), way));
        trial.succeeded(200, "hello").breaches(0);
        assert_eq!(trial.answer.fields.len(), 1, "those of the head");
        trial.then(Left::Kept);
    }
}

#[test]
fn b06_trailers_are_bounded_and_strict() {
    let with = |trailers: &str| format!("{CHUNKED}5\r\nhello\r\n0\r\n{trailers}\r\n");
    refuses(with(&"x: y\r\n".repeat(101)), Code::HeadersTooLarge, Phase::Body, Some(b"hello"));
    let long = format!("x: {}\r\n", "v".repeat(17 * 1024));
    refuses(with(&long), Code::HeadersTooLarge, Phase::Body, Some(b"hello"));
    for bad in ["x: y\n", "x : y\r\n", "nocolon\r\n", "x: a\0b\r\n"] {
        refuses(with(bad), Code::ResponseMalformed, Phase::Body, Some(b"hello"));
    }
}

#[test]
fn b07_what_can_have_no_body_has_none() {
    for way in WAYS {
        let trial = Trial::get(answer_with("HTTP/1.1 304 x\r\ncontent-length: 5\r\n\r\nhello", way));
        trial.succeeded(304, "").breaches(1);
        trial.then(Left::Closed);
    }
    for field in ["content-length: 5", "transfer-encoding: chunked"] {
        let response = format!("HTTP/1.1 204 x\r\n{field}\r\n\r\n");
        refuses(response, Code::ResponseMalformed, Phase::Head, None);
        let interim = format!("HTTP/1.1 103 x\r\n{field}\r\n\r\n{GOOD}");
        refuses(interim, Code::ResponseMalformed, Phase::Head, None);
    }
    for way in WAYS {
        let trial = Trial::get(answer_with("HTTP/1.1 204 x\r\ncontent-length: 0\r\n\r\n", way));
        trial.succeeded(204, "").breaches(0);
        trial.then(Left::Kept);
    }
}

#[test]
fn b07_a_head_request_gets_no_body_whatever_the_fields_say() {
    let head =
        |bytes: &str, way| Trial::run(answer_with(bytes, way), |_| {}, |s| s.method = Bytes::from_static(b"HEAD"));
    for way in WAYS {
        for field in ["content-length: 5", "transfer-encoding: chunked", "x: y"] {
            let trial = head(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n"), way);
            trial.succeeded(200, "").breaches(0);
            trial.then(Left::Kept);
        }
        let trial = head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", way);
        trial.succeeded(200, "").breaches(1);
        trial.then(Left::Closed);
    }
}

#[test]
fn b15_an_interim_response_is_skipped() {
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        for way in WAYS {
            let trial = Trial::get(answer_with(format!("{interim}{GOOD}"), way));
            trial.succeeded(200, "ok").breaches(0);
            assert_eq!(trial.answer.fields.len(), 1, "nothing of the interim response");
            trial.then(Left::Kept);
        }
    }
}

#[test]
fn b16_interim_responses_without_end_are_a_flood() {
    refuses("HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000) + GOOD, Code::Flood, Phase::Head, None);
    let hints = Script::new().request().send_times("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 10_000_000);
    let trial = Trial::get(hints);
    trial.failed(Code::Flood, Phase::Head, Class::Never).breaches(1);
    trial.then(Left::Closed);
}

#[test]
fn b18_an_upgrade_that_nobody_asked_for_is_refused() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\nraw bytes";
    refuses(upgrade, Code::UnexpectedUpgrade, Phase::Head, None);
}

#[test]
fn b19_a_final_response_ends_the_upload() {
    for bytes in [GOOD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] {
        let server = serve([Script::new().head().send(bytes).signal()]);
        let mut world = World::new(config(server.addr()));
        let id = world.post("/", vec![b'u'; 30_000_000]);
        let answer = world.answer(id);
        assert_eq!((answer.status, &answer.body[..], answer.failure), (Some(200), &b"ok"[..], None));
        server.signal(0);
        assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
        assert!(server.connections()[0].received < 30_000_000, "the upload stopped");
        assert_eq!(world.stat(Stat::CxProtocolError), 0);
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok", "over another connection");
        assert_eq!(server.connections().len(), 2);
        world.finish();
    }
}

#[test]
fn b20_an_answer_before_the_end_of_the_connection_is_heard() {
    let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge";
    for end in [Script::new().close(), Script::new().reset(), Script::new().step(Step::Drop)] {
        let mut script = Script::new().head().send(refusal);
        script.steps.extend(end.steps);
        let upload = |s: &mut forebay_transport::request::Submission| {
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Whole(vec![b'u'; 30_000_000].into());
            s.idempotent = false;
        };
        let trial = Trial::run(script, |_| {}, upload);
        trial.succeeded(413, "large").breaches(0);
        trial.then(Left::Closed);
    }
}

#[test]
fn b20_a_connection_that_ends_while_we_upload_is_lost() {
    let (reset, closed) = (Code::ConnectionReset, Code::ConnectionClosed);
    for (end, codes) in [
        (Script::new().reset(), [reset, reset]),
        (Script::new().close(), [closed, closed]),
        // RST if bytes of ours are unread at that moment, else FIN.
        (Script::new().step(Step::Drop), [reset, closed]),
    ] {
        let mut script = Script::new().step(Step::Read(100_000));
        script.steps.extend(end.steps);
        let server = serve([script]);
        let mut world = World::new(config(server.addr()));
        let id = world.post("/", vec![b'u'; 30_000_000]);
        let failure = world.answer(id).failure.unwrap();
        assert!(codes.contains(&failure.code), "{failure}");
        assert_eq!((failure.phase, failure.class), (Phase::Head, Class::Maybe));
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok");
        assert_eq!(server.connections().len(), 2, "not replayed");
        world.finish();
    }
}

#[test]
fn b21_a_peer_that_reads_nothing_meets_the_write_limit() {
    let server = serve([Script::new().head().park()]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.post("/", vec![b'u'; 100_000_000]);
    world.until("the head to be read", |_| server.connections().first().is_some_and(|c| c.requests == 1));
    world.settle();
    world.pass(Duration::from_millis(29_900));
    assert!(!world.has_ended(id));
    world.pass(Duration::from_millis(200));
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::WriteTimeout, Phase::Send, Class::Maybe));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}

#[test]
fn b23_a_body_that_stops_meets_its_limit_and_not_before() {
    let server = serve([Script::new()
        .request()
        .send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na")
        .signal()
        .send("b")
        .signal()]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.get("/");
    world.until("the first byte", |w| w.sink.answers.borrow().get(&id).is_some_and(|a| a.body == b"a"));
    world.pass(Duration::from_secs(29));
    server.signal(0);
    world.until("the second byte", |w| w.sink.answers.borrow()[&id].body == b"ab");
    world.pass(Duration::from_secs(29));
    assert!(!world.has_ended(id), "progress restarts the clock");
    world.pass(Duration::from_secs(2));
    let answer = world.answer(id);
    let failure = answer.failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::BodyTimeout, Phase::Body, Class::Never));
    assert_eq!(answer.body, b"ab");
    server.signal(0);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}

#[test]
fn b24_a_reader_that_stops_stops_the_peer_and_its_clock() {
    const LENGTH: usize = 60_000_000;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    let server = serve([Script::new().request().send(&head).step(Step::Pattern(LENGTH as u64))]);
    let mut world = World::with_clock(config(server.addr()));
    let id = world.submit(|s| s.credit = 1_000);
    let received = |w: &World| w.sink.answers.borrow().get(&id).map_or(0, |a| a.body.len());
    world.until("the first part", |w| received(w) == 1_000);
    for _ in 0..10 {
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(received(&world), 1_000, "no more than was granted");
    assert!(!world.has_ended(id), "the time is not the peer's");
    assert!(server.connections()[0].sent < LENGTH as u64, "the peer waits");
    world.driver.grant(id, u32::MAX);
    let answer = world.answer(id);
    assert_eq!(answer.failure, None);
    assert!(answer.body == pattern_of(LENGTH), "then all of it");
    world.finish();
}

#[test]
fn b25_a_body_up_to_the_close_ends_with_fin_and_not_with_reset() {
    let open = "HTTP/1.1 200 OK\r\n\r\nall of it";
    for way in WAYS {
        let trial = Trial::get(answer_with(open, way).close());
        trial.succeeded(200, "all of it").breaches(0);
        trial.then(Left::Closed);
    }
    let script = answer_with(open, Pieces::Whole).signal().reset();
    let trial = Trial::signalled(script, open.len(), |_| {}, |_| {});
    incomplete(&trial, b"all of it");
    trial.then(Left::Closed);
}

#[test]
fn b25_a_reset_while_we_upload_is_no_end_of_a_body() {
    // Our write meets the reset first; the read after it must not pass for an orderly end.
    let open = "HTTP/1.1 200 OK\r\n\r\npart";
    let server = serve([Script::new().head().send(open).signal().reset()]);
    let mut world = World::new(config(server.addr()));
    let id = world.post("/", vec![b'u'; 30_000_000]);
    world.until("the part", |w| w.sink.answers.borrow().get(&id).is_some_and(|a| a.body == b"part"));
    server.signal(0);
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::BodyIncomplete, Phase::Body, Class::Never));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}
