//! Rows K (HTTP/3) and those of Q (QUIC) that a server can play: what the codec and QUIC find, as callers are told.

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, ReplayPolicy, Stat};
use forebay_testkit::h3::frame::{self, control, data, frame_saying, goaway, headers, kind, response, stream, varint};
use forebay_testkit::quic::{Door, End, Script, To};
use forebay_testkit::relay::{Faults, Hole, Relay};
use forebay_testkit::udp;
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;
use forebay_transport::timeouts::{Limit, Timeouts};

use super::support::http3::{Outcome, answer, ends_its_connection, ends_its_stream, good, h3_alone, serve};
use super::support::trial::Left;
use super::support::{PATIENCE, World};

const OK: &[(&str, &str)] = &[(":status", "200")];

/// A control stream that begins otherwise, while a request waits.
fn said(bytes: impl AsRef<[u8]>) -> Script {
    Script::new().streams(1).send(To::Uni(0), bytes)
}

/// More on the control stream, while a request waits.
fn says(bytes: impl AsRef<[u8]>) -> Script {
    Script::new().http3().streams(1).send(To::Uni(0), bytes)
}

fn breaks(script: Script, wire: u64) {
    ends_its_connection(script, Code::ProtocolError, Class::Maybe, wire);
}

#[test]
fn k01_unsound_settings_end_the_connection() {
    breaks(said([varint(stream::CONTROL), goaway(0)].concat()), 0x10a);
    breaks(says(frame::settings(&[])), 0x105);
    breaks(said(control(&[(6, 1), (6, 1)])), 0x109);
    breaks(said(control(&[(2, 0)])), 0x109);
}

#[test]
fn k02_a_control_or_qpack_stream_that_ends_ends_the_connection() {
    breaks(Script::new().http3().streams(1).finish(To::Uni(0), b""), 0x104);
    breaks(Script::new().http3().streams(1).finish(To::Uni(1), varint(stream::QPACK_ENCODER)), 0x104);
    // A response shows that the stream is known: QUIC drops what was not read before a reset.
    let known = Script::new().http3().finish(To::Request(0), response(b"first"));
    let server = serve([known.streams(2).reset(To::Uni(0), 0x100)]);
    let mut configured = h3_alone(server.addr());
    configured.upstream.replay = ReplayPolicy::None;
    let mut world = World::new(configured);
    let first = world.get("/");
    assert_eq!(world.answer(first).body, b"first");
    let second = world.get("/");
    let failure = world.answer(second).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::ProtocolError, Class::Maybe));
    world.until("the server to be told why", |_| server.connections()[0].end == Some(End::PeerClosed(0x104)));
    world.finish();
}

#[test]
fn k03_what_has_no_place_on_its_stream_ends_the_connection() {
    breaks(Script::new().http3().streams(1).send(To::Uni(1), control(&[])), 0x103);
    breaks(says(data(b"x")), 0x105);
    breaks(says(headers(OK)), 0x105);
    let on_request = |bytes: Vec<u8>| Script::new().http3().finish(To::Request(0), bytes);
    ends_its_connection(on_request(frame::settings(&[])), Code::ProtocolError, Class::Never, 0x105);
    ends_its_connection(on_request(goaway(0)), Code::ProtocolError, Class::Never, 0x105);
}

#[test]
fn k04_grease_is_ignored() {
    let script = Script::new()
        .send(To::Uni(0), control(&[(0x21, 7)]))
        .send(To::Uni(0), frame::frame(0x21, b"grease"))
        .send(To::Uni(1), [varint(0x21), b"anything".to_vec()].concat())
        .finish(To::Request(0), [frame::frame(0x40, b"x"), response(b"hello"), frame::frame(0x21, b"")].concat());
    let outcome = Outcome::of(script);
    outcome.succeeded(200, "hello");
    outcome.then(Left::Kept);
}

#[test]
fn k05_a_head_is_refused_by_its_announced_length() {
    for length in [65_537, 1 << 32, (1 << 62) - 1] {
        let script = Script::new().http3().send(To::Request(0), frame_saying(length, kind::HEADERS, b""));
        ends_its_stream(script, Code::HeadersTooLarge, Phase::Head);
    }
}

#[test]
fn k06_an_unknown_frame_of_4_gb_is_skipped_as_it_comes() {
    let script = Script::new().http3().send(To::Request(0), frame_saying(1 << 32, 0x21, &vec![0; 100_000]));
    let headers = Limit::After(Duration::from_millis(300));
    let outcome =
        Outcome::with(script, |_| {}, |s| s.timeouts = Some(Box::new(Timeouts { headers, ..Timeouts::default() })));
    outcome.failed(Code::HeadersTimeout, Phase::Head, Class::Maybe);
    outcome.then(Left::Kept);
}

#[test]
fn k07_frames_out_of_order_end_the_connection() {
    ends_its_connection(answer(data(b"x")), Code::ProtocolError, Class::Never, 0x105);
    let outcome = Outcome::of(answer([headers(OK), headers(&[("a", "b")]), data(b"x")].concat()));
    outcome.failed(Code::ProtocolError, Phase::Body, Class::Never);
    outcome.then(Left::Closed);
}

#[test]
fn k08_an_end_without_a_head_is_malformed() {
    ends_its_stream(answer(b""), Code::ResponseMalformed, Phase::Head);
}

#[test]
fn k09_a_head_before_the_final_one_is_told_and_is_not_the_response() {
    let hints = headers(&[(":status", "103"), ("link", "</a>")]);
    let outcome = Outcome::with(answer([hints, response(b"hello")].concat()), |_| {}, |s| s.informational = true);
    outcome.succeeded(200, "hello");
    assert_eq!(outcome.answer.informational.len(), 1);
    outcome.then(Left::Kept);
}

#[test]
fn k10_a_length_that_is_not_kept_is_malformed() {
    for (announced, body) in [("10", &b"12345"[..]), ("5", b"1234567890")] {
        let head = headers(&[(":status", "200"), ("content-length", announced)]);
        ends_its_stream(answer([head, data(body)].concat()), Code::ResponseMalformed, Phase::Body);
    }
}

#[test]
fn k11_k12_unsound_fields_are_malformed() {
    for fields in [
        &[(":status", "200"), ("Upper", "x")][..],
        &[(":status", "200"), ("a", "x\0y")],
        &[(":status", "200"), ("connection", "close")],
        &[(":status", "200"), ("transfer-encoding", "chunked")],
        &[("a", "b")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), (":method", "GET")],
        &[("a", "b"), (":status", "200")],
    ] {
        ends_its_stream(answer(headers(fields)), Code::ResponseMalformed, Phase::Head);
    }
}

#[test]
fn k13_a_head_past_a_bound_is_refused() {
    let large = "x".repeat(60_000);
    ends_its_stream(
        answer(headers(&[(":status", "200"), ("a", &large), ("b", &large[..6_000])])),
        Code::HeadersTooLarge,
        Phase::Head,
    );
    let mut many = vec![(":status", "200")];
    many.extend([("a", "b")].repeat(101));
    ends_its_stream(answer(headers(&many)), Code::HeadersTooLarge, Phase::Head);
}

#[test]
fn k14_k15_a_dynamic_table_ends_the_connection() {
    // Required Insert Count 1.
    ends_its_connection(answer(frame::frame(kind::HEADERS, &[2, 0, 0xd9])), Code::ProtocolError, Class::Never, 0x200);
    // Set Dynamic Table Capacity 1.
    let encoder = [varint(stream::QPACK_ENCODER), vec![0x21]].concat();
    breaks(Script::new().http3().streams(1).send(To::Uni(1), encoder), 0x201);
}

#[test]
fn inventory_088_goaway_ends_what_is_at_its_id_or_above_and_only_that() {
    let script = Script::new()
        .http3()
        .streams(4)
        .send(To::Uni(0), goaway((1 << 62) - 4))
        .send(To::Uni(0), goaway(8))
        .signal()
        .finish(To::Request(0), response(b"zero"))
        .finish(To::Request(1), response(b"one"));
    let server = serve([script]);
    let mut configured = h3_alone(server.addr());
    configured.upstream.replay = ReplayPolicy::None;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..4).map(|_| world.get("/")).collect();
    for id in [all[2], all[3]] {
        let failure = world.answer(id).failure.unwrap();
        assert_eq!((failure.code, failure.class), (Code::StreamRefused, Class::Unprocessed));
    }
    assert!(!world.has_ended(all[0]) && !world.has_ended(all[1]));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok", "over another connection");
    server.signal(0);
    assert_eq!((world.answer(all[0]).body, world.answer(all[1]).body), (b"zero".to_vec(), b"one".to_vec()));
    assert_eq!((server.connections().len(), world.stat(Stat::CxCloseNotify)), (2, 1));
    world.finish();
}

#[test]
fn k16_what_goaway_leaves_out_goes_again() {
    let script = Script::new().http3().streams(2).send(To::Uni(0), goaway(0));
    let server = serve([script]);
    let mut world = World::new(h3_alone(server.addr()));
    let (get, post) = (world.get("/"), world.post("/", b"body".to_vec()));
    for id in [get, post] {
        let answer = world.answer(id);
        assert_eq!((answer.failure, &answer.body[..], answer.replayed.len()), (None, &b"ok"[..], 1));
    }
    world.finish();
}

#[test]
fn k16_a_goaway_counts_though_the_close_came_with_it() {
    let farewell = Script::new().http3().streams(2).signal().send(To::Uni(0), goaway(4));
    // A close overtakes what has not left yet.
    let script = farewell.wait(Duration::from_millis(100)).close(0x100);
    let server = serve([script]);
    let mut configured = h3_alone(server.addr());
    configured.upstream.replay = ReplayPolicy::None;
    let mut world = World::new(configured);
    let all = [world.get("/"), world.get("/")];
    world.until("both requests", |_| server.connections().first().is_some_and(|c| c.requests.len() == 2));
    // Both come while nobody looks.
    server.signal(0);
    assert!(server.wait_until(PATIENCE, |connections| connections[0].end.is_some()));
    let failures = all.map(|id| world.answer(id).failure.unwrap()).map(|f| (f.code, f.class));
    assert_eq!(failures, [(Code::ConnectionClosed, Class::Maybe), (Code::StreamRefused, Class::Unprocessed)]);
    world.finish();
}

#[test]
fn k17_a_goaway_that_grows_or_is_no_request_ends_the_connection() {
    breaks(says([goaway(4), goaway(8)].concat()), 0x108);
    breaks(says(goaway(5)), 0x108);
}

/// Before the head, with this code.
fn resets(code: u64, told: Code, class: Class) {
    let outcome = Outcome::of(Script::new().http3().reset(To::Request(0), code));
    outcome.failed(told, Phase::Head, class);
    outcome.then(Left::Kept);
}

#[test]
fn inventory_089_a_rejected_request_was_not_processed_and_a_cancelled_one_may_have_been() {
    resets(0x10b, Code::StreamRefused, Class::Unprocessed);
    resets(0x10c, Code::StreamReset, Class::Maybe);
}

#[test]
fn k18_k19_k20_resets_say_whether_the_request_was_processed() {
    resets(0x10b, Code::StreamRefused, Class::Unprocessed);
    resets(0x102, Code::StreamReset, Class::Maybe);
    resets(0x110, Code::VersionRequired, Class::Unprocessed);
    // The head comes first: QUIC drops what was not read before a reset.
    let script = Script::new().http3().send(To::Request(0), headers(OK)).signal().reset(To::Request(0), 0x10b);
    let server = serve([script.serve(1, "ok")]);
    let mut world = World::new(h3_alone(server.addr()));
    let id = world.get("/");
    world.until("the head", |w| w.so_far(id).status.is_some());
    server.signal(0);
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::StreamReset, Phase::Body, Class::Never));
    world.finish();
}

/// A head that announces a length, and all of it.
fn complete(body: &str) -> Vec<u8> {
    [headers(&[(":status", "200"), ("content-length", &body.len().to_string())]), data(body.as_bytes())].concat()
}

#[test]
fn k21_a_response_with_all_of_its_length_is_complete_whatever_follows() {
    let whole = || Script::new().http3().send(To::Request(0), complete("hello")).signal();
    for (script, left) in [
        (whole().reset(To::Request(0), 0x102).serve(1, "ok"), 1),
        (whole().close(0x100), 2),
        // A rule that another stream broke.
        (whole().send(To::Uni(0), goaway(5)), 2),
    ] {
        let server = serve([script]);
        let mut configured = h3_alone(server.addr());
        configured.upstream.replay = ReplayPolicy::None;
        let mut world = World::new(configured);
        let id = world.get("/");
        world.until("the body", |w| w.so_far(id).body == b"hello");
        assert!(!world.has_ended(id), "trailers may come");
        server.signal(0);
        let answer = world.answer(id);
        assert_eq!((answer.status, answer.failure), (Some(200), None));
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok");
        assert_eq!(server.connections().len(), left);
        world.finish();
    }
}

#[test]
fn k21_an_end_that_never_comes_costs_a_complete_response_nothing() {
    let server = serve([Script::new().http3().send(To::Request(0), complete("hello")).serve(1, "ok")]);
    let mut world = World::new(h3_alone(server.addr()));
    let body_idle = Limit::After(Duration::from_millis(100));
    let id = world.submit(|s| s.timeouts = Some(Box::new(Timeouts { body_idle, ..Timeouts::default() })));
    let answer = world.answer(id);
    assert_eq!((&answer.body[..], answer.failure), (&b"hello"[..], None));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.until("the stream's end at the server", |_| server.connections()[0].requests[0].stopped.is_some());
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn k21_what_is_not_complete_fails_with_its_connection() {
    let head = headers(&[(":status", "200"), ("content-length", "5")]);
    let script = Script::new().http3().send(To::Request(0), [head, data(b"hell")].concat()).signal().close(0x100);
    let server = serve([script]);
    let mut world = World::new(h3_alone(server.addr()));
    let id = world.get("/");
    world.until("the body", |w| w.so_far(id).body == b"hell");
    server.signal(0);
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.phase, failure.class), (Code::BodyIncomplete, Phase::Body, Class::Never));
    world.finish();
}

#[test]
fn k22_a_stop_while_we_upload_leaves_the_response_alone() {
    let script = Script::new().http3().stop(0, 0x100).finish(To::Request(0), response(b"enough"));
    let outcome = Outcome::with(
        script,
        |_| {},
        |s| {
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Whole(vec![0; 5_000_000].into());
        },
    );
    outcome.succeeded(200, "enough");
    outcome.then(Left::Kept);
}

#[test]
fn k23_a_push_ends_the_connection() {
    breaks(Script::new().http3().streams(1).send(To::Uni(1), [varint(stream::PUSH), varint(0)].concat()), 0x108);
    ends_its_connection(answer(frame::frame(kind::PUSH_PROMISE, &[0, 0, 0])), Code::ProtocolError, Class::Never, 0x108);
}

#[test]
fn k24_a_close_without_goaway_may_have_processed_what_was_open() {
    let outcome = Outcome::of(Script::new().http3().streams(1).close(0x100));
    outcome.failed(Code::ConnectionClosed, Phase::Head, Class::Maybe);
    outcome.then(Left::Closed);
    let cut = Script::new().http3().send(To::Request(0), [headers(OK), data(b"half")].concat());
    let outcome = Outcome::of(cut.wait(Duration::from_millis(100)).close(0x100));
    outcome.failed(Code::BodyIncomplete, Phase::Body, Class::Never);
    outcome.then(Left::Closed);
}

#[test]
fn q02_a_port_that_is_shut_or_silent_costs_the_connect_limit() {
    for door in [udp::Door::Silent, udp::Door::Shut] {
        let hole = udp::Server::start(door).unwrap();
        let mut configured = h3_alone(hole.addr());
        configured.upstream.connect_timeout = Duration::from_millis(300);
        configured.upstream.on_connect_failure = forebay_core::OnConnectFailure::All;
        let mut world = World::new(configured);
        let id = world.get("/");
        let failure = world.answer(id).failure.unwrap();
        assert!(matches!(failure.code, Code::ConnectTimeout | Code::ConnectRefused), "{failure}");
        assert_eq!(failure.class, Class::Unprocessed);
        world.finish();
    }
}

#[test]
fn q03_a_path_that_goes_dark_ends_the_connection_after_a_time_out() {
    let server = serve([Script::new().http3()]);
    let relay = Relay::start(server.addr(), Faults::default()).unwrap();
    let mut world = World::new(h3_alone(relay.addr()));
    let other = world.get("/");
    world.until("the request", |_| server.connections().first().is_some_and(|c| c.requests.len() == 1));
    relay.set_hole(Hole::Both);
    let headers = Limit::After(Duration::from_millis(300));
    let slow = world.submit(|s| s.timeouts = Some(Box::new(Timeouts { headers, ..Timeouts::default() })));
    assert_eq!(world.answer(slow).code(), Some(Code::HeadersTimeout));
    let failure = world.answer(other).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::KeepaliveTimeout, Class::Maybe));
    relay.set_hole(Hole::None);
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}

#[test]
fn q05_loss_disorder_and_corruption_harm_no_byte() {
    let server = forebay_testkit::h3::Server::start_with(
        &forebay_testkit::h3::Options::default(),
        super::support::trial::authority(),
    )
    .unwrap();
    let faults = Faults { seed: 5, drop: 2.0, reorder: 2.0, duplicate: 2.0, corrupt: 1.0, ..Faults::default() };
    let relay = Relay::start(server.addr(), faults).unwrap();
    let mut configured = h3_alone(relay.addr());
    // However often the handshake's packets are lost.
    configured.upstream.connect_timeout = PATIENCE;
    let mut world = World::new(configured);
    let all: Vec<_> = (0..40).map(|n| world.get(&format!("/bytes/{}", n * 5_000))).collect();
    for (n, id) in all.into_iter().enumerate() {
        let mut expected = Vec::new();
        forebay_testkit::pattern::extend(&mut expected, 0, n * 5_000);
        assert!(world.answer(id).body == expected, "{n}");
    }
    assert_eq!(server.stats().connections_accepted, 1);
    world.finish();
}

#[test]
fn q06_a_peer_of_other_versions_is_told_so() {
    let other = udp::Server::start(udp::Door::Versions).unwrap();
    let mut world = World::new(h3_alone(other.addr()));
    let id = world.get("/");
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::PeerIncompatible, Class::Never));
    world.finish();
}

#[test]
fn q07_q15_a_retry_is_followed_and_a_refusal_told() {
    let server = serve([]);
    server.set_door(Door::Retry);
    let mut world = World::new(h3_alone(server.addr()));
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok");
    world.finish();
    server.set_door(Door::Refuse);
    let mut world = World::new(h3_alone(server.addr()));
    let id = world.get("/");
    let failure = world.answer(id).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::ConnectRefused, Class::Unprocessed));
    world.finish();
}

#[test]
fn q14_a_restart_resets_and_what_comes_next_dials_anew() {
    let server = serve([Script::new().http3().streams(1), good()]);
    let mut configured = h3_alone(server.addr());
    configured.upstream.replay = ReplayPolicy::None;
    configured.http3.ping_interval = Some(Duration::from_millis(100));
    let mut world = World::new(configured);
    let open = world.get("/");
    world.until("the request", |_| server.connections().first().is_some_and(|c| c.requests.len() == 1));
    server.forget();
    let failure = world.answer(open).failure.unwrap();
    assert_eq!((failure.code, failure.class), (Code::ConnectionReset, Class::Maybe));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    world.finish();
}

#[test]
fn q18_a_connection_survives_another_address_of_ours() {
    let server = serve([]);
    let relay = Relay::start(server.addr(), Faults::default()).unwrap();
    let mut world = World::new(h3_alone(relay.addr()));
    for _ in 0..3 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body, b"ok");
        relay.rebind();
    }
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn q25_streams_beyond_our_limit_are_never_opened() {
    let script = Script::new()
        .http3()
        .streams(1)
        .step(forebay_testkit::quic::Step::Flood(7, varint(0x21)))
        .finish(To::Request(0), response(b"hello"));
    let outcome = Outcome::of(script);
    outcome.succeeded(200, "hello");
    assert!(outcome.server.wait_until(PATIENCE, |all| all[0].flooded == 7));
    outcome.then(Left::Kept);
}

#[test]
fn nothing_of_a_dial_is_left_when_its_pool_is_destroyed() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut world = World::new(h3_alone(hole.local_addr().unwrap()));
    let id = world.get("/");
    world.settle();
    assert!(!world.has_ended(id));
    world.finish();
}

#[test]
fn what_one_server_forgets_another_pool_does_not_notice() {
    let (one, two) = (serve([]), serve([]));
    let mut world = World::new(h3_alone(one.addr()));
    world.driver.add_pool(2, h3_alone(two.addr()), 9);
    let first = world.get("/");
    let second = world.submit(|s| s.pool = 2);
    assert_eq!((world.answer(first).body, world.answer(second).body), (b"ok".to_vec(), b"ok".to_vec()));
    // Both share the one socket of the reactor.
    assert_eq!(world.reactor.sockets(), 1);
    let buffers = world.driver.udp_buffers().unwrap();
    assert!(buffers.receive > 0 && buffers.send > 0);
    world.driver.destroy_pool(2);
    let third = world.get("/");
    assert_eq!(world.answer(third).body, b"ok");
    drop((one, two));
    world.finish();
}
