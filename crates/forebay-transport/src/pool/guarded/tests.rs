#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use forebay_testkit::h1::{Options, Server};

use super::*;
use crate::request::Content;
use crate::sink::RequestId;
use crate::support::{Answer, PATIENCE, World, config};

/// More loans than the script below needs.
const LOANS: u32 = 200;

impl crate::Driver {
    /// The n-th loan of a pool's core from now on panics.
    fn trap(&self, pool: u32, loan: u32) -> Rc<Pool> {
        let pool = self.pool_for_test(pool);
        pool.core.trap.set(Some(loan));
        pool
    }
}

fn on_pool(world: &mut World, pool: u32, path: &'static str) -> RequestId {
    world.submit(|s| {
        s.pool = pool;
        s.path = Bytes::from_static(path.as_bytes());
    })
}

fn is_good_or_internal(answer: &Answer) -> bool {
    answer.status == Some(200) || matches!(answer.code(), Some(Code::Internal | Code::Aborted))
}

#[test]
fn p24_a_panic_in_the_core_costs_its_pool_only() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_none_or(|text| !text.contains("as the test wants")) {
            before(info);
        }
    }));
    let server = Server::start(&Options::default()).unwrap();
    let mut trapped = 0;
    for loan in 0..LOANS {
        let mut configured = config(server.addr());
        configured.group.default.max_connections = 2;
        let mut world = World::new(configured);
        world.driver.add_pool(2, config(server.addr()), 1);
        let pool = world.driver.trap(1, loan);
        let mut asked = vec![];
        for _ in 0..2 {
            asked.push((1, on_pool(&mut world, 1, "/bytes/100")));
            asked.push((2, on_pool(&mut world, 2, "/bytes/100")));
        }
        let upload = world.submit(|s| {
            s.method = Bytes::from_static(b"POST");
            s.body = Content::Stream(None);
        });
        world.give(upload, &b"hello"[..]);
        let cancelled = on_pool(&mut world, 1, "/delay/10000");
        world.until("answers of the other", |w| asked.iter().all(|(_, id)| w.has_ended(*id)));
        world.driver.cancel(cancelled);
        world.give_end(upload);
        asked.extend([(1, upload), (1, cancelled)]);
        for (of, id) in asked {
            let answer = world.answer(id);
            assert!(is_good_or_internal(&answer), "loan {loan}: {answer:?}");
            assert!(of == 1 || answer.status == Some(200), "loan {loan}: the other pool is unharmed");
            assert_eq!(answer.endings, 1, "loan {loan}");
        }
        let last = on_pool(&mut world, 1, "/");
        assert!(is_good_or_internal(&world.answer(last)), "loan {loan}");
        world.settle();
        if pool.is_poisoned() {
            trapped += 1;
            let late = on_pool(&mut world, 1, "/");
            assert_eq!(world.answer(late).code(), Some(Code::Internal), "loan {loan}");
        } else {
            // What follows must not be trapped.
            pool.core.trap.set(None);
        }
        world.driver.destroy_pool(1);
        world.driver.destroy_pool(2);
        world.until("the ends of the pools", |w| w.sink.closed.borrow().len() == 2);
        world.until("the end of all tasks", |w| w.reactor.tasks() == 0);
        assert_eq!(world.reactor.sockets(), 0, "loan {loan}");
        let gone = world.sink.disconnected.borrow().len();
        assert_eq!(gone, world.sink.connected.borrow().len(), "loan {loan}: each connection is told gone, once");
    }
    assert!(trapped > 30, "{trapped} panics");
    assert!(server.wait_until(PATIENCE, |s| s.connections_open == 0));
}
