// The `breaker` option: what a policy is, and how one that a user gives is taken over.
//
// Promise: its parts are read once, and keep their `this`. Used by `parse.ts`. Not here: policies (`breaker/`), who asks them
// (`breaker/breaker.ts`).

import type { Outcome } from '../errors/outcome.js'
import { refusal } from './read.js'

/** Where a breaker is: requests pass; they are refused until a time, in ms of the pool's clock; so many may still try. */
export type BreakerState =
  | { readonly type: 'closed' }
  | { readonly type: 'open'; readonly untilMs: number }
  | { readonly type: 'half-open'; readonly probesLeft: number }

/**
 * When to stop sending to an upstream that fails. It has no state of its own and no clock: the pool keeps the state, asks before each
 * attempt and records after it. `S` may add fields to each state.
 *
 * What a limit refused, what its caller gave up and what says nothing about the upstream is not recorded but released. Neither is what
 * was admitted before the last change of `type`: it tells of another time.
 */
export interface BreakerPolicy<S extends BreakerState = BreakerState> {
  /** The state of a new pool. */
  readonly initial: S
  /** Whether an attempt may go, and the state to keep. In `half-open` a yes uses up a probe. */
  admit(state: S, nowMs: number): readonly [allowed: boolean, next: S]
  /** An attempt ended. */
  record(state: S, outcome: Outcome, nowMs: number): S
  /** An attempt that was admitted ended without an outcome: gives a probe back, or the breaker would stay shut for ever. */
  release(state: S): S
}

const STATES: readonly unknown[] = ['closed', 'open', 'half-open']

/** The `breaker` of a pool; null: none. */
export function parseBreaker(value: unknown): BreakerPolicy | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'object') throw refusal('breaker', 'a BreakerPolicy or null', value)
  const initial: unknown = Reflect.get(value, 'initial')
  if (typeof initial !== 'object' || initial === null || !STATES.includes(Reflect.get(initial, 'type'))) {
    throw refusal('breaker.initial', "a state whose type is 'closed', 'open' or 'half-open'", initial)
  }
  return Object.freeze({
    initial: initial as BreakerState,
    admit: method<BreakerPolicy['admit']>(value, 'admit'),
    record: method<BreakerPolicy['record']>(value, 'record'),
    release: method<BreakerPolicy['release']>(value, 'release'),
  })
}

/** A method of a policy, bound to it: it may be an object of a class. */
function method<F>(policy: object, name: string): F {
  const found: unknown = Reflect.get(policy, name)
  if (typeof found !== 'function') throw refusal(`breaker.${name}`, 'a function', found)
  return found.bind(policy)
}
