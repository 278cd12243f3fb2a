// The addresses of a pool's host: looked up when a request needs them, refreshed while the pool is in use.
//
//   unknown --first request--> looking --answer--> known --age, in use--> looking in the background
//                                 \--failure, nothing known--> what waits fails; asked again after 1 s
//
// Promise: a failed or empty answer takes nothing away; one lookup at a time, at least 1 s apart; a lookup in the background keeps
// no process alive; every wait ends at `timeout`. Used by `locator.ts`. Not here: what an answer is worth (`addresses.ts`).

import { lookup as dnsLookup } from 'node:dns/promises'
import { MIN_RESOLVER_REFRESH_MS } from '../config/defaults.js'
import type { Lookup } from '../config/options.js'
import type { ResolverConfig } from '../config/parsed.js'
import type { ForebayError } from '../errors/errors.js'
import { dnsError, lookupError, usableAddresses } from './addresses.js'
import type { Clock, Timer } from './clock.js'

/** Who wants to know. */
export interface ResolverOwner {
  readonly origin: string
  readonly host: string
  /** Whether connections are open: only then is the answer worth refreshing. */
  inUse(): boolean
  /** A new set of addresses, best first. */
  found(addresses: readonly string[]): void
}

const MS_PER_S = 1000

/** See above. */
export class Resolver {
  readonly #owner: ResolverOwner
  readonly #config: ResolverConfig
  readonly #clock: Clock
  #known: readonly string[] | null = null
  /** When the last lookup ended, and how long its answer is good for. */
  #endedMs = Number.NEGATIVE_INFINITY
  #goodForMs = 0
  #failure: ForebayError | null = null
  #running: Promise<void> | null = null
  #abort: AbortController | null = null
  #deadline: Timer | null = null
  #refresh: Timer | null = null
  #stopped = false

  constructor(owner: ResolverOwner, config: ResolverConfig, clock: Clock) {
    this.#owner = owner
    this.#config = config
    this.#clock = clock
  }

  /** Whether a request can go at once. Where no connection is open one must be dialled, so an old answer is not enough. */
  ready(): boolean {
    if (this.#known === null) return false
    if (this.#owner.inUse()) return true
    return this.#running === null && this.#clock.nowMs() - this.#endedMs <= this.#goodForMs
  }

  /** Resolves when there are addresses to dial; rejects with the lookup's failure where there are none. */
  async resolve(): Promise<void> {
    // The last word, good or bad, stands for a second.
    if (this.#running === null && this.#clock.nowMs() - this.#endedMs >= MIN_RESOLVER_REFRESH_MS) {
      this.#running = this.#lookUp(true)
    }
    this.#deadline?.hold(true)
    if (this.#running !== null) await this.#running
    if (this.#known === null && this.#failure !== null) throw this.#failure
  }

  /** A connection was made or has gone: whether the answer is kept fresh depends on it. */
  usageChanged(): void {
    if (this.#refresh !== null || this.#running !== null || this.#known === null || this.#stopped) return
    if (this.#config.refresh === 0 || !this.#owner.inUse()) return
    const age = this.#clock.nowMs() - this.#endedMs
    this.#refresh = this.#clock.after(Math.max(this.#goodForMs - age, 0), () => this.#refreshNow())
    this.#refresh.hold(false)
  }

  #refreshNow(): void {
    this.#refresh = null
    if (this.#running !== null || !this.#owner.inUse()) return
    this.#running = this.#lookUp(false)
  }

  /** Nothing is wanted any more. */
  stop(): void {
    this.#stopped = true
    this.#refresh?.cancel()
    this.#refresh = null
    this.#abort?.abort()
  }

  async #lookUp(awaited: boolean): Promise<void> {
    const { origin, host } = this.#owner
    try {
      const found = await this.#withDeadline(host, awaited)
      const addresses = usableAddresses(found, this.#config.filter, origin)
      this.#goodForMs = goodFor(found, this.#config.refresh)
      this.#failure = null
      if (this.#known?.join() !== addresses.join()) this.#owner.found(addresses)
      this.#known = addresses
    } catch (cause) {
      this.#goodForMs = MIN_RESOLVER_REFRESH_MS
      this.#failure = lookupError(cause, origin)
    }
    this.#endedMs = this.#clock.nowMs()
    this.#running = null
    this.usageChanged()
  }

  /** The user's lookup or Node's, ended by the deadline or by `stop()`. */
  async #withDeadline(host: string, awaited: boolean): Promise<readonly unknown[]> {
    const abort = new AbortController()
    this.#abort = abort
    const { timeout, lookup } = this.#config
    const { promise: ended, reject } = withReject()
    const onAbort = (): void => reject(abort.signal.reason)
    abort.signal.addEventListener('abort', onAbort, { once: true })
    const late = () => abort.abort(dnsError('FB_DNS_TIMEOUT', this.#owner.origin, undefined, timeout))
    const deadline = this.#clock.after(timeout, late)
    deadline.hold(awaited)
    this.#deadline = deadline
    try {
      const found: unknown = await Promise.race([(lookup ?? nodeLookup)(host, { signal: abort.signal }), ended])
      return Array.isArray(found) ? found : []
    } finally {
      abort.signal.removeEventListener('abort', onAbort)
      deadline.cancel()
      this.#deadline = null
      this.#abort = null
    }
  }
}

const nodeLookup: Lookup = async host => {
  const found = await dnsLookup(host, { all: true })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

/** How long an answer is good for: its shortest `ttl`, else the configured time. */
function goodFor(found: readonly unknown[], refreshMs: number): number {
  let seconds = Number.POSITIVE_INFINITY
  for (const entry of found) {
    const ttl: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'ttl') : undefined
    if (typeof ttl === 'number' && ttl >= 0) seconds = Math.min(seconds, ttl)
  }
  if (seconds === Number.POSITIVE_INFINITY || refreshMs === 0) return Math.max(refreshMs, MIN_RESOLVER_REFRESH_MS)
  return Math.max(seconds * MS_PER_S, MIN_RESOLVER_REFRESH_MS)
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<never>((_, no) => {
    reject = no
  })
  return { promise, reject }
}
