// The pool of one origin: parses, submits, and settles. All waiting, limits and connections are the core's.
//
//   open --close()--> closing --all done--> closed
//   open, closing --destroy()--> closing, everything fails --> closed
//
// Promise: a request is settled once, and by its pool's end at the latest; a bad option fails the constructor.
// Used by `origin-pool.ts`, the handle that callers hold: a pool under way does not keep its own handle alive.
// Not here: encoding (`native/`), one request (`exchange.ts`), names and who waits for them (`locator.ts`), events (`teller.ts`).

import type { EventEmitter } from 'node:events'
import { availableParallelism } from 'node:os'
import { Breaker, type BreakerHost } from '../breaker/breaker.js'
import type { BreakerState } from '../config/breaker.js'
import { type Environment, nativeConfig, parsePool } from '../config/parse.js'
import type { PoolConfig } from '../config/parsed.js'
import type { RetryConfig } from '../config/retry.js'
import { nodeRoots } from '../config/roots.js'
import type { Attempt } from '../errors/attempt.js'
import { ForebayError } from '../errors/errors.js'
import { errorFromCreate } from '../errors/from-native.js'
import type { Channel, PoolSink } from '../native/channel.js'
import type { NativeAddress, NativeConnection } from '../native/dto.js'
import { channelOf, nativeBinding } from '../native/environment.js'
import { type ConnectOptions, ConnectRequest } from '../request/connect.js'
import type { RequestExtras } from '../request/extras.js'
import { PreparedRequest, type WritableRequest } from '../request/prepared.js'
import { OutgoingRequest, type RequestOptions, type RequestRules } from '../request/request.js'
import type { PoolResponse } from '../response/response.js'
import { Call, type CallHost } from './call.js'
import { systemClock, type Timer } from './clock.js'
import { Exchange } from './exchange.js'
import { bodyFailed, poolClosed } from './failures.js'
import { guarded } from './guarded.js'
import { Locator, type LocatorHost } from './locator.js'
import { type PoolStats, StatsReader } from './stats.js'
import { LIMITS, Teller } from './teller.js'
import { type OpenTunnel, openTunnel } from './tunnel.js'

/** See above. */
export class NativePool implements PoolSink, BreakerHost, CallHost, LocatorHost {
  readonly origin: string
  readonly bodyBuffer: number
  readonly breaker: Breaker | null
  closeReason: unknown = undefined
  closed = false
  destroyed = false
  readonly config: PoolConfig
  readonly #port: number
  readonly #channel: Channel
  readonly #pool: number
  readonly #rules: RequestRules
  readonly #room: number
  readonly #teller: Teller
  readonly #reader: StatsReader
  readonly #locator: Locator
  /** Requests whose bodies are being read. */
  readonly #reading: Set<Exchange> = new Set()
  #connections = 0
  #lastStats: PoolStats | null = null
  #ended: Promise<void> | null = null
  #onEnded: () => void = () => {}
  #closeTimer: Timer | null = null

  constructor(givenOrigin: unknown, options: unknown, emitter: WeakRef<EventEmitter>) {
    const parsed = parsePool(givenOrigin, options, environmentOf())
    const { config, origin } = parsed
    this.config = config
    this.origin = config.origin
    this.#port = origin.port
    this.bodyBuffer = config.bodyBuffer
    this.#teller = new Teller(config, emitter)
    this.#rules = Object.freeze({
      scheme: origin.scheme,
      maxPathSize: config.bounds.maxPathSize,
      maxHeadSize: config.bounds.maxRequestHeadSize,
      maxHeadFields: config.bounds.maxRequestHeadFields,
      maxReadSize: config.maxReadSize,
    })
    this.#room = OutgoingRequest.room(this.#rules)
    this.#locator = new Locator(this, config, origin.host)
    this.#channel = channelOf(config.runOn)
    this.#reader = new StatsReader(this.#channel.statNames)
    const native = nativeConfig(parsed, this.#withPort(this.#locator.addresses), nodeRoots)
    try {
      this.#pool = this.#channel.createPool(native, this)
    } catch (thrown) {
      throw errorFromCreate(thrown)
    }
    this.breaker = config.breaker === null ? null : new Breaker(config.breaker, this)
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
      const { signal, extras } = request
      if (signal?.aborted === true) return refused(extras, signal.reason)
      if (this.closed || this.#locator.denied !== null) return refused(extras, this.#refusal())
      const retry = extras?.retry === undefined ? this.config.retry : extras.retry
      if (retry !== null) return this.#call(request, retry)
      return this.breaker === null ? this.#send(request) : this.#guard(this.breaker, request)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #guard(breaker: Breaker, request: OutgoingRequest): Promise<PoolResponse> {
    const attempt = () => this.#send(request)
    return guarded(breaker, this.origin, request, attempt, response => response.status)
  }

  #call(request: OutgoingRequest, retry: RetryConfig): Promise<PoolResponse> {
    const { method, saysIdempotent, signal, maxReadSize, extras } = request
    const prepared = new PreparedRequest(request, this.#room)
    const totalTimeout = extras?.timeouts?.total ?? this.config.totalTimeout
    const options = { retry, method, idempotent: saysIdempotent, signal, maxReadSize, totalTimeout }
    return new Call(this, prepared, options).run()
  }

  attempt(request: PreparedRequest, exchange: Exchange, isFirst: boolean): void {
    if (isFirst && request.mustRead) void this.#readFirst(request, exchange)
    else this.#dispatch(request, exchange)
  }

  /** One attempt. */
  #send(request: OutgoingRequest): Promise<PoolResponse> {
    try {
      const { signal, extras } = request
      const promise = new Promise(takeSettlers)
      const exchange = new Exchange(this, resolveTaken, rejectTaken, signal, request.maxReadSize, request.high)
      // They lead to the promise, and it to the response, which is to be collected where the caller drops it.
      resolveTaken = nobody
      rejectTaken = nobody
      if (extras !== null) exchange.extend(extras)
      if (request.readBody === null) this.#dispatch(request, exchange)
      else void this.#readFirst(new PreparedRequest(request, this.#room), exchange)
      if (signal !== null) exchange.watch()
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async connect(options: ConnectOptions): Promise<OpenTunnel> {
    const request = new ConnectRequest(options, this.#rules)
    const { signal } = request
    if (signal?.aborted === true) throw signal.reason
    if (this.closed || this.#locator.denied !== null) throw this.#refusal()
    const open = async (): Promise<OpenTunnel> => {
      const promise = new Promise(takeSettlers)
      const exchange = new Exchange(this, resolveTaken, rejectTaken, signal, Number.POSITIVE_INFINITY, false)
      resolveTaken = nobody
      rejectTaken = nobody
      this.#dispatch(request, exchange)
      if (signal !== null) exchange.watch()
      return openTunnel(exchange, await promise, request, this)
    }
    const { breaker } = this
    return breaker === null ? open() : guarded(breaker, this.origin, request, open, ({ head }) => head.status)
  }

  /** Submits a request, or keeps it until it can be. Throws where it is refused. */
  #dispatch(request: WritableRequest | PreparedRequest, exchange: Exchange): void {
    if (this.#locator.ready()) {
      this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
      exchange.startedMs = this.#channel.turnMs
      if (request.extras !== null) exchange.submitted()
    } else {
      const prepared = request instanceof PreparedRequest ? request : new PreparedRequest(request, this.#room)
      this.#locator.hold(prepared, exchange)
    }
  }

  /** Reads the body of a request, and submits it then. */
  async #readFirst(request: PreparedRequest, exchange: Exchange): Promise<void> {
    this.#reading.add(exchange)
    try {
      await request.readBody()
      if (!exchange.over) this.#dispatch(request, exchange)
    } catch (error) {
      exchange.rejectWith(error instanceof ForebayError ? error : bodyFailed(this.origin, error, []))
    } finally {
      this.#reading.delete(exchange)
      this.#closeBehind()
    }
  }

  submitHeld(request: PreparedRequest, exchange: Exchange): void {
    this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
    exchange.submitted()
  }

  pendingOverflowed(high: boolean): void {
    this.#teller.overflow(high, 'maxPendingRequests', 1)
  }

  released(): void {
    this.#closeBehind()
  }

  /** A pool that was told to close while requests waited here closes after them. */
  #closeBehind(): void {
    const waits = this.#locator.isHolding || this.#reading.size > 0
    if (this.closed && !this.destroyed && !waits) this.#channel.closePool(this.#pool)
  }

  drain(): void {
    if (!this.closed) this.#channel.drainPool(this.#pool)
  }

  close(timeoutMs: number): Promise<void> {
    const ended = this.#end()
    if (timeoutMs > 0 && this.#closeTimer === null && !this.destroyed) {
      this.#closeTimer = systemClock.after(timeoutMs, () => this.destroy(undefined))
      this.#closeTimer.hold(false)
    }
    if (this.closed) return ended
    this.closed = true
    // What waits for addresses, or for its body, was accepted: the pool closes behind it.
    this.#closeBehind()
    return ended
  }

  destroy(error: Error | undefined): Promise<void> {
    const ended = this.#end()
    if (this.destroyed) return ended
    this.closed = true
    this.destroyed = true
    this.closeReason = error
    this.#locator.stop()
    this.#locator.fail(this.#closedError())
    for (const exchange of this.#reading) exchange.rejectWith(this.#closedError())
    this.#channel.destroyPool(this.#pool)
    return ended
  }

  #end(): Promise<void> {
    this.#ended ??= new Promise(resolve => {
      this.#onEnded = resolve
    })
    return this.#ended
  }

  /** Why it takes no requests. */
  #refusal(): ForebayError {
    return this.#locator.denied ?? this.#closedError()
  }

  #closedError(): ForebayError {
    return poolClosed(this.origin, this.closeReason)
  }

  stats(): PoolStats {
    if (this.#lastStats !== null) return this.#lastStats
    return this.#reader.read(row => this.#channel.stats(this.#pool, row))
  }

  /** Whether requests run or wait, as far as the native side has told. */
  hasWork(): boolean {
    if (this.#locator.isHolding || this.#reading.size > 0) return true
    return this.#lastStats === null && this.#reader.hasWork(row => this.#channel.stats(this.#pool, row))
  }

  /** Whether nothing of it would be missed. */
  isIdle(): boolean {
    const isClosed = this.breaker === null || this.breaker.state.type === 'closed'
    return this.#connections === 0 && isClosed && !this.hasWork()
  }

  poolClosed(): void {
    this.destroyed = true
    this.closed = true
    this.#locator.stop()
    this.#closeTimer?.cancel()
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
    this.#locator.usageChanged()
    this.#teller.connected(connection)
  }

  disconnected(connection: NativeConnection, code: number): void {
    this.#connections -= 1
    this.#teller.disconnected(connection, code)
  }

  draining(connection: NativeConnection, reason: number): void {
    this.#teller.draining(connection, reason)
  }

  overflow(high: boolean, limit: number, count: number): void {
    this.#teller.overflow(high, LIMITS[limit], count)
  }

  gate(shut: boolean): void {
    this.#channel.gate(this.#pool, shut)
  }

  breakerChanged(from: BreakerState, to: BreakerState): void {
    this.#teller.breakerChanged(from, to)
  }

  repeated(type: 'replay' | 'retry', attempt: Attempt): void {
    this.#teller.repeated(type, attempt)
  }

  retrySucceeded(): void {
    this.#channel.count(this.#pool, 0)
  }

  retriesUsedUp(): void {
    this.#channel.count(this.#pool, 1)
  }

  nowMs(): number {
    return systemClock.nowMs()
  }

  inUse(): boolean {
    return this.#connections > 0
  }

  located(addresses: readonly string[]): void {
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

  directInto(id: number, into: Uint8Array): void {
    this.#channel.directInto(id, into)
  }

  get canSend(): boolean {
    return this.#channel.canSend
  }

  sendBody(id: number, bytes: Uint8Array): void {
    this.#channel.sendBody(id, bytes)
  }

  endBody(id: number, trailers: Uint8Array): void {
    this.#channel.endBody(id, trailers)
  }

  failBody(id: number): void {
    this.#channel.failBody(id)
  }
}

/** Refuses options that no pool could have: an agent's, before its first pool. */
export function checkOptions(options: unknown): void {
  parsePool('https://any.invalid', options, environmentOf())
}

function environmentOf(): Environment {
  return { parallelism: availableParallelism(), eventLoopSupport: nativeBinding().eventLoopSupport() }
}

/** What a request that is not submitted was to upload is let go. */
function refused(extras: RequestExtras | null, reason: unknown): Promise<never> {
  extras?.drop()
  return Promise.reject(reason)
}

/** One executor for all promises: a closure for each would cost an allocation. */
function takeSettlers(
  resolve: (response: PoolResponse | Promise<PoolResponse>) => void,
  reject: (error: unknown) => void,
): void {
  resolveTaken = resolve
  rejectTaken = reject
}
function nobody(): void {}

let resolveTaken: (response: PoolResponse | Promise<PoolResponse>) => void = nobody
let rejectTaken: (error: unknown) => void = nobody
