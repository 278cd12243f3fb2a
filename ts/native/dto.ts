// The types of what crosses the boundary apart from records: the addon's interface, a pool's configuration, what decoding yields.
//
// Promise: no optional fields; `null` stands for nothing. Durations are whole milliseconds, sizes bytes; `UNLIMITED` is no limit.
// The Rust side of these is in `crates/forebay-napi/src/config.rs`, names and order alike.
// Used by `native/`, `config/parse.ts`, `errors/from-native.ts`. Not here: the layout of records (`layout.ts`).

/** A count without a limit. */
export const UNLIMITED = 0xffff_ffff

/** What the addon exports. */
export interface NativeBinding {
  /** Null where this process can do protocol work on Node's loop; else why not. */
  eventLoopSupport(): string | null
  /** False: too late, threads exist already. */
  configureRuntime(shards: number): boolean
  Channel: new (
    runner: Runner,
    submit: Uint8Array,
    slab: Uint8Array,
    deliver: (length: number) => void,
  ) => NativeChannel
  statNames(): string[]
  codeNames(): string[]
  phaseNames(): string[]
}

/** Who turns the reactor. */
export type Runner = 'thread' | 'event-loop'

/** One way across, for one environment and runner. */
export interface NativeChannel {
  /** The body of a request whose record is in the submit buffer with `GIVEN`; copied. In the order of the requests. */
  give(request: number, body: Uint8Array): void
  /** Reads `[0, length)` of the submit buffer. Returns how many bytes of deliveries the slab holds. */
  flush(length: number): number
  /** The rest of the body of `request` is wanted in `into`, as long as it fits: `DATA` then says only how much came. */
  direct(request: number, into: Uint8Array): void
  createPool(config: NativePoolConfig): number
  setAddresses(pool: number, addresses: NativeAddress[]): void
  /** Fresh counters in the order of `statNames()`. */
  stats(pool: number, into: Float64Array): void
  /** Releases the counters of a closed pool. */
  forgetPool(pool: number): void
}

export interface NativePoolConfig {
  readonly name: string
  readonly origin: NativeOrigin
  readonly protocols: ('h1' | 'h2' | 'h3')[]
  readonly http2: NativeHttp2
  /** Null exactly where HTTP/3 is not spoken. */
  readonly http3: NativeHttp3 | null
  /** Where to connect, best first; empty where it is not known yet or a Unix socket is used. */
  readonly addresses: NativeAddress[]
  readonly limits: NativeLimitsConfig
  readonly connection: NativeConnectionConfig
  readonly timeouts: NativeTimeouts
  readonly bounds: NativeBounds
  /** Null exactly where the scheme is `http`. */
  readonly tls: NativeTls | null
  readonly replay: 'idempotent' | 'unprocessed' | 'none'
  readonly bodyBuffer: number
  /** Whether connections to addresses that left the set are drained. */
  readonly drainVanished: boolean
}

export interface NativeOrigin {
  readonly scheme: 'http' | 'https'
  /** Canonical; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** Value of the Host field: the port left out where it is the scheme's. */
  readonly authority: string
}

export interface NativeAddress {
  /** An IP address, without brackets. */
  readonly address: string
  readonly port: number
}

export interface NativeHttp2 {
  readonly maxConcurrentStreams: number
  readonly preSettingsStreams: number | null
  readonly remember: boolean
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly adaptiveWindow: NativeAdaptiveWindow | null
  readonly ping: NativePing | null
}

export interface NativeAdaptiveWindow {
  readonly maxStreamWindow: number
  readonly maxConnectionWindow: number
}

export interface NativeHttp3 {
  readonly maxConcurrentStreams: number
  readonly idleTimeout: number
  readonly pingInterval: number
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly congestion: 'cubic' | 'new-reno' | 'bbr'
}

export interface NativePing {
  readonly timeout: number
  readonly interval: number
  readonly jitter: number
  readonly idleInterval: number
}

export interface NativeLimits {
  readonly maxConnections: number
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly onMaxRequests: 'reject' | 'queue'
  readonly maxConnectionPools: number
  readonly maxRetries: number
  /** Null: `maxRetries` holds. */
  readonly retryBudget: NativeRetryBudget | null
}

export interface NativeRetryBudget {
  readonly percent: number
  readonly minConcurrency: number
}

export interface NativeLimitsConfig {
  readonly default: NativeLimits
  readonly high: NativeLimits
  readonly perHostMaxConnections: number
}

export interface NativeConnectionConfig {
  readonly connectTimeout: number
  readonly addressDelay: number
  readonly idleTimeout: number
  readonly maxConnectionDuration: number
  readonly durationJitter: number
  readonly maxRequestsPerConnection: number
  readonly drainTimeout: number
  readonly pick: 'least-loaded' | 'most-recent' | 'round-robin'
  readonly onConnectFailure: 'uncovered' | 'all'
  readonly onCancel: 'keep' | 'close-excess'
  readonly connectBackoffBase: number
  readonly connectBackoffMax: number
  readonly preconnectRatio: number
  readonly tcpUserTimeout: number
  readonly localAddress: string | null
  readonly socketPath: string | null
}

export interface NativeTimeouts {
  readonly queueTimeout: number
  readonly headersTimeout: number
  readonly bodyIdleTimeout: number
  readonly perTryTimeout: number
  readonly perTryIdleTimeout: number
  readonly totalTimeout: number
  readonly maxStreamDuration: number
}

export interface NativeBounds {
  readonly maxHeadSize: number
  readonly maxHeadFields: number
  readonly maxPathSize: number
  readonly maxRequestHeadSize: number
  readonly maxRequestHeadFields: number
}

export interface NativeTls {
  /** PEM, all roots one after another. */
  readonly ca: Uint8Array
  /** PEM, all revocation lists one after another. */
  readonly crl: Uint8Array | null
  readonly cert: Uint8Array | null
  readonly key: Uint8Array | null
  /** Null: the origin's host. */
  readonly servername: string | null
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly sessionCache: number
  readonly dangerouslySkipVerification: boolean
}

/** A `FAIL` record, decoded. */
export interface NativeFailure {
  /** Index into the table of codes. */
  readonly code: number
  /** Index into `no`, `maybe`, `yes`. */
  readonly retryable: number
  /** Index into the phases. */
  readonly phase: number
  /** Filled in by the channel. */
  connection: NativeConnection | null
  /** The limit that was met, or the time-out in ms; else 0. */
  readonly number: number
  /** The cause, for humans; may be empty. */
  readonly text: string
  /** `address:port`; empty where none was reached. Of a known connection filled in by the channel. */
  endpoint: string
  readonly reused: boolean
}

/** A `CONNECTED` record, decoded. */
export interface NativeConnection {
  readonly id: number
  /** Index into `h1`, `h2`, `h3`. */
  readonly protocol: number
  readonly address: string
  readonly port: number
  readonly connectMicros: number
  readonly tlsMicros: number
}
