// Every default number and bound of an option: name, unit, source.
//
// "Envoy" names the field whose default it is, "Node" and "undici" theirs; "a guess" says that nothing better is known yet.
// Used by `parse.ts`. Not here: what an option means (`options.ts`).

/** A guess: Envoy's only bound on this wait is the 15 s of `RouteAction.timeout`. */
export const QUEUE_TIMEOUT_MS = 15_000
/** A guess: a tenth of undici's `headersTimeout`. */
export const HEADERS_TIMEOUT_MS = 30_000
/** A guess: a tenth of undici's `bodyTimeout`. */
export const BODY_IDLE_TIMEOUT_MS = 30_000
/** Envoy, `RetryPolicy.per_try_timeout`: the route's time-out when unset, which is off here. */
export const PER_TRY_TIMEOUT_MS = 0
/** Envoy, `RetryPolicy.per_try_idle_timeout`: off when unset. */
export const PER_TRY_IDLE_TIMEOUT_MS = 0
/** Envoy, `HttpProtocolOptions.max_stream_duration`: off when unset. */
export const MAX_STREAM_DURATION_MS = 0
/** Off, as large bodies would meet it. Envoy, `RouteAction.timeout`: 15 s. */
export const TOTAL_TIMEOUT_MS = 0

/** Envoy, `CircuitBreakers.Thresholds.max_connections`. */
export const MAX_CONNECTIONS = 1024
/** Envoy, `CircuitBreakers.Thresholds.max_pending_requests`. */
export const MAX_PENDING_REQUESTS = 1024
/** Envoy, `CircuitBreakers.Thresholds.max_requests`. */
export const MAX_REQUESTS = 1024
/** Envoy, `CircuitBreakers.Thresholds.max_connection_pools`: unlimited when unset. */
export const MAX_CONNECTION_POOLS: number = Number.POSITIVE_INFINITY
/** Envoy, `CircuitBreakers.Thresholds.RetryBudget.budget_percent`: 20 %. */
export const RETRY_BUDGET_PERCENT = 20
/** Envoy, `CircuitBreakers.Thresholds.RetryBudget.min_retry_concurrency`: 3. */
export const RETRY_BUDGET_MIN = 3
/** Envoy, `per_host_thresholds`: unlimited when unset. */
export const PER_HOST_MAX_CONNECTIONS: number = Number.POSITIVE_INFINITY

/** Envoy, `Cluster.connect_timeout` in cluster.proto: 5 s when unset. */
export const CONNECT_TIMEOUT_MS = 5_000
/** Envoy's Happy Eyeballs delay; RFC 8305 section 5 recommends 250 ms. */
export const ADDRESS_DELAY_MS = 300
/** A guess: just under the 60 s after which common load balancers close. Envoy: 1 h. */
export const IDLE_TIMEOUT_MS = 55_000
/** Envoy, `HttpProtocolOptions.max_connection_duration`: off when unset. */
export const MAX_CONNECTION_DURATION_MS = 0
/** A guess: so that connections made together do not end together. */
export const DURATION_JITTER = 0.1
/** Envoy, `HttpProtocolOptions.max_requests_per_connection`: no bound when unset. */
export const MAX_REQUESTS_PER_CONNECTION = 0
/** Envoy has no bound for upstream connections that drain. */
export const DRAIN_TIMEOUT_MS = 0
/** Envoy sets no `TCP_USER_TIMEOUT` unless its `socket_options` do. */
export const TCP_USER_TIMEOUT_MS = 0
/** Envoy, `DnsCacheConfig` and retry back-off: base interval 25 ms. */
export const CONNECT_BACKOFF_BASE_MS = 25
/** Envoy, retry back-off: ten times the base. */
export const CONNECT_BACKOFF_MAX_MS = 250
/** Envoy, `RetryPolicy.num_retries`: 1. */
export const RETRY_ATTEMPTS = 1
/** Envoy, `RetryBackOff.base_interval`: 25 ms when unset. */
export const RETRY_BACKOFF_BASE_MS = 25
/** Envoy, `RetryBackOff.max_interval`: ten times the base when unset. */
export const RETRY_BACKOFF_MAX_MS = 250

/** Envoy, `PreconnectPolicy.per_upstream_preconnect_ratio`: 1 when unset, at most 3. */
export const PRECONNECT_RATIO = 1
export const MAX_PRECONNECT_RATIO = 3

/** Envoy, `AlternateProtocolsCacheOptions.max_entries`: origins that it remembers. */
export const MAX_ORIGINS = 1024

/** rustls, `ClientSessionMemoryCache`: 256 sessions. */
export const SESSION_CACHE = 256
/** A guess: a bound on memory, about 1 KiB a session. */
export const MAX_SESSION_CACHE = 1_000_000

/** Envoy, `Cluster.dns_refresh_rate`: 5 s. */
export const RESOLVER_REFRESH_MS = 5_000
/** Lookups of one name are at least this far apart. A guess. */
export const MIN_RESOLVER_REFRESH_MS = 1_000
/** A guess: the same patience as for a connection. */
export const RESOLVER_TIMEOUT_MS = 5_000
/** Addresses of one name that are used. A guess. */
export const MAX_ADDRESSES = 64

/** A guess: Envoy's `max_request_headers_kb` is 60 KiB. */
export const MAX_HEAD_SIZE_BYTES = 65_536
/** Envoy, `HttpProtocolOptions.max_headers_count`: 100. */
export const MAX_HEAD_FIELDS = 100
/** A guess: the lower end of what servers take is 8 KiB. */
export const MAX_PATH_SIZE_BYTES = 16_384

/** A guess: four TCP segments' worth of any body is below it, and 1,024 exchanges hold 256 MiB at most. */
export const BODY_BUFFER_BYTES = 262_144
/** One TLS record: a smaller buffer would stall a record. RFC 8446 section 5.1. */
export const MIN_BODY_BUFFER_BYTES = 16_384
/** A guess: 64 MiB. */
export const MAX_READ_SIZE_BYTES = 67_108_864

/** Envoy, `Http2ProtocolOptions.max_concurrent_streams` of an upstream: 1024. */
export const MAX_CONCURRENT_STREAMS = 1024
/** RFC 9113 section 5.1.1: ids are odd and below 2^31. */
export const MAX_STREAMS: number = 2 ** 30
/** RFC 9113 section 6.9.2: what every stream has before SETTINGS. */
export const MIN_WINDOW_BYTES = 65_535
/** RFC 9113 section 6.9.1. */
export const MAX_WINDOW_BYTES: number = 2 ** 31 - 1
/** Streams that may be unread at once before they stop the others. A guess. */
export const CONNECTION_WINDOW_FACTOR = 16
/** Envoy, `Http2ProtocolOptions.initial_stream_window_size`, and the bound of hyper's estimate: 16 MiB. */
export const MAX_ADAPTIVE_STREAM_WINDOW_BYTES = 16_777_216
/** Envoy, `Http2ProtocolOptions.initial_connection_window_size`: 24 MiB. */
export const MAX_ADAPTIVE_CONNECTION_WINDOW_BYTES = 25_165_824
/** Envoy, `QuicProtocolOptions.max_concurrent_streams`: 100. */
export const MAX_CONCURRENT_H3_STREAMS = 100
/** Each is opened ahead and held, which costs some memory. A guess. */
export const MAX_H3_STREAMS = 65_536
/** Envoy, `QuicProtocolOptions.idle_network_timeout`: 600 s. */
export const QUIC_IDLE_TIMEOUT_MS = 600_000
/** QUICHE as Envoy uses it, `kPingTimeoutSecs`: 15 s. */
export const QUIC_PING_INTERVAL_MS = 15_000
/** Envoy, `KeepaliveSettings.interval_jitter`: 15 %. */
export const PING_JITTER = 0.15

/** Timers of Node and of the core count ms in 31 bits. */
export const MAX_MS: number = 2 ** 31 - 1
/** The largest limit that is not unlimited: one less than the value that stands for it natively. */
export const MAX_COUNT: number = 2 ** 32 - 2
/** Sizes cross as 32 bits; the upper half is kept free for sums. */
export const MAX_SIZE_BYTES: number = 2 ** 31 - 1

/** Below 1 KiB no real server could answer; above 16 MiB a head is no head. A guess. */
export const HEAD_SIZE_RANGE: readonly [min: number, max: number] = [1_024, 16_777_216]
/** A guess. */
export const HEAD_FIELDS_RANGE: readonly [min: number, max: number] = [1, 10_000]
/** With the two below, so that a whole head always fits the submit buffer of 1 MiB. */
export const PATH_SIZE_RANGE: readonly [min: number, max: number] = [1, 131_072]
export const REQUEST_HEAD_SIZE_RANGE: readonly [min: number, max: number] = [0, 262_144]
export const REQUEST_HEAD_FIELDS_RANGE: readonly [min: number, max: number] = [0, 10_000]
