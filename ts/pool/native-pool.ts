// The pool of one origin: parses, submits, and tells what happened. All waiting, limits and connections are the core's.
//
//   open --close()--> closing --all done--> closed
//   open, closing --destroy()--> closing, everything fails --> closed
//
// Promise: a request is settled once, and by its pool's end at the latest; a bad option fails the constructor; nothing of users
// runs while records are decoded: events come after it. Who closes it: the caller; a pool that nobody holds any more closes itself.
// Used by callers. Not here: encoding (`native/`), one request (`exchange.ts`), names (`resolver.ts`).

import { EventEmitter } from 'node:events'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import type { PoolOptions } from '../config/options.js'
import { nativeConfig, type Parsed, parsePool } from '../config/parse.js'
import type { PoolConfig } from '../config/parsed.js'
import { readMs } from '../config/read.js'
import { nodeRoots } from '../config/roots.js'
import { CODES, codeEntry, PHASES } from '../errors/codes.js'
import { ClosedError } from '../errors/errors.js'
import {
  errorFromCreate,
  errorFromNative,
  limitOf,
  makeError,
  messageOf,
  type NativeFailure,
} from '../errors/from-native.js'
import type { Channel, PoolSink } from '../native/channel.js'
import type { NativeAddress, NativeConnection } from '../native/dto.js'
import { channelOf, nativeBinding } from '../native/environment.js'
import { PreparedRequest } from '../request/prepared.js'
import { OutgoingRequest, type RequestOptions, type RequestRules } from '../request/request.js'
import { connectionInfo } from '../response/connection.js'
import type { PoolResponse } from '../response/response.js'
import { canonicalAddress, usableAddresses } from './addresses.js'
import { Exchange, type ExchangeOwner } from './exchange.js'
import type { AbstractPool, CloseOptions, PoolEvents } from './pool.js'
import { Resolver, type ResolverOwner } from './resolver.js'
import { type PoolStats, StatsReader } from './stats.js'

/** A pool of connections to one origin. */
export class Pool extends EventEmitter<PoolEvents> implements AbstractPool {
  readonly kind = 'pool' as const
  /** The options, parsed. */
  readonly config: PoolConfig
  readonly #engine: Engine

  /** `origin`: `http:` or `https:`, without path or user. */
  constructor(origin: string | URL, options?: PoolOptions) {
    super()
    const environment = {
      parallelism: availableParallelism(),
      eventLoopSupport: nativeBinding().eventLoopSupport(),
    }
    const parsed = parsePool(origin, options, environment)
    this.config = parsed.config
    this.#engine = new Engine(parsed, new WeakRef(this))
    abandoned.register(this, this.#engine)
  }

  get closed(): boolean {
    return this.#engine.closed
  }

  get destroyed(): boolean {
    return this.#engine.destroyed
  }

  get stats(): PoolStats {
    return this.#engine.stats()
  }

  request(options: RequestOptions): Promise<PoolResponse> {
    return this.#engine.request(options)
  }

  close(options?: CloseOptions): Promise<void> {
    const timeoutMs = readMs('close.timeout', options?.timeout, 0)
    return this.#engine.close(timeoutMs)
  }

  destroy(error?: Error): Promise<void> {
    return this.#engine.destroy(error)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A pool that nobody can use any more finishes its requests and lets its connections go. */
const abandoned = new FinalizationRegistry<Engine>(engine => {
  engine.close(0)
})

/** A request that waits for the first addresses of its host. */
interface Held {
  readonly request: PreparedRequest
  readonly exchange: Exchange
}

/** What a pool does. Apart from `Pool`, so that a pool under way does not keep its own handle alive. */
class Engine implements PoolSink, ExchangeOwner, ResolverOwner {
  readonly origin: string
  readonly host: string
  readonly bodyBuffer: number
  closeReason: unknown = undefined
  closed = false
  destroyed = false
  readonly #config: PoolConfig
  readonly #port: number
  readonly #channel: Channel
  readonly #pool: number
  readonly #rules: RequestRules
  readonly #room: number
  readonly #handle: WeakRef<Pool>
  readonly #reader: StatsReader
  /** Null where the addresses never change: a literal one, or a socket's path. */
  readonly #resolver: Resolver | null
  #held: Held[] = []
  #holding = false
  #lookupStartedMs = 0
  #connections = 0
  #lastStats: PoolStats | null = null
  #ended: Promise<void> | null = null
  #onEnded: () => void = () => {}
  #closeTimer: NodeJS.Timeout | null = null

  constructor(parsed: Parsed, handle: WeakRef<Pool>) {
    const { config, origin } = parsed
    this.#config = config
    this.origin = config.origin
    this.host = origin.host
    this.#port = origin.port
    this.bodyBuffer = config.bodyBuffer
    this.#handle = handle
    this.#rules = Object.freeze({
      scheme: origin.scheme,
      maxPathSize: config.bounds.maxPathSize,
      maxHeadSize: config.bounds.maxRequestHeadSize,
      maxHeadFields: config.bounds.maxRequestHeadFields,
      maxReadSize: config.maxReadSize,
    })
    this.#room = OutgoingRequest.room(this.#rules)
    const fixed = fixedAddresses(parsed)
    this.#resolver = fixed === null ? new Resolver(this, config.resolver) : null
    this.#channel = channelOf(config.runOn)
    this.#reader = new StatsReader(this.#channel.statNames)
    const native = nativeConfig(parsed, this.#withPort(fixed ?? []), nodeRoots)
    try {
      this.#pool = this.#channel.createPool(native, this)
    } catch (thrown) {
      throw errorFromCreate(thrown)
    }
    if (config.tls?.dangerouslySkipVerification === true) {
      process.emitWarning(
        `${config.name}: tls.dangerouslySkipVerification: anybody can answer for it`,
        'SecurityWarning',
      )
    }
  }

  request(options: RequestOptions): Promise<PoolResponse> {
    try {
      const request = new OutgoingRequest(options, this.#rules)
      const { signal } = request
      if (signal?.aborted === true) return Promise.reject(signal.reason)
      if (this.closed) return Promise.reject(this.#closedError())
      const promise = new Promise(takeSettlers)
      const exchange = new Exchange(this, resolveTaken, rejectTaken, signal, request.maxReadSize, request.high)
      if (this.#resolver === null || (!this.#holding && this.#resolver.ready())) {
        this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
        exchange.startedMs = this.#channel.turnMs
      } else {
        this.#hold(this.#resolver, new PreparedRequest(request, this.#rules), exchange)
      }
      if (signal !== null) exchange.watch()
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Keeps a request until the host has addresses; as many as may be pending, so that what waits here is bounded as well. */
  #hold(resolver: Resolver, request: PreparedRequest, exchange: Exchange): void {
    const limits = request.high ? this.#config.limits.high : this.#config.limits
    const waiting = this.#held.filter(held => held.exchange.high === request.high && !held.exchange.settled).length
    if (waiting >= limits.maxPendingRequests) {
      const entry = codeEntry('FB_PENDING_OVERFLOW')
      const max = limits.maxPendingRequests
      this.#overflow('FB_PENDING_OVERFLOW', request.high)
      throw makeError(entry, messageOf(entry, max, this.origin, null), max, { phase: 'admit', origin: this.origin })
    }
    this.#held.push({ request, exchange })
    exchange.startedMs = performance.now()
    if (this.#holding) return
    this.#holding = true
    this.#lookupStartedMs = exchange.startedMs
    resolver.resolve().then(
      () => this.#release(),
      error => this.#failHeld(error),
    )
  }

  #takeHeld(): Held[] {
    const held = this.#held
    this.#held = []
    this.#holding = false
    return held
  }

  /** Submits what waited, in order. */
  #release(): void {
    const dnsMs = performance.now() - this.#lookupStartedMs
    for (const { request, exchange } of this.#takeHeld()) {
      if (exchange.settled) continue
      exchange.dnsMs = dnsMs
      try {
        this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
      } catch (error) {
        exchange.rejectWith(error)
      }
    }
    if (this.closed) this.#channel.closePool(this.#pool)
  }

  #failHeld(error: unknown): void {
    for (const { exchange } of this.#takeHeld()) exchange.rejectWith(error)
    if (this.closed) this.#channel.closePool(this.#pool)
  }

  close(timeoutMs: number): Promise<void> {
    const ended = this.#end()
    if (timeoutMs > 0 && this.#closeTimer === null && !this.destroyed) {
      this.#closeTimer = setTimeout(() => this.destroy(undefined), timeoutMs)
      this.#closeTimer.unref()
    }
    if (this.closed) return ended
    this.closed = true
    // What waits for addresses was accepted: the pool closes behind it.
    if (!this.#holding) this.#channel.closePool(this.#pool)
    return ended
  }

  destroy(error: Error | undefined): Promise<void> {
    const ended = this.#end()
    if (this.destroyed) return ended
    this.closed = true
    this.destroyed = true
    this.closeReason = error
    this.#resolver?.stop()
    for (const { exchange } of this.#takeHeld()) exchange.rejectWith(this.#closedError())
    this.#channel.destroyPool(this.#pool)
    return ended
  }

  #end(): Promise<void> {
    this.#ended ??= new Promise(resolve => {
      this.#onEnded = resolve
    })
    return this.#ended
  }

  #closedError(): ClosedError {
    const entry = codeEntry('FB_POOL_CLOSED')
    return new ClosedError('FB_POOL_CLOSED', messageOf(entry, 0, this.origin, null), {
      phase: 'admit',
      retryable: 'yes',
      origin: this.origin,
      cause: this.closeReason,
    })
  }

  stats(): PoolStats {
    if (this.#lastStats !== null) return this.#lastStats
    return this.#reader.read(row => this.#channel.stats(this.#pool, row))
  }

  poolClosed(): void {
    this.destroyed = true
    this.closed = true
    this.#resolver?.stop()
    if (this.#closeTimer !== null) clearTimeout(this.#closeTimer)
    // After the decoding: the native side is not entered from within its own delivery.
    queueMicrotask(() => {
      this.#lastStats = this.stats()
      this.#channel.forgetPool(this.#pool)
      this.#end()
      this.#onEnded()
    })
  }

  connected(connection: NativeConnection): void {
    this.#connections += 1
    this.#resolver?.usageChanged()
    this.#tell('connection', pool => ({ pool, connection: connectionInfo(connection, false) }))
  }

  disconnected(connection: NativeConnection, code: number): void {
    this.#connections -= 1
    this.#tell('close', pool => ({
      pool,
      connection: connectionInfo(connection, true),
      error: code === 0 ? null : this.#connectionError(connection, code - 1),
    }))
  }

  /** The error of an event. It belongs to no request: nothing is known but the code. */
  #connectionError(connection: NativeConnection, code: number) {
    const { endpoint } = connectionInfo(connection, true)
    const failure = {
      code,
      retryable: 0,
      phase: PHASES.indexOf('body'),
      connection,
      number: 0,
      text: '',
      endpoint,
      reused: true,
    }
    return errorFromNative(failure, { origin: this.origin, durationMs: 0, closeReason: undefined })
  }

  refused(failure: NativeFailure, high: boolean): void {
    const code = CODES[failure.code]
    if (code?.kind === 'overflow') this.#overflow(code.code, high)
  }

  #overflow(code: (typeof CODES)[number]['code'], high: boolean): void {
    const limit = limitOf(codeEntry(code))
    this.#tell('overflow', pool => ({ pool, priority: high ? 'high' : 'default', limit }))
  }

  /** Emits an event after all that is under way here; a listener that throws is the process's to know, as with any emitter. */
  #tell<E extends keyof PoolEvents>(event: E, make: (pool: string) => PoolEvents[E][0]): void {
    const handle = this.#handle.deref()
    if (handle === undefined || handle.listenerCount(event) === 0) return
    const emitter: EventEmitter = handle
    process.nextTick(() => emitter.emit(event, make(this.#config.name)))
  }

  nowMs(): number {
    return performance.now()
  }

  inUse(): boolean {
    return this.#connections > 0
  }

  found(addresses: readonly string[]): void {
    this.#channel.setAddresses(this.#pool, this.#withPort(addresses))
  }

  #withPort(addresses: readonly string[]): NativeAddress[] {
    return addresses.map(address => ({ address, port: this.#port }))
  }

  cancel(id: number): void {
    this.#channel.cancel(id)
  }

  credit(id: number, bytes: number): void {
    this.#channel.credit(id, bytes)
  }
}

/** The addresses of a host that is one itself, or none for a Unix socket; null where the host has to be looked up. */
function fixedAddresses({ config, origin }: Parsed): readonly string[] | null {
  if (config.connection.socketPath !== null) return []
  if (isIP(origin.host) === 0) return null
  const address = canonicalAddress(origin.host)
  return usableAddresses([{ address }], config.resolver.filter, config.origin)
}

/** One executor for all promises: a closure for each would cost an allocation. */
function takeSettlers(resolve: (response: PoolResponse) => void, reject: (error: unknown) => void): void {
  resolveTaken = resolve
  rejectTaken = reject
}
let resolveTaken: (response: PoolResponse) => void = () => {}
let rejectTaken: (error: unknown) => void = () => {}
