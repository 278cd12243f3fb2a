// The only place where a native failure becomes an error.
//
// Used by `pool/`. Not here: the table (`codes.ts`), the classes (`errors.ts`).

import type { NativeFailure } from '../native/dto.js'
import { type Attempt, lastAttempt, type Protocol } from './attempt.js'
import { CODES, type CodeEntry, codeEntry, PHASES, RETRYABLE } from './codes.js'
import {
  BodyError,
  BreakerError,
  ClosedError,
  ConfigError,
  ConnectError,
  type ErrorDetails,
  type ForebayError,
  InternalError,
  type LimitName,
  OverflowError,
  ProtocolError,
  RequestError,
  ResetError,
  TimeoutError,
  UnavailableError,
} from './errors.js'

export type { NativeFailure } from '../native/dto.js'

const PROTOCOLS: readonly Protocol[] = ['h1', 'h2', 'h3']

/** What the pool knows beside the record. */
export interface FailureContext {
  readonly origin: string
  /** How long the request had been under way. */
  readonly durationMs: number
  /** What the caller gave to `destroy()`. */
  readonly closeReason: unknown
  /** Tries before the one that failed. */
  readonly earlier: readonly Attempt[] | null
}

/**
 * The error that `failure` means. It has no stack: it comes from outside of any call, and a stack costs more than the refusal itself
 * (5 to 13 us against 0.8 us, measured on Node 20).
 */
export function errorFromNative(failure: NativeFailure, context: FailureContext): ForebayError {
  return withoutStack(() => build(failure, context))
}

function build(failure: NativeFailure, context: FailureContext): ForebayError {
  const entry = CODES[failure.code] ?? codeEntry('FB_INTERNAL')
  const phase = PHASES[failure.phase] ?? entry.phases[0] ?? 'admit'
  const endpoint = failure.endpoint === '' ? null : failure.endpoint
  const tried = phase === 'connect' || phase === 'tls' || phase === 'send' || phase === 'head' || phase === 'body'
  const cause = failure.text === '' ? undefined : new Error(failure.text)
  return makeError(entry, messageOf(entry, failure.number, context.origin, endpoint), failure.number, {
    phase,
    retryable: RETRYABLE[failure.retryable] ?? 'no',
    origin: context.origin,
    endpoint,
    protocol: failure.connection === null ? null : (PROTOCOLS[failure.connection.protocol] ?? null),
    reused: failure.reused,
    attempts: attemptsOf(context, tried ? lastAttempt(endpoint, entry.code, context.durationMs) : null),
    cause: entry.code === 'FB_POOL_CLOSED' ? (context.closeReason ?? cause) : cause,
  })
}

function attemptsOf({ earlier }: FailureContext, last: Attempt | null): readonly Attempt[] {
  const own = last === null ? [] : [last]
  return earlier === null ? own : [...earlier, ...own]
}

/** An error for the last word on a request that went wrong in TypeScript, of the class that its code has in the table. */
export function makeError(entry: CodeEntry, message: string, number: number, details: ErrorDetails): ForebayError {
  switch (entry.kind) {
    case 'overflow':
      return new OverflowError(entry.code, message, limitOf(entry), number, details)
    case 'breaker':
      return new BreakerError(entry.code, message, details)
    case 'timeout':
      return new TimeoutError(entry.code, message, number, details)
    case 'connect':
      return new ConnectError(entry.code, message, details)
    case 'reset':
      return new ResetError(entry.code, message, details)
    case 'protocol':
      return new ProtocolError(entry.code, message, details)
    case 'unavailable':
      return new UnavailableError(entry.code, message, details)
    case 'closed':
      return new ClosedError(entry.code, message, details)
    case 'body':
      return new BodyError(entry.code, message, details)
    case 'request':
      return new RequestError('request', message, details)
    case 'config':
      return new ConfigError('config', message, details)
    case 'internal':
      return new InternalError(entry.code, message, details)
  }
}

/** Names the option that was met, so that the reader knows what to change. */
export function messageOf(entry: CodeEntry, number: number, origin: string, endpoint: string | null): string {
  const place = endpoint === null ? origin : `${origin} at ${endpoint}`
  const bound = entry.option === null ? '' : ` (${entry.option}${number > 0 ? `: ${number}` : ''})`
  return `${entry.meaning}${bound}: ${place}`
}

/** The limit of an overflow. */
export function limitOf(entry: CodeEntry): LimitName {
  switch (entry.code) {
    case 'FB_PENDING_OVERFLOW':
      return 'maxPendingRequests'
    case 'FB_REQUEST_OVERFLOW':
      return 'maxRequests'
    case 'FB_POOL_OVERFLOW':
      return 'maxConnectionPools'
    default:
      return 'shed'
  }
}

/** `createPool` throws a refused option as `FB_INVALID_CONFIG|path|text`; anything else is a defect. */
export function errorFromCreate(thrown: unknown): ForebayError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const [code, path, ...rest] = text.split('|')
  if (code === 'FB_INVALID_CONFIG' && path !== undefined) {
    return new ConfigError(path, rest.join('|'), { cause: thrown })
  }
  return new InternalError('FB_INTERNAL', `the pool could not be made: ${text}`, { cause: thrown })
}

/** Runs `make` with stacks off, where the runtime lets them be turned off (not with `--frozen-intrinsics`). */
export function withoutStack<T>(make: () => T): T {
  const limit = Error.stackTraceLimit
  const off = Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return make()
  } finally {
    if (off) Error.stackTraceLimit = limit
  }
}
