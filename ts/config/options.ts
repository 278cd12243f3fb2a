// What users write. Every field is optional and may be `undefined`: the default. `null` means off, where it is allowed.
//
// Conventions: durations are whole ms up to 2^31-1, `0` and `Infinity` mean off; sizes are bytes; limits are whole numbers, `0` is
// none and `Infinity` unlimited; shares go from 0 to 1. An unknown field is refused. Defaults and their sources: `defaults.ts`.
// Used by callers and by `parse.ts`. Not here: the parsed form (`parsed.ts`).

import type { BreakerPolicy } from './breaker.js'
import type { RetryOptions } from './retry.js'

/**
 * Limits in time, of every request of the pool or of one request. The first to run out ends the request, with a code of its own. They
 * run natively: a busy JavaScript thread makes none of them run out.
 */
export interface RequestTimeouts {
  /**
   * Longest wait for a connection, in ms. `0`: no bound.
   * @default 15_000
   */
  readonly queueTimeout?: number | undefined
  /**
   * From the request sent to its final response head, in ms; a 1xx does not restart it. `0`: no bound.
   * @default 30_000
   */
  readonly headersTimeout?: number | undefined
  /**
   * Longest pause in a body, either way, while our side is ready, in ms. `0`: no bound.
   * @default 30_000
   */
  readonly bodyIdleTimeout?: number | undefined
  /**
   * One attempt, from the request sent on its connection to the end of the response, in ms; the wait for a connection does not count.
   * `0`: no bound.
   * @default 0
   */
  readonly perTryTimeout?: number | undefined
  /**
   * As `perTryTimeout`, begun anew by all that comes from the upstream, in ms. `0`: no bound.
   * @default 0
   */
  readonly perTryIdleTimeout?: number | undefined
  /**
   * From the connection bound to the end of request and response, in ms. `0`: no bound.
   * @default 0
   */
  readonly maxStreamDuration?: number | undefined
  /**
   * From the call to the last byte of the response, over all attempts, the wait and the lookup of the host included, in ms.
   * `0`: no bound.
   * @default 0
   */
  readonly totalTimeout?: number | undefined
}

/** Envoy's thresholds, for one priority. */
export interface Limits {
  /**
   * Connections open at once. `0`: still one, where there is none.
   * @default 1024
   */
  readonly maxConnections?: number | undefined
  /**
   * Requests that wait for a connection. `0` refuses every request that finds no free connection.
   * @default 1024
   */
  readonly maxPendingRequests?: number | undefined
  /**
   * Requests in flight. `0` refuses all.
   * @default 1024
   */
  readonly maxRequests?: number | undefined
  /**
   * What happens at `maxRequests`: refuse, or wait as pending.
   * @default 'reject'
   */
  readonly onMaxRequests?: 'reject' | 'queue' | undefined
  /**
   * Connection pools.
   * @default Infinity
   */
  readonly maxConnectionPools?: number | undefined
  /**
   * Retries under way at once, those that wait for their turn included. `0`: none.
   * @default unset: `retryBudget` holds
   */
  readonly maxRetries?: number | undefined
  /**
   * Retries under way at once, as a share of the requests that are in flight or wait; wins over `maxRetries`.
   * @default 20 %, at least 3, unless `maxRetries` is set
   */
  readonly retryBudget?: RetryBudget | undefined
}

/** How many retries may be under way, as a share. */
export interface RetryBudget {
  /**
   * In percent, 0 to 100.
   * @default 20
   */
  readonly percent?: number | undefined
  /**
   * However few requests there are, so many retries may be under way.
   * @default 3
   */
  readonly minConcurrency?: number | undefined
}

/** The limits of priority `default`, and in `high` those of the other. */
export interface LimitsOptions extends Limits {
  /** Limits of priority `high`. What is not set here has its default, not the value beside it. */
  readonly high?: Limits | undefined
  /** Limits of one address, over both priorities. */
  readonly perHost?:
    | {
        /**
         * Connections open at once to one address.
         * @default Infinity
         */
        readonly maxConnections?: number | undefined
      }
    | undefined
}

/** How connections are made, chosen and given up. */
export interface ConnectionOptions {
  /**
   * To the end of the handshake, over all addresses, in ms, from 1. Never off.
   * @default 5_000
   */
  readonly connectTimeout?: number | undefined
  /**
   * Until the next address is tried beside the one before, in ms. `0`: all at once.
   * @default 300
   */
  readonly addressDelay?: number | undefined
  /**
   * How long an unused connection is kept, in ms. A lower `Keep-Alive: timeout` of the upstream less 1 s wins. `0`: for ever.
   * @default 55_000
   */
  readonly idleTimeout?: number | undefined
  /**
   * Age at which a connection takes no more requests, in ms. `0`: none.
   * @default 0
   */
  readonly maxConnectionDuration?: number | undefined
  /**
   * Share of `maxConnectionDuration` that is taken off at random, 0 to 1.
   * @default 0.1
   */
  readonly durationJitter?: number | undefined
  /**
   * Requests after which a connection takes no more. `0`: no bound; `1`: no reuse.
   * @default 0
   */
  readonly maxRequestsPerConnection?: number | undefined
  /**
   * How long a connection that takes no more requests may finish the others, in ms. `0`: as long as they need.
   * @default 0
   */
  readonly drainTimeout?: number | undefined
  /**
   * Which of several free connections is used.
   * @default 'least-loaded'
   */
  readonly pick?: 'least-loaded' | 'most-recent' | 'round-robin' | undefined
  /**
   * Which waiting requests fail when a connection cannot be made.
   * @default 'uncovered'
   */
  readonly onConnectFailure?: 'uncovered' | 'all' | undefined
  /**
   * What becomes of a connection under way for which nobody waits any more.
   * @default 'keep'
   */
  readonly onCancel?: 'keep' | 'close-excess' | undefined
  /** Wait after failed connections: the second in a row waits up to `base` ms, each further one twice as long, to `max` ms. */
  readonly connectBackoff?:
    | {
        /**
         * In ms. `0`: no wait.
         * @default 25
         */
        readonly base?: number | undefined
        /**
         * In ms, from 1.
         * @default 250
         */
        readonly max?: number | undefined
      }
    | undefined
  /**
   * Connections made per request, 1 to 3.
   * @default 1
   */
  readonly preconnectRatio?: number | undefined
  /**
   * How long sent bytes may stay unacknowledged before the system gives the connection up, in ms. `0`: the system's own limit, which is
   * minutes. Only Linux has it (`TCP_USER_TIMEOUT`); elsewhere, and on a Unix socket, it changes nothing.
   * @default 0
   */
  readonly tcpUserTimeout?: number | undefined
  /**
   * Address to connect from.
   * @default null
   */
  readonly localAddress?: string | null | undefined
  /**
   * Path of a Unix socket to connect to. Names and TLS stay the origin's.
   * @default null
   */
  readonly socketPath?: string | null | undefined
}

/** TLS of an `https:` origin. */
export interface TlsOptions {
  /**
   * PEM certificates to trust instead of Node's.
   * @default Node's
   */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /**
   * PEM revocation lists. With any, every certificate below the root must be covered by one, as in Envoy and Node: a revoked one is
   * `FB_TLS_CERT_REVOKED`, one whose issuer has no list `FB_TLS_CERT_INVALID`.
   * @default none: revocation is not checked
   */
  readonly crl?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** PEM certificate chain of the client; with `key`. */
  readonly cert?: string | Uint8Array | undefined
  /** PEM private key of the client; with `cert`. */
  readonly key?: string | Uint8Array | undefined
  /**
   * Name that is asked for and verified.
   * @default the origin's host
   */
  readonly servername?: string | undefined
  /**
   * Lowest version.
   * @default 'TLSv1.2'
   */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /**
   * Sessions kept for resumption. `0`: none.
   * @default 256
   */
  readonly sessionCache?: number | undefined
  /**
   * Trusts anybody. Warns once per pool.
   * @default false
   */
  readonly dangerouslySkipVerification?: boolean | undefined
}

/** An address that a lookup found. */
export interface LookupAddress {
  readonly address: string
  readonly family: 4 | 6
  /** Seconds for which it is valid. */
  readonly ttl?: number | undefined
}

/** Finds the addresses of a name. */
export type Lookup = (hostname: string, options: { readonly signal: AbortSignal }) => Promise<readonly LookupAddress[]>

/** How the origin's host becomes addresses. */
export interface ResolverOptions {
  /**
   * Finds the addresses.
   * @default dns.lookup with `all`
   */
  readonly lookup?: Lookup | undefined
  /**
   * Age at which the addresses of a pool in use are looked up again, in ms, from 1_000; a `ttl` counts instead.
   * `0`: only when a request finds no connection.
   * @default 5_000
   */
  readonly refresh?: number | undefined
  /**
   * Longest wait for one lookup, in ms, from 1.
   * @default 5_000
   */
  readonly timeout?: number | undefined
  /**
   * Whether connections to an address that is gone take no more requests.
   * @default true
   */
  readonly drainVanished?: boolean | undefined
  /** Whether a (canonical) address may be connected to. If none may: `FB_ADDRESS_DENIED`. */
  readonly filter?: ((address: string) => boolean) | undefined
}

/** Bounds on what is sent and taken. */
export interface Bounds {
  /**
   * Bytes of a response head, from 1_024 to 16_777_216.
   * @default 65_536
   */
  readonly maxHeadSize?: number | undefined
  /**
   * Fields of a response head, from 1 to 10_000.
   * @default 100
   */
  readonly maxHeadFields?: number | undefined
  /**
   * Bytes of a request's path with its query, from 1 to 131_072.
   * @default 16_384
   */
  readonly maxPathSize?: number | undefined
  /**
   * Bytes of a request's fields (name, value and 4 for each), from 0 to 262_144.
   * @default 65_536
   */
  readonly maxRequestHeadSize?: number | undefined
  /**
   * Fields of a request, from 0 to 10_000.
   * @default 100
   */
  readonly maxRequestHeadFields?: number | undefined
}

/** Connections of HTTP/2. */
export interface Http2Options {
  /**
   * Requests on a connection at once, from 1; a lower limit of the upstream's wins.
   * @default 1024
   */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * Requests that are sent before the upstream has said its limit, from 1. `null`: as many as it last said; where nothing is known
   * its word is awaited.
   * @default null
   */
  readonly preSettingsStreams?: number | null | undefined
  /**
   * Whether the upstream's limit is kept for its next connection.
   * @default true
   */
  readonly remember?: boolean | undefined
  /**
   * Bytes of a body that the upstream may send ahead of its reader, from 65_535. Half a `bodyBuffer` more may be on the way to a reader.
   * @default `bodyBuffer`
   */
  readonly streamWindow?: number | undefined
  /**
   * The same for all requests on a connection together. Raise both on long paths.
   * @default 16 times `streamWindow`
   */
  readonly connectionWindow?: number | undefined
  /**
   * Whether the windows grow to what the path holds, as a PING now and then tells. The upstream may then send so much ahead of the
   * readers, and so much may wait in native memory. `{}`: up to the bounds below.
   * @default null
   */
  readonly adaptiveWindow?:
    | {
        /**
         * Bytes for each request, from `streamWindow`.
         * @default 16_777_216
         */
        readonly maxStreamWindow?: number | undefined
        /**
         * Bytes for all requests on a connection, from `connectionWindow`.
         * @default 25_165_824
         */
        readonly maxConnectionWindow?: number | undefined
      }
    | null
    | undefined
  /**
   * Whether the upstream is asked if it is still there. Without, only after a time-out on a connection from which nothing has come.
   * @default null
   */
  readonly ping?:
    | {
        /** Without an answer for so long, in ms, from 1, the connection is dead: `FB_KEEPALIVE_TIMEOUT`. */
        readonly timeout: number
        /**
         * Asks after so much silence, in ms. `0`: never. Many gRPC servers refuse less than 10_000.
         * @default 0
         */
        readonly interval?: number | undefined
        /**
         * Share of the interval that is added at random, 0 to 1.
         * @default 0.15
         */
        readonly jitter?: number | undefined
        /**
         * After more silence than this, in ms, the next request is sent with a question before it. `0`: never.
         * @default 0
         */
        readonly idleInterval?: number | undefined
      }
    | null
    | undefined
}

/** Connections of HTTP/3. */
export interface Http3Options {
  /**
   * Requests on a connection at once, from 1 to 65_536; the upstream may allow fewer. Source: Envoy.
   * @default 100
   */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * A connection on which nothing comes for so long, in ms, to 2^31 - 1, is over; the upstream may say less. `0`: only what it says.
   * Source: Envoy.
   * @default 600_000
   */
  readonly idleTimeout?: number | undefined
  /**
   * After so much silence, in ms, to 2^31 - 1, the upstream is asked if it is still there, which also keeps a path through NAT open. `0`:
   * never. Source: Envoy, which leaves it to QUICHE.
   * @default 15_000
   */
  readonly pingInterval?: number | undefined
  /**
   * Bytes of a body that the upstream may send ahead of its reader, from 65_535 to 2^31 - 1. As for HTTP/2.
   * @default `bodyBuffer`
   */
  readonly streamWindow?: number | undefined
  /**
   * The same for all requests on a connection together, from 65_535 to 2^31 - 1; as much of what is sent may wait for an acknowledgement.
   * Raise both on long paths. As for HTTP/2.
   * @default 16 times `streamWindow`
   */
  readonly connectionWindow?: number | undefined
  /**
   * How the rate is found that the path takes: by loss (`cubic`: RFC 9438; `new-reno`: RFC 9002), or by bandwidth and delay (`bbr`,
   * experimental). Source of the default: Linux for TCP, and quinn.
   * @default 'cubic'
   */
  readonly congestion?: 'cubic' | 'new-reno' | 'bbr' | undefined
}

/** Options of a pool. */
export interface PoolOptions extends RequestTimeouts {
  /**
   * In stats and events.
   * @default the origin
   */
  readonly name?: string | undefined
  /**
   * Versions of HTTP that may be used. `auto`: on `https:` HTTP/2 or HTTP/1.1, as the upstream chooses; on `http:` HTTP/1.1. A single one
   * never falls back: `['h2']` on `http:` is HTTP/2 with prior knowledge, `['h3']` is HTTP/3 with prior knowledge, on `https:` only.
   * @default 'auto'
   */
  readonly protocols?: 'auto' | readonly ('h1' | 'h2' | 'h3')[] | undefined
  readonly http2?: Http2Options | undefined
  /**
   * Only where `protocols` is `['h3']`.
   * @default null; `{}` where HTTP/3 is spoken
   */
  readonly http3?: Http3Options | null | undefined
  readonly limits?: LimitsOptions | undefined
  readonly connection?: ConnectionOptions | undefined
  readonly tls?: TlsOptions | undefined
  readonly resolver?: ResolverOptions | undefined
  readonly bounds?: Bounds | undefined
  /**
   * When to stop sending to an upstream that fails: `consecutiveFailures()`, `sampling()`, or a policy of your own. While it is open,
   * requests are refused with `FB_BREAKER_OPEN`, those that wait for a connection too.
   * @default null
   */
  readonly breaker?: BreakerPolicy | null | undefined
  /**
   * Which attempts are repeated, and how. A request may have its own.
   * @default null
   */
  readonly retry?: RetryOptions | null | undefined
  /**
   * What the pool itself may send again, before any response head: what the upstream cannot have processed, and of idempotent
   * requests those that met a connection which was just closed; only the former; nothing.
   * @default 'idempotent'
   */
  readonly replay?: 'idempotent' | 'unprocessed' | 'none' | undefined
  /**
   * Bytes of a body that are held natively, per exchange and direction, from 16_384.
   * @default 262_144
   */
  readonly bodyBuffer?: number | undefined
  /**
   * Bytes of a response body that are collected, else `FB_BODY_TOO_LARGE`. `Infinity`: no bound.
   * @default 67_108_864
   */
  readonly maxReadSize?: number | undefined
  /**
   * Who does the protocol work: a native thread, or Node's own loop (least CPU and latency). `auto`: the loop where one CPU is
   * available and HTTP/3 is not spoken, whose acknowledgements and timers should not wait for JavaScript.
   * @default 'auto'
   */
  readonly runOn?: 'auto' | 'thread' | 'event-loop' | undefined
}
