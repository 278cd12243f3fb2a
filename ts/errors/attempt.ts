// What was tried for a request, and in which protocol. The lowest types of the package: errors and responses carry them.
// Used by `errors.ts` and `response/`. Not here: when a try may be repeated (the core, `request/retry.ts`).

import type { ErrorCode } from './codes.js'

/** A version of HTTP. `h2` on an `http:` origin is prior knowledge (h2c). */
export type Protocol = 'h1' | 'h2' | 'h3'

/** Which of the two queues and sets of limits a request uses. */
export type Priority = 'default' | 'high'

/** One try at a request and how it ended. `endpoint` is where it was sent; null where none was reached. */
export type Attempt =
  | { readonly type: 'response'; readonly endpoint: string; readonly status: number; readonly durationMs: number }
  | {
      readonly type: 'failure'
      readonly endpoint: string | null
      readonly code: ErrorCode
      readonly durationMs: number
      readonly then: 'replay' | 'retry' | 'gave-up'
    }

/** `address:port` of a peer as it is shown; `unix:path` for a Unix socket, whose port is 0. */
export function endpointText(address: string, port: number): string {
  if (port === 0) return `unix:${address}`
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** A try that failed, after which the pool itself sent the request again. */
export function replayedAttempt(endpoint: string | null, code: ErrorCode, durationMs: number): Attempt {
  // biome-ignore lint/suspicious/noThenProperty: as below.
  return { type: 'failure', endpoint, code, durationMs, then: 'replay' }
}

/** A try after which the request was sent again, as a policy said. */
export function retriedAttempt(attempt: Attempt): Attempt {
  // biome-ignore lint/suspicious/noThenProperty: as below.
  return attempt.type === 'failure' && attempt.then === 'gave-up' ? { ...attempt, then: 'retry' } : attempt
}

/** A try that failed and was the last one. */
export function lastAttempt(endpoint: string | null, code: ErrorCode, durationMs: number): Attempt {
  // biome-ignore lint/suspicious/noThenProperty: the word of the public type; it is a string, so nothing can take it for a promise.
  return { type: 'failure', endpoint, code, durationMs, then: 'gave-up' }
}
