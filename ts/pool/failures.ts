// Failures that TypeScript finds out by itself, as errors of the table.
//
// Used by `native-pool.ts`, `exchange.ts`, `tunnel.ts`. Not here: those that native code reports (`errors/from-native.ts`).

import type { Attempt } from '../errors/attempt.js'
import { codeEntry } from '../errors/codes.js'
import { ClosedError, type ForebayError } from '../errors/errors.js'
import { makeError, messageOf, withoutStack } from '../errors/from-native.js'

/** The body of a request could not be had: `cause` is what its source failed with. */
export function bodyFailed(origin: string, cause: unknown, attempts: readonly Attempt[]): ForebayError {
  const entry = codeEntry('FB_REQUEST_BODY_FAILED')
  return makeError(entry, messageOf(entry, 0, origin, null), 0, { phase: 'send', origin, attempts, cause })
}

/** The pool takes no more requests. */
export function poolClosed(origin: string, cause: unknown): ClosedError {
  const entry = codeEntry('FB_POOL_CLOSED')
  const message = messageOf(entry, 0, origin, null)
  return new ClosedError('FB_POOL_CLOSED', message, { phase: 'admit', retryable: 'yes', origin, cause })
}

/** The breaker is open. Without a stack: a refusal must be cheap. */
export function breakerOpen(origin: string): ForebayError {
  const entry = codeEntry('FB_BREAKER_OPEN')
  const message = messageOf(entry, 0, origin, null)
  return withoutStack(() => makeError(entry, message, 0, { phase: 'admit', origin }))
}

/** More requests wait than may. */
export function pendingOverflow(origin: string, max: number): ForebayError {
  const entry = codeEntry('FB_PENDING_OVERFLOW')
  return makeError(entry, messageOf(entry, max, origin, null), max, { phase: 'admit', origin })
}

/** The whole time of a request is over before it could be submitted: its host is still looked up. */
export function deadlineExceeded(origin: string, ms: number): ForebayError {
  const entry = codeEntry('FB_DEADLINE_EXCEEDED')
  return makeError(entry, messageOf(entry, ms, origin, null), ms, { phase: 'dns', retryable: 'yes', origin })
}
