//! What policy asks for from outside: retries with a back-off, and the breaker's gate.

use std::time::Duration;

use forebay_core::{LimitName, Priority, RetryLimit, Stat};
use forebay_testkit::script::{Script, Server};
use forebay_transport::PoolConfig;
use forebay_transport::error::{Code, Phase};
use forebay_transport::request::Content;
use forebay_transport::sink::RequestId;
use forebay_transport::timeouts::{Limit, Timeouts};

use super::support::trial::{GOOD, good, serve};
use super::support::{World, config};

const BACKOFF: Duration = Duration::from_secs(1);
const ALMOST: Duration = Duration::from_millis(999);

fn world(change: impl FnOnce(&mut PoolConfig)) -> (Server, World) {
    let server = serve([good()]);
    let mut configured = config(server.addr());
    change(&mut configured);
    (server, World::with_clock(configured))
}

fn retry(world: &mut World, backoff: Duration) -> RequestId {
    world.submit(|s| s.retry = Some(backoff))
}

fn retries(world: &World) -> u32 {
    world.driver.with_core(1, |core| core.limit(LimitName::MaxRetries, Priority::Default).current).unwrap()
}

#[test]
fn a_granted_retry_waits_and_is_then_a_request_like_others() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, BACKOFF);
    assert_eq!(world.so_far(id).granted, Some(true));
    world.pass(ALMOST);
    assert_eq!((world.stat(Stat::RqTotal), world.stat(Stat::CxTotal), retries(&world)), (0, 0, 1), "it waits");

    world.pass(Duration::from_millis(1));
    assert_eq!(world.answer(id).status, Some(200));
    assert_eq!((world.stat(Stat::RqTotal), world.stat(Stat::RqRetry), retries(&world)), (1, 1, 0));
    world.finish();
}

#[test]
fn without_a_back_off_it_goes_at_once() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, Duration::ZERO);
    assert_eq!(world.answer(id).status, Some(200));
    assert_eq!(retries(&world), 0);
    world.finish();
}

#[test]
fn at_the_limit_it_is_refused_and_holds_nothing() {
    let (_server, mut world) = world(|c| c.group.default.retries = RetryLimit::Count(1));
    let first = retry(&mut world, BACKOFF);
    let second = retry(&mut world, BACKOFF);
    assert_eq!((world.so_far(first).granted, world.so_far(second).granted), (Some(true), Some(false)));
    assert!(world.has_ended(second));
    assert_eq!((world.stat(Stat::RqRetry), world.stat(Stat::RqRetryOverflow)), (1, 1));

    world.pass(BACKOFF);
    assert_eq!(world.answer(first).status, Some(200));
    let third = retry(&mut world, Duration::ZERO);
    assert_eq!(world.answer(third).granted, Some(true), "the first has given its place back");
    world.finish();
}

#[test]
fn a_retry_that_waits_can_be_cancelled_or_run_out_of_time() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, BACKOFF);
    world.driver.cancel(id);
    let failure = world.answer(id).failure.expect("a failure");
    assert_eq!((failure.code, failure.phase), (Code::Aborted, Phase::Queue));
    assert_eq!(retries(&world), 0);

    let timeouts = Timeouts { total: Limit::After(BACKOFF / 2), ..Timeouts::default() };
    let id = world.submit(|s| {
        s.retry = Some(BACKOFF);
        s.timeouts = Some(Box::new(timeouts));
    });
    world.pass(BACKOFF / 2);
    assert_eq!(world.answer(id).code(), Some(Code::DeadlineExceeded));
    assert_eq!(retries(&world), 0);
    world.pass(BACKOFF);
    assert_eq!(world.stat(Stat::CxTotal), 0, "nothing was left that could begin");
    world.finish();
}

#[test]
fn what_is_produced_for_it_while_it_waits_is_sent() {
    let (_server, mut world) = world(|_| {});
    let id = world.submit(|s| {
        s.method = "POST".into();
        s.body = Content::Stream(Some(5));
        s.retry = Some(BACKOFF);
    });
    world.give(id, "hello");
    world.give_end(id);
    world.pass(BACKOFF);
    assert_eq!(world.answer(id).status, Some(200));
    world.finish();
}

#[test]
fn a_pool_that_closes_lets_it_finish() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, BACKOFF);
    world.driver.close_pool(1);
    world.settle();
    assert!(world.sink.closed.borrow().is_empty(), "not before it is done");
    world.pass(BACKOFF);
    assert_eq!(world.answer(id).status, Some(200));
    world.until("the end of the pool", |w| !w.sink.closed.borrow().is_empty());
}

#[test]
fn a_pool_that_closes_does_not_wait_for_one_that_was_cancelled() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, BACKOFF);
    world.driver.close_pool(1);
    world.driver.cancel(id);
    world.until("the end of the pool", |w| !w.sink.closed.borrow().is_empty());
}

#[test]
fn a_pool_that_is_destroyed_fails_it() {
    let (_server, mut world) = world(|_| {});
    let id = retry(&mut world, BACKOFF);
    world.driver.destroy_pool(1);
    assert_eq!(world.answer(id).code(), Some(Code::PoolClosed));
    world.until("the end of the pool", |w| !w.sink.closed.borrow().is_empty());
    assert_eq!(retries(&world), 0);
}

#[test]
fn a_limit_can_refuse_it_when_its_wait_is_over() {
    let (_server, mut world) = world(|c| c.group.default.max_pending_requests = 0);
    let id = retry(&mut world, BACKOFF);
    assert_eq!(world.so_far(id).granted, Some(true));
    world.pass(BACKOFF);
    let failure = world.answer(id).failure.expect("a failure");
    assert_eq!((failure.code, retries(&world)), (Code::PendingOverflow, 0));
    world.finish();
}

#[test]
fn a_shut_gate_fails_what_waits_and_refuses_what_comes_and_what_runs_goes_on() {
    let server = serve([Script::new().request().signal().send(GOOD).repeat(None, Script::new().request().send(GOOD))]);
    let mut configured = config(server.addr());
    configured.group.default.max_connections = 1;
    let mut world = World::new(configured);
    let runs = world.get("/runs");
    world.until("the request", |_| server.connections().first().is_some_and(|c| c.requests > 0));
    let waits = world.get("/waits");

    world.driver.gate(1, true);
    let comes = world.get("/comes");
    for id in [waits, comes] {
        let failure = world.answer(id).failure.expect("a failure");
        assert_eq!((failure.code, failure.phase), (Code::BreakerOpen, Phase::Queue));
    }
    assert!(!world.has_ended(runs));
    server.signal(0);
    assert_eq!(world.answer(runs).status, Some(200));

    world.driver.gate(1, false);
    let again = world.get("/again");
    assert_eq!(world.answer(again).status, Some(200));
    world.finish();
}
