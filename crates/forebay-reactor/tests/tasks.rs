//! Tasks: order, fairness, the budget of a run, panics and the shutdown.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use forebay_reactor::Handle;
use support::{Count, bump, reactor, reactor_on_a_clock, step_back};

/// As documented at `run`: the clock is looked at every so many polls.
const POLLS_PER_LOOK: usize = 4;

/// A task that is always ready, and how often it was polled.
fn restless(handle: &Handle) -> Count {
    let polls = Count::default();
    let count = Rc::clone(&polls);
    handle.spawn(async move {
        loop {
            bump(&count);
            step_back().await;
        }
    });
    polls
}

#[test]
fn tasks_are_polled_in_the_order_in_which_they_were_spawned() {
    let reactor = reactor();
    let order = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let order = Rc::clone(&order);
        reactor.handle().spawn(async move { order.borrow_mut().push(number) });
    }

    assert!(!reactor.run());
    assert_eq!(*order.borrow(), [0, 1, 2]);
    assert_eq!(reactor.tasks(), 0);
}

#[test]
fn a_task_that_is_woken_while_it_is_polled_runs_again_in_the_same_run_after_the_others() {
    let reactor = reactor();
    let order = Rc::new(RefCell::new(Vec::new()));
    let (first, second) = (Rc::clone(&order), Rc::clone(&order));
    reactor.handle().spawn(async move {
        first.borrow_mut().push("first");
        step_back().await;
        first.borrow_mut().push("first again");
    });
    reactor.handle().spawn(async move { second.borrow_mut().push("second") });

    assert!(!reactor.run());
    assert_eq!(*order.borrow(), ["first", "second", "first again"]);
}

#[test]
fn a_task_that_spawns_lets_the_new_one_run_in_the_same_run() {
    let reactor = reactor();
    let handle = reactor.handle();
    let done = Count::default();
    let inner = Rc::clone(&done);
    reactor.handle().spawn(async move { handle.spawn(async move { bump(&inner) }) });

    assert!(!reactor.run());
    assert_eq!(done.get(), 1);
}

#[test]
fn a_task_that_is_woken_twice_is_polled_once() {
    let reactor = reactor();
    let polls = Count::default();
    let waker = Rc::new(RefCell::new(None::<Waker>));
    let (count, slot) = (Rc::clone(&polls), Rc::clone(&waker));
    reactor.handle().spawn(poll_fn(move |cx| {
        bump(&count);
        slot.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    reactor.run();

    let waker = waker.take().unwrap();
    waker.wake_by_ref();
    waker.wake();
    assert!(!reactor.run());
    assert_eq!(polls.get(), 2);
}

#[test]
fn the_waker_of_an_ended_task_does_not_wake_the_one_that_took_its_place() {
    let reactor = reactor();
    let old = Rc::new(RefCell::new(None::<Waker>));
    let slot = Rc::clone(&old);
    reactor.handle().spawn(poll_fn(move |cx| {
        slot.replace(Some(cx.waker().clone()));
        Poll::Ready(())
    }));
    reactor.run();
    let polls = Count::default();
    let count = Rc::clone(&polls);
    reactor.handle().spawn(poll_fn(move |_| {
        bump(&count);
        Poll::Pending
    }));
    reactor.run();

    old.take().unwrap().wake();
    reactor.run();
    assert_eq!(polls.get(), 1);
}

#[test]
fn a_run_ends_at_the_first_look_at_the_clock_after_its_budget() {
    let reactor = reactor();
    reactor.set_budget(Duration::ZERO);
    let polls = restless(&reactor.handle());

    assert!(reactor.run());
    assert_eq!(polls.get(), POLLS_PER_LOOK);
}

#[test]
fn a_run_goes_on_while_its_budget_lasts() {
    let reactor = reactor();
    reactor.set_budget(Duration::from_secs(3600));
    let handle = reactor.handle();
    let polls = Count::default();
    let count = Rc::clone(&polls);
    handle.spawn(async move {
        for _ in 0..10 * POLLS_PER_LOOK {
            bump(&count);
            step_back().await;
        }
    });

    assert!(!reactor.run());
    assert_eq!(polls.get(), 10 * POLLS_PER_LOOK);
}

#[test]
fn a_task_that_always_wakes_itself_neither_holds_the_turn_nor_starves_others() {
    let reactor = reactor();
    let selfish = restless(&reactor.handle());
    let other = restless(&reactor.handle());

    for _ in 0..3 {
        assert!(reactor.turn(None), "there is work, so the turn neither waits nor goes on");
    }
    assert!(selfish.get() > 0);
    assert!(selfish.get().abs_diff(other.get()) <= 1, "{} and {} polls", selfish.get(), other.get());
}

#[test]
fn what_a_run_leaves_goes_first_in_the_next() {
    let reactor = reactor();
    reactor.set_budget(Duration::ZERO);
    let polls: Vec<Count> = (0..6).map(|_| restless(&reactor.handle())).collect();
    let counts = || polls.iter().map(|count| count.get()).collect::<Vec<_>>();

    assert!(reactor.run());
    assert_eq!(counts(), [1, 1, 1, 1, 0, 0]);
    assert!(reactor.prepare_wait(), "what is left is work");
    assert!(reactor.run());
    assert_eq!(counts(), [2, 2, 1, 1, 1, 1]);
}

#[test]
fn what_a_run_leaves_is_work_even_if_nothing_was_woken_since() {
    let reactor = reactor();
    reactor.set_budget(Duration::ZERO);
    for _ in 0..=POLLS_PER_LOOK {
        reactor.handle().spawn(async {});
    }

    assert!(reactor.run());
    assert_eq!(reactor.tasks(), 1);
    assert!(reactor.prepare_wait());
    assert!(!reactor.run());
    assert!(!reactor.prepare_wait());
}

/// A connection whose bytes have come and whose deadline has passed, both since the last turn, takes its bytes as in time.
#[test]
fn no_deadline_passes_before_all_tasks_that_were_ready_have_had_their_turn() {
    let (reactor, clock) = reactor_on_a_clock();
    reactor.set_budget(Duration::ZERO);
    let deadline = clock.now() + Duration::from_secs(1);
    clock.advance(Duration::from_secs(1));
    let late = Rc::new(Cell::new(0));
    for _ in 0..3 * POLLS_PER_LOOK {
        let (mut timer, late) = (reactor.handle().timer(), Rc::clone(&late));
        timer.reset(deadline);
        reactor.handle().spawn(poll_fn(move |cx| {
            late.set(late.get() + usize::from(timer.poll(cx).is_ready()));
            Poll::Ready(())
        }));
    }

    while reactor.run() {}
    assert_eq!((reactor.tasks(), late.get()), (0, 0));
}

#[test]
fn tasks_that_wake_themselves_do_not_put_deadlines_off() {
    let (reactor, clock) = reactor_on_a_clock();
    reactor.set_budget(Duration::ZERO);
    let fired = Rc::new(Cell::new(false));
    let seen = Rc::clone(&fired);
    let mut timer = reactor.handle().timer();
    timer.reset(clock.now() + Duration::from_secs(1));
    reactor.handle().spawn(async move {
        poll_fn(|cx| timer.poll(cx)).await;
        seen.set(true);
    });
    reactor.run();
    clock.advance(Duration::from_secs(1));
    for _ in 0..3 * POLLS_PER_LOOK {
        restless(&reactor.handle());
    }

    let mut runs = 0;
    while !fired.get() {
        assert!(reactor.run());
        runs += 1;
        assert!(runs < 10, "the deadline starves");
    }
}

#[test]
fn a_run_within_a_run_does_nothing() {
    let reactor = Rc::new(reactor());
    let inner = Rc::clone(&reactor);
    let answer = Rc::new(Cell::new(None));
    let (slot, later) = (Rc::clone(&answer), Count::default());
    let count = Rc::clone(&later);
    reactor.handle().spawn(async move { slot.set(Some((inner.run(), count.get()))) });
    let count = Rc::clone(&later);
    reactor.handle().spawn(async move { bump(&count) });

    reactor.run();
    assert_eq!(answer.get(), Some((true, 0)));
    assert_eq!(later.get(), 1);
}

/// Runs something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_panic_ends_its_task_alone_and_is_told() {
    let reactor = reactor();
    let told = Rc::new(RefCell::new(Vec::new()));
    let tell = Rc::clone(&told);
    reactor.on_panic(move |message| tell.borrow_mut().push(message.to_owned()));
    let (dropped, polled) = (Count::default(), Count::default());
    let (drops, polls) = (Rc::clone(&dropped), Rc::clone(&polled));
    let number = 7;
    reactor.handle().spawn(async move {
        let _held = OnDrop(move || bump(&drops));
        step_back().await;
        panic!("number {number}");
    });
    reactor.handle().spawn(async move {
        step_back().await;
        bump(&polls);
    });

    assert!(!reactor.run());
    assert_eq!((dropped.get(), polled.get()), (1, 1));
    assert_eq!(*told.borrow(), ["number 7"]);
    assert_eq!((reactor.panics(), reactor.tasks()), (1, 0));
}

#[test]
fn a_panic_in_the_drop_of_a_task_or_in_the_hook_is_contained() {
    let reactor = reactor();
    reactor.on_panic(|_| panic!("the hook"));
    reactor.handle().spawn(async {
        let _held = OnDrop(|| panic!("the drop of an ended task"));
    });
    let held = OnDrop(|| panic!("the drop at the shutdown"));
    reactor.handle().spawn(async move {
        pending::<()>().await;
        drop(held);
    });

    assert!(!reactor.run());
    assert_eq!((reactor.panics(), reactor.tasks()), (1, 1));
    reactor.shutdown();
    assert_eq!((reactor.panics(), reactor.tasks()), (2, 0));
}

#[test]
fn the_shutdown_drops_tasks_that_hold_their_handle() {
    let reactor = reactor();
    let held = Rc::new(());
    for _ in 0..3 {
        let (handle, held) = (reactor.handle(), Rc::clone(&held));
        let timer = handle.timer();
        reactor.handle().spawn(async move {
            pending::<()>().await;
            drop((handle, held, timer));
        });
    }
    reactor.run();
    assert_eq!((reactor.tasks(), reactor.timers(), Rc::strong_count(&held)), (3, 3, 4));

    reactor.shutdown();
    assert_eq!((reactor.tasks(), reactor.timers(), Rc::strong_count(&held)), (0, 0, 1));
}

#[test]
fn dropping_the_reactor_shuts_it_down() {
    let reactor = reactor();
    let (handle, held) = (reactor.handle(), Rc::new(()));
    let inner = (reactor.handle(), Rc::clone(&held));
    handle.spawn(async move {
        pending::<()>().await;
        drop(inner);
    });

    drop(reactor);
    assert_eq!(Rc::strong_count(&held), 1);
    let late = Rc::clone(&held);
    handle.spawn(async move { drop(late) });
    assert_eq!(Rc::strong_count(&held), 1, "a task after the shutdown is dropped at once");
}

#[test]
fn a_drop_at_the_shutdown_may_wake_and_spawn() {
    let reactor = reactor();
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    let polled = Count::default();
    for _ in 0..3 {
        let (handle, wakers, polled) = (reactor.handle(), Rc::clone(&wakers), Rc::clone(&polled));
        let theirs = Rc::clone(&wakers);
        let held = OnDrop(move || {
            theirs.borrow().iter().for_each(Waker::wake_by_ref);
            let polled = Rc::clone(&polled);
            handle.spawn(async move { bump(&polled) });
        });
        reactor.handle().spawn(poll_fn(move |cx| {
            let _ = &held;
            wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        }));
    }
    reactor.run();

    reactor.shutdown();
    assert!(!reactor.prepare_wait(), "what was woken is no work");
    assert_eq!((reactor.tasks(), reactor.panics(), polled.get()), (0, 0, 0));
}

#[test]
fn a_wake_after_the_shutdown_is_no_work() {
    let reactor = reactor();
    let slot = Rc::new(RefCell::new(None::<Waker>));
    let inner = Rc::clone(&slot);
    reactor.handle().spawn(poll_fn(move |cx| {
        inner.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    reactor.run();
    reactor.shutdown();
    slot.take().unwrap().wake();
    assert!(!reactor.prepare_wait());
}

#[test]
fn a_task_may_shut_its_own_reactor_down() {
    let reactor = Rc::new(reactor());
    let (inner, dropped) = (Rc::clone(&reactor), Count::default());
    let (drops, held) = (Rc::clone(&dropped), Rc::clone(&dropped));
    reactor.handle().spawn(async move {
        let _held = OnDrop(move || bump(&drops));
        inner.shutdown();
        pending::<()>().await;
    });
    reactor.handle().spawn(async move {
        let _held = OnDrop(move || bump(&held));
        pending::<()>().await;
    });

    assert!(!reactor.run());
    assert_eq!((reactor.tasks(), dropped.get()), (0, 1), "the second was dropped before its first poll");
}
