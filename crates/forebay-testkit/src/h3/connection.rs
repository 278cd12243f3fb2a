//! One connection of the HTTP/3 server: accepts requests, rejects those beyond its GOAWAY, ends as it is told.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::{self, RequestResolver};
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::adapter::{self, Early};
use super::server::{Going, Options};
use super::stream::Stream;
use crate::endpoint::varint;
use crate::streams::{self, Request, Shared, answer};

/// What all connections share.
pub(super) struct Common {
    pub(super) options: Options,
    pub(super) shared: std::sync::Arc<Shared>,
    pub(super) goes: watch::Receiver<Option<Going>>,
    pub(super) credit: watch::Receiver<u64>,
}

type Requests = server::Connection<adapter::Connection, Bytes>;

/// Serves a connection until it has ended.
pub(super) async fn serve(common: Rc<Common>, mut connecting: quinn::Connecting, id: u64) {
    // Before the client's first message is whole its limits are not known, and quinn never tells a stream that waits for them.
    if connecting.handshake_data().await.is_err() {
        return;
    }
    // A server has the keys of its own side with the first packet: what comes early is answered at once.
    let Ok((quic, accepted)) = connecting.into_0rtt() else { return };
    let shared = common.shared.clone();
    let lost = quic.clone();
    spawn_local(async move {
        accepted.await;
        if lost.close_reason().is_none() {
            shared.shaken_hands();
        }
    });
    let early = Early::default();
    if let Ok(requests) = server::builder().build(adapter::Connection::new(quic.clone(), early.clone())).await {
        Serving { common, id, quic: quic.clone(), early, begun: 0, rejects: false }.run(requests).await;
    }
    quic.closed().await;
}

struct Serving {
    common: Rc<Common>,
    id: u64,
    quic: quinn::Connection,
    early: Early,
    begun: u64,
    /// Whether a GOAWAY was sent: what is accepted from then on is beyond it.
    rejects: bool,
}

impl Serving {
    async fn run(mut self, mut requests: Requests) {
        let mut goes = self.common.goes.clone();
        let mut credit = self.common.credit.clone();
        goes.mark_unchanged();
        let age = self.common.options.max_age.unwrap_or(Duration::from_secs(86_400));
        let too_old = tokio::time::sleep(age);
        tokio::pin!(too_old);
        loop {
            tokio::select! {
                accepted = requests.accept() => match accepted {
                    Ok(Some(resolver)) => {
                        let last = self.begin(resolver);
                        if last {
                            self.go(&mut requests).await;
                        }
                    }
                    _ => return,
                },
                () = &mut too_old, if !self.rejects => self.go(&mut requests).await,
                Ok(()) = goes.changed() => {
                    let how = *goes.borrow_and_update();
                    match how {
                        Some(Going::Gracefully) if !self.rejects => self.go(&mut requests).await,
                        Some(Going::Abruptly(code)) => {
                            self.quic.close(varint(code), b"as told");
                            return;
                        }
                        _ => {}
                    }
                }
                Ok(()) = credit.changed() => {
                    let limit = *credit.borrow_and_update();
                    self.quic.set_max_concurrent_bi_streams(varint(limit));
                }
            }
        }
    }

    /// Begins with a request; true: it is to be the last of its connection.
    fn begin(&mut self, resolver: RequestResolver<adapter::Connection, Bytes>) -> bool {
        if self.rejects {
            spawn_local(async move {
                if let Ok((_, inner)) = resolver.resolve_request().await {
                    streams::Stream::reset(&mut Stream { inner }, Code::H3_REQUEST_REJECTED.value());
                }
            });
            return false;
        }
        self.begun += 1;
        self.common.shared.begun(self.id);
        let (shared, id, early) = (self.common.shared.clone(), self.id, self.early.clone());
        spawn_local(async move {
            let mut whole = false;
            if let Ok((request, inner)) = resolver.resolve_request().await {
                let (head, ()) = request.into_parts();
                let early = early.borrow_mut().remove(&inner.id().into_inner());
                if early {
                    shared.early();
                }
                let request = Request { head, early, shared: &shared };
                whole = answer(request, &mut Stream { inner }).await.is_ok();
            }
            shared.ended(id, whole);
        });
        self.common.options.max_streams_per_connection.is_some_and(|most| self.begun >= most)
    }

    async fn go(&mut self, requests: &mut Requests) {
        self.rejects = true;
        self.common.shared.going_away();
        // The id that it says is that of the last request plus this: the first that is not served.
        let _ = requests.shutdown(1).await;
    }
}
