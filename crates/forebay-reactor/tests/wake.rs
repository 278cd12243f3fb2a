//! Wakes from other threads: none is lost, and only a sleeper is signalled.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{self, Poll};
use std::thread;
use std::time::{Duration, Instant};

use support::{PATIENCE, reactor, turn_until};

#[test]
fn an_owner_that_is_awake_is_not_signalled() {
    let reactor = reactor();
    let waker = reactor.waker();
    thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(reactor.signals(), 0);
    assert!(reactor.prepare_wait(), "what was announced while awake is work");
}

#[test]
fn an_owner_that_sleeps_is_signalled_once() {
    let reactor = reactor();
    assert!(!reactor.prepare_wait());
    let waker = reactor.waker();
    thread::spawn(move || (0..3).for_each(|_| waker.wake())).join().unwrap();
    assert_eq!(reactor.signals(), 1);

    let begin = Instant::now();
    reactor.select(Some(PATIENCE));
    assert!(begin.elapsed() < PATIENCE, "the signal ends the wait");
    assert!(!reactor.prepare_wait(), "the wake was used up by waking");
}

#[test]
fn an_owner_that_woke_without_select_is_not_signalled() {
    let reactor = reactor();
    assert!(!reactor.prepare_wait());
    reactor.awake();
    reactor.waker().wake();
    assert_eq!(reactor.signals(), 0);
}

#[test]
fn a_wake_ends_a_wait_without_end() {
    let reactor = reactor();
    let waker = reactor.waker();
    let other = thread::spawn(move || waker.wake());
    assert!(!reactor.turn(None), "it came back and nothing remains");
    other.join().unwrap();
}

#[test]
fn a_task_woken_by_another_thread_runs() {
    let reactor = reactor();
    let (send, wakers) = mpsc::channel::<task::Waker>();
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    reactor.handle().spawn(poll_fn(move |cx| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            send.send(cx.waker().clone()).unwrap();
            return Poll::Pending;
        }
        Poll::Ready(())
    }));
    let other = thread::spawn(move || wakers.recv().unwrap().wake());

    turn_until(&reactor, || reactor.tasks() == 0);
    assert_eq!(polls.get(), 2);
    other.join().unwrap();
}

#[test]
fn a_task_woken_on_the_owners_thread_costs_no_signal_while_it_is_awake() {
    let reactor = reactor();
    let slot = Rc::new(RefCell::new(None::<task::Waker>));
    let inner = Rc::clone(&slot);
    reactor.handle().spawn(poll_fn(move |cx| {
        inner.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    reactor.turn(Some(Duration::ZERO));
    slot.take().unwrap().wake();
    assert_eq!(reactor.signals(), 0);
    assert!(!reactor.run());
    assert!(slot.borrow().is_some(), "the task was polled again");
}

/// The owner sleeps whenever it has nothing to do, and the other thread sends the next command only when the last was taken: each
/// round is a race between falling asleep and waking.
#[test]
fn no_wake_is_lost_in_the_race_with_falling_asleep() {
    const ROUNDS: u32 = 5_000;
    let reactor = reactor();
    let waker = reactor.waker();
    let (commands, queue) = mpsc::channel();
    let (acknowledge, acknowledged) = mpsc::channel();
    let other = thread::spawn(move || {
        for round in 0..ROUNDS {
            commands.send(round).unwrap();
            waker.wake();
            acknowledged.recv().unwrap();
        }
    });

    let mut taken = 0;
    turn_until(&reactor, || {
        for _ in queue.try_iter() {
            taken += 1;
            acknowledge.send(()).unwrap();
        }
        taken == ROUNDS
    });
    other.join().unwrap();
    assert!(reactor.signals() <= u64::from(ROUNDS));
}

#[test]
fn a_waker_outlives_its_reactor() {
    let reactor = reactor();
    let waker = reactor.waker();
    reactor.prepare_wait();
    drop(reactor);
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[cfg(unix)]
#[test]
fn the_descriptor_is_readable_when_the_owner_was_signalled() {
    use std::os::fd::{AsRawFd, RawFd};

    // Another poll watches the reactor's, as an event loop does.
    let reactor = reactor();
    let descriptor: RawFd = reactor.fd();
    let mut outer = mio::Poll::new().unwrap();
    assert_ne!(outer.as_raw_fd(), descriptor);
    let token = mio::Token(1);
    outer.registry().register(&mut mio::unix::SourceFd(&descriptor), token, mio::Interest::READABLE).unwrap();
    let mut events = mio::Events::with_capacity(4);
    outer.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!(events.iter().count(), 0);

    assert!(!reactor.prepare_wait());
    reactor.waker().wake();
    outer.poll(&mut events, Some(PATIENCE)).unwrap();
    assert!(events.iter().any(|event| event.token() == token && event.is_readable()));
}
