// The time-outs that a request has for itself.
//
// Promise: nothing is made for a request that sets none. Used by `extras.ts`. Not here: the pool's (`config/parse.ts`), and who
// watches the time (the native side, so that a busy JavaScript thread makes none of them fire).

import { MAX_MS } from '../config/defaults.js'
import { RequestError } from '../errors/errors.js'

/** In ms; 0: off, null: the pool's. */
export interface TimeoutsMs {
  queue: number | null
  headers: number | null
  bodyIdle: number | null
  perTry: number | null
  perTryIdle: number | null
  total: number | null
  duration: number | null
  /** How long a body waits for 100. */
  expect: number | null
}

/** The field that each option sets. */
const FIELDS: ReadonlyMap<string, keyof TimeoutsMs> = new Map([
  ['queueTimeout', 'queue'],
  ['headersTimeout', 'headers'],
  ['bodyIdleTimeout', 'bodyIdle'],
  ['perTryTimeout', 'perTry'],
  ['perTryIdleTimeout', 'perTryIdle'],
  ['totalTimeout', 'total'],
  ['maxStreamDuration', 'duration'],
  ['expectContinue', 'expect'],
])

/** All of them the pool's. */
export function noTimeouts(): TimeoutsMs {
  return {
    queue: null,
    headers: null,
    bodyIdle: null,
    perTry: null,
    perTryIdle: null,
    total: null,
    duration: null,
    expect: null,
  }
}

/** The field that an option sets; undefined where it is no time-out. */
export function timeoutField(option: string): keyof TimeoutsMs | undefined {
  return FIELDS.get(option)
}

/** A duration in ms; 0 for off. */
export function readTimeout(option: string, value: unknown): number {
  if (value === Number.POSITIVE_INFINITY) return 0
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_MS) return (value as number) + 0
  throw new RequestError(option, `expected a whole number of ms from 0 to ${MAX_MS}, or Infinity`)
}
