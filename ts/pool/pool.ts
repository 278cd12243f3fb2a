// What every pool is to its callers, and what it tells them.
//
// Used by callers who take any pool, and by `native-pool.ts`. Not here: how one works.

import type { BreakerState } from '../config/breaker.js'
import type { Attempt, Priority } from '../errors/attempt.js'
import type { ForebayError, LimitName } from '../errors/errors.js'
import type { FetchInit } from '../fetch/call.js'
import type { ExchangeOptions, RequestOptions } from '../request/request.js'
import type { ConnectionInfo } from '../response/connection.js'
import type { PoolResponse } from '../response/response.js'
import type { StreamResult, StreamSink } from './pipe.js'
import type { PoolStats } from './stats.js'

/** A pool, or pools. `R`: what a request is; `S`: what there are for statistics. Disposal is `close()`. */
export interface AbstractPool<R extends ExchangeOptions = RequestOptions, S = PoolStats> extends AsyncDisposable {
  readonly kind: 'pool' | 'agent'
  /** Whether it takes no more requests. */
  readonly closed: boolean
  /** Whether nothing is left of it. */
  readonly destroyed: boolean
  /** A fresh, frozen snapshot; one crossing. */
  readonly stats: S
  /** Sends a request; resolves when the head is there. A status is never an error. */
  request(options: R): Promise<PoolResponse>
  /** Sends a request and writes the body of its response into what `sink` gives, no faster than that takes it. */
  stream(options: R, sink: StreamSink): Promise<StreamResult>
  /** The platform's `fetch`, through this pool: follows redirects within it, decodes bodies. Bound. */
  readonly fetch: (input: string | URL | Request, init?: FetchInit) => Promise<Response>
  /** The connections that are there finish what they have and close; requests that wait, and new ones, get new connections. */
  drain(): void
  /** Takes no more requests and lets the others finish, bodies that are still to be read included. */
  close(options?: CloseOptions): Promise<void>
  /** Ends every request with `FB_POOL_CLOSED`, `error` as its cause. */
  destroy(error?: Error): Promise<void>
}

/** How patiently a pool closes. */
export interface CloseOptions {
  /**
   * After so many ms the rest is destroyed. `0`, `Infinity`: never.
   * @default 0
   */
  readonly timeout?: number | undefined
}

/** Why a connection takes no more requests. */
export type DrainReason =
  | 'goaway'
  | 'max-duration'
  | 'max-requests'
  | 'close-header'
  | 'keep-alive-hint'
  | 'manual'
  | 'address-gone'
  | 'unhealthy'
  | 'local-errors'

/** Events of a pool. There is no `error` event: errors end in promises. */
export type PoolEvents = {
  /** A connection can be used. */
  connection: [{ readonly pool: string; readonly connection: ConnectionInfo }]
  /** A connection is gone; `error` is null where that was in order. */
  close: [{ readonly pool: string; readonly connection: ConnectionInfo; readonly error: ForebayError | null }]
  /** A connection takes no more requests; those on it go on. */
  drain: [{ readonly pool: string; readonly connection: ConnectionInfo; readonly reason: DrainReason }]
  /** A limit refused requests or, `maxConnections`, connections: `count` times in one turn. */
  overflow: [{ readonly pool: string; readonly priority: Priority; readonly limit: LimitName; readonly count: number }]
  /** A request is sent again after `attempt`: by the pool itself (`replay`), or as `retry` says. */
  repeat: [{ readonly pool: string; readonly type: 'replay' | 'retry'; readonly attempt: Attempt }]
  /** The breaker opened, tries the upstream again, or closed. `endpoint` is null where it is that of the whole pool. */
  breaker: [
    { readonly pool: string; readonly endpoint: string | null; readonly from: BreakerState; readonly to: BreakerState },
  ]
}
