//! The HTTP/3 server, and the network before it.

#![allow(clippy::unwrap_used)]

#[path = "support/quic.rs"]
mod quic;

use std::time::Duration;

use forebay_testkit::h1::BODY;
use forebay_testkit::h3::{Going, Options, Server, Transport, frame};
use forebay_testkit::relay::{Faults, Hole, Relay};
use forebay_testkit::{pattern, udp};
use quic::{OK, PATIENCE, begin, config, connect, control, endpoint, eventually, get, read, run, unheard};
use quinn::{ConnectionError, ReadError, ReadToEndError, VarInt};

#[test]
fn paths_are_answered_as_over_the_other_protocols() {
    let server = Server::start(&Options::default()).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let text = get(&connection, "/").await.unwrap();
        assert_eq!((text.body.as_slice(), text.heads.len(), text.heads[0][2]), (BODY.as_bytes(), 1, OK));
        let bytes = get(&connection, "/bytes/300000").await.unwrap().body;
        assert!(bytes.len() == 300_000 && pattern::matches(&bytes, 0));
        let trailed = get(&connection, "/trailers/10/3").await.unwrap();
        assert_eq!((trailed.heads.len(), trailed.body.len()), (2, 10));
        assert_eq!(get(&connection, "/interim/2").await.unwrap().heads.len(), 3);
        assert_eq!(get(&connection, "/slow/3/1").await.unwrap().body, [0, 1, 2]);
        for path in ["/echo", "/echo-late"] {
            let (mut send, recv) = begin(&connection, "POST", path).await;
            send.write_all(&[frame::data(b"there "), frame::data(b"and back")].concat()).await.unwrap();
            send.finish().unwrap();
            assert_eq!(read(recv).await.unwrap().body, b"there and back");
        }
    });
    assert!(server.wait_until(PATIENCE, |stats| stats.streams_completed == 7), "{:?}", server.stats());
    let stats = server.stats();
    assert_eq!((stats.connections_accepted, stats.handshakes, stats.streams_active), (1, 1, 0));
    assert_eq!(stats.body_bytes_received, 28);
}

#[test]
fn an_early_answer_asks_to_stop_and_resets_have_their_codes() {
    let server = Server::start(&Options::default()).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let (send, recv) = begin(&connection, "POST", "/early/413/5").await;
        assert_eq!(read(recv).await.unwrap().body, [0, 1, 2, 3, 4]);
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::from_u64(frame::code::NO_ERROR).unwrap()));
        let (_send, recv) = begin(&connection, "GET", "/reset/267").await;
        assert_eq!(read(recv).await, Err(ReadToEndError::Read(ReadError::Reset(VarInt::from_u32(267)))));
    });
    assert!(server.wait_until(PATIENCE, |stats| stats.streams_broken == 1), "{:?}", server.stats());
}

#[test]
fn what_is_beyond_a_goaway_is_rejected_and_what_was_before_finishes() {
    let server = Server::start(&Options::default()).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let (mut held, answer) = begin(&connection, "POST", "/echo-late").await;
        held.write_all(&frame::data(b"held")).await.unwrap();
        eventually(|| server.stats().streams_active == 1).await;
        server.end(Going::Gracefully);
        eventually(|| server.stats().goaways_sent == 1).await;
        let mut goes = connection.accept_uni().await.unwrap();
        let expected = frame::goaway(4);
        let mut seen = Vec::new();
        while !seen.ends_with(&expected) {
            seen.extend_from_slice(&goes.read_chunk(100, true).await.unwrap().unwrap().bytes);
        }
        for _ in 0..2 {
            let rejected = ReadError::Reset(VarInt::from_u64(frame::code::REQUEST_REJECTED).unwrap());
            assert_eq!(get(&connection, "/").await, Err(ReadToEndError::Read(rejected)));
        }
        held.finish().unwrap();
        assert_eq!(read(answer).await.unwrap().body, b"held");
    });
}

#[test]
fn credit_is_what_was_told_and_may_grow() {
    let transport = Transport { max_bidi_streams: 2, ..Transport::default() };
    let server = Server::start(&Options { transport, ..Options::default() }).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        let held = [begin(&connection, "POST", "/echo-late").await, begin(&connection, "POST", "/echo-late").await];
        let third = tokio::time::timeout(Duration::from_millis(50), connection.open_bi()).await;
        assert!(third.is_err(), "there is no credit");
        server.set_credit(3);
        let _third = connection.open_bi().await.unwrap();
        drop(held);
    });
}

#[test]
fn who_goes_on_with_a_forgotten_connection_is_told() {
    let server = Server::start(&Options::default()).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        let connection = connect(&endpoint, &config, server.addr()).await.unwrap();
        get(&connection, "/").await.unwrap();
        server.end(Going::Forgotten);
        eventually(|| server.stats().connections_closed == 1).await;
        let asked = connection.open_bi().await;
        let end = match asked {
            Ok((mut send, _recv)) => {
                // Longer than a stateless reset, which must be shorter than what it answers.
                let _ = send.write_all(&[0; 500]).await;
                connection.closed().await
            }
            Err(error) => error,
        };
        assert_eq!(end, ConnectionError::Reset);
        let again = connect(&endpoint, &config, server.addr()).await.unwrap();
        assert_eq!(get(&again, "/").await.unwrap().body, BODY.as_bytes());
        server.end(Going::Abruptly(frame::code::INTERNAL_ERROR));
        let ConnectionError::ApplicationClosed(close) = again.closed().await else { panic!("an application's close") };
        assert_eq!(close.error_code.into_inner(), frame::code::INTERNAL_ERROR);
    });
}

#[test]
fn early_data_is_taken_counted_and_can_be_too_early() {
    let server = Server::start(&Options::default()).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        let first = connect(&endpoint, &config, server.addr()).await.unwrap();
        get(&first, "/").await.unwrap();
        first.close(VarInt::from_u32(0x100), b"");
        let connecting = endpoint.connect_with(config, server.addr(), "localhost").unwrap();
        let (connection, accepted) = connecting.into_0rtt().map_err(|_| "there is a ticket").unwrap();
        control(&connection).await;
        let (mut send, recv) = begin(&connection, "GET", "/too-early").await;
        send.finish().unwrap();
        unheard(&connection, || server.wait_until(PATIENCE, |stats| stats.streams_begun == 2)).await;
        let (early, late) = (read(recv).await.unwrap(), accepted.await);
        assert!(late, "it was accepted");
        assert_ne!(early.heads[0][2], OK);
        assert_eq!(get(&connection, "/too-early").await.unwrap().heads[0][2], OK);
    });
    assert_eq!(server.stats().streams_early, 1);
}

#[test]
fn an_address_may_have_to_prove_itself() {
    let server = Server::start(&Options { retry: true, ..Options::default() }).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), server.addr()).await.unwrap();
        get(&connection, "/").await.unwrap();
    });
    let stats = server.stats();
    assert_eq!((stats.retries_sent, stats.connections_accepted), (1, 1));
}

#[test]
fn a_bad_network_is_got_through_and_another_address_is_followed() {
    let server = Server::start(&Options::default()).unwrap();
    let faults = Faults { drop: 5.0, reorder: 10.0, duplicate: 5.0, corrupt: 2.0, ..Faults::default() };
    let relay = Relay::start(server.addr(), faults).unwrap();
    run(async {
        let endpoint = endpoint();
        let connection = connect(&endpoint, &config(server.authority(), "h3"), relay.addr()).await.unwrap();
        let body = get(&connection, "/bytes/1000000").await.unwrap().body;
        assert!(body.len() == 1_000_000 && pattern::matches(&body, 0));
        relay.set_faults(Faults::default());
        relay.rebind();
        assert_eq!(get(&connection, "/").await.unwrap().body, BODY.as_bytes());
    });
    let stats = relay.stats();
    assert!(stats.lost > 0 && stats.overtaken > 0 && stats.duplicated > 0 && stats.corrupted > 0, "{stats:?}");
    assert_eq!((stats.clients, server.stats().handshakes), (2, 1));
}

#[test]
fn a_hole_and_other_doors_give_no_connection() {
    let server = Server::start(&Options::default()).unwrap();
    let relay = Relay::start(server.addr(), Faults::default()).unwrap();
    relay.set_hole(Hole::ToClient);
    let versions = udp::Server::start(udp::Door::Versions).unwrap();
    run(async {
        let endpoint = endpoint();
        let config = config(server.authority(), "h3");
        let dial = connect(&endpoint, &config, relay.addr());
        assert!(tokio::time::timeout(Duration::from_millis(300), dial).await.is_err());
        let error = connect(&endpoint, &config, versions.addr()).await.unwrap_err();
        assert!(error.contains("version"), "{error}");
        // The server may answer what has come only now.
        eventually(|| relay.stats().swallowed > 0).await;
    });
    assert!(versions.packets() > 0);
}
