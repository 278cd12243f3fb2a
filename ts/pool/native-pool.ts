// The pool of one origin: parses, submits, and settles. All waiting, limits and connections are the core's.
//
//   open --close()--> closing --all done--> closed
//   open, closing --destroy()--> closing, everything fails --> closed
//
// Promise: a request is settled once, and by its pool's end at the latest; a bad option fails the constructor.
// Used by `origin-pool.ts`, the handle that callers hold: a pool under way does not keep its own handle alive.
// Not here: encoding (`native/`), one request (`exchange.ts`), names (`resolver.ts`), events (`teller.ts`).

import type { EventEmitter } from 'node:events'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { Breaker, type BreakerHost } from '../breaker/breaker.js'
import type { BreakerState } from '../config/breaker.js'
import { nativeConfig, type Parsed, parsePool } from '../config/parse.js'
import type { PoolConfig } from '../config/parsed.js'
import { nodeRoots } from '../config/roots.js'
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
import { lookupError, usableAddresses } from './addresses.js'
import { systemClock, type Timer } from './clock.js'
import { Exchange, type ExchangeOwner } from './exchange.js'
import { bodyFailed, deadlineExceeded, pendingOverflow, poolClosed } from './failures.js'
import { guarded } from './guarded.js'
import { HeldRequests } from './held.js'
import { Resolver, type ResolverOwner } from './resolver.js'
import { type PoolStats, StatsReader } from './stats.js'
import { LIMITS, Teller } from './teller.js'
import { type OpenTunnel, openTunnel } from './tunnel.js'

/** See above. */
export class NativePool implements PoolSink, ExchangeOwner, ResolverOwner, BreakerHost {
  readonly origin: string
  readonly host: string
  readonly bodyBuffer: number
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
  readonly #breaker: Breaker | null
  /** Null where the addresses never change: a literal one, or a socket's path. */
  readonly #resolver: Resolver | null
  /** Why nothing can be sent: the filter refuses the origin's own address. */
  #denied: ForebayError | null = null
  readonly #held: HeldRequests = new HeldRequests()
  #holding = false
  /** Requests whose bodies are being read. */
  readonly #reading: Set<Exchange> = new Set()
  #lookupStartedMs = 0
  #connections = 0
  #lastStats: PoolStats | null = null
  #ended: Promise<void> | null = null
  #onEnded: () => void = () => {}
  #closeTimer: Timer | null = null

  constructor(givenOrigin: unknown, options: unknown, emitter: WeakRef<EventEmitter>) {
    const environment = { parallelism: availableParallelism(), eventLoopSupport: nativeBinding().eventLoopSupport() }
    const parsed = parsePool(givenOrigin, options, environment)
    const { config, origin } = parsed
    this.config = config
    this.origin = config.origin
    this.host = origin.host
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
    const fixed = this.#fixedAddresses(parsed)
    this.#resolver = fixed === null ? new Resolver(this, config.resolver, systemClock) : null
    this.#channel = channelOf(config.runOn)
    this.#reader = new StatsReader(this.#channel.statNames)
    const native = nativeConfig(parsed, this.#withPort(fixed ?? []), nodeRoots)
    try {
      this.#pool = this.#channel.createPool(native, this)
    } catch (thrown) {
      throw errorFromCreate(thrown)
    }
    this.#breaker = config.breaker === null ? null : new Breaker(config.breaker, this)
    if (config.tls?.dangerouslySkipVerification === true) {
      process.emitWarning(
        `${config.name}: tls.dangerouslySkipVerification: anybody can answer for it`,
        'SecurityWarning',
      )
    }
  }

  /** The address of a host that is one itself, none for a Unix socket; null where the host has to be looked up. */
  #fixedAddresses({ config, origin }: Parsed): readonly string[] | null {
    if (config.connection.socketPath !== null) return []
    if (isIP(origin.host) === 0) return null
    try {
      return usableAddresses([{ address: origin.host }], config.resolver.filter, config.origin)
    } catch (error) {
      // A request that may not be sent is no mistake in the options.
      this.#denied = lookupError(error, config.origin)
      return []
    }
  }

  request(options: RequestOptions): Promise<PoolResponse> {
    try {
      const request = new OutgoingRequest(options, this.#rules)
      const { signal, extras } = request
      if (signal?.aborted === true) return refused(extras, signal.reason)
      if (this.closed || this.#denied !== null) return refused(extras, this.#denied ?? this.#closedError())
      const breaker = this.#breaker
      return breaker === null ? this.#send(request) : this.#guard(breaker, request)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #guard(breaker: Breaker, request: OutgoingRequest): Promise<PoolResponse> {
    const attempt = () => this.#send(request)
    return guarded(breaker, this.origin, request, attempt, response => response.status)
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
    if (this.closed || this.#denied !== null) throw this.#denied ?? this.#closedError()
    const open = async (): Promise<OpenTunnel> => {
      const promise = new Promise(takeSettlers)
      const exchange = new Exchange(this, resolveTaken, rejectTaken, signal, Number.POSITIVE_INFINITY, false)
      resolveTaken = nobody
      rejectTaken = nobody
      this.#dispatch(request, exchange)
      if (signal !== null) exchange.watch()
      return openTunnel(exchange, await promise, request, this)
    }
    const breaker = this.#breaker
    return breaker === null ? open() : guarded(breaker, this.origin, request, open, ({ head }) => head.status)
  }

  /** Submits a request, or keeps it until it can be. Throws where it is refused. */
  #dispatch(request: WritableRequest | PreparedRequest, exchange: Exchange): void {
    if (this.#resolver === null || (!this.#holding && this.#resolver.ready())) {
      this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
      exchange.startedMs = this.#channel.turnMs
      if (request.extras !== null) exchange.submitted()
    } else {
      const prepared = request instanceof PreparedRequest ? request : new PreparedRequest(request, this.#room)
      this.#hold(this.#resolver, prepared, exchange)
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

  /** Keeps a request until the host has addresses. */
  #hold(resolver: Resolver, request: PreparedRequest, exchange: Exchange): void {
    const { maxPendingRequests } = request.high ? this.config.limits.high : this.config.limits
    const total = this.#totalTimeout(request)
    const expired = (): void => exchange.rejectWith(deadlineExceeded(this.origin, total))
    const deadline = total > 0 ? systemClock.after(total, expired) : null
    if (!this.#held.add({ request, exchange, deadline }, maxPendingRequests)) {
      deadline?.cancel()
      this.#teller.overflow(request.high, 'maxPendingRequests', 1)
      const error = pendingOverflow(this.origin, maxPendingRequests)
      // What it was to upload is let go, too.
      exchange.rejectWith(error)
      return
    }
    exchange.startedMs = systemClock.nowMs()
    if (this.#holding) return
    this.#holding = true
    this.#lookupStartedMs = exchange.startedMs
    resolver.resolve().then(
      () => this.#release(),
      error => this.#failHeld(error),
    )
  }

  /** In ms; 0: off. */
  #totalTimeout(request: PreparedRequest): number {
    return request.extras?.timeouts?.total ?? this.config.totalTimeout
  }

  /** Submits what waited, in order. */
  #release(): void {
    this.#holding = false
    const nowMs = systemClock.nowMs()
    const dnsMs = nowMs - this.#lookupStartedMs
    for (const { request, exchange } of this.#held.take()) {
      exchange.dnsMs = dnsMs
      const total = this.#totalTimeout(request)
      if (total > 0) request.limitTotal(total - (nowMs - exchange.startedMs))
      try {
        this.#channel.submit(this.#pool, request, this.#room, this.bodyBuffer, exchange)
        exchange.submitted()
      } catch (error) {
        exchange.rejectWith(error)
      }
    }
    this.#closeBehind()
  }

  #failHeld(error: unknown): void {
    this.#holding = false
    for (const { exchange } of this.#held.take()) exchange.rejectWith(error)
    this.#closeBehind()
  }

  /** A pool that was told to close while requests waited here closes after them. */
  #closeBehind(): void {
    const waits = this.#holding || this.#reading.size > 0
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
    this.#resolver?.stop()
    for (const { exchange } of this.#held.take()) exchange.rejectWith(this.#closedError())
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

  #closedError(): ForebayError {
    return poolClosed(this.origin, this.closeReason)
  }

  stats(): PoolStats {
    if (this.#lastStats !== null) return this.#lastStats
    return this.#reader.read(row => this.#channel.stats(this.#pool, row))
  }

  poolClosed(): void {
    this.destroyed = true
    this.closed = true
    this.#resolver?.stop()
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
    this.#resolver?.usageChanged()
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

  nowMs(): number {
    return systemClock.nowMs()
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
