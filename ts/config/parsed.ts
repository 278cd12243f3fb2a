// The parsed form of a pool's options: every field there, checked, frozen. This is `pool.config`.
//
// Durations: whole ms, 0 is off. Limits: `Infinity` is unlimited. Used by everyone above. Not here: what the fields mean (`options.ts`).

import type { BreakerPolicy } from './breaker.js'
import type { Lookup } from './options.js'
import type { RetryConfig } from './retry.js'
import type { TlsConfig } from './tls.js'

export interface LimitsConfig {
  readonly maxConnections: number
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly onMaxRequests: 'reject' | 'queue'
  readonly maxConnectionPools: number
  /** Null exactly where `retryBudget` holds. */
  readonly maxRetries: number | null
  readonly retryBudget: RetryBudgetConfig | null
}

export interface RetryBudgetConfig {
  readonly percent: number
  readonly minConcurrency: number
}

export interface PoolLimitsConfig extends LimitsConfig {
  readonly high: LimitsConfig
  readonly perHost: { readonly maxConnections: number }
}

export interface ConnectionConfig {
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
  readonly connectBackoff: { readonly base: number; readonly max: number }
  readonly preconnectRatio: number
  /** 0: the system's own limit. */
  readonly tcpUserTimeout: number
  readonly localAddress: string | null
  readonly socketPath: string | null
}

export interface ResolverConfig {
  /** Null: dns.lookup. */
  readonly lookup: Lookup | null
  readonly refresh: number
  readonly timeout: number
  readonly drainVanished: boolean
  readonly filter: ((address: string) => boolean) | null
}

/** What a pool may speak. */
export type PoolProtocol = 'h1' | 'h2' | 'h3'

export interface Http2Config {
  readonly maxConcurrentStreams: number
  /** Null: the remembered limit holds, or SETTINGS is awaited. */
  readonly preSettingsStreams: number | null
  readonly remember: boolean
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly adaptiveWindow: AdaptiveWindowConfig | null
  readonly ping: PingConfig | null
}

export interface AdaptiveWindowConfig {
  readonly maxStreamWindow: number
  readonly maxConnectionWindow: number
}

export interface Http3Config {
  readonly maxConcurrentStreams: number
  /** 0: what the upstream says alone. */
  readonly idleTimeout: number
  readonly pingInterval: number
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly congestion: 'cubic' | 'new-reno' | 'bbr'
}

export interface PingConfig {
  readonly timeout: number
  readonly interval: number
  readonly jitter: number
  readonly idleInterval: number
}

export interface BoundsConfig {
  readonly maxHeadSize: number
  readonly maxHeadFields: number
  readonly maxPathSize: number
  readonly maxRequestHeadSize: number
  readonly maxRequestHeadFields: number
}

/** Every option of a pool, parsed. */
export interface PoolConfig {
  readonly name: string
  /** `scheme://host[:port]`, canonical. */
  readonly origin: string
  /** Most wanted first. Two: as the upstream chooses. */
  readonly protocols: readonly PoolProtocol[]
  readonly http2: Http2Config
  /** Null exactly where HTTP/3 is not spoken. */
  readonly http3: Http3Config | null
  readonly limits: PoolLimitsConfig
  readonly connection: ConnectionConfig
  /** Null exactly where the origin is `http:`. Certificates and keys are not kept here. */
  readonly tls: TlsConfig | null
  readonly resolver: ResolverConfig
  readonly bounds: BoundsConfig
  readonly breaker: BreakerPolicy | null
  readonly retry: RetryConfig | null
  readonly queueTimeout: number
  readonly headersTimeout: number
  readonly bodyIdleTimeout: number
  readonly perTryTimeout: number
  readonly perTryIdleTimeout: number
  readonly maxStreamDuration: number
  readonly totalTimeout: number
  readonly replay: 'idempotent' | 'unprocessed' | 'none'
  readonly bodyBuffer: number
  readonly maxReadSize: number
  /** What was decided, never `auto`. */
  readonly runOn: 'thread' | 'event-loop'
}
