//! Datagrams over loopback, and tasks that come through a handle that may be shared.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use forebay_reactor::{Datagrams, Raw, Reactor};
use socket2::SockRef;
use support::{Wakes, block_on, reactor, turn_until};

fn datagrams(reactor: &Reactor) -> Arc<Datagrams> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    Arc::new(reactor.handle().shareable().datagrams(socket).unwrap())
}

/// How many bytes of one datagram came, and from whom.
fn receive(raw: &Raw<'_>) -> io::Result<(usize, SocketAddr)> {
    let mut room = [const { std::mem::MaybeUninit::uninit() }; 64];
    let (got, from) = SockRef::from(raw).recv_from(&mut room)?;
    Ok((got, from.as_socket().unwrap()))
}

fn send(socket: &Datagrams, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    socket.try_send(|raw| SockRef::from(raw).send_to(bytes, &to.into()).map(drop))
}

#[test]
fn a_datagram_goes_there_and_an_answer_comes_back() {
    let reactor = reactor();
    let socket = datagrams(&reactor);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = peer.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let mut bytes = [0; 64];
        let (got, from) = peer.recv_from(&mut bytes).unwrap();
        peer.send_to(&bytes[..got], from).unwrap();
    });
    let ours = socket.clone();
    let got = block_on(&reactor, async move {
        send(&ours, b"hello", to).unwrap();
        let mut from = None;
        poll_fn(|cx| {
            ours.poll_receive(cx, 2, |raw| {
                let (got, peer) = receive(raw)?;
                from = Some((got, peer));
                Ok(1)
            })
        })
        .await
        .unwrap();
        from.unwrap()
    });
    echo.join().unwrap();
    assert_eq!(got, (5, to));
    drop(socket);
    assert_eq!((reactor.tasks(), reactor.sockets()), (0, 0));
}

#[test]
fn each_datagram_wakes_its_reader_though_the_last_read_was_short() {
    let reactor = reactor();
    let socket = datagrams(&reactor);
    let to = socket.local_addr().unwrap();
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..3 {
        let ours = socket.clone();
        peer.send_to(b"x", to).unwrap();
        // One of two batches: no further call is made to learn that nothing is there.
        let calls = block_on(&reactor, async move {
            let mut calls = 0;
            poll_fn(|cx| {
                ours.poll_receive(cx, 2, |raw| {
                    calls += 1;
                    receive(raw).map(|_| 1)
                })
            })
            .await
            .unwrap();
            calls
        });
        assert_eq!(calls, 1);
        let cx = Context::from_waker(std::task::Waker::noop());
        let poll = socket.poll_receive(&cx, 2, |raw| receive(raw).map(|_| 1));
        assert!(cfg!(not(unix)) || poll.is_pending());
    }
}

#[test]
fn all_who_wait_are_woken_once_the_socket_can_be_written_to_again() {
    let reactor = reactor();
    let socket = datagrams(&reactor);
    let (one, two) = (socket.writer(), socket.writer());
    let (seen, waker) = Wakes::new();
    let cx = Context::from_waker(&waker);
    assert!(matches!(one.poll_writable(&cx), Poll::Ready(Ok(()))), "writable until a write says otherwise");

    let blocked = socket.try_send(|_| Err(ErrorKind::WouldBlock.into()));
    assert_eq!(blocked.unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(one.poll_writable(&cx).is_pending() && two.poll_writable(&cx).is_pending());
    turn_until(&reactor, || seen.count() == 2);
    assert!(matches!(one.poll_writable(&cx), Poll::Ready(Ok(()))));
    assert!(matches!(two.poll_writable(&cx), Poll::Ready(Ok(()))));

    // Not watched any more: what leaves wakes nobody.
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    send(&socket, b"x", peer.local_addr().unwrap()).unwrap();
    reactor.turn(Some(Duration::ZERO));
    assert_eq!(seen.count(), 2);
}

#[test]
fn a_writer_that_is_gone_is_not_woken() {
    let reactor = reactor();
    let socket = datagrams(&reactor);
    let (stays, goes) = (socket.writer(), socket.writer());
    let (seen, waker) = Wakes::new();
    let (none, other) = Wakes::new();
    let _ = socket.try_send(|_| Err(ErrorKind::WouldBlock.into()));
    assert!(stays.poll_writable(&Context::from_waker(&waker)).is_pending());
    assert!(goes.poll_writable(&Context::from_waker(&other)).is_pending());
    drop(goes);
    turn_until(&reactor, || seen.count() == 1);
    assert_eq!(none.count(), 0);
}

#[test]
fn a_task_from_another_thread_wakes_the_owner() {
    let reactor = reactor();
    let handle = reactor.handle().shareable();
    let done = Arc::new(AtomicUsize::new(0));
    let theirs = done.clone();
    let other = thread::spawn(move || {
        for _ in 0..10 {
            let done = theirs.clone();
            handle.spawn(Box::pin(async move {
                done.fetch_add(1, SeqCst);
            }));
        }
    });
    turn_until(&reactor, || done.load(SeqCst) == 10);
    other.join().unwrap();
    assert_eq!(reactor.tasks(), 0);
}

#[test]
fn tasks_that_come_after_the_shutdown_are_dropped() {
    let reactor = reactor();
    let handle = reactor.handle().shareable();
    let (kept, waiting) = (Arc::new(()), Arc::new(()));
    let before = waiting.clone();
    handle.spawn(Box::pin(async move { drop(before) }));
    reactor.shutdown();
    assert_eq!(Arc::strong_count(&waiting), 1, "what was no task yet is dropped too");
    let after = kept.clone();
    handle.spawn(Box::pin(async move { drop(after) }));
    assert_eq!(Arc::strong_count(&kept), 1);
    assert!(!reactor.run());
}
