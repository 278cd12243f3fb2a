//! T13, P23, R06: whom a connection of HTTP/2 is for, and what cannot change that.

use bytes::Bytes;
use forebay_core::{Class, Protocol, Protocols, Stat};
use forebay_testkit::h2::frame::{frame as raw, headers, response};
use forebay_testkit::h2::{Options, Server as GoodServer};
use forebay_testkit::script::{Script, Server, Step};
use forebay_testkit::tls::{TlsOptions as ServerTls, Versions};
use forebay_transport::PoolConfig;
use forebay_transport::error::{Code, Phase};
use forebay_transport::tls::{Tls, TlsOptions};

use super::support::http2::{and_goes_on, prior_knowledge, serve};
use super::support::trial::authority;
use super::support::{PATIENCE, World, config, offering};

/// Types of TLS records.
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

fn over_tls(server: &Server) -> PoolConfig {
    let client = authority().client();
    let tls = Tls::new(&TlsOptions {
        ca: authority().pem().as_bytes(),
        crl: None,
        identity: Some((client.certificate_pem.as_bytes(), client.key_pem.as_bytes())),
        server_name: "localhost",
        only_tls13: false,
        alpn: &[b"h2"],
        session_cache: 0,
        skip_verification: false,
        early_data: false,
    });
    let mut config = config(server.addr());
    config.tls = Some(tls.unwrap());
    config.upstream.protocols = Protocols::Fixed(Protocol::H2);
    config
}

/// After the request these records, then an answer.
fn asking(versions: Versions, message: &[u8], times: u64) -> Script {
    let tls = ServerTls { alpn: vec!["h2".to_owned()], versions, ..ServerTls::default() };
    let record = |content_type, bytes: Vec<u8>, times| Step::Record { content_type, bytes, times };
    Script::new()
        .tls(tls)
        .http2(&[])
        .streams(1)
        .step(record(HANDSHAKE, message.to_vec(), times))
        .step(record(APPLICATION_DATA, response(1, b"ok"), 1))
        .step(Step::ReadToEnd)
}

#[test]
fn t13_another_handshake_is_never_begun_and_no_certificate_is_sent() {
    let hello_request = [0, 0, 0, 0];
    // With an empty context and no extension.
    let certificate_request = [13, 0, 0, 3, 0, 0, 0];
    for (versions, message, times, followed) in [
        (Versions::Tls12, &hello_request[..], 1, true),
        (Versions::Tls12, &hello_request[..], 3, false),
        (Versions::Tls13, &certificate_request[..], 1, false),
    ] {
        let server = serve([asking(versions, message, times)]);
        let mut world = World::new(over_tls(&server));
        let id = world.submit(|s| s.idempotent = false);
        let answer = world.answer(id);
        if followed {
            assert_eq!((answer.failure, &answer.body[..]), (None, &b"ok"[..]), "it is declined, and life goes on");
        } else {
            let failure = answer.failure.unwrap();
            let expected = (Code::ProtocolError, Phase::Head, Class::Maybe);
            assert_eq!((failure.code, failure.phase, failure.class), expected, "{failure}");
            assert_eq!(world.stat(Stat::CxActive), 0);
        }
        let tls = server.connections()[0].tls.clone().unwrap();
        assert!(!tls.client_certificate, "{versions:?}");
        world.finish();
        assert!(server.wait_until(PATIENCE, |all| all[0].end.is_some()));
    }
}

#[test]
fn p23_a_certificate_for_another_host_lends_it_no_connection() {
    let tls = forebay_testkit::tls::TlsOptions { alpn: vec!["h2".to_owned()], ..ServerTls::default() };
    let server = GoodServer::start_with(&Options { tls: Some(tls), ..Options::default() }, authority()).unwrap();
    let config_for = |name: &str| {
        let mut config = config(server.addr());
        config.tls = Some(offering(&authority().pem(), name, &[b"h2"]));
        config.upstream.protocols = Protocols::Fixed(Protocol::H2);
        config
    };
    // The certificate is good for both.
    let mut world = World::new(config_for("localhost"));
    world.driver.add_pool(2, config_for("127.0.0.1"), 9);
    for pool in [1, 2, 1, 2] {
        let id = world.submit(|s| s.pool = pool);
        assert_eq!(world.answer(id).status, Some(200));
    }
    assert_eq!(server.stats().connections_accepted, 2);
    world.driver.destroy_pool(2);
    world.until("the end of the second pool", |w| w.sink.closed.borrow().len() == 1);
    world.driver.destroy_pool(1);
    world.until("the end", |w| w.sink.closed.borrow().len() == 2 && w.reactor.tasks() == 0);
}

#[test]
fn p23_an_origin_frame_changes_nothing_and_421_is_an_answer() {
    // ORIGIN (RFC 8336): the length of a name, and the name.
    let name = b"https://other.test";
    let origin = [&u16::try_from(name.len()).unwrap().to_be_bytes()[..], name].concat();
    let bytes = [raw(0xc, 0, 0, &origin), headers(1, &[(":status", "421")], true)].concat();
    let server = serve([and_goes_on(Script::new().http2(&[]).streams(1).send(bytes))]);
    let mut world = World::new(prior_knowledge(server.addr()));
    let misdirected = world.get("/");
    let answer = world.answer(misdirected);
    assert_eq!((answer.status, answer.failure), (Some(421), None));
    let next = world.get("/");
    assert_eq!(world.answer(next).body, b"ok");
    assert_eq!((world.stat(Stat::RqReplay), server.connections().len()), (0, 1));
    world.finish();
}

#[test]
fn r06_names_are_sent_in_lower_case() {
    let server = GoodServer::start(&Options::default()).unwrap();
    let mut world = World::new(prior_knowledge(server.addr()));
    let id = world.submit(|s| {
        s.path = Bytes::from_static(b"/inspect");
        s.fields = Bytes::from_static(b"X-UPPER-Case\0Kept As It Is\0");
    });
    let body = String::from_utf8(world.answer(id).body).unwrap();
    assert!(body.contains(r#"["x-upper-case","Kept As It Is"]"#), "{body}");
    assert!(!body.contains("X-UPPER"), "{body}");
    world.finish();
}
