// Where a pool connects, and the requests that wait until that is known.
//
// Promise: what waits is bounded, goes in order once there are addresses, and fails with the lookup where there are none; its total
// time-out runs meanwhile. Used by `native-pool.ts`. Not here: lookups (`resolver.ts`), the order of those that wait (`held.ts`).

import { isIP } from 'node:net'
import type { PoolConfig } from '../config/parsed.js'
import type { ForebayError } from '../errors/errors.js'
import type { PreparedRequest } from '../request/prepared.js'
import { lookupError, usableAddresses } from './addresses.js'
import { systemClock } from './clock.js'
import type { Exchange } from './exchange.js'
import { deadlineExceeded, pendingOverflow } from './failures.js'
import { HeldRequests } from './held.js'
import { Resolver, type ResolverOwner } from './resolver.js'

/** The pool, as far as it matters here. */
export interface LocatorHost {
  /** Sends a request now. Throws where it is refused. */
  submitHeld(request: PreparedRequest, exchange: Exchange): void
  /** `maxPendingRequests` refused one. */
  pendingOverflowed(high: boolean): void
  /** Where to connect from now on. */
  located(addresses: readonly string[]): void
  /** Whether connections are open. */
  inUse(): boolean
  /** Nothing waits here any more. */
  released(): void
}

/** See above. */
export class Locator implements ResolverOwner {
  readonly origin: string
  readonly host: string
  /** What is known from the start: a literal address, none for a Unix socket's path, none yet. */
  readonly addresses: readonly string[]
  /** Why nothing can be sent: the filter refuses the origin's own address. */
  readonly denied: ForebayError | null = null
  readonly #host: LocatorHost
  readonly #config: PoolConfig
  /** Null where the addresses never change. */
  readonly #resolver: Resolver | null
  readonly #held: HeldRequests = new HeldRequests()
  #holding = false
  #lookupStartedMs = 0

  /** `name`: the host, an address perhaps. */
  constructor(host: LocatorHost, config: PoolConfig, name: string) {
    this.#host = host
    this.#config = config
    this.origin = config.origin
    this.host = name
    let fixed: readonly string[] | null = null
    try {
      if (config.connection.socketPath !== null) fixed = []
      else if (isIP(name) !== 0) fixed = usableAddresses([{ address: name }], config.resolver.filter, config.origin)
    } catch (error) {
      // A request that may not be sent is no mistake in the options.
      this.denied = lookupError(error, config.origin)
      fixed = []
    }
    this.addresses = fixed ?? []
    this.#resolver = fixed === null ? new Resolver(this, config.resolver, systemClock) : null
  }

  /** Whether requests wait here. */
  get isHolding(): boolean {
    return this.#holding
  }

  /** Whether a request can be sent at once. Not: `hold` it. */
  ready(): boolean {
    return this.#resolver === null || (!this.#holding && this.#resolver.ready())
  }

  /** Keeps a request until the host has addresses. */
  hold(request: PreparedRequest, exchange: Exchange): void {
    const { origin } = this
    const { maxPendingRequests } = request.high ? this.#config.limits.high : this.#config.limits
    const total = this.#totalTimeout(request)
    const expired = (): void => exchange.rejectWith(deadlineExceeded(origin, total))
    const deadline = total > 0 ? systemClock.after(total, expired) : null
    if (!this.#held.add({ request, exchange, deadline }, maxPendingRequests)) {
      deadline?.cancel()
      this.#host.pendingOverflowed(request.high)
      // What it was to upload is let go, too.
      exchange.rejectWith(pendingOverflow(origin, maxPendingRequests))
      return
    }
    exchange.startedMs = systemClock.nowMs()
    if (this.#holding) return
    this.#holding = true
    this.#lookupStartedMs = exchange.startedMs
    this.#resolver?.resolve().then(
      () => this.#release(),
      error => this.fail(error),
    )
  }

  /** In ms; 0: off. */
  #totalTimeout(request: PreparedRequest): number {
    return request.extras?.timeouts?.total ?? this.#config.totalTimeout
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
        this.#host.submitHeld(request, exchange)
      } catch (error) {
        exchange.rejectWith(error)
      }
    }
    this.#host.released()
  }

  /** What waits here fails. */
  fail(error: unknown): void {
    this.#holding = false
    for (const { exchange } of this.#held.take()) exchange.rejectWith(error)
    this.#host.released()
  }

  /** The number of open connections has changed. */
  usageChanged(): void {
    this.#resolver?.usageChanged()
  }

  inUse(): boolean {
    return this.#host.inUse()
  }

  found(addresses: readonly string[]): void {
    this.#host.located(addresses)
  }

  /** Nothing is looked up any more. */
  stop(): void {
    this.#resolver?.stop()
  }
}
