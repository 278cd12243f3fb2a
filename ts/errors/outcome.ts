// How one attempt ended, as policies see it.
//
// Promise: only what says something about the upstream is an outcome: what a limit or the breaker refused, what the caller gave up or
// got wrong, and defects of ours are none. Used by breakers and retries. Not here: what follows from it.

import type { ErrorCode, Retryable } from './codes.js'
import { ForebayError } from './errors.js'

/** How an attempt ended: with the head of a response, or with a failure before it. Durations in ms. */
export type Outcome =
  | { readonly type: 'response'; readonly status: number; readonly durationMs: number }
  | { readonly type: 'failure'; readonly code: ErrorCode; readonly retryable: Retryable; readonly durationMs: number }

/** The outcome that an error is; null where it says nothing about the upstream. */
export function outcomeOf(error: unknown, durationMs: number): Outcome | null {
  if (!(error instanceof ForebayError)) return null
  const { code, retryable } = error
  switch (error.kind) {
    case 'overflow':
    case 'breaker':
    case 'closed':
    case 'request':
    case 'config':
    case 'unavailable':
    case 'internal':
      return null
    case 'body':
      return code === 'FB_REQUEST_BODY_FAILED' ? null : { type: 'failure', code, retryable, durationMs }
    case 'timeout':
    case 'connect':
    case 'reset':
    case 'protocol':
      return { type: 'failure', code, retryable, durationMs }
  }
}
