//! Random options of groups and upstreams: small limits, so that all of them are met.

use forebay_core::{
    BackoffConfig, H2Config, H3Config, LimitsConfig, OnCancel, OnConnectFailure, OnMaxRequests, OriginMemory, Pick,
    Protocol, Protocols, Ratio, ReplayPolicy, RetryLimit, UNLIMITED, UpstreamConfig,
};

use super::dice::Dice;
use super::ms;

pub fn limits(dice: &mut Dice) -> LimitsConfig {
    LimitsConfig {
        max_connections: dice.of(&[1024, 1024, 0, 1, 2, 4]),
        max_pending_requests: dice.of(&[1024, 1024, 0, 1, 3, 10]),
        max_requests: dice.of(&[1024, 1024, 0, 1, 2, 6]),
        on_max_requests: dice.of(&[OnMaxRequests::Reject, OnMaxRequests::Queue]),
        retries: dice.of(&[RetryLimit::Count(2), RetryLimit::Budget { percent: 50, min_concurrency: 1 }]),
        max_connection_pools: dice.of(&[UNLIMITED, UNLIMITED, 0, 1, 2]),
    }
}

pub fn upstream(dice: &mut Dice) -> UpstreamConfig {
    let protocols = [
        Protocols::Fixed(Protocol::H1),
        Protocols::Fixed(Protocol::H1),
        Protocols::Fixed(Protocol::H2),
        Protocols::Fixed(Protocol::H3),
        Protocols::Mixed,
        Protocols::Mixed,
    ];
    let remember = !dice.one_in(3);
    UpstreamConfig {
        protocols: dice.of(&protocols),
        connect_timeout: ms(dice.of(&[10, 50, 5_000])),
        queue_timeout: dice.of(&[None, Some(ms(15)), Some(ms(200)), Some(ms(15_000))]),
        idle_timeout: dice.of(&[None, Some(ms(20)), Some(ms(55_000))]),
        max_connection_duration: dice.of(&[None, Some(ms(100))]),
        duration_jitter: Ratio::from_thousandths(dice.of(&[0, 100, 1_000])),
        drain_timeout: dice.of(&[None, Some(ms(30))]),
        max_requests_per_connection: dice.of(&[0, 0, 1, 2, 5]),
        pick: dice.of(&[Pick::LeastLoaded, Pick::MostRecent, Pick::RoundRobin]),
        on_connect_failure: dice.of(&[OnConnectFailure::Uncovered, OnConnectFailure::All]),
        on_cancel: dice.of(&[OnCancel::Keep, OnCancel::CloseExcess]),
        backoff: BackoffConfig { base: ms(dice.of(&[0, 5, 25])), max: ms(250) },
        preconnect_ratio: Ratio::from_thousandths(dice.of(&[1_000, 1_000, 1_500, 3_000])),
        predictive_preconnect_ratio: Ratio::from_thousandths(dice.of(&[0, 1_100, 3_000])),
        replay: dice.of(&[ReplayPolicy::Idempotent, ReplayPolicy::Unprocessed, ReplayPolicy::None]),
        h2: H2Config {
            max_concurrent_streams: dice.of(&[1, 3, 100]),
            pre_settings_streams: dice.of(&[None, Some(2)]),
            remember,
        },
        h3: H3Config { max_concurrent_streams: dice.of(&[1, 3, 100]), early_data: false, migrates: false },
        http3: None,
        memory: dice.of(&[OriginMemory::default(), OriginMemory { h1: true, stream_limit: Some(2) }]),
    }
}
