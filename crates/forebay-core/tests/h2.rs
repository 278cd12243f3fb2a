//! The inventory's HTTP/2 cases at the level of the core. PING, frames and bodies are the transport's.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

#[path = "h2/drain.rs"]
mod drain;
#[path = "h2/going_away.rs"]
mod going_away;
#[path = "h2/growth.rs"]
mod growth;
#[path = "h2/limits.rs"]
mod limits;

use forebay_core::{
    Class, ConnectionEnd, ConnectionId, DrainMode, FailureReason, GroupConfig, Ratio, Scope, StreamEnd, StreamId,
    UpstreamConfig,
};
use support::{Scene, h2};

fn many(upstream: UpstreamConfig) -> Scene {
    Scene::new(GroupConfig::default(), upstream)
}

fn ratio(thousandths: u32, streams: u32) -> UpstreamConfig {
    UpstreamConfig { preconnect_ratio: Ratio::from_thousandths(thousandths), ..h2(streams) }
}

fn drain(scene: &mut Scene, mode: DrainMode) {
    scene.group.drain(scene.now, Scope::Group, mode);
    scene.turn();
}

fn refuse(scene: &mut Scene, stream: StreamId) {
    scene.fails(stream, Class::Unprocessed, FailureReason::RemoteRefused);
}

/// The peer ends streams and connection in one turn, as after a GOAWAY with a last id.
fn end_all(scene: &mut Scene, id: ConnectionId, ends: &[(StreamId, Class)]) {
    for (stream, class) in ends {
        scene.opened.remove(stream);
        let (class, reason) = (*class, FailureReason::ConnectionTermination);
        scene.group.stream_ended(scene.now, *stream, StreamEnd::Failed { class, reason, response_started: false });
    }
    scene.close(id, ConnectionEnd::REMOTE);
}
