//! The scripted QUIC server.

#![allow(clippy::unwrap_used)]

#[path = "support/quic.rs"]
mod client;

use std::sync::Arc;

use client::{PATIENCE, begin, config, connect, control, endpoint, eventually, get, run, unheard};
use forebay_testkit::certificates::Authority;
use forebay_testkit::h3::frame;
use forebay_testkit::quic::{
    ConnectionInfo, Door, End, Options, Pieces, Script, Server, Step, StreamEnd, To, Transport,
};
use forebay_testkit::tls::TlsOptions;
use quinn::{ConnectionError, ReadError, ReadToEndError, VarInt};

#[test]
fn what_is_scripted_is_sent_on_its_streams_and_the_rest_is_recorded() {
    let script = Script::new()
        .http3()
        .send(To::Uni(1), frame::varint(frame::stream::QPACK_ENCODER))
        .ended(1)
        .send_in(To::Request(1), frame::response(b"second"), Pieces::Of(1))
        .finish(To::Request(1), b"")
        .finish(To::Request(0), frame::response(b"first"))
        .serve(2, "more");
    let server = Server::start(vec![script]).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let (mut first, first_answer) = begin(&connection, "POST", "/").await;
        assert_eq!(get(&connection, "/").await.unwrap().body, b"second");
        assert_eq!(client::read(first_answer).await.unwrap().body, b"first");
        for _ in 0..3 {
            assert_eq!(get(&connection, "/").await.unwrap().body, b"more");
        }
        let mut types = Vec::new();
        for _ in 0..2 {
            types.push(connection.accept_uni().await.unwrap().read_chunk(1, true).await.unwrap().unwrap().bytes[0]);
        }
        types.sort_unstable();
        assert_eq!(types, [0, 2]);
        first.reset(VarInt::from_u32(0x10c)).unwrap();
        eventually(|| server.connections()[0].requests[0].end == Some(StreamEnd::Reset(0x10c))).await;
        connection.close(VarInt::from_u32(0x105), b"");
        eventually(|| server.connections()[0].end == Some(End::PeerClosed(0x105))).await;
    });
    let connection = &server.connections()[0];
    assert_eq!((connection.alpn.as_deref(), connection.requests.len(), connection.shaken), (Some("h3"), 5, true));
    assert_eq!(connection.requests[1].end, Some(StreamEnd::Fin));
    assert_eq!(server.received_unidirectional(0, 0).unwrap(), frame::control(&[]));
    assert!(server.received(0, 1).unwrap().starts_with(&[1]));
}

#[test]
fn streams_are_reset_stopped_and_connections_closed_with_their_codes() {
    let script = Script::new().streams(1).reset(To::Request(0), 0x10b).stop(0, 0x100).signal().close(0x102);
    let server = Server::start(vec![script]).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let (send, recv) = begin(&connection, "POST", "/").await;
        let reset = ReadError::Reset(VarInt::from_u32(0x10b));
        assert_eq!(client::read(recv).await, Err(ReadToEndError::Read(reset)));
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::from_u32(0x100)));
        server.signal(0);
        let ConnectionError::ApplicationClosed(close) = connection.closed().await else { panic!("a close") };
        assert_eq!(close.error_code.into_inner(), 0x102);
    });
    let closed = server.wait_until(PATIENCE, |all| all[0].end == Some(End::Closed));
    assert!(closed, "{:?}", server.connections());
}

#[test]
fn a_flood_goes_as_far_as_the_client_lets_it() {
    let server = Server::start(vec![Script::new().step(Step::Flood(10_000, vec![0x21]))]).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        let connection = connect(&endpoint, &config, server.addr()).await.unwrap();
        // quinn's own limit, all of it unread. The client may be done with the handshake first.
        eventually(|| server.connections().first().is_some_and(|it| it.flooded == 100)).await;
        drop(connection);
    });
}

#[test]
fn doors_refuse_or_ask_for_proof() {
    let server = Server::start(vec![Script::new().serve(0, "in")]).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        server.set_door(Door::Refuse);
        let error = connect(&endpoint, &config, server.addr()).await.unwrap_err();
        assert!(error.contains("refused"), "{error}");
        server.set_door(Door::Retry);
        let connection = connect(&endpoint, &config, server.addr()).await.unwrap();
        assert_eq!(get(&connection, "/").await.unwrap().body, b"in");
    });
    assert_eq!(server.connections().len(), 1);
}

#[test]
fn a_protocol_that_is_not_spoken_ends_the_handshake() {
    let tls = TlsOptions { alpn: vec!["hq-interop".to_owned()], ..TlsOptions::default() };
    let options = Options { tls, ..Options::default() };
    let server = Server::start_with(&options, Arc::new(Authority::new()), Vec::new()).unwrap();
    run(async {
        let error = connect(&endpoint(), &config(server.authority(), "h3"), server.addr()).await.unwrap_err();
        assert!(error.contains("protocol"), "{error}");
    });
}

#[test]
fn early_data_is_rejected_where_sessions_are_forgotten() {
    let server = Server::start(vec![Script::new().serve(0, "ok")]).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        for expected in [true, false] {
            let first = connect(&endpoint, &config, server.addr()).await.unwrap();
            get(&first, "/").await.unwrap();
            if !expected {
                let tls = TlsOptions { alpn: vec!["h3".to_owned()], ..TlsOptions::default() };
                server.set_options(&tls, &Transport::default());
            }
            let connecting = endpoint.connect_with(config.clone(), server.addr(), "localhost").unwrap();
            let (connection, accepted) = connecting.into_0rtt().map_err(|_| "there is a ticket").unwrap();
            control(&connection).await;
            let (mut send, recv) = begin(&connection, "GET", "/").await;
            send.finish().unwrap();
            if expected {
                let here = |all: &[ConnectionInfo]| all.get(1).is_some_and(|it| it.requests.len() == 1);
                unheard(&connection, || server.wait_until(PATIENCE, here)).await;
            }
            let early = client::read(recv).await;
            assert_eq!(accepted.await, expected);
            match early {
                Ok(response) => assert_eq!((response.body.as_slice(), expected), (&b"ok"[..], true)),
                Err(error) => assert_eq!((error, expected), (ReadToEndError::Read(ReadError::ZeroRttRejected), false)),
            }
            if !expected {
                assert_eq!(get(&connection, "/").await.unwrap().body, b"ok");
            }
        }
    });
    let connections = server.connections();
    let early: Vec<_> = connections.iter().map(|c| c.requests.iter().any(|request| request.early)).collect();
    assert_eq!(early, [false, true, false, false]);
}
