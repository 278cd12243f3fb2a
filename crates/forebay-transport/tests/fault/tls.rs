//! T: TLS.

use std::time::Duration;

use forebay_core::{Class, Stat};
use forebay_testkit::certificates::Identity;
use forebay_testkit::script::{End, Handshake, Pieces, Script, Server, Step};
use forebay_testkit::tls::{TlsOptions as ServerTls, Versions};
use forebay_transport::PoolConfig;
use forebay_transport::error::{Code, Failure, Phase};
use forebay_transport::tls::{Tls, TlsOptions};

use super::support::trial::{GOOD, WAYS, authority, good, serve};
use super::support::{Answer, PATIENCE, World, config, trusting};

/// A handshake that leaves nothing to be desired, then good answers.
fn good_tls() -> Script {
    let mut script = Script::new().tls(ServerTls::default());
    script.steps.extend(good().steps);
    script
}

fn upstream(first: Script) -> Server {
    serve([first, good_tls(), good_tls()])
}

fn over_tls(server: &Server, name: &str) -> PoolConfig {
    PoolConfig { tls: Some(trusting(&authority().pem(), name)), ..config(server.addr()) }
}

/// What a first request comes to; a second one succeeds, and nothing is left.
fn first_answer(server: &Server, configured: PoolConfig) -> Answer {
    let mut world = World::new(configured);
    let id = world.get("/");
    let answer = world.answer(id);
    world.until("the end of the connection", |w| w.stat(Stat::CxActive) == 0);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
    world.driver.set_addresses(1, vec![server.addr()]);
    let next = world.get("/");
    let next = world.answer(next);
    if server.connections()[0].tls.is_some() {
        assert_eq!((next.status, &next.body[..]), (Some(200), &b"ok"[..]), "{:?}", next.failure);
    }
    world.finish();
    answer
}

#[track_caller]
fn is(answer: &Answer, code: Code, phase: Phase, class: Class) -> &Failure {
    let failure = answer.failure.as_ref().unwrap_or_else(|| panic!("no {code:?}: {answer:?}"));
    assert_eq!((failure.code, failure.phase, failure.class), (code, phase, class), "{failure}");
    failure
}

/// The handshake with this identity fails for this name, and no byte of a request leaves.
#[track_caller]
fn refused(identity: Identity, name: &str, code: Code, class: Class) {
    let server = upstream(Script::new().tls(ServerTls::from(identity)).request());
    let mut world = World::new(over_tls(&server, name));
    let id = world.get("/");
    is(&world.answer(id), code, Phase::Tls, class);
    assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
    let first = &server.connections()[0];
    assert_eq!((first.received, first.requests), (0, 0), "no byte of a request");
    assert_eq!((world.stat(Stat::CxConnectFail), world.stat(Stat::CxActive)), (1, 0));
    if name == "localhost" {
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok", "the pool lives");
    }
    world.finish();
}

/// A request that a sound handshake precedes, and then this.
fn after_request(steps: Script) -> Script {
    let mut script = Script::new().tls(ServerTls::default()).request();
    script.steps.extend(steps.steps);
    script
}

#[test]
fn t01_a_certificate_out_of_its_time_is_refused() {
    refused(Identity::Expired, "localhost", Code::TlsCertExpired, Class::Never);
    refused(Identity::NotYetValid, "localhost", Code::TlsCertExpired, Class::Never);
}

#[test]
fn t02_a_certificate_for_another_name_is_refused() {
    refused(Identity::WrongHost, "localhost", Code::TlsHostMismatch, Class::Never);
    refused(Identity::CnOnly, "localhost", Code::TlsHostMismatch, Class::Never);
    refused(Identity::Wildcard, "x.y.a.test", Code::TlsHostMismatch, Class::Never);
    refused(Identity::NulName, "good.test", Code::TlsHostMismatch, Class::Never);
}

#[test]
fn t03_an_issuer_that_is_not_trusted_is_refused() {
    for identity in [Identity::SelfSigned, Identity::UnknownRoot, Identity::MissingIntermediate] {
        refused(identity, "localhost", Code::TlsUntrusted, Class::Never);
    }
}

#[test]
fn t04_a_chain_in_reversed_order_is_taken() {
    let mut script = Script::new().tls(ServerTls::from(Identity::ReversedChain));
    script.steps.extend(good().steps);
    let server = upstream(script);
    let mut world = World::new(over_tls(&server, "localhost"));
    for _ in 0..2 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body, b"ok");
    }
    assert_eq!(server.connections().len(), 1, "K");
    world.finish();
}

#[test]
fn t05_other_faults_of_a_certificate_are_refused() {
    for identity in [Identity::ClientAuthOnly, Identity::CaFalseIssuer, Identity::NameConstraint] {
        refused(identity, "localhost", Code::TlsCertInvalid, Class::Never);
    }
}

#[test]
fn t06_a_certificate_message_over_64_kib_is_refused() {
    refused(Identity::ManySans, "localhost", Code::TlsHandshake, Class::Unprocessed);
}

#[test]
fn t07_a_revoked_certificate_is_refused_and_one_without_a_list_too() {
    let list = authority().revocation_list_pem();
    let with_list = |server: &Server| {
        let tls = Tls::new(&TlsOptions {
            ca: authority().pem().as_bytes(),
            crl: Some(list.as_bytes()),
            identity: None,
            server_name: "localhost",
            only_tls13: false,
            alpn: &[b"http/1.1"],
            session_cache: 0,
            skip_verification: false,
            early_data: false,
        });
        PoolConfig { tls: Some(tls.unwrap()), ..config(server.addr()) }
    };
    // The list covers what the root issued: an intermediate's leaf has an issuer without a list.
    for (identity, code) in [(Identity::Revoked, Code::TlsCertRevoked), (Identity::Intermediate, Code::TlsCertInvalid)]
    {
        let server = upstream(Script::new().tls(ServerTls::from(identity)).request());
        let answer = first_answer(&server, with_list(&server));
        is(&answer, code, Phase::Tls, Class::Never);
        assert_eq!(server.connections()[0].requests, 0);
    }
    let mut script = Script::new().tls(ServerTls::default());
    script.steps.extend(good().steps);
    let server = upstream(script);
    let mut world = World::new(with_list(&server));
    let id = world.get("/");
    assert_eq!(world.answer(id).body, b"ok", "a certificate that the list does not name");
    world.finish();
}

#[test]
fn t07_a_broken_revocation_list_is_refused_at_start() {
    let list = authority().revocation_list_pem();
    // The first letter of the list's body is another: base64 still, a list no more.
    let bent = list.replacen("-----\nM", "-----\nA", 1);
    assert_ne!(bent, list);
    for crl in ["-----BEGIN X509 CRL-----", "no list", bent.as_str(), authority().pem().as_str()] {
        let error = Tls::new(&TlsOptions {
            ca: authority().pem().as_bytes(),
            crl: Some(crl.as_bytes()),
            identity: None,
            server_name: "localhost",
            only_tls13: false,
            alpn: &[],
            session_cache: 0,
            skip_verification: false,
            early_data: false,
        });
        assert_eq!(error.map_err(|e| e.option).err(), Some("crl"), "{crl}");
    }
}

#[test]
fn t08_no_common_protocol_is_refused() {
    let server = upstream(Script::new().tls(ServerTls { alpn: vec!["h2".into()], ..ServerTls::default() }).request());
    let mut world = World::new(over_tls(&server, "localhost"));
    let id = world.get("/");
    is(&world.answer(id), Code::TlsAlpn, Phase::Tls, Class::Never);
    world.finish();

    // A peer without ALPN, where HTTP/1.1 was not offered: nothing is spoken unasked.
    for (alpn, offered) in [(vec![], b"h2"), (vec!["h2".to_owned()], b"h2")] {
        let server = upstream(Script::new().tls(ServerTls { alpn, ..ServerTls::default() }).request());
        let tls = Tls::new(&TlsOptions {
            ca: authority().pem().as_bytes(),
            crl: None,
            identity: None,
            server_name: "localhost",
            only_tls13: false,
            alpn: &[offered],
            session_cache: 0,
            skip_verification: false,
            early_data: false,
        });
        let mut world = World::new(PoolConfig { tls: Some(tls.unwrap()), ..config(server.addr()) });
        let id = world.get("/");
        is(&world.answer(id), Code::TlsAlpn, Phase::Tls, Class::Never);
        assert_eq!(server.connections()[0].requests, 0);
        world.finish();
    }
}

#[test]
fn t09_a_peer_without_alpn_speaks_http1() {
    let mut script = Script::new().tls(ServerTls { alpn: vec![], ..ServerTls::default() });
    script.steps.extend(good().steps);
    let server = upstream(script);
    let mut world = World::new(over_tls(&server, "localhost"));
    for _ in 0..2 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body, b"ok");
    }
    assert_eq!(server.connections().len(), 1);
    world.finish();
}

#[test]
fn t11_a_peer_that_does_not_speak_tls_is_named() {
    for way in WAYS {
        let plain = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let server = upstream(Script::new().step(Step::Read(1)).send_in(plain, way, Duration::ZERO));
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        let failure = is(&answer, Code::PeerIncompatible, Phase::Tls, Class::Never);
        assert!(failure.text.contains("not TLS"), "{failure}");
    }
}

#[test]
fn t12_no_common_version_or_name_is_incompatible() {
    let server = upstream(Script::new().tls(ServerTls { versions: Versions::Tls12, ..ServerTls::default() }));
    let tls = Tls::new(&TlsOptions {
        ca: authority().pem().as_bytes(),
        crl: None,
        identity: None,
        server_name: "localhost",
        only_tls13: true,
        alpn: &[b"http/1.1"],
        session_cache: 0,
        skip_verification: false,
        early_data: false,
    });
    let mut world = World::new(PoolConfig { tls: Some(tls.unwrap()), ..config(server.addr()) });
    let id = world.get("/");
    is(&world.answer(id), Code::PeerIncompatible, Phase::Tls, Class::Never);
    world.finish();
    // Fatal alerts: protocol_version, handshake_failure, insufficient_security, unrecognized_name.
    for alert in [70, 40, 71, 112] {
        let server = upstream(Script::new().step(Step::Read(1)).send([21, 3, 3, 0, 2, 2, alert]));
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        is(&answer, Code::PeerIncompatible, Phase::Tls, Class::Never);
    }
}

#[test]
fn t14_a_ticket_that_was_forgotten_costs_a_full_handshake() {
    let forgetful = || {
        Script::new()
            .tls(ServerTls { forgets_sessions: true, versions: Versions::Tls12, ..ServerTls::default() })
            .request()
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
    };
    let server = serve([forgetful(), forgetful()]);
    let mut world = World::new(over_tls(&server, "localhost"));
    for _ in 0..2 {
        let id = world.get("/");
        assert_eq!(world.answer(id).body, b"ok");
    }
    let resumed: Vec<_> = server.connections().iter().map(|c| c.tls.as_ref().map(|t| t.resumed)).collect();
    assert_eq!(resumed, [Some(false), Some(false)]);
    world.finish();
}

#[test]
fn t15_a_ticket_of_one_name_is_not_offered_for_another() {
    let once = || {
        Script::new()
            .tls(ServerTls::default())
            .request()
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
    };
    let server = serve([once(), once(), once()]);
    let mut resumed = Vec::new();
    for name in ["localhost", "upstream.test"] {
        let mut world = World::new(over_tls(&server, name));
        for _ in 0..if name == "localhost" { 2 } else { 1 } {
            let id = world.get("/");
            assert_eq!(world.answer(id).body, b"ok");
        }
        world.finish();
    }
    for connection in server.connections() {
        let tls = connection.tls.unwrap();
        resumed.push((tls.server_name.unwrap(), tls.resumed));
    }
    let expected = [("localhost".into(), false), ("localhost".into(), true), ("upstream.test".into(), false)];
    assert_eq!(resumed, expected);
}

#[test]
fn t16_one_limit_holds_for_the_whole_handshake() {
    // Silent in the middle; then: a byte now and then.
    let silent = Handshake { cut: Some(100), ..Handshake::default() };
    let dripping = Handshake { pieces: Some(1), every: Duration::from_millis(20), ..Handshake::default() };
    for handshake in [silent, dripping] {
        let server = upstream(Script::new().tls(handshake).signal());
        let mut world = World::with_clock(over_tls(&server, "localhost"));
        let id = world.get("/");
        world.until("the connection", |_| server.connections().len() == 1);
        for _ in 0..49 {
            world.pass(Duration::from_millis(100));
        }
        assert!(!world.has_ended(id));
        world.pass(Duration::from_millis(200));
        let answer = world.answer(id);
        is(&answer, Code::ConnectTimeout, Phase::Tls, Class::Unprocessed);
        server.signal(0);
        assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()), "X");
        assert_eq!(world.stat(Stat::CxConnectTimeout), 1);
        let next = world.get("/");
        assert_eq!(world.answer(next).body, b"ok");
        world.finish();
    }
}

#[test]
fn t17_an_end_in_the_handshake_is_told_as_such() {
    for end in [Script::new().close(), Script::new().reset()] {
        let cut = Handshake { cut: Some(100), ..Handshake::default() };
        for mut script in [Script::new().tls(cut), Script::new().step(Step::Read(1))] {
            script.steps.extend(end.steps.clone());
            let server = upstream(script);
            let answer = first_answer(&server, over_tls(&server, "localhost"));
            is(&answer, Code::TlsClosed, Phase::Tls, Class::Unprocessed);
        }
    }
}

#[test]
fn t18_records_that_carry_nothing_are_a_flood() {
    let record = |content_type, bytes: &[u8], times| Step::Record { content_type, bytes: bytes.to_vec(), times };
    // new_session_ticket: lifetime, age, nonce, ticket, no extensions.
    let ticket = [&[4, 0, 0, 46][..], &[0, 0, 0, 9], &[0, 0, 0, 0], &[1, 7], &[0, 32], &[9; 32], &[0, 0]].concat();
    for (name, step) in [
        ("key updates", Step::KeyUpdates(1_000_000)),
        ("empty records", record(23, b"", 1_000_000)),
        ("warning alerts", record(21, &[1, 90], 1_000_000)),
        ("tickets", record(22, &ticket, 1_000_000)),
        (
            "change_cipher_spec",
            Step::Raw(forebay_testkit::script::Send { times: 1_000_000, ..vec![20, 3, 3, 0, 1, 1].into() }),
        ),
    ] {
        let server = upstream(after_request(Script::new().step(step)));
        let begun = std::time::Instant::now();
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        is(&answer, Code::Flood, Phase::Head, Class::Maybe);
        assert!(begun.elapsed() < PATIENCE, "{name}: bounded work");
    }
}

#[test]
fn t19_a_body_that_is_whole_needs_no_close_notify() {
    for body in ["content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] {
        let server = upstream(after_request(Script::new().send(format!("HTTP/1.1 200 OK\r\n{body}")).close()));
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        assert_eq!((answer.status, &answer.body[..], answer.failure), (Some(200), &b"ok"[..], None));
    }
}

#[test]
fn t20_a_body_up_to_the_close_needs_close_notify() {
    let open = "HTTP/1.1 200 OK\r\n\r\nall of it";
    let server = upstream(after_request(Script::new().send(open).close()));
    let answer = first_answer(&server, over_tls(&server, "localhost"));
    is(&answer, Code::BodyIncomplete, Phase::Body, Class::Never);
    assert_eq!(answer.body, b"all of it");

    let server = upstream(after_request(Script::new().send(open).step(Step::CloseNotify).close()));
    let answer = first_answer(&server, over_tls(&server, "localhost"));
    assert_eq!((answer.failure, &answer.body[..]), (None, &b"all of it"[..]));
}

#[test]
fn t21_a_fatal_alert_is_the_loss_of_the_connection() {
    let alert = || Step::Record { content_type: 21, bytes: vec![2, 80], times: 1 };
    let server = upstream(after_request(Script::new().step(alert())));
    let answer = first_answer(&server, over_tls(&server, "localhost"));
    is(&answer, Code::ConnectionReset, Phase::Head, Class::Maybe);

    // Also where the alert comes in the same segment as what precedes it.
    for way in WAYS {
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
        let steps = Script::new().send_in(part, way, Duration::ZERO).step(alert());
        let server = upstream(after_request(steps));
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        is(&answer, Code::BodyIncomplete, Phase::Body, Class::Never);
        assert_eq!((answer.status, &answer.body[..]), (Some(200), &b"hello"[..]));
    }

    // Nor does it take back what was whole.
    let server = upstream(after_request(Script::new().send(GOOD).step(alert())));
    let answer = first_answer(&server, over_tls(&server, "localhost"));
    assert_eq!((answer.failure, &answer.body[..]), (None, &b"ok"[..]));
}

#[test]
fn tls_client_certificate_that_is_missed_is_told_also_after_the_request() {
    for versions in [Versions::Tls12, Versions::Tls13] {
        let server =
            upstream(Script::new().tls(ServerTls { client_auth: true, versions, ..ServerTls::default() }).request());
        let mut world = World::new(over_tls(&server, "localhost"));
        let id = world.get("/");
        let failure = world.answer(id).failure.unwrap();
        assert_eq!((failure.code, failure.class), (Code::TlsClientCert, Class::Never), "{failure}");
        assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()));
        assert!(matches!(&server.connections()[0].end, Some(End::Tls(_))), "{:?}", server.connections()[0].end);
        world.finish();
    }
}

#[test]
fn tls_rows_of_http_hold_through_tls() {
    for way in [Pieces::Whole, Pieces::Random(3)] {
        let bad = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello";
        let server = upstream(after_request(Script::new().send_in(bad, way, Duration::ZERO)));
        let answer = first_answer(&server, over_tls(&server, "localhost"));
        is(&answer, Code::ResponseMalformed, Phase::Head, Class::Never);
    }
}
