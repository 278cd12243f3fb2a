//! Streams over loopback, against peers from the standard library.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use forebay_reactor::{ConnectOptions, Handle, Stream};
use support::{
    Count, Wakes, block_on, bump, connect, connected, poll_read, reactor, read, turn_until, write, write_all,
};

/// Waits until the poll has said that something can be read, without reading.
async fn unquiet(stream: &Stream) {
    while stream.is_quiet() {
        support::step_back().await;
    }
}

/// An address that stays taken while the socket lives, and where nobody listens.
fn refusing() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn bytes_go_there_and_come_back() {
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    let echo = thread::spawn(move || {
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).unwrap();
        peer.write_all(&bytes).unwrap();
    });
    let got = block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        write_all(&mut stream, b"hello").await.unwrap();
        read::<64>(&mut stream).await.unwrap()
    });
    echo.join().unwrap();
    assert_eq!(got, b"hello");
    assert_eq!((reactor.tasks(), reactor.sockets(), reactor.timers()), (0, 0, 0));
}

#[test]
fn a_stream_knows_both_addresses_once_it_is_connected() {
    let reactor = reactor();
    let (stream, peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());
        assert_eq!(stream.local_addr().unwrap(), peer.peer_addr().unwrap());
        assert!(peer.peer_addr().unwrap().ip().is_loopback());
    });
}

#[test]
fn large_bodies_pass_both_ways_at_once_through_full_buffers() {
    const BYTES: usize = 8 << 20;
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    let pattern: Rc<Vec<u8>> = Rc::new((0..BYTES).map(|at| (at % 251).to_le_bytes()[0]).collect());
    let echo = thread::spawn(move || {
        let mut bytes = vec![0; 100_000];
        loop {
            match peer.read(&mut bytes).unwrap() {
                0 => return,
                got => peer.write_all(&bytes[..got]).unwrap(),
            }
        }
    });
    let sent = Rc::clone(&pattern);
    let received = block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        let (mut at, mut received) = (0, Vec::new());
        poll_fn(|cx| {
            while at < BYTES {
                let slices = [IoSlice::new(&sent[at..BYTES.min(at + 10)]), IoSlice::new(&sent[BYTES.min(at + 10)..])];
                match tokio::io::AsyncWrite::poll_write_vectored(Pin::new(&mut stream), cx, &slices) {
                    Poll::Ready(took) => at += took.unwrap(),
                    Poll::Pending => break,
                }
            }
            if at == BYTES {
                let _ = tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut stream), cx);
            }
            while let Poll::Ready(got) = poll_read::<100_000>(&mut stream, cx) {
                let got = got.unwrap();
                if got.is_empty() {
                    return Poll::Ready(());
                }
                received.extend(got);
            }
            Poll::Pending
        })
        .await;
        received
    });
    echo.join().unwrap();
    assert!(received == *pattern, "{} bytes came back, in order or not", received.len());
}

#[test]
fn more_slices_than_the_system_takes_at_once_all_pass() {
    const SLICES: usize = 5000;
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        let mut left = SLICES;
        while left > 0 {
            let slices = vec![IoSlice::new(b"x"); left];
            left -= poll_fn(|cx| tokio::io::AsyncWrite::poll_write_vectored(Pin::new(&mut stream), cx, &slices))
                .await
                .unwrap();
        }
    });
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), SLICES);
}

#[test]
fn an_end_that_came_with_the_data_is_seen() {
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let reads = block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        [read::<64>(&mut stream).await.unwrap(), read::<64>(&mut stream).await.unwrap()]
    });
    assert_eq!(reads, [b"last words".to_vec(), Vec::new()]);
}

#[test]
fn an_end_is_seen_again_by_every_further_read() {
    let reactor = reactor();
    let (mut stream, peer) = connect(&reactor.handle());
    drop(peer);
    block_on(&reactor, async move {
        for _ in 0..3 {
            assert_eq!(read::<64>(&mut stream).await.unwrap(), b"");
        }
    });
}

#[cfg(unix)]
#[test]
fn after_a_short_read_the_socket_is_known_to_be_drained() {
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        assert!(stream.is_quiet());
        peer.write_all(b"abc").unwrap();
        unquiet(&stream).await;
        assert_eq!(read::<3>(&mut stream).await.unwrap(), b"abc");
        assert!(!stream.is_quiet(), "a full read proves nothing");
        let (woken, waker) = Wakes::new();
        assert!(poll_read::<3>(&mut stream, &mut Context::from_waker(&waker)).is_pending());
        assert!(stream.is_quiet(), "a read that would block does");
        assert_eq!(woken.count(), 0);

        peer.write_all(b"abc").unwrap();
        assert_eq!(read::<4>(&mut stream).await.unwrap(), b"abc");
        assert!(stream.is_quiet(), "a short one does");

        peer.write_all(b"d").unwrap();
        assert_eq!(read::<4>(&mut stream).await.unwrap(), b"d", "the next byte gives another event");
    });
}

#[test]
fn a_stream_is_not_quiet_once_the_peer_has_closed() {
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        assert!(stream.is_quiet());
        peer.write_all(b"abc").unwrap();
        drop(peer);
        assert_eq!(read::<4>(&mut stream).await.unwrap(), b"abc");
        unquiet(&stream).await;
        assert_eq!(read::<4>(&mut stream).await.unwrap(), b"");
        assert!(!stream.is_quiet());
    });
}

#[test]
fn a_peer_that_resets_is_an_error_with_its_kind() {
    let reactor = reactor();
    let (mut stream, peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        write_all(&mut stream, b"never read").await.unwrap();
        // Closed with unread bytes: the system answers with a reset.
        let mut first = [0; 1];
        (&peer).read_exact(&mut first).unwrap();
        drop(peer);
        assert_eq!(read::<64>(&mut stream).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_shutdown_tells_the_peer_and_leaves_the_way_back_open() {
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    let answer = thread::spawn(move || {
        let mut request = Vec::new();
        peer.read_to_end(&mut request).unwrap();
        peer.write_all(b"answer").unwrap();
        request
    });
    let got = block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        write_all(&mut stream, b"request").await.unwrap();
        poll_fn(|cx| hyper::rt::Write::poll_shutdown(Pin::new(&mut stream), cx)).await.unwrap();
        read::<64>(&mut stream).await.unwrap()
    });
    assert_eq!(answer.join().unwrap(), b"request");
    assert_eq!(got, b"answer");
}

#[test]
fn a_port_without_a_listener_refuses() {
    let reactor = reactor();
    let handle = reactor.handle();
    let (_taken, peer) = refusing();
    let error = block_on(&reactor, async move {
        match Stream::connect(&handle, peer, &ConnectOptions::default()) {
            Ok(stream) => connected(&stream).await.unwrap_err(),
            Err(at_once) => at_once,
        }
    });
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(reactor.sockets(), 0);
}

#[test]
fn a_stream_leaves_from_the_chosen_address() {
    let local_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let reactor = reactor();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let options = ConnectOptions { local_address: Some(local_address), ..ConnectOptions::default() };
    let stream = Stream::connect(&reactor.handle(), listener.local_addr().unwrap(), &options).unwrap();
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), local_address);
    });
}

#[test]
fn an_address_of_another_family_cannot_be_left_from() {
    let reactor = reactor();
    let options = ConnectOptions { local_address: Some(Ipv6Addr::LOCALHOST.into()), ..ConnectOptions::default() };
    let (_taken, peer) = refusing();
    assert!(Stream::connect(&reactor.handle(), peer, &options).is_err());
    assert_eq!(reactor.sockets(), 0);
}

#[test]
fn a_stream_that_is_dropped_while_it_connects_or_waits_is_forgotten() {
    let reactor = reactor();
    let (connecting, _first) = connect(&reactor.handle());
    let (waiting, _second) = connect(&reactor.handle());
    let (woken, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut waiting = Box::new(waiting);
    assert!(poll_read::<1>(&mut waiting, &mut cx).is_pending());
    assert_eq!(reactor.sockets(), 2);

    drop((connecting, waiting));
    reactor.turn(Some(std::time::Duration::ZERO));
    assert_eq!((reactor.sockets(), woken.count()), (0, 0));
}

#[test]
fn the_socket_is_closed_with_the_stream() {
    let reactor = reactor();
    let (stream, mut peer) = connect(&reactor.handle());
    drop(stream);
    peer.set_read_timeout(Some(support::PATIENCE)).unwrap();
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_task_that_could_read_for_ever_lets_others_go_on() {
    const BYTES: usize = 1000;
    let reactor = reactor();
    let (mut stream, mut peer) = connect(&reactor.handle());
    peer.write_all(&[7; BYTES]).unwrap();
    let (most, total, rounds) = (Count::default(), Count::default(), Count::default());
    let (in_one_poll, sum, round) = (Rc::clone(&most), Rc::clone(&total), Rc::clone(&rounds));
    reactor.handle().spawn(poll_fn(move |cx| {
        let before = sum.get();
        while let Poll::Ready(got) = poll_read::<1>(&mut stream, cx) {
            sum.set(sum.get() + got.unwrap().len());
            if sum.get() == BYTES {
                return Poll::Ready(());
            }
        }
        if sum.get() > before {
            bump(&round);
        }
        in_one_poll.set(in_one_poll.get().max(sum.get() - before));
        Poll::Pending
    }));

    turn_until(&reactor, || total.get() == BYTES);
    assert!(most.get() <= 32, "{} reads in one poll", most.get());
    assert!(rounds.get() > 1);
}

#[test]
fn the_reads_of_one_task_are_not_counted_against_the_next() {
    const BYTES: usize = 20;
    let reactor = reactor();
    let polls_with_data = Count::default();
    for _ in 0..2 {
        let (mut stream, mut peer) = connect(&reactor.handle());
        peer.write_all(&[7; BYTES]).unwrap();
        let (polls, mut total) = (Rc::clone(&polls_with_data), 0);
        reactor.handle().spawn(poll_fn(move |cx| {
            let before = total;
            while total < BYTES {
                let Poll::Ready(got) = poll_read::<1>(&mut stream, cx) else {
                    break;
                };
                total += got.unwrap().len();
            }
            if total > before {
                bump(&polls);
            }
            if total == BYTES { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    turn_until(&reactor, || reactor.tasks() == 0);
    assert_eq!(polls_with_data.get(), 2, "each took all of its bytes at once");
}

#[test]
fn a_zero_write_and_a_read_without_room_ask_nothing_of_the_peer() {
    let reactor = reactor();
    let (mut stream, _peer) = connect(&reactor.handle());
    block_on(&reactor, async move {
        connected(&stream).await.unwrap();
        assert_eq!(write(&mut stream, b"").await.unwrap(), 0);
        assert_eq!(read::<0>(&mut stream).await.unwrap(), b"");
    });
}

/// All ways to read and write that the traits offer, on fresh connections.
#[test]
fn both_traits_read_and_write_alike() {
    async fn exchange(handle: Handle) -> Vec<Vec<u8>> {
        let (mut stream, mut peer) = connect(&handle);
        connected(&stream).await.unwrap();
        let slices = [IoSlice::new(b"one"), IoSlice::new(b" two")];
        let mut seen = Vec::new();

        poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut stream), cx, b"hyper")).await.unwrap();
        seen.push(peer_read(&mut peer));
        poll_fn(|cx| hyper::rt::Write::poll_write_vectored(Pin::new(&mut stream), cx, &slices)).await.unwrap();
        seen.push(peer_read(&mut peer));
        poll_fn(|cx| tokio::io::AsyncWrite::poll_write(Pin::new(&mut stream), cx, b"tokio")).await.unwrap();
        seen.push(peer_read(&mut peer));
        poll_fn(|cx| tokio::io::AsyncWrite::poll_write_vectored(Pin::new(&mut stream), cx, &slices)).await.unwrap();
        seen.push(peer_read(&mut peer));
        assert!(hyper::rt::Write::is_write_vectored(&stream) && tokio::io::AsyncWrite::is_write_vectored(&stream));

        peer.write_all(b"to hyper").unwrap();
        let mut bytes = [0; 64];
        let mut into = hyper::rt::ReadBuf::new(&mut bytes);
        poll_fn(|cx| hyper::rt::Read::poll_read(Pin::new(&mut stream), cx, into.unfilled())).await.unwrap();
        seen.push(into.filled().to_vec());

        peer.write_all(b"to tokio").unwrap();
        let mut bytes = [0; 64];
        let mut into = tokio::io::ReadBuf::new(&mut bytes);
        poll_fn(|cx| tokio::io::AsyncRead::poll_read(Pin::new(&mut stream), cx, &mut into)).await.unwrap();
        seen.push(into.filled().to_vec());
        seen
    }

    let reactor = reactor();
    let seen = block_on(&reactor, exchange(reactor.handle()));
    let expected: [&[u8]; 6] = [b"hyper", b"one two", b"tokio", b"one two", b"to hyper", b"to tokio"];
    assert_eq!(seen, expected);
}

fn peer_read(peer: &mut std::net::TcpStream) -> Vec<u8> {
    let mut bytes = [0; 64];
    let got = peer.read(&mut bytes).unwrap();
    bytes[..got].to_vec()
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// A path of its own, removed at the end.
    struct Path(PathBuf);

    impl Path {
        fn new() -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let name = format!("forebay-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Relaxed));
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Path {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_unix_socket_carries_bytes_as_well() {
        let (reactor, path) = (reactor(), Path::new());
        let listener = UnixListener::bind(&path.0).unwrap();
        let mut stream = Stream::connect_unix(&reactor.handle(), &path.0).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let reads = block_on(&reactor, async move {
            connected(&stream).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
            write_all(&mut stream, b"ping").await.unwrap();
            let mut request = [0; 4];
            peer.read_exact(&mut request).unwrap();
            peer.write_all(b"pong").unwrap();
            drop(peer);
            [request.to_vec(), read::<64>(&mut stream).await.unwrap(), read::<64>(&mut stream).await.unwrap()]
        });
        assert_eq!(reads, [b"ping".to_vec(), b"pong".to_vec(), Vec::new()]);
        assert_eq!(reactor.sockets(), 0);
    }

    #[test]
    fn a_unix_socket_that_is_not_there_fails_at_once() {
        let (reactor, path) = (reactor(), Path::new());
        let error = Stream::connect_unix(&reactor.handle(), &path.0).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(reactor.sockets(), 0);
    }
}
