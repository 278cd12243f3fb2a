// Requests that wait until their pool knows where to connect.
//
// Promise: first in, first out; at most as many as may be pending, each priority for itself, so that this wait is bounded like the
// core's own queue. Used by `locator.ts`. Not here: what they wait for (`resolver.ts`).

import type { PreparedRequest } from '../request/prepared.js'
import type { Timer } from './clock.js'
import type { Exchange } from './exchange.js'

/** A request that waits. */
export interface Held {
  readonly request: PreparedRequest
  readonly exchange: Exchange
  /** Runs out with its `totalTimeout`. */
  readonly deadline: Timer | null
}

/** See above. */
export class HeldRequests {
  #held: Held[] = []
  #default = 0
  #high = 0

  /** False where `max` wait already. */
  add(held: Held, max: number): boolean {
    const { request } = held
    // Those whose callers gave up do not count; looked for only when they would make a difference.
    if (this.#count(request.high) >= max) this.#prune()
    if (this.#count(request.high) >= max) return false
    this.#held.push(held)
    if (request.high) this.#high += 1
    else this.#default += 1
    return true
  }

  #count(high: boolean): number {
    return high ? this.#high : this.#default
  }

  #prune(): void {
    for (const { exchange, deadline } of this.#held) if (exchange.over) deadline?.cancel()
    this.#held = this.#held.filter(held => !held.exchange.over)
    this.#high = this.#held.filter(held => held.request.high).length
    this.#default = this.#held.length - this.#high
  }

  /** All of them that still want an answer, in order; none is left here. */
  take(): readonly Held[] {
    this.#prune()
    const held = this.#held
    for (const { deadline } of held) deadline?.cancel()
    this.#held = []
    this.#high = 0
    this.#default = 0
    return held
  }
}
