// Opens after so many failures one after another.
//
// Used by callers, as the `breaker` of a pool. Not here: how it opens and closes again (`opening.ts`).

import type { BreakerPolicy } from '../config/breaker.js'
import { MAX_COUNT } from '../config/defaults.js'
import { fieldsOf, readWhole } from '../config/read.js'
import { type Closed, OPEN_OPTIONS, type OpenOptions, opening, parseOpening } from './opening.js'

/** Options of `consecutiveFailures`. */
export interface ConsecutiveOptions extends OpenOptions {
  /**
   * Failures one after another that open it, from 1.
   * @default 5
   */
  readonly failures?: number | undefined
}

/** Envoy, `OutlierDetection.consecutive_5xx`: 5. */
const FAILURES = 5
const NAME = 'consecutiveFailures'

type Counted = Closed & { readonly failures: number }

const NONE: Counted = Object.freeze({ type: 'closed', failures: 0 })

/** A breaker that opens after so many failures one after another; a success in between starts anew. Throws a `ConfigError`. */
export function consecutiveFailures(options?: ConsecutiveOptions): BreakerPolicy {
  const fields = fieldsOf(NAME, options, [...OPEN_OPTIONS, 'failures'])
  const failures = readWhole(`${NAME}.failures`, fields['failures'], FAILURES, 1, MAX_COUNT)
  return opening(parseOpening(NAME, fields), NONE, (state, failed) => {
    if (!failed) return state.failures === 0 ? state : NONE
    return state.failures + 1 < failures ? { type: 'closed', failures: state.failures + 1 } : null
  })
}
