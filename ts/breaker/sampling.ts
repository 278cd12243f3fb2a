// Opens when the share of failures among the last requests is too high.
//
// Promise: only what ended within the window counts, to a tenth of it; too few requests never open. Used by callers, as the `breaker`
// of a pool. Not here: how it opens and closes again (`opening.ts`).

import type { BreakerPolicy } from '../config/breaker.js'
import { MAX_COUNT } from '../config/defaults.js'
import { fieldsOf, readMs, readWhole, refusal } from '../config/read.js'
import { type Closed, OPEN_OPTIONS, type OpenOptions, opening, parseOpening } from './opening.js'

/** Options of `sampling`. */
export interface SamplingOptions extends OpenOptions {
  /**
   * Share of failures that opens it, above 0 and at most 1.
   * @default 0.5
   */
  readonly ratio?: number | undefined
  /**
   * How far back requests count, in ms, from 10.
   * @default 10_000
   */
  readonly window?: number | undefined
  /**
   * Fewer requests within the window never open it, from 1.
   * @default 50
   */
  readonly minRequests?: number | undefined
}

/** opossum, `errorThresholdPercentage`: 50. */
const RATIO = 0.5
/** opossum, `rollingCountTimeout`: 10 s. */
const WINDOW_MS = 10_000
/** opossum, `rollingCountBuckets`: 10. */
const BUCKETS = 10
/** Envoy, `OutlierDetection.failure_percentage_request_volume`: 50. */
const MIN_REQUESTS = 50
const NAME = 'sampling'

/** What ended in each bucket; that of number n is at n modulo their count. `newest` is the number of the last one. */
type Sampled = Closed & {
  readonly newest: number
  readonly requests: readonly number[]
  readonly failures: readonly number[]
}

const ZEROS: readonly number[] = Object.freeze(new Array<number>(BUCKETS).fill(0))
const NONE: Sampled = Object.freeze({ type: 'closed', newest: 0, requests: ZEROS, failures: ZEROS })

/** A breaker that opens when the share of failures within a sliding window is too high. Throws a `ConfigError`. */
export function sampling(options?: SamplingOptions): BreakerPolicy {
  const fields = fieldsOf(NAME, options, [...OPEN_OPTIONS, 'ratio', 'window', 'minRequests'])
  const ratio = readRatio(fields['ratio'])
  const bucketMs = readMs(`${NAME}.window`, fields['window'], WINDOW_MS, BUCKETS) / BUCKETS
  const minRequests = readWhole(`${NAME}.minRequests`, fields['minRequests'], MIN_REQUESTS, 1, MAX_COUNT)
  return opening(parseOpening(NAME, fields), NONE, (state, failed, nowMs) => {
    const next = added(state, Math.floor(nowMs / bucketMs), failed)
    const requests = sum(next.requests)
    return requests >= minRequests && sum(next.failures) >= ratio * requests ? null : next
  })
}

function readRatio(value: unknown): number {
  if (value === undefined) return RATIO
  if (typeof value === 'number' && value > 0 && value <= 1) return value
  throw refusal(`${NAME}.ratio`, 'a number above 0 and at most 1', value)
}

/** With one request more in bucket `number`. */
function added(state: Sampled, number: number, failed: boolean): Sampled {
  const requests = [...state.requests]
  const failures = [...state.failures]
  // Buckets that nothing fell into since, and those that are too old.
  for (let stale = Math.max(state.newest + 1, number - BUCKETS + 1); stale <= number; stale += 1) {
    requests[stale % BUCKETS] = 0
    failures[stale % BUCKETS] = 0
  }
  const at = number % BUCKETS
  requests[at] = (requests[at] ?? 0) + 1
  if (failed) failures[at] = (failures[at] ?? 0) + 1
  return { type: 'closed', newest: Math.max(number, state.newest), requests, failures }
}

function sum(counts: readonly number[]): number {
  let all = 0
  for (const count of counts) all += count
  return all
}
