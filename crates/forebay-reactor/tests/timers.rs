//! Timers on a settable clock.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use forebay_reactor::{Handle, Timer};
use support::{PATIENCE, Wakes, reactor, reactor_on_a_clock};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

type Log = Rc<RefCell<Vec<&'static str>>>;

/// Waits until `at` in a task of its own, then writes `name` down.
fn at(handle: &Handle, at: Instant, name: &'static str, log: &Log) {
    let (mut timer, log) = (handle.timer(), Rc::clone(log));
    timer.reset(at);
    handle.spawn(async move {
        poll_fn(|cx| timer.poll(cx)).await;
        log.borrow_mut().push(name);
    });
}

/// Polls outside of any task.
fn is_ready(timer: &mut Timer) -> bool {
    timer.poll(&Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_before() {
    let (reactor, clock) = reactor_on_a_clock();
    let log = Log::default();
    at(&reactor.handle(), clock.now() + SECOND, "fired", &log);
    reactor.run();
    assert_eq!(reactor.next_deadline(), Some(clock.now() + SECOND));

    clock.advance(999 * MILLISECOND);
    assert!(!reactor.run());
    assert_eq!(*log.borrow(), [""; 0]);

    clock.advance(MILLISECOND);
    assert!(!reactor.run());
    assert_eq!(*log.borrow(), ["fired"]);
    assert_eq!((reactor.timers(), reactor.next_deadline()), (0, None));
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines_and_equal_ones_as_they_were_set() {
    let (reactor, clock) = reactor_on_a_clock();
    let (log, handle, now) = (Log::default(), reactor.handle(), clock.now());
    at(&handle, now + 3 * SECOND, "last", &log);
    at(&handle, now + 2 * SECOND, "third", &log);
    at(&handle, now + SECOND, "first", &log);
    at(&handle, now + SECOND, "second", &log);
    reactor.run();

    clock.advance(3 * SECOND);
    reactor.run();
    assert_eq!(*log.borrow(), ["first", "second", "third", "last"]);
}

#[test]
fn a_timer_that_is_moved_later_waits_for_the_later_time() {
    let (reactor, clock) = reactor_on_a_clock();
    let (woken, waker) = Wakes::new();
    let (mut timer, start) = (reactor.handle().timer(), clock.now());
    timer.reset(start + SECOND);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
    timer.reset(start + 2 * SECOND);

    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 0);
    assert_eq!(reactor.next_deadline(), Some(start + 2 * SECOND), "the early entry came up and went back");

    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 1);
    assert!(is_ready(&mut timer));
}

#[test]
fn a_timer_that_is_moved_earlier_fires_at_the_earlier_time_and_once() {
    let (reactor, clock) = reactor_on_a_clock();
    let (woken, waker) = Wakes::new();
    let (mut timer, start) = (reactor.handle().timer(), clock.now());
    timer.reset(start + 2 * SECOND);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
    timer.reset(start + SECOND);
    assert_eq!(reactor.next_deadline(), Some(start + SECOND));

    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 1);
    assert!(is_ready(&mut timer));

    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 1, "the entry of the later time is void");
}

#[test]
fn a_fired_timer_stays_ready_until_it_is_set_again() {
    let (reactor, clock) = reactor_on_a_clock();
    let (mut timer, start) = (reactor.handle().timer(), clock.now());
    timer.reset(start);
    reactor.run();
    assert!(is_ready(&mut timer));
    assert!(is_ready(&mut timer));
    assert_eq!((timer.deadline(), reactor.next_deadline()), (Some(start), None));

    let (woken, waker) = Wakes::new();
    timer.reset(start + SECOND);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 1);
}

#[test]
fn a_timer_that_is_not_set_waits_and_is_woken_once_it_is_set() {
    let (reactor, clock) = reactor_on_a_clock();
    let (woken, waker) = Wakes::new();
    let mut timer = reactor.handle().timer();
    assert_eq!(timer.deadline(), None);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 0);

    timer.reset(clock.now());
    reactor.run();
    assert_eq!(woken.count(), 1);
}

#[test]
fn a_cleared_timer_does_not_fire_and_sets_no_deadline() {
    let (reactor, clock) = reactor_on_a_clock();
    let (woken, waker) = Wakes::new();
    let (mut timer, start) = (reactor.handle().timer(), clock.now());
    timer.reset(start + SECOND);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
    timer.clear();
    assert_eq!((timer.deadline(), reactor.next_deadline()), (None, None));
    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 0);
    assert!(timer.poll(&Context::from_waker(&waker)).is_pending());

    timer.reset(start + 2 * SECOND);
    clock.advance(SECOND);
    reactor.run();
    assert_eq!(woken.count(), 1, "it can be set again");
}

#[test]
fn clearing_a_fired_timer_makes_it_wait() {
    let (reactor, clock) = reactor_on_a_clock();
    let mut timer = reactor.handle().timer();
    timer.reset(clock.now());
    reactor.run();
    timer.clear();
    assert!(!is_ready(&mut timer));
}

#[test]
fn a_dropped_timer_is_gone_and_does_not_speak_for_the_one_in_its_place() {
    let (reactor, clock) = reactor_on_a_clock();
    let (woken, waker) = Wakes::new();
    let (mut timer, start) = (reactor.handle().timer(), clock.now());
    timer.reset(start + SECOND);
    drop(timer);
    assert_eq!((reactor.timers(), reactor.next_deadline()), (0, None));

    let mut other = reactor.handle().timer();
    other.reset(start + 2 * SECOND);
    assert!(other.poll(&Context::from_waker(&waker)).is_pending());
    clock.advance(SECOND);
    reactor.run();
    assert_eq!((woken.count(), reactor.timers()), (0, 1));
}

#[test]
fn a_task_that_a_timer_wakes_runs_in_the_same_run() {
    let (reactor, clock) = reactor_on_a_clock();
    let log = Log::default();
    at(&reactor.handle(), clock.now() + SECOND, "fired", &log);
    reactor.run();
    clock.advance(SECOND);
    assert!(!reactor.run(), "nothing remains");
    assert_eq!(*log.borrow(), ["fired"]);
}

#[test]
fn a_ready_task_is_polled_before_a_due_timer_fires() {
    let (reactor, clock) = reactor_on_a_clock();
    let (log, handle) = (Log::default(), reactor.handle());
    at(&handle, clock.now() + SECOND, "deadline", &log);
    reactor.run();
    clock.advance(SECOND);
    let ready = Rc::clone(&log);
    handle.spawn(async move { ready.borrow_mut().push("ready task") });

    reactor.run();
    assert_eq!(*log.borrow(), ["ready task", "deadline"]);
}

#[test]
fn a_turn_on_the_clock_of_the_system_ends_at_the_next_deadline() {
    let reactor = reactor();
    let (log, handle) = (Log::default(), reactor.handle());
    let begin = Instant::now();
    at(&handle, begin + 5 * MILLISECOND, "fired", &log);
    // Spawning is work, so the first turn does not wait.
    while log.borrow().is_empty() {
        reactor.turn(Some(PATIENCE));
    }
    assert!(begin.elapsed() >= 5 * MILLISECOND);
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn the_time_is_fresh_outside_of_a_run() {
    let reactor = reactor();
    let handle = reactor.handle();
    reactor.run();
    let before = Instant::now();
    assert!(handle.now() >= before);
}

#[test]
fn timers_can_be_shared_between_threads_as_quic_asks() {
    fn send_and_sync<T: Send + Sync>(_: &T) {}
    let (reactor, _) = reactor_on_a_clock();
    send_and_sync(&reactor.handle().timer());
}

#[test]
fn a_waiting_task_polled_again_keeps_its_deadline() {
    let (reactor, clock) = reactor_on_a_clock();
    let (old, first) = Wakes::new();
    let (new, second) = Wakes::new();
    let mut timer = reactor.handle().timer();
    timer.reset(clock.now() + SECOND);
    assert_eq!(timer.poll(&Context::from_waker(&first)), Poll::Pending);
    assert_eq!(timer.poll(&Context::from_waker(&second)), Poll::Pending);

    clock.advance(SECOND);
    reactor.run();
    assert_eq!((old.count(), new.count()), (0, 1), "the last to ask is woken");
}
