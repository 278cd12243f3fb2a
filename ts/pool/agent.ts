// Many origins: a pool for each, made when it is first needed.
//
// Promise: no more pools than `maxOrigins`; a request finds the pool of its URL's origin, a redirect of `fetch` that of its own, without
// the credentials of the one before. Used by callers. Not here: which pools are kept (`origins.ts`), what a pool does (`native-pool.ts`).

import { EventEmitter } from 'node:events'
import { AgentConfig, type AgentOptions } from '../config/agent.js'
import type { PoolOptions } from '../config/options.js'
import { parseOrigin } from '../config/origin.js'
import { fieldsOf, readMs } from '../config/read.js'
import { codeEntry } from '../errors/codes.js'
import { OverflowError, RequestError } from '../errors/errors.js'
import { messageOf } from '../errors/from-native.js'
import type { FetchInit } from '../fetch/call.js'
import { type FetchTarget, type FetchUpstreams, fetchThrough } from '../fetch/fetch.js'
import { type Location, locate } from '../fetch/locate.js'
import type { ExchangeOptions, RequestOptions } from '../request/request.js'
import type { PoolResponse } from '../response/response.js'
import { systemClock } from './clock.js'
import { poolClosed } from './failures.js'
import { checkOptions } from './native-pool.js'
import { judgeOfPools, Pool } from './origin-pool.js'
import { type Kept, Origins } from './origins.js'
import { pipeResponse, type StreamResult, type StreamSink } from './pipe.js'
import type { AbstractPool, CloseOptions, PoolEvents } from './pool.js'
import type { PoolStats } from './stats.js'
import { tell } from './tell.js'

/** A request to any origin. */
export interface AgentRequestOptions extends ExchangeOptions {
  /** `http:` or `https:`, without user; a fragment is left out. */
  readonly url: string | URL
}

/** Every event that pools tell of. */
const EVENTS: readonly (keyof PoolEvents)[] = ['connection', 'close', 'drain', 'overflow', 'repeat', 'breaker']

/** Pools of connections to many origins. */
export class Agent
  extends EventEmitter<PoolEvents>
  implements AbstractPool<AgentRequestOptions, Readonly<Record<string, PoolStats>>>
{
  readonly kind = 'agent' as const
  /**
   * The platform's `fetch`, through the pools of this agent. Bound. Takes whole URLs; follows redirects to any origin, where
   * `authorization`, `proxy-authorization`, `cookie` and the option `authority` do not go along.
   */
  readonly fetch: (input: string | URL | Request, init?: FetchInit) => Promise<Response>
  readonly #config: AgentConfig
  readonly #origins: Origins<Pool>
  readonly #told: Set<keyof PoolEvents> = new Set()
  #closed = false
  #destroyed = false
  #reason: unknown = undefined
  #ended: Promise<void> | null = null

  /** A bad option throws a `ConfigError`. */
  constructor(options?: AgentOptions) {
    super()
    this.#config = new AgentConfig(options, checkOptions)
    this.#origins = new Origins(this.#config.maxOrigins, systemClock, judgeOfPools, origin => this.#make(origin))
    const upstreams: FetchUpstreams = { base: null, at: origin => this.#target(origin) }
    this.fetch = (input, init) => fetchThrough(upstreams, input, init)
    // Pools are listened to only for what somebody wants to hear.
    this.on('newListener' as keyof PoolEvents, (name: unknown) => this.#listen(name))
  }

  get closed(): boolean {
    return this.#closed
  }

  get destroyed(): boolean {
    return this.#destroyed
  }

  /** Of each pool, by origin; one crossing for each. */
  get stats(): Readonly<Record<string, PoolStats>> {
    const all: Record<string, PoolStats> = {}
    for (const [origin, { pool }] of this.#origins.kept) all[origin] = pool.stats
    return Object.freeze(all)
  }

  /**
   * The pool of an origin, made if there is none. Nobody keeps it from being let go when it has no work: ask again rather than hold it.
   * Throws an `OverflowError` where there are too many, a `ConfigError` where `perOrigin` gave a bad option.
   */
  pool(origin: string | URL): Pool {
    return this.#use(parseOrigin(origin).href).pool
  }

  async request(options: AgentRequestOptions): Promise<PoolResponse> {
    if (typeof options !== 'object' || options === null) throw new RequestError('options', 'expected an object')
    const { url, ...rest } = options
    const { origin, path } = place(url)
    return this.#send(origin, { ...rest, path })
  }

  async stream(options: AgentRequestOptions, sink: StreamSink): Promise<StreamResult> {
    return pipeResponse(await this.request(options), sink)
  }

  async #send(origin: string, options: RequestOptions): Promise<PoolResponse> {
    const kept = this.#use(origin)
    kept.inFlight += 1
    try {
      return await kept.pool.request(options)
    } finally {
      this.#origins.done(origin, kept)
    }
  }

  #use(origin: string): Kept<Pool> {
    if (this.#closed) throw poolClosed(origin, this.#reason)
    const kept = this.#origins.use(origin)
    if (kept !== null) return kept
    const { maxOrigins } = this.#config
    tell(this, 'overflow', () => ({ pool: origin, priority: 'default', limit: 'maxOrigins', count: 1 }))
    const message = `${messageOf(codeEntry('FB_POOL_OVERFLOW'), 0, origin, null)}: maxOrigins is ${maxOrigins}`
    throw new OverflowError('FB_POOL_OVERFLOW', message, 'maxOrigins', maxOrigins, { phase: 'admit', origin })
  }

  #target(origin: string): FetchTarget {
    const { kept } = this.#origins
    return {
      request: options => this.#send(origin, options),
      // Asked for once there is a response.
      get maxReadSize() {
        return kept.get(origin)?.pool.config.maxReadSize ?? Number.POSITIVE_INFINITY
      },
    }
  }

  #make(origin: string): Pool {
    const pool = new Pool(origin, this.#config.for(origin) as PoolOptions)
    for (const event of this.#told) this.#passOn(event, pool)
    return pool
  }

  #listen(name: unknown): void {
    const event = EVENTS.find(one => one === name)
    if (event === undefined || this.#told.has(event)) return
    this.#told.add(event)
    for (const pool of this.#origins.all) this.#passOn(event, pool)
  }

  #passOn(event: keyof PoolEvents, pool: Pool): void {
    pool.on(event, (...told: unknown[]) => Reflect.apply(this.emit, this, [event, ...told]))
  }

  /** As `drain()` of each pool. */
  drain(): void {
    for (const pool of this.#origins.all) pool.drain()
  }

  close(options?: CloseOptions): Promise<void> {
    try {
      const fields = fieldsOf('close', options, ['timeout'])
      readMs('close.timeout', fields['timeout'], 0)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#end(pool => pool.close(options))
  }

  destroy(error?: Error): Promise<void> {
    this.#reason ??= error
    this.#destroyed = true
    this.#ended = null
    return this.#end(pool => pool.destroy(error))
  }

  #end(end: (pool: Pool) => Promise<void>): Promise<void> {
    this.#closed = true
    this.#origins.stop()
    this.#ended ??= Promise.all(this.#origins.all.map(end)).then(() => {
      this.#destroyed = true
    })
    return this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function place(url: unknown): Location {
  if (typeof url !== 'string' && !(url instanceof URL)) throw new RequestError('url', 'expected a string or a URL')
  try {
    return locate(`${url}`, null)
  } catch {
    // Its words are of fetch, and repeat the URL, in which there may be a password.
    throw new RequestError('url', 'expected a whole http: or https: URL without user and password')
  }
}
