//! A reactor on a clock or on loopback sockets, turned by the test itself.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use forebay_reactor::{Clock, ConnectOptions, Handle, ManualClock, Reactor, Stream};
use tokio::io::ReadBuf;

/// How long a test waits for one event that must come. Never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn reactor() -> Reactor {
    Reactor::new(Clock::System).unwrap()
}

pub(crate) fn reactor_on_a_clock() -> (Reactor, ManualClock) {
    let clock = ManualClock::new();
    (Reactor::new(Clock::Settable(clock.clone())).unwrap(), clock)
}

/// Turns until `done`. Fails if nothing happens for [`PATIENCE`].
pub(crate) fn turn_until(reactor: &Reactor, mut done: impl FnMut() -> bool) {
    while !done() {
        let begin = std::time::Instant::now();
        reactor.turn(Some(PATIENCE));
        assert!(begin.elapsed() < PATIENCE, "nothing happened for {PATIENCE:?}");
    }
}

/// Runs `task` on the reactor and gives its result.
pub(crate) fn block_on<T: 'static>(reactor: &Reactor, task: impl Future<Output = T> + 'static) -> T {
    let result = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&result);
    reactor.handle().spawn(async move {
        let value = task.await;
        slot.replace(Some(value));
    });
    turn_until(reactor, || result.borrow().is_some() || reactor.panics() > 0);
    result.take().expect("the task ended without a panic")
}

/// A connection over loopback and its other end, without one turn in between.
pub(crate) fn connect(handle: &Handle) -> (Stream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = Stream::connect(handle, listener.local_addr().unwrap(), &ConnectOptions::default()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

pub(crate) async fn connected(stream: &Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_connected(cx)).await
}

/// Reads once, up to `N` bytes.
pub(crate) async fn read<const N: usize>(stream: &mut Stream) -> io::Result<Vec<u8>> {
    poll_fn(|cx| poll_read::<N>(stream, cx)).await
}

pub(crate) fn poll_read<const N: usize>(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
    let mut bytes = [std::mem::MaybeUninit::uninit(); N];
    let mut into = ReadBuf::uninit(&mut bytes);
    let poll = tokio::io::AsyncRead::poll_read(Pin::new(stream), cx, &mut into);
    poll.map_ok(|()| into.filled().to_vec())
}

pub(crate) async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| tokio::io::AsyncWrite::poll_write(Pin::new(&mut *stream), cx, bytes)).await
}

pub(crate) async fn write_all(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[write(stream, bytes).await?..];
    }
    Ok(())
}

/// Lets every other ready task go first, once.
pub(crate) async fn step_back() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A number that tasks and the test share.
pub(crate) type Count = Rc<Cell<usize>>;

pub(crate) fn bump(count: &Count) {
    count.set(count.get() + 1);
}
