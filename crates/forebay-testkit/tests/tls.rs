//! TLS of both servers, seen by a rustls client that trusts the test root.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_testkit::certificates::{Authority, Identity};
use forebay_testkit::h1;
use forebay_testkit::script::{self, End, Handshake, Script, Server, Step};
use forebay_testkit::tls::{TlsOptions, Versions, client_config};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned};
use support::{Client, PATIENCE};

type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// Connects and shakes hands.
fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<TlsClient, std::io::Error> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let tls = ClientConnection::new(Arc::clone(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut stream = StreamOwned::new(tls, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Client::new(stream))
}

fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client_config(authority, false))
}

/// What rustls says of a failed handshake or read.
fn tls_error(error: &std::io::Error) -> Error {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned().unwrap_or_else(|| panic!("{error:?}"))
}

fn h1_with(tls: impl Into<TlsOptions>) -> h1::Server {
    h1::Server::start(&h1::Options { tls: Some(tls.into()), ..h1::Options::default() }).unwrap()
}

#[test]
fn the_h1_server_speaks_tls_in_the_same_loop() {
    let server = h1_with(TlsOptions::default());
    let config = trusting(server.authority());
    for name in ["localhost", "127.0.0.1", "upstream.test"] {
        let mut client = connect(server.addr(), &config, name).unwrap();
        assert_eq!(client.stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(client.get("/").text(), h1::BODY);
        assert_eq!(client.get("/bytes/3000000").body.len(), 3_000_000);
        assert_eq!(client.get("/chunked/100000/777").body.len(), 100_000);
        client.send("POST /echo HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(client.response(false).text(), "hello");
        // close_notify comes first: without it this read would be an error.
        assert_eq!(client.get("/close").text(), h1::BODY);
        assert!(client.is_at_end());
    }
    let stats = server.stats();
    assert_eq!((stats.tls_handshakes, stats.tls_resumed, stats.requests_completed), (3, 0, 15));
}

#[test]
fn the_h1_server_survives_a_client_that_speaks_no_tls() {
    let server = h1_with(TlsOptions::default());
    let mut plain = support::connect(server.addr());
    plain.send("GET / HTTP/1.1\r\n\r\n");
    let alert = plain.rest();
    assert_eq!(alert.first(), Some(&21), "an alert record");
    assert_eq!((server.stats().tls_handshakes, server.stats().connections_closed), (0, 1));
}

#[test]
fn sessions_are_resumed_unless_they_are_forgotten() {
    for (forgets_sessions, resumed) in [(false, 1), (true, 0)] {
        for versions in [Versions::Tls12, Versions::Tls13] {
            let server = h1_with(TlsOptions { forgets_sessions, versions, ..TlsOptions::default() });
            let mut config = client_config(server.authority(), false);
            config.resumption = Resumption::in_memory_sessions(8);
            let config = Arc::new(config);
            for _ in 0..2 {
                connect(server.addr(), &config, "localhost").unwrap().get("/");
            }
            let stats = server.stats();
            assert_eq!((stats.tls_handshakes, stats.tls_resumed), (2, resumed), "{versions:?}");
        }
    }
}

#[test]
fn each_identity_has_its_fault_and_no_other() {
    let authority = Arc::new(Authority::new());
    let config = trusting(&authority);
    for (label, identity) in Identity::ALL {
        let script = Script::new().tls(TlsOptions::from(identity)).send("ok").step(Step::CloseNotify).close();
        let server = Server::start_with(script::Options::default(), Arc::clone(&authority), vec![script]).unwrap();
        let shake = |name: &str| match connect(server.addr(), &config, name) {
            Ok(mut client) => {
                assert_eq!(client.rest(), b"ok", "{label}");
                None
            }
            Err(error) => Some(tls_error(&error)),
        };
        let certificate = |error: Option<Error>| match error {
            Some(Error::InvalidCertificate(error)) => error,
            other => panic!("{label}: {other:?}"),
        };
        match identity {
            Identity::Good | Identity::Intermediate | Identity::ReversedChain | Identity::Revoked => {
                assert_eq!(shake("localhost"), None, "{label}");
            }
            Identity::Expired => {
                assert!(matches!(certificate(shake("localhost")), CertificateError::ExpiredContext { .. }));
            }
            Identity::NotYetValid => {
                assert!(matches!(certificate(shake("localhost")), CertificateError::NotValidYetContext { .. }));
            }
            Identity::WrongHost | Identity::CnOnly | Identity::NulName => {
                for name in ["localhost", "good.test", "127.0.0.1"] {
                    let error = certificate(shake(name));
                    assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{label}: {error:?}");
                }
            }
            Identity::Wildcard => {
                assert_eq!(shake("x.a.test"), None);
                let error = certificate(shake("x.y.a.test"));
                assert!(matches!(error, CertificateError::NotValidForNameContext { .. }));
            }
            Identity::SelfSigned | Identity::UnknownRoot | Identity::MissingIntermediate => {
                assert_eq!(certificate(shake("localhost")), CertificateError::UnknownIssuer, "{label}");
            }
            Identity::ClientAuthOnly => {
                let error = certificate(shake("localhost"));
                assert!(matches!(error, CertificateError::InvalidPurposeContext { .. }), "{error:?}");
            }
            Identity::CaFalseIssuer => {
                let error = format!("{:?}", certificate(shake("localhost")));
                assert!(error.contains("EndEntityUsedAsCa"), "{error}");
            }
            Identity::NameConstraint => {
                let error = format!("{:?}", certificate(shake("localhost")));
                assert!(error.contains("NameConstraintViolation"), "{error}");
            }
            // Over what a client takes in one message.
            Identity::ManySans => {
                let too_large = Error::InvalidMessage(rustls::InvalidMessage::HandshakePayloadTooLarge);
                assert_eq!(shake("localhost"), Some(too_large));
            }
        }
        if identity != Identity::Wildcard && shake("localhost").is_some() {
            assert!(server.wait_until(PATIENCE, |all| all.iter().all(|it| it.end.is_some())));
            assert_eq!(server.received(0).unwrap(), b"", "{label}: no byte before identity");
        }
    }
}

#[test]
fn the_revocation_list_names_the_revoked_leaf_only() {
    let authority = Arc::new(Authority::new());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let list = CertificateRevocationListDer::from_pem_slice(authority.revocation_list_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).with_crls([list]).build().unwrap();
    let config = ClientConfig::builder().with_webpki_verifier(verifier).with_no_client_auth();
    let config = Arc::new(config);
    for (identity, revoked) in [(Identity::Good, false), (Identity::Revoked, true)] {
        let script = vec![Script::new().tls(TlsOptions::from(identity))];
        let server = Server::start_with(script::Options::default(), Arc::clone(&authority), script).unwrap();
        let error = connect(server.addr(), &config, "localhost").err().map(|error| tls_error(&error));
        assert_eq!(error, revoked.then_some(Error::InvalidCertificate(CertificateError::Revoked)));
    }
}

#[test]
fn alpn_and_versions_are_as_told_and_recorded() {
    let handshake = |alpn: &[&str], versions| {
        let alpn = alpn.iter().map(|&name| name.to_owned()).collect();
        Script::new().tls(TlsOptions { alpn, versions, ..TlsOptions::default() })
    };
    let server = Server::start(vec![
        handshake(&[], Versions::Tls12),
        handshake(&["http/1.1"], Versions::Tls13),
        handshake(&["h2"], Versions::Both),
    ])
    .unwrap();
    let config = trusting(server.authority());
    let _first = connect(server.addr(), &config, "localhost").unwrap();
    let _second = connect(server.addr(), &config, "upstream.test").unwrap();
    let third = connect(server.addr(), &config, "localhost").err().map(|error| tls_error(&error));
    assert_eq!(third, Some(Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)));
    let known = |all: &[script::ConnectionInfo]| all[..2].iter().all(|it| it.tls.is_some()) && all[2].end.is_some();
    assert!(server.wait_until(PATIENCE, known), "{:?}", server.connections());
    let known: Vec<_> = server.connections().into_iter().map(|it| it.tls).collect();
    let first = known[0].clone().unwrap();
    assert_eq!(
        (first.version.as_str(), first.alpn, first.server_name.as_deref()),
        ("TLSv1_2", None, Some("localhost"))
    );
    let second = known[1].clone().unwrap();
    assert_eq!((second.version.as_str(), second.alpn.as_deref()), ("TLSv1_3", Some("http/1.1")));
    assert_eq!((second.server_name.as_deref(), second.resumed), (Some("upstream.test"), false));
    assert_eq!(known[2], None);
}

#[test]
fn a_client_certificate_is_demanded() {
    let options = TlsOptions { client_auth: true, ..TlsOptions::default() };
    let server = Server::start(vec![Script::new().tls(options).send("in").step(Step::CloseNotify).close()]).unwrap();
    let with = Arc::new(client_config(server.authority(), true));
    assert_eq!(connect(server.addr(), &with, "localhost").unwrap().rest(), b"in");
    assert!(server.connections()[0].tls.as_ref().unwrap().client_certificate);

    // In TLS 1.3 the client has finished before it learns.
    let mut without = connect(server.addr(), &trusting(server.authority()), "localhost").unwrap();
    let error = tls_error(&without.read_once().unwrap_err());
    assert_eq!(error, Error::AlertReceived(rustls::AlertDescription::CertificateRequired));
    assert!(server.wait_until(PATIENCE, |all| matches!(all[1].end, Some(End::Tls(_)))));
}

#[test]
fn requests_and_answers_go_through_tls_and_only_plaintext_is_recorded() {
    let script = Script::new().tls(TlsOptions::default()).request().step(Step::Pattern(300_000));
    let server = Server::start(vec![script.step(Step::CloseNotify).close()]).unwrap();
    let mut client = connect(server.addr(), &trusting(server.authority()), "localhost").unwrap();
    client.send("GET / HTTP/1.1\r\n\r\n");
    let body = client.rest();
    assert_eq!(body.len(), 300_000);
    assert!(forebay_testkit::pattern::matches(&body, 0));
    assert_eq!(server.received(0).unwrap(), b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn close_sends_no_close_notify() {
    let server = Server::start(vec![Script::new().tls(TlsOptions::default()).send("cut").close()]).unwrap();
    let mut client = connect(server.addr(), &trusting(server.authority()), "localhost").unwrap();
    assert_eq!(client.exactly(3), b"cut");
    assert_eq!(client.read_once().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_handshake_can_be_cut_or_dripped() {
    let cut = Handshake { cut: Some(100), ..Handshake::default() };
    let every = Duration::from_millis(10);
    let dripped = Handshake { pieces: Some(400), every, ..Handshake::default() };
    let server = Server::start(vec![
        Script::new().tls(cut.clone()).close(),
        Script::new().tls(cut.clone()).reset(),
        Script::new().tls(cut),
        Script::new().tls(dripped).send("made it").step(Step::CloseNotify).close(),
    ])
    .unwrap();
    let config = trusting(server.authority());
    let fails = || connect(server.addr(), &config, "localhost").err().unwrap().kind();
    assert_eq!(fails(), ErrorKind::UnexpectedEof);
    assert_eq!(fails(), ErrorKind::ConnectionReset);

    // Silence after exactly the bytes asked for.
    let mut silent = TcpStream::connect(server.addr()).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ClientConnection::new(Arc::clone(&config), ServerName::try_from("localhost").unwrap()).unwrap();
    tls.write_tls(&mut silent).unwrap();
    let mut bytes = [0; 100];
    silent.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[0], 22);
    assert!(server.wait_until(PATIENCE, |all| all[2].step == 1), "nothing is left to play");
    silent.set_read_timeout(Some(every * 5)).unwrap();
    assert_eq!(silent.read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);

    let begun = Instant::now();
    assert_eq!(connect(server.addr(), &config, "localhost").unwrap().rest(), b"made it");
    assert!(begun.elapsed() >= every);
}

#[test]
fn records_that_no_honest_server_sends() {
    let record = |content_type, bytes: &[u8], times| Step::Record { content_type, bytes: bytes.to_vec(), times };
    let tls = || Script::new().tls(TlsOptions::default()).send("a");
    let server = Server::start(vec![
        // A fatal alert in the middle of an answer: internal_error.
        tls().signal().step(record(21, &[2, 80], 1)),
        // Empty records, then data by the same keys.
        tls().step(record(23, &[], 5)).step(record(23, b"b", 2)).send("c").step(Step::CloseNotify).close(),
        tls().step(Step::KeyUpdates(3)).send("b").step(Step::KeyUpdates(1)).send("c").step(Step::CloseNotify).close(),
        // change_cipher_spec after the handshake, below TLS.
        tls().signal().step(Step::Raw(vec![20, 3, 3, 0, 1, 1].into())).send("b"),
    ])
    .unwrap();
    let config = trusting(server.authority());
    let mut client = connect(server.addr(), &config, "localhost").unwrap();
    assert_eq!(client.exactly(1), b"a");
    server.signal(0);
    let alert = tls_error(&client.read_once().unwrap_err());
    assert_eq!(alert, Error::AlertReceived(rustls::AlertDescription::InternalError));

    assert_eq!(connect(server.addr(), &config, "localhost").unwrap().rest(), b"abbc");
    assert_eq!(connect(server.addr(), &config, "localhost").unwrap().rest(), b"abc");

    let mut client = connect(server.addr(), &config, "localhost").unwrap();
    assert_eq!(client.exactly(1), b"a");
    server.signal(3);
    let refused = tls_error(&client.read_once().unwrap_err());
    assert!(matches!(refused, Error::InappropriateMessage { .. } | Error::PeerMisbehaved(_)), "{refused:?}");
}

#[test]
fn records_of_tls_1_2_are_sealed_too() {
    let record = |content_type, bytes: &[u8], times| Step::Record { content_type, bytes: bytes.to_vec(), times };
    let tls12 = TlsOptions { versions: Versions::Tls12, ..TlsOptions::default() };
    let script = Script::new().tls(tls12).send("a").step(record(23, b"b", 2)).send("c").step(Step::CloseNotify).close();
    let server = Server::start(vec![script]).unwrap();
    assert_eq!(connect(server.addr(), &trusting(server.authority()), "localhost").unwrap().rest(), b"abbc");
}

#[test]
fn records_without_tls_end_the_script() {
    let record = Step::Record { content_type: 21, bytes: vec![2, 40], times: 1 };
    let server = Server::start(vec![Script::new().step(record)]).unwrap();
    let _plain = support::connect(server.addr());
    let ended = |it: &forebay_testkit::script::ConnectionInfo| matches!(it.end, Some(End::Script(_)));
    assert!(server.wait_until(PATIENCE, |all| all.len() == 1 && all.iter().all(ended)));
}

#[test]
fn plain_http_may_answer_a_client_hello() {
    let server =
        Server::start(vec![Script::new().step(Step::Read(5)).send("HTTP/1.1 400 Bad Request\r\n\r\n").close()])
            .unwrap();
    let error = connect(server.addr(), &trusting(server.authority()), "localhost").err().unwrap();
    assert!(matches!(tls_error(&error), Error::InvalidMessage(_)), "{error:?}");
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"));
}
