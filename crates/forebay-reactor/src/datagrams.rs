//! A UDP socket that is watched, for use through shared references by objects that must be `Send + Sync`.
//!
//! ```text
//!   writable --send would block--> blocked --a writer asks--> watched for writes --event--> writable, no longer watched
//! ```
//!
//! Promises: the system is asked about writes only while somebody waits for one (a UDP socket becomes writable with each packet that
//! leaves, and each would be an event); several writers may wait at once; what is sent and received is the caller's own system call.
//! Used by `forebay-transport` for QUIC. Not here: segmentation offload, batches, which belong to the caller's calls.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use crate::lock::Lock;
use crate::table::{Shared, Source, park};

/// A UDP socket.
#[derive(Debug)]
pub struct Datagrams {
    shared: Arc<Shared>,
    /// Written to only where the system is asked to watch something else.
    socket: RwLock<mio::net::UdpSocket>,
    source: Arc<Source>,
    key: usize,
    writers: Arc<Writers>,
    /// Whether the system watches for writes.
    watches_writes: AtomicBool,
}

/// The socket within one system call.
#[derive(Debug)]
pub struct Raw<'a>(&'a mio::net::UdpSocket);

/// One of those who may wait until a socket can be written to.
#[derive(Debug)]
pub struct Writer {
    socket: Arc<Datagrams>,
    key: usize,
}

/// Wakes all who wait.
#[derive(Debug, Default)]
struct Writers(Lock<Slab<Option<Waker>>>);

impl Datagrams {
    pub(crate) fn watch(shared: Arc<Shared>, socket: UdpSocket) -> io::Result<Self> {
        let mut socket = mio::net::UdpSocket::from_std(socket);
        let (key, source) = shared.register_reader(&mut socket)?;
        let (socket, writers) = (RwLock::new(socket), Arc::default());
        Ok(Self { shared, socket, source, key, writers, watches_writes: AtomicBool::new(false) })
    }

    /// Our address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// Receives with `receive`, which gives how many datagrams, or batches of them, it got of the `wanted`, as soon as some are there.
    ///
    /// # Errors
    /// What `receive` says, but for `WouldBlock` and `Interrupted`.
    pub fn poll_receive(
        &self,
        cx: &Context<'_>,
        wanted: usize,
        mut receive: impl FnMut(&Raw<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.source.is_readable() {
                self.source.park_reader(cx);
                return Poll::Pending;
            }
            let socket = self.socket();
            match socket.try_io(|| receive(&Raw(&socket))) {
                Ok(got) => {
                    self.source.read(got, wanted);
                    return Poll::Ready(Ok(got));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.source.read_blocked(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends with `send` now, or not at all.
    ///
    /// # Errors
    /// What `send` says. After `WouldBlock`: ask a [`Writer`] when to try again.
    pub fn try_send(&self, send: impl FnOnce(&Raw<'_>) -> io::Result<()>) -> io::Result<()> {
        let socket = self.socket();
        let result = socket.try_io(|| send(&Raw(&socket)));
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            // Without this a writer would be told at once to try again, for ever.
            self.source.write_blocked();
        }
        result
    }

    /// Somebody who may wait for it.
    #[must_use]
    pub fn writer(self: &Arc<Self>) -> Writer {
        let key = self.writers.0.get().insert(None);
        Writer { socket: Arc::clone(self), key }
    }

    fn socket(&self) -> RwLockReadGuard<'_, mio::net::UdpSocket> {
        self.socket.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the system watch for writes too, or no longer.
    fn watch_writes(&self, too: bool) -> io::Result<()> {
        if self.watches_writes.swap(too, AcqRel) == too {
            return Ok(());
        }
        let mut socket = self.socket.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.watch_writes(self.key, &mut *socket, too)
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let socket = self.socket.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.shared.deregister(self.key, socket);
    }
}

impl Writer {
    /// Ready when the socket can be written to, as far as is known.
    ///
    /// # Errors
    /// When the system cannot watch for it.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let socket = &self.socket;
        if socket.source.is_writable() {
            return Poll::Ready(socket.watch_writes(false));
        }
        let _old = socket.writers.0.get().get_mut(self.key).and_then(|slot| park(slot, cx));
        let all = Waker::from(Arc::clone(&socket.writers));
        socket.source.park_writer(&Context::from_waker(&all));
        if let Err(error) = socket.watch_writes(true) {
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }

    /// Waits until then.
    ///
    /// # Errors
    /// As `poll_writable`.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let waker = self.socket.writers.0.get().try_remove(self.key);
        drop(waker);
    }
}

impl Wake for Writers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting: Vec<_> = self.0.get().iter_mut().filter_map(|(_, slot)| slot.take()).collect();
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(unix)]
impl AsFd for Raw<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(windows)]
impl AsSocket for Raw<'_> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.0.as_socket()
    }
}
