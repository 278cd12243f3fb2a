// Whether the end of an attempt is one that a policy repeats.
//
// Promise: a function of its arguments. What another try would repeat (class N) and what a limit refused never matches.
// Used by `pool/call.ts`. Not here: how often (`pool/call.ts`), how long to wait (`backoff.ts`).

import type { RetryCondition, RetryConfig } from '../config/retry.js'
import type { ErrorCode, Phase, Retryable } from '../errors/codes.js'
import type { HeaderMap } from '../response/headers.js'

/** How an attempt ended, as far as conditions look. */
export type AttemptEnd =
  | { readonly type: 'response'; readonly status: number; readonly headers: HeaderMap }
  | { readonly type: 'failure'; readonly code: ErrorCode; readonly phase: Phase; readonly retryable: Retryable }

/** Failures that the upstream has no part in, or that another try would meet again. */
const NEVER: readonly ErrorCode[] = [
  'FB_QUEUE_TIMEOUT',
  'FB_DEADLINE_EXCEEDED',
  'FB_DNS_FAILED',
  'FB_DNS_TIMEOUT',
  'FB_VERSION_REQUIRED',
]

/** Whether one of the conditions matches. `wrote`: an earlier attempt wrote bytes of the request. */
export function matches(retry: RetryConfig, end: AttemptEnd, wrote: boolean): boolean {
  return retry.on.some(condition => isCaseOf(condition, retry, end, wrote))
}

function isCaseOf(condition: RetryCondition, retry: RetryConfig, end: AttemptEnd, wrote: boolean): boolean {
  switch (condition) {
    case 'connect-failure':
      return isReset(end) && isConnecting(end.phase)
    case 'refused-stream':
      return isReset(end) && end.code === 'FB_STREAM_REFUSED'
    case 'reset-before-request':
      return isReset(end) && !wrote && !hasWritten(end)
    case 'reset':
      return isReset(end)
    case '5xx':
      return isReset(end) || isStatus(end, status => status >= 500 && status <= 599)
    case 'gateway-error':
      return isReset(end) || isStatus(end, status => status >= 502 && status <= 504)
    case 'retriable-4xx':
      return isStatus(end, status => status === 409)
    case 'retriable-status-codes':
      return isStatus(end, status => retry.statusCodes.includes(status))
    case 'retriable-headers':
      return end.type === 'response' && retry.headers.some(name => end.headers.has(name))
  }
}

/** Whether the upstream may have acted on the request. */
export function mayHaveActed(end: AttemptEnd): boolean {
  return end.type === 'response' || end.retryable !== 'yes'
}

/** Whether a byte of the request was written. */
export function hasWritten(end: AttemptEnd): boolean {
  if (end.type === 'response') return true
  switch (end.phase) {
    case 'setup':
    case 'admit':
    case 'queue':
    case 'dns':
    case 'connect':
    case 'tls':
      return false
    case 'send':
      return end.retryable !== 'yes'
    case 'head':
    case 'body':
      return true
  }
}

type Failure = Extract<AttemptEnd, { readonly type: 'failure' }>

function isReset(end: AttemptEnd): end is Failure {
  return end.type === 'failure' && end.retryable !== 'no' && !NEVER.includes(end.code)
}

function isConnecting(phase: Phase): boolean {
  return phase === 'connect' || phase === 'tls'
}

function isStatus(end: AttemptEnd, is: (status: number) => boolean): boolean {
  return end.type === 'response' && is(end.status)
}
