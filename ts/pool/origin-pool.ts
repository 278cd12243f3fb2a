// The handle of a pool that callers hold.
//
// Promise: who closes it: the caller. A pool that nobody holds any more takes itself down: its requests finish, its connections go.
// Used by callers. Not here: all that it does (`native-pool.ts`).

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { PoolOptions } from '../config/options.js'
import type { PoolConfig } from '../config/parsed.js'
import { fieldsOf, readMs } from '../config/read.js'
import type { FetchInit } from '../fetch/call.js'
import { type FetchTarget, type FetchUpstreams, fetchThrough } from '../fetch/fetch.js'
import type { ConnectOptions } from '../request/connect.js'
import type { RequestOptions } from '../request/request.js'
import type { PoolResponse, ResponseHead } from '../response/response.js'
import { decompressed } from './decompress.js'
import { NativePool } from './native-pool.js'
import type { Judge } from './origins.js'
import { pipeResponse, type StreamResult, type StreamSink } from './pipe.js'
import type { AbstractPool, CloseOptions, PoolEvents } from './pool.js'
import type { PoolStats } from './stats.js'

/** For the agent that keeps pools. */
export let judgeOfPools: Judge<Pool>

/** A pool of connections to one origin. */
export class Pool extends EventEmitter<PoolEvents> implements AbstractPool {
  readonly kind = 'pool' as const
  /**
   * The platform's `fetch`, through this pool. Bound: it can be passed on as it is. Takes a path, or a URL of the pool's origin; what is
   * elsewhere, a redirect too, is refused. See docs/fetch.md.
   */
  readonly fetch: (input: string | URL | Request, init?: FetchInit) => Promise<Response>
  readonly #pool: NativePool

  /** `origin`: `http:` or `https:`, without path or user. A bad option throws a `ConfigError`. */
  constructor(origin: string | URL, options?: PoolOptions) {
    super()
    this.#pool = new NativePool(origin, options, new WeakRef(this))
    abandoned.register(this, this.#pool)
    // It holds the handle: whoever has it has the pool.
    const { origin: base, maxReadSize } = this.#pool.config
    const target: FetchTarget = { request: request => this.request(request), maxReadSize }
    const upstreams: FetchUpstreams = { base, at: at => (at === base ? target : null) }
    this.fetch = (input, init) => fetchThrough(upstreams, input, init)
  }

  /** The options, parsed: every field, frozen. */
  get config(): PoolConfig {
    return this.#pool.config
  }

  get closed(): boolean {
    return this.#pool.closed
  }

  get destroyed(): boolean {
    return this.#pool.destroyed
  }

  get stats(): PoolStats {
    return this.#pool.stats()
  }

  request(options: RequestOptions): Promise<PoolResponse> {
    return options?.decompress === true ? decompressed(this.#pool, options) : this.#pool.request(options)
  }

  async stream(options: RequestOptions, sink: StreamSink): Promise<StreamResult> {
    return pipeResponse(await this.request(options), sink)
  }

  /**
   * Opens a tunnel through the upstream: CONNECT to another host, or an upgrade to another protocol. Gives a duplex stream of its bytes,
   * with backpressure both ways and half-close (`end()` ends our side alone); to destroy it before its end resets it. A tunnel counts as
   * a request in flight and has its connection for itself. If the upstream refuses: `FB_PROXY_FAILED`, whose last attempt has the status.
   */
  connect(options: ConnectOptions): Promise<{ readonly socket: Duplex; readonly head: ResponseHead }> {
    return this.#pool.connect(options)
  }

  /**
   * The connections that are there take no more requests: those without any close, the others once what they have is done (`drain`
   * events with reason `manual`). Requests that wait, and new ones, get new connections. For what a new connection picks up: another
   * certificate, another backend behind the same address. May be repeated; nothing after `close()`.
   */
  drain(): void {
    this.#pool.drain()
  }

  close(options?: CloseOptions): Promise<void> {
    try {
      const fields = fieldsOf('close', options, ['timeout'])
      return this.#pool.close(readMs('close.timeout', fields['timeout'], 0))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  destroy(error?: Error): Promise<void> {
    return this.#pool.destroy(error)
  }

  static {
    judgeOfPools = { hasWork: pool => pool.#pool.hasWork(), isIdle: pool => pool.#pool.isIdle() }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const abandoned = new FinalizationRegistry<NativePool>(pool => {
  pool.close(0)
})
