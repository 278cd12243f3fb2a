// The `retry` option, of a pool or of one request: what it is, and its parsed form.
//
// Promise: lists are copied, methods and conditions are checked, a condition that could never match is refused. Used by `parse.ts` and
// `request/extras.ts`. Not here: when a condition matches (`request/retry.ts`), how long to wait (`request/backoff.ts`).

import type { Outcome } from '../errors/outcome.js'
import { RETRY_ATTEMPTS, RETRY_BACKOFF_BASE_MS, RETRY_BACKOFF_MAX_MS } from './defaults.js'
import { fieldsOf, joined, readBoolean, readMs, readWhole, refusal } from './read.js'

/**
 * When an attempt may be repeated. `reset` is any attempt without a response: the connection could not be made or was lost, the
 * upstream broke off, or it took too long; `5xx` and `gateway-error` (502, 503, 504) include it. `connect-failure`: the connection could
 * not be made. `refused-stream`: the upstream says that it did nothing. `reset-before-request`: no attempt wrote a byte.
 * `retriable-4xx`: 409.
 */
export type RetryCondition =
  | 'connect-failure'
  | 'refused-stream'
  | 'reset-before-request'
  | 'reset'
  | '5xx'
  | 'gateway-error'
  | 'retriable-4xx'
  | 'retriable-status-codes'
  | 'retriable-headers'

/** What a `when` is asked about. */
export interface RetryContext {
  /** How many attempts there were, from 1. */
  readonly attempt: number
  readonly method: string
  /** How the last one ended. */
  readonly outcome: Outcome
}

/**
 * Repeats a request whose attempt failed, with a wait before. What was delivered to the caller is never repeated, a 1xx included; nor is
 * a body that can be produced only once. `limits.retryBudget` bounds how many are under way.
 */
export interface RetryOptions {
  /** When. At least one. */
  readonly on: readonly RetryCondition[]
  /**
   * How often, after the first attempt, 0 to 100.
   * @default 1
   */
  readonly attempts?: number | undefined
  /**
   * Methods that are repeated although the upstream may have acted. What it cannot have processed is repeated whatever the method; the
   * request's own `idempotent` comes first.
   * @default those that are idempotent: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
   */
  readonly methods?: readonly string[] | undefined
  /** For `retriable-status-codes`: 200 to 999. */
  readonly statusCodes?: readonly number[] | undefined
  /** For `retriable-headers`: names, one of which a response has. */
  readonly headers?: readonly string[] | undefined
  /** The wait before attempt n + 1 is random below `base` times 2 to the n - 1, and below `max`. */
  readonly backoff?:
    | {
        /**
         * In ms. `0`: at once.
         * @default 25
         */
        readonly base?: number | undefined
        /**
         * In ms, from `base`.
         * @default ten times `base`
         */
        readonly max?: number | undefined
      }
    | undefined
  /**
   * Whether `retry-after`, `ratelimit-reset` and `x-ratelimit-reset` of a response say how long to wait, up to 300 s; half as long again at
   * most, at random.
   * @default true
   */
  readonly respectRetryAfter?: boolean | undefined
  /**
   * Called before a repeat; `false` refuses it. What it throws fails the request.
   * @default none
   */
  readonly when?: ((context: RetryContext) => boolean) | undefined
}

/** The same, parsed. */
export interface RetryConfig {
  readonly on: readonly RetryCondition[]
  readonly attempts: number
  /** Null: the idempotent ones. */
  readonly methods: readonly string[] | null
  readonly statusCodes: readonly number[]
  /** In lower case. */
  readonly headers: readonly string[]
  readonly backoff: { readonly base: number; readonly max: number }
  readonly respectRetryAfter: boolean
  readonly when: ((context: RetryContext) => boolean) | null
}

const CONDITIONS: readonly RetryCondition[] = [
  'connect-failure',
  'refused-stream',
  'reset-before-request',
  'reset',
  '5xx',
  'gateway-error',
  'retriable-4xx',
  'retriable-status-codes',
  'retriable-headers',
]

const KNOWN = ['on', 'attempts', 'methods', 'statusCodes', 'headers', 'backoff', 'respectRetryAfter', 'when'] as const

/** Envoy allows more; nobody should. A guess. */
const MAX_ATTEMPTS = 100
/** Envoy, `RetryBackOff.max_interval`: ten times the base when unset. */
const MAX_PER_BASE: number = RETRY_BACKOFF_MAX_MS / RETRY_BACKOFF_BASE_MS

const NONE: readonly never[] = Object.freeze([])

/** The `retry` of a pool or of a request; null: none. */
export function parseRetry(value: unknown): RetryConfig | null {
  if (value === undefined || value === null) return null
  const path = 'retry'
  const fields = fieldsOf(path, value, KNOWN)
  const at = (key: (typeof KNOWN)[number]): string => joined(path, key)
  const on = readList(at('on'), fields['on'], `of ${CONDITIONS.join(', ')}`, isCondition)
  if (on.length === 0) throw refusal(at('on'), 'at least one condition', fields['on'])
  const { statusCodes: statuses = NONE, headers: names = NONE } = fields
  const statusCodes = readList(at('statusCodes'), statuses, 'of statuses from 200 to 999', isStatus)
  const headers = readList(at('headers'), names, 'of header names', isToken)
  needs(on, 'retriable-status-codes', statusCodes, at('statusCodes'))
  needs(on, 'retriable-headers', headers, at('headers'))
  const { methods, when } = fields
  if (when !== undefined && typeof when !== 'function') throw refusal(at('when'), 'a function', when)
  return Object.freeze({
    on,
    attempts: readWhole(at('attempts'), fields['attempts'], RETRY_ATTEMPTS, 0, MAX_ATTEMPTS),
    methods: methods === undefined ? null : readList(at('methods'), methods, 'of methods', isToken),
    statusCodes,
    headers: Object.freeze(headers.map(name => name.toLowerCase())),
    backoff: readBackoff(at('backoff'), fields['backoff']),
    respectRetryAfter: readBoolean(at('respectRetryAfter'), fields['respectRetryAfter'], true),
    when: when === undefined ? null : (when as RetryConfig['when']),
  })
}

function readBackoff(path: string, value: unknown): RetryConfig['backoff'] {
  const fields = fieldsOf(path, value, ['base', 'max'])
  const base = readMs(`${path}.base`, fields['base'], RETRY_BACKOFF_BASE_MS)
  const max = readMs(`${path}.max`, fields['max'], base * MAX_PER_BASE)
  if (max < base) throw refusal(`${path}.max`, `at least base, ${base}`, fields['max'])
  return Object.freeze({ base, max })
}

function needs(on: readonly RetryCondition[], condition: RetryCondition, list: readonly unknown[], path: string): void {
  if (on.includes(condition) && list.length === 0) throw refusal(path, `what '${condition}' looks for`, undefined)
}

function readList<T>(path: string, value: unknown, what: string, is: (one: unknown) => one is T): readonly T[] {
  if (!Array.isArray(value)) throw refusal(path, `a list ${what}`, value)
  const list: unknown[] = Array.from(value)
  for (const one of list) if (!is(one)) throw refusal(path, `a list ${what}`, one)
  return Object.freeze(list as T[])
}

function isCondition(value: unknown): value is RetryCondition {
  return CONDITIONS.some(condition => condition === value)
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 999
}

/** RFC 9110 section 5.6.2. */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(value)
}
