// The error classes, one per kind. `code` is the contract (`codes.ts`); texts may change.
//
// Promise: `instanceof` goes by a brand in the global symbol registry, so that two copies of the package, or its ESM and CommonJS
// doors, agree. An error never holds a header value, a body or a key.
// Used by everyone. Not here: how a native failure becomes an error (`from-native.ts`).

import type { Attempt, Protocol } from './attempt.js'
import { codeEntry, type ErrorCode, type ErrorKind, type Phase, type Retryable } from './codes.js'

/** The property by which copies of this package know each other's errors; its value is the kind. */
const BRAND: symbol = Symbol.for('forebay.error.kind')

/** The limits that can refuse a request. */
export type LimitName =
  | 'maxConnections'
  | 'maxPendingRequests'
  | 'maxRequests'
  | 'maxRetries'
  | 'maxConnectionPools'
  | 'maxOrigins'
  | 'maxTotalConnections'
  | 'shed'

/** What is known of a failure beside its code and text. Left out: the table's value, or nothing. */
export interface ErrorDetails {
  readonly phase?: Phase
  readonly retryable?: Retryable
  readonly origin?: string | null
  readonly endpoint?: string | null
  readonly protocol?: Protocol | null
  readonly reused?: boolean
  readonly attempts?: readonly Attempt[]
  readonly cause?: unknown
}

/** Any error of Forebay. */
export abstract class ForebayError extends Error {
  abstract readonly kind: ErrorKind
  /** What happened: the stable part. */
  readonly code: ErrorCode
  /** How far the request had come. */
  readonly phase: Phase
  /** Whether the request may be sent again: any, only an idempotent one, never. */
  readonly retryable: Retryable
  /** Envoy's response flags. */
  readonly flags: readonly string[]
  /** Where the request was to go. */
  readonly origin: string | null
  /** The address that was reached or tried last. */
  readonly endpoint: string | null
  readonly protocol: Protocol | null
  /** Whether the connection had answered before. */
  readonly reused: boolean
  /** Every try, in order. */
  readonly attempts: readonly Attempt[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    const entry = codeEntry(code)
    this.code = code
    this.phase = details.phase ?? entry.phases[0] ?? 'admit'
    this.retryable = details.retryable ?? entry.retryable[0] ?? 'no'
    this.flags = entry.flags
    this.origin = details.origin ?? null
    this.endpoint = details.endpoint ?? null
    this.protocol = details.protocol ?? null
    this.reused = details.reused ?? false
    this.attempts = details.attempts ?? NO_ATTEMPTS
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the classes below inherit this method, and `this` says which one is asked.
    return isInstance(this, value)
  }
}

/** By brand for the classes below; a user's own subclass is judged by its prototype, as usual. */
function isInstance(made: unknown, value: unknown): boolean {
  const kind = made === ForebayError ? null : KINDS.get(made)
  if (kind === undefined) return Function.prototype[Symbol.hasInstance].call(made, value)
  if (typeof value !== 'object' || value === null) return false
  const found: unknown = Reflect.get(value, BRAND)
  return kind === null ? typeof found === 'string' : found === kind
}

/** Says more of an error that nobody has seen yet: it is the last word on a request of several attempts. */
export function amend(
  error: ForebayError,
  more: { readonly flags?: readonly string[]; readonly retryable?: Retryable },
): void {
  Object.assign<object, object>(error, more)
}

const NO_ATTEMPTS: readonly Attempt[] = Object.freeze([])

/** A limit is met: refused at once, nothing was sent. */
export class OverflowError extends ForebayError {
  override readonly kind = 'overflow' as const
  /** The limit that was met. */
  readonly limit: LimitName
  /** Its value. */
  readonly max: number

  constructor(code: ErrorCode, message: string, limit: LimitName, max: number, details?: ErrorDetails) {
    super(code, message, details)
    this.limit = limit
    this.max = max
  }
}

/** The breaker is open: refused at once, nothing was sent. */
export class BreakerError extends ForebayError {
  override readonly kind = 'breaker' as const
}

/** Something took longer than its limit. */
export class TimeoutError extends ForebayError {
  override readonly kind = 'timeout' as const
  /** The limit in ms; 0 where it is not known. */
  readonly timeoutMs: number

  constructor(code: ErrorCode, message: string, timeoutMs: number, details?: ErrorDetails) {
    super(code, message, details)
    this.timeoutMs = timeoutMs
  }
}

/** No connection could be made: names, addresses, TCP, TLS. */
export class ConnectError extends ForebayError {
  override readonly kind = 'connect' as const
}

/** The connection or the stream was lost before the response head. */
export class ResetError extends ForebayError {
  override readonly kind = 'reset' as const
}

/** The upstream broke its protocol or a bound. */
export class ProtocolError extends ForebayError {
  override readonly kind = 'protocol' as const
}

/** Nothing is there to send to, or no native binary to send with. */
export class UnavailableError extends ForebayError {
  override readonly kind = 'unavailable' as const
}

/** The pool is closed, or the caller gave up. */
export class ClosedError extends ForebayError {
  override readonly kind = 'closed' as const
}

/** A body could not be sent or read as a whole. */
export class BodyError extends ForebayError {
  override readonly kind = 'body' as const
}

/** The request is not one that may be sent; nothing was. */
export class RequestError extends ForebayError {
  override readonly kind = 'request' as const
  /** The option or header field that is refused. Its value is never shown. */
  readonly field: string

  constructor(field: string, message: string, details?: ErrorDetails) {
    super('FB_INVALID_REQUEST', `${field}: ${message}`, details)
    this.field = field
  }
}

/** An option is refused. */
export class ConfigError extends ForebayError {
  override readonly kind = 'config' as const
  /** Where the option stands, such as `limits.high.maxRequests`. */
  readonly path: string

  constructor(path: string, message: string, details?: ErrorDetails) {
    super('FB_INVALID_CONFIG', `${path}: ${message}`, details)
    this.path = path
  }
}

/** A defect of Forebay, caught. */
export class InternalError extends ForebayError {
  override readonly kind = 'internal' as const
}

/** The kind of each class. */
const KINDS: ReadonlyMap<unknown, ErrorKind> = new Map<unknown, ErrorKind>([
  [OverflowError, 'overflow'],
  [BreakerError, 'breaker'],
  [TimeoutError, 'timeout'],
  [ConnectError, 'connect'],
  [ResetError, 'reset'],
  [ProtocolError, 'protocol'],
  [UnavailableError, 'unavailable'],
  [ClosedError, 'closed'],
  [BodyError, 'body'],
  [RequestError, 'request'],
  [ConfigError, 'config'],
  [InternalError, 'internal'],
])

// Name and brand stand on the prototype: no error pays for them.
for (const [made, kind] of KINDS) {
  const { name, prototype } = made as { readonly name: string; readonly prototype: object }
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(prototype, BRAND, { value: kind })
}
