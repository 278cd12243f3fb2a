// Generated from crates/forebay-napi by npm run native-types. Do not edit.
/** One way across. Lives as long as its environment, whose end it notices by itself. */
export declare class Channel {
  /** `submit` is read by `flush`; `slab` is filled before `deliver(length)` is called. Both are never detached. */
  constructor(runner: string, submit: Uint8Array, slab: Uint8Array, deliver: (arg: number) => void)
  /** Copies the body of a request whose record is in the submit buffer and says so. For bodies that are too long to go through it. */
  give(request: number, body: Uint8Array): void
  /** Reads the first `length` bytes of the submit buffer. Gives how many bytes of answers the slab holds already. */
  flush(length: number): number
  /**
   * The rest of the body of `request` is wanted in `into`, as long as it fits. `into` is never detached, and not read before
   * the terminal record.
   */
  direct(request: number, into: Uint8Array): void
  /** Adds a pool; gives its number. */
  createPool(config: NativePoolConfig): number
  /** Where a pool connects from now on. */
  setAddresses(pool: number, list: Array<NativeAddress>): void
  /** Copies the counters of a pool, in the order of `statNames`. */
  stats(pool: number, into: Float64Array): void
  /** Lets go of the counters of a closed pool. */
  forgetPool(pool: number): void
}

/** The codes of failures, by the index that records carry. */
export declare function codeNames(): Array<string>

/** How many threads serve the thread runner. False: they run already. */
export declare function configureRuntime(shards: number): boolean

/** Null where protocol work can be done on Node's loop; else why not. */
export declare function eventLoopSupport(): string | null

/** Up to where windows grow. */
export interface NativeAdaptiveWindow {
  maxStreamWindow: number
  maxConnectionWindow: number
}

/** Where to connect. */
export interface NativeAddress {
  address: string
  port: number
}

/** Bounds on messages. */
export interface NativeBounds {
  maxHeadSize: number
  maxHeadFields: number
  maxPathSize: number
  maxRequestHeadSize: number
  maxRequestHeadFields: number
}

/** How connections live and die. */
export interface NativeConnectionConfig {
  connectTimeout: number
  addressDelay: number
  idleTimeout: number
  maxConnectionDuration: number
  durationJitter: number
  maxRequestsPerConnection: number
  drainTimeout: number
  pick: string
  onConnectFailure: string
  onCancel: string
  connectBackoffBase: number
  connectBackoffMax: number
  preconnectRatio: number
  tcpUserTimeout: number
  localAddress: string | null
  socketPath: string | null
}

/** Connections of HTTP/2. */
export interface NativeHttp2 {
  maxConcurrentStreams: number
  preSettingsStreams: number | null
  remember: boolean
  streamWindow: number
  connectionWindow: number
  adaptiveWindow: NativeAdaptiveWindow | null
  ping: NativePing | null
}

/** Connections of HTTP/3. */
export interface NativeHttp3 {
  maxConcurrentStreams: number
  idleTimeout: number
  pingInterval: number
  streamWindow: number
  connectionWindow: number
  congestion: string
}

/** Limits of one priority. */
export interface NativeLimits {
  maxConnections: number
  maxPendingRequests: number
  maxRequests: number
  onMaxRequests: string
  maxConnectionPools: number
  maxRetries: number
  retryBudget: NativeRetryBudget | null
}

/** Limits of the pool. */
export interface NativeLimitsConfig {
  default: NativeLimits
  high: NativeLimits
  perHostMaxConnections: number
}

/** Whom the pool is for. */
export interface NativeOrigin {
  scheme: string
  host: string
  port: number
  authority: string
}

/** PING. */
export interface NativePing {
  timeout: number
  interval: number
  jitter: number
  idleInterval: number
}

/** A pool. Durations are whole ms, 0 for off; sizes are bytes; counts use 4294967295 for unlimited. */
export interface NativePoolConfig {
  name: string
  origin: NativeOrigin
  protocols: Array<string>
  addresses: Array<NativeAddress>
  limits: NativeLimitsConfig
  connection: NativeConnectionConfig
  timeouts: NativeTimeouts
  bounds: NativeBounds
  tls: NativeTls | null
  replay: string
  bodyBuffer: number
  drainVanished: boolean
  http2: NativeHttp2
  http3: NativeHttp3 | null
}

/** How many retries may be under way, as a share of the requests; wins over `max_retries`. */
export interface NativeRetryBudget {
  percent: number
  minConcurrency: number
}

/** Time-outs of a request. */
export interface NativeTimeouts {
  queueTimeout: number
  headersTimeout: number
  bodyIdleTimeout: number
  perTryTimeout?: number
  perTryIdleTimeout?: number
  totalTimeout?: number
  maxStreamDuration?: number
}

/** TLS of an https origin. */
export interface NativeTls {
  ca: Uint8Array
  crl: Uint8Array | null
  cert: Uint8Array | null
  key: Uint8Array | null
  servername: string | null
  minVersion: string
  sessionCache: number
  dangerouslySkipVerification: boolean
}

/** The phases, by the index that records carry. */
export declare function phaseNames(): Array<string>

/** The names of the numbers that `Channel.stats` copies. */
export declare function statNames(): Array<string>
