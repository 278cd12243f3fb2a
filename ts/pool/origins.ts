// The pools of an agent, by origin: made on demand, bounded, and let go when nothing was asked of them for a while.
//
// Promise: never more than `max`. Whoever has been without work for longest makes room first; who has work is never let go. Those that
// go finish what they have. No timer keeps the process or the agent alive. Used by `agent.ts`. Not here: what a pool does.

import type { Clock, Timer } from './clock.js'

/** A pool, as far as it matters here. */
export interface KeptPool {
  readonly closed: boolean
  close(): Promise<void>
}

/** What is asked of a pool. */
export interface Judge<P> {
  /** Whether requests run or wait. */
  hasWork(pool: P): boolean
  /** Whether it also has nothing that would be missed: connections, a breaker that is not closed. */
  isIdle(pool: P): boolean
}

/** One pool. */
export interface Kept<P> {
  readonly pool: P
  /** Requests without a response yet. */
  inFlight: number
  usedMs: number
}

/** How long a pool without connections is kept. A guess: about as long as a connection that is not used. */
export const ORIGIN_IDLE_MS = 60_000

/** See above. */
export class Origins<P extends KeptPool> {
  /** In the order of their last use. */
  readonly #kept: Map<string, Kept<P>> = new Map()
  /** Those that were let go and still have work. */
  readonly #leaving: Set<P> = new Set()
  readonly #max: number
  readonly #clock: Clock
  readonly #judge: Judge<P>
  readonly #make: (origin: string) => P
  #sweep: Timer | null = null

  constructor(max: number, clock: Clock, judge: Judge<P>, make: (origin: string) => P) {
    this.#max = max
    this.#clock = clock
    this.#judge = judge
    this.#make = make
  }

  /** By origin. */
  get kept(): ReadonlyMap<string, Kept<P>> {
    return this.#kept
  }

  /** All that are not over: those here, and those that leave. */
  get all(): P[] {
    return [...[...this.#kept.values()].map(({ pool }) => pool), ...this.#leaving]
  }

  /** The pool of an origin; null where there are too many. Throws what making it throws. */
  use(origin: string): Kept<P> | null {
    const found = this.#kept.get(origin)
    if (found !== undefined && !found.pool.closed) {
      this.#touch(origin, found)
      return found
    }
    if (found !== undefined) this.#kept.delete(origin)
    if (this.#kept.size >= this.#max && !this.#makeRoom()) return null
    const made: Kept<P> = { pool: this.#make(origin), inFlight: 0, usedMs: 0 }
    this.#touch(origin, made)
    this.#arm()
    return made
  }

  /** A request to it has its response, or failed. */
  done(origin: string, kept: Kept<P>): void {
    kept.inFlight -= 1
    if (this.#kept.get(origin) === kept) this.#touch(origin, kept)
  }

  #touch(origin: string, kept: Kept<P>): void {
    kept.usedMs = this.#clock.nowMs()
    this.#kept.delete(origin)
    this.#kept.set(origin, kept)
  }

  #makeRoom(): boolean {
    for (const [origin, kept] of this.#kept) {
      if (kept.inFlight > 0 || this.#judge.hasWork(kept.pool)) continue
      this.#letGo(origin, kept.pool)
      return true
    }
    return false
  }

  #letGo(origin: string, pool: P): void {
    this.#kept.delete(origin)
    this.#leaving.add(pool)
    void pool.close().then(() => this.#leaving.delete(pool))
  }

  #arm(): void {
    if (this.#sweep !== null) return
    const self = new WeakRef(this)
    this.#sweep = this.#clock.after(ORIGIN_IDLE_MS, () => {
      const origins = self.deref()
      if (origins !== undefined) origins.#sweepIdle()
    })
    this.#sweep.hold(false)
  }

  #sweepIdle(): void {
    this.#sweep = null
    const before = this.#clock.nowMs() - ORIGIN_IDLE_MS
    for (const [origin, kept] of this.#kept) {
      if (kept.usedMs > before) break
      if (kept.inFlight === 0 && this.#judge.isIdle(kept.pool)) this.#letGo(origin, kept.pool)
    }
    if (this.#kept.size > 0) this.#arm()
  }

  /** No pool is let go any more by itself. */
  stop(): void {
    this.#sweep?.cancel()
    this.#sweep = null
  }
}
