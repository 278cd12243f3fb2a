// An attempt behind the breaker of its pool.
//
// Promise: refused without crossing while the breaker is open; else the breaker hears once how it ended. Used by `native-pool.ts`.
// Not here: the breaker (`breaker/`).

import { type Breaker, REFUSED } from '../breaker/breaker.js'
import { type Outcome, outcomeOf } from '../errors/outcome.js'
import { systemClock } from './clock.js'
import { breakerOpen } from './failures.js'

/** What is attempted. */
export interface Attempted {
  /** The caller's: to give up is no outcome. */
  readonly signal: AbortSignal | null
  readonly extras: { drop(): void } | null
}

/** Makes an attempt, if the breaker lets it; what a request that is not sent was to upload is let go. */
export async function guarded<T>(
  breaker: Breaker,
  origin: string,
  { signal, extras }: Attempted,
  attempt: () => Promise<T>,
  statusOf: (answer: T) => number,
): Promise<T> {
  const admission = breaker.admit()
  if (admission === REFUSED) {
    extras?.drop()
    throw breakerOpen(origin)
  }
  const startedMs = systemClock.nowMs()
  let answer: T
  try {
    answer = await attempt()
  } catch (error) {
    breaker.ended(admission, outcomeOfError(error, signal, systemClock.nowMs() - startedMs))
    throw error
  }
  const durationMs = systemClock.nowMs() - startedMs
  breaker.ended(admission, { type: 'response', status: statusOf(answer), durationMs })
  return answer
}

/** The caller's reason may be anything, also an error of ours. */
function outcomeOfError(error: unknown, signal: AbortSignal | null, durationMs: number): Outcome | null {
  return signal?.aborted === true && signal.reason === error ? null : outcomeOf(error, durationMs)
}
