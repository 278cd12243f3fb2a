//! A pool's options as quinn wants them.

use std::sync::Arc;

use quinn::congestion::{BbrConfig, CubicConfig, NewRenoConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};

use crate::config::{Congestion, Http3Config};
use crate::tls;

/// Streams that a peer may open towards us at once: its control stream, two of QPACK, and some of greasing. Source: row Q25 of the
/// hostile upstreams.
const PEER_STREAMS: u32 = 8;

/// What every connection of a pool shares, tokens of earlier ones too.
pub(crate) fn client(tls: &tls::Quic, options: &Http3Config) -> quinn::ClientConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(PEER_STREAMS.into())
        .max_concurrent_bidi_streams(0_u32.into())
        .stream_receive_window(options.stream_window.into())
        .receive_window(options.connection_window.into())
        .send_window(options.connection_window.into())
        .max_idle_timeout(options.idle_timeout.and_then(|limit| IdleTimeout::try_from(limit).ok()))
        .keep_alive_interval(options.ping_interval)
        // No datagrams: nobody here would read them.
        .datagram_receive_buffer_size(None);
    match options.congestion {
        Congestion::Cubic => transport.congestion_controller_factory(Arc::new(CubicConfig::default())),
        Congestion::NewReno => transport.congestion_controller_factory(Arc::new(NewRenoConfig::default())),
        Congestion::Bbr => transport.congestion_controller_factory(Arc::new(BbrConfig::default())),
    };
    let mut client = quinn::ClientConfig::new(tls.config.clone());
    client.transport_config(Arc::new(transport));
    client
}

/// A number for the wire; ours all fit.
pub(crate) fn code(number: u64) -> VarInt {
    VarInt::from_u64(number).unwrap_or(VarInt::MAX)
}
