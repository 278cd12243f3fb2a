// A policy at work: keeps its state, asks it, and shuts the gate of the core while it is open.
//
// Promise: an attempt that was admitted is recorded or released once, and only while the breaker is still as it was then: what was sent
// before it opened says nothing about the upstream that a probe finds. Used by `pool/`. Not here: when to open (`consecutive.ts`,
// `sampling.ts`, or the user).

import type { BreakerPolicy, BreakerState } from '../config/breaker.js'
import type { Outcome } from '../errors/outcome.js'

/** What a breaker acts on. */
export interface BreakerHost {
  /** Monotonic, in ms. */
  nowMs(): number
  /** What waits in the core fails, and no other comes in, or they may again. */
  gate(shut: boolean): void
  /** For those who listen. */
  breakerChanged(from: BreakerState, to: BreakerState): void
}

/** Leave for one attempt; by it the breaker knows what the attempt has to say. */
export type Admission = number

/** No leave. */
export const REFUSED = -1

/** See above. */
export class Breaker {
  readonly #policy: BreakerPolicy
  readonly #host: BreakerHost
  #state: BreakerState
  /** How often the state's type has changed. */
  #changes: Admission = 0

  constructor(policy: BreakerPolicy, host: BreakerHost) {
    this.#policy = policy
    this.#host = host
    this.#state = policy.initial
    if (this.#state.type === 'open') host.gate(true)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Leave for an attempt, or `REFUSED`. */
  admit(): Admission {
    const [allowed, next] = this.#policy.admit(this.#state, this.#host.nowMs())
    this.#keep(next)
    return allowed ? this.#changes : REFUSED
  }

  /** An attempt ended; null: with nothing that says something about the upstream. */
  ended(admission: Admission, outcome: Outcome | null): void {
    if (admission !== this.#changes) return
    const state = this.#state
    const policy = this.#policy
    this.#keep(outcome === null ? policy.release(state) : policy.record(state, outcome, this.#host.nowMs()))
  }

  #keep(next: BreakerState): void {
    const from = this.#state
    if (next === from) return
    this.#state = next
    if (next.type === from.type) return
    this.#changes += 1
    if (next.type === 'open' || from.type === 'open') this.#host.gate(next.type === 'open')
    this.#host.breakerChanged(from, next)
  }
}
