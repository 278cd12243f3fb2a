//! 1xx responses, `Expect: 100-continue`, and trailers of responses.

use std::time::Duration;

use bytes::Bytes;
use forebay_core::Class;
use forebay_testkit::script::{Script, Server};
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;
use forebay_transport::sink::RequestId;
use forebay_transport::timeouts::{Limit, Timeouts};

use super::support::trial::{GOOD, Left, Trial, WAYS, answer_with, serve};
use super::support::{World, config};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect()
}

#[test]
fn interim_responses_are_told_where_they_are_wanted() {
    let response = format!(
        "{CONTINUE}HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n\
         HTTP/1.1 199 What\r\nx: y\r\n\r\n{GOOD}"
    );
    for wanted in [true, false] {
        for way in WAYS {
            let trial = Trial::run(answer_with(&response, way), |_| {}, |s| s.informational = wanted);
            trial.succeeded(200, "ok");
            let told =
                [(100, vec![]), (103, pairs(&[("link", "</a>"), ("link", "</b>")])), (199, pairs(&[("x", "y")]))];
            assert_eq!(trial.answer.informational, if wanted { &told[..] } else { &[] }, "{way:?}");
            trial.then(Left::Kept);
        }
    }
}

#[test]
fn b16_more_interim_responses_than_the_bound_are_a_flood() {
    let script = Script::new().request().send_times("HTTP/1.1 103 Early Hints\r\n\r\n", 101).send(GOOD);
    let trial = Trial::run(script, |_| {}, |s| s.informational = true);
    trial.failed(Code::Flood, Phase::Head, Class::Never);
    assert!(trial.answer.informational.len() <= 100);
    trial.then(Left::Closed);
}

#[test]
fn trailers_come_with_the_end() {
    let body = "5\r\nhello\r\n0\r\nx-sum: 1\r\nset-cookie: a=b\r\nhost: x\r\nx-sum: 2\r\n\r\n";
    for way in WAYS {
        let trial =
            Trial::get(answer_with(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"), way));
        trial.succeeded(200, "hello");
        assert_eq!(trial.answer.trailers, pairs(&[("x-sum", "1"), ("x-sum", "2")]));
        trial.then(Left::Kept);
    }
}

#[test]
fn trailers_wait_for_the_reader_of_the_body() {
    let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
    let server = serve([Script::new().request().send(response)]);
    let mut world = World::new(config(server.addr()));
    let id = world.submit(|s| s.credit = 2);
    world.until("the first bytes", |w| w.so_far(id).body == b"he");
    world.settle();
    assert!(!world.has_ended(id));
    world.driver.grant(id, 100);
    let answer = world.answer(id);
    assert_eq!((&answer.body[..], answer.trailers), (&b"hello"[..], pairs(&[("x-sum", "1")])));
    world.finish();
}

/// A POST of `hello` that waits for 100; produced, or in memory.
fn expecting(world: &mut World, produced: bool, expect: Limit) -> RequestId {
    let id = world.submit(|s| {
        s.method = Bytes::from_static(b"POST");
        s.expect = true;
        s.timeouts = Some(Box::new(Timeouts { expect, ..Timeouts::default() }));
        s.body = if produced { Content::Stream(Some(5)) } else { Content::Whole(Bytes::from_static(b"hello")) };
    });
    if produced {
        world.give(id, &b"hello"[..]);
        world.give_end(id);
    }
    id
}

/// The bytes that came on the first connection.
fn received(server: &Server) -> String {
    String::from_utf8(server.received(0).unwrap_or_default()).unwrap()
}

fn until_head(world: &World, server: &Server) {
    world.until("the head", |_| received(server).contains("\r\n\r\n"));
    world.settle();
    assert!(received(server).contains("expect: 100-continue\r\n"), "{}", received(server));
    assert!(received(server).ends_with("\r\n\r\n"), "the body waits");
}

#[test]
fn a_body_waits_for_100() {
    for produced in [false, true] {
        let server = serve([Script::new().head().signal().send(CONTINUE).read(5).send(GOOD)]);
        let mut world = World::with_clock(config(server.addr()));
        let id = expecting(&mut world, produced, Limit::Off);
        until_head(&world, &server);
        server.signal(0);
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.informational.len()), (Some(200), 0));
        assert_eq!(answer.taken, if produced { 5 } else { 0 });
        assert!(received(&server).ends_with("\r\n\r\nhello"));
        world.finish();
    }
}

#[test]
fn a_body_does_not_wait_for_ever() {
    for (expect, ms) in [(Limit::Pools, 1000), (Limit::After(Duration::from_millis(300)), 300)] {
        let server = serve([Script::new().head().read(5).send(GOOD)]);
        let mut world = World::with_clock(config(server.addr()));
        let id = expecting(&mut world, true, expect);
        until_head(&world, &server);
        world.pass(Duration::from_millis(ms - 10));
        assert!(received(&server).ends_with("\r\n\r\n"));
        world.pass(Duration::from_millis(20));
        assert_eq!(world.answer(id).status, Some(200));
        world.finish();
    }
}

#[test]
fn without_a_limit_100_must_come_while_a_head_may() {
    let server = serve([Script::new().head().read(5).send(GOOD)]);
    let mut world = World::with_clock(config(server.addr()));
    let id = expecting(&mut world, false, Limit::Off);
    until_head(&world, &server);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.answer(id).code(), Some(Code::HeadersTimeout));
    world.finish();
}

#[test]
fn b17_a_final_response_in_place_of_100_means_that_the_body_is_never_sent() {
    for status in ["417 Expectation Failed", "200 OK"] {
        for produced in [false, true] {
            let response = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno");
            let server = serve([Script::new().head().send(response)]);
            let mut world = World::with_clock(config(server.addr()));
            let id = expecting(&mut world, produced, Limit::Pools);
            let answer = world.answer(id);
            assert_eq!((&answer.body[..], answer.stopped), (&b"no"[..], produced));
            let next = world.get("/");
            assert_eq!(world.answer(next).connection, 2, "the next request is sound");
            assert!(received(&server).ends_with("\r\n\r\n"), "no byte of the body");
            world.finish();
        }
    }
}

#[test]
fn only_100_lets_the_body_go() {
    let server = serve([Script::new()
        .head()
        .send("HTTP/1.1 103 Early Hints\r\n\r\n")
        .signal()
        .send(CONTINUE)
        .read(5)
        .send(GOOD)]);
    let mut world = World::with_clock(config(server.addr()));
    let id = expecting(&mut world, true, Limit::Off);
    until_head(&world, &server);
    server.signal(0);
    assert_eq!(world.answer(id).status, Some(200));
    world.finish();
}
