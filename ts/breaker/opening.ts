// What the breakers here have in common: how long they stay open, and how they try the upstream again.
//
//   closed --too many failures--> open --time is over--> half-open --every probe succeeds--> closed
//                                  ^                        |
//                                  +----- a probe fails ----+
//
// Promise: no clock and no state: both are arguments. The n-th opening in a row lasts n times as long, up to a bound.
// Used by `consecutive.ts` and `sampling.ts`. Not here: what is too many.

import type { BreakerPolicy } from '../config/breaker.js'
import { MAX_COUNT } from '../config/defaults.js'
import { type Fields, readMs, readWhole, refusal } from '../config/read.js'
import { ConfigError } from '../errors/errors.js'
import type { Outcome } from '../errors/outcome.js'

/** Options of every breaker. */
export interface OpenOptions {
  /**
   * How long it stays open, in ms, from 1; opened n times in a row, n times as long.
   * @default 30_000
   */
  readonly openFor?: number | undefined
  /**
   * The longest that it stays open, in ms, from `openFor`.
   * @default 300_000, or `openFor` if that is more
   */
  readonly maxOpenFor?: number | undefined
  /**
   * Requests that may try the upstream when it was open long enough, from 1. All of them must succeed.
   * @default 1
   */
  readonly probes?: number | undefined
  /**
   * What counts as a failure.
   * @default a status from 500, or no response
   */
  readonly isFailure?: ((outcome: Outcome) => boolean) | undefined
}

/** Their names. */
export const OPEN_OPTIONS = ['openFor', 'maxOpenFor', 'probes', 'isFailure'] as const

/** Envoy, `OutlierDetection.base_ejection_time`: 30 s. */
const OPEN_FOR_MS = 30_000
/** Envoy, `OutlierDetection.max_ejection_time`: 300 s. */
const MAX_OPEN_FOR_MS = 300_000
/** A guess. */
const PROBES = 1
/** Statuses from here on are the upstream's failures. Source: RFC 9110 section 15.6. */
const FIRST_SERVER_ERROR = 500

/** The options, parsed. */
export interface Opening {
  readonly openFor: number
  readonly maxOpenFor: number
  readonly probes: number
  readonly isFailure: (outcome: Outcome) => boolean
}

/** `path` is the name of the function that takes them. */
export function parseOpening(path: string, fields: Fields): Opening {
  const openFor = readMs(`${path}.openFor`, fields['openFor'], OPEN_FOR_MS, 1)
  const maxOpenFor = readMs(`${path}.maxOpenFor`, fields['maxOpenFor'], Math.max(MAX_OPEN_FOR_MS, openFor), 1)
  if (maxOpenFor < openFor) throw new ConfigError(`${path}.maxOpenFor`, `less than openFor, ${openFor}`)
  const probes = readWhole(`${path}.probes`, fields['probes'], PROBES, 1, MAX_COUNT)
  const isFailure = fields['isFailure'] === undefined ? isServerError : fields['isFailure']
  if (typeof isFailure !== 'function') throw refusal(`${path}.isFailure`, 'a function', isFailure)
  return { openFor, maxOpenFor, probes, isFailure: isFailure as Opening['isFailure'] }
}

function isServerError(outcome: Outcome): boolean {
  return outcome.type === 'failure' || outcome.status >= FIRST_SERVER_ERROR
}

/** What a breaker counts while it is closed. */
export type Closed = { readonly type: 'closed' }

/** `times`: how often it opened in a row; `missing`: probes that have not succeeded yet. */
type State<C extends Closed> =
  | C
  | { readonly type: 'open'; readonly untilMs: number; readonly times: number }
  | { readonly type: 'half-open'; readonly probesLeft: number; readonly missing: number; readonly times: number }

/** A policy that opens when `count` gives null, and is `closed` at first and after all probes have succeeded. */
export function opening<C extends Closed>(
  options: Opening,
  closed: C,
  count: (state: C, failed: boolean, nowMs: number) => C | null,
): BreakerPolicy {
  const { openFor, maxOpenFor, probes, isFailure } = options
  const open = (times: number, nowMs: number): State<C> => ({
    type: 'open',
    untilMs: nowMs + Math.min(times * openFor, maxOpenFor),
    times,
  })
  const policy: BreakerPolicy<State<C>> = {
    initial: closed,
    admit(state, nowMs) {
      switch (state.type) {
        case 'closed':
          return [true, state]
        case 'open': {
          if (nowMs < state.untilMs) return [false, state]
          return [true, { type: 'half-open', probesLeft: probes - 1, missing: probes, times: state.times }]
        }
        case 'half-open':
          return state.probesLeft < 1 ? [false, state] : [true, { ...state, probesLeft: state.probesLeft - 1 }]
      }
    },
    record(state, outcome, nowMs) {
      switch (state.type) {
        case 'closed':
          return count(state, isFailure(outcome), nowMs) ?? open(1, nowMs)
        case 'open':
          return state
        case 'half-open':
          if (isFailure(outcome)) return open(state.times + 1, nowMs)
          return state.missing > 1 ? { ...state, missing: state.missing - 1 } : closed
      }
    },
    release(state) {
      if (state.type !== 'half-open' || state.probesLeft >= state.missing) return state
      return { ...state, probesLeft: state.probesLeft + 1 }
    },
  }
  return Object.freeze(policy)
}
