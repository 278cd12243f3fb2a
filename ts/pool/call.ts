// A request that may be sent more than once: its attempts one after another, each behind the breaker.
//
//   attempt --good, or not to be repeated--> its result
//      ^ \--to be repeated--> asked --refused by limit or budget--> its result
//      |                        \--granted: what came is let go
//      +------- back-off (native) ------+
//
// Promise: a result is given up only when the next attempt was granted: the caller gets the original where it is not. The total
// time-out runs over all attempts. Used by `native-pool.ts`. Not here: conditions (`request/retry.ts`), limit, budget and wait (native).

import { type Admission, type Breaker, REFUSED } from '../breaker/breaker.js'
import type { RetryConfig } from '../config/retry.js'
import { type Attempt, retriedAttempt } from '../errors/attempt.js'
import type { Flag } from '../errors/codes.js'
import { amend, ForebayError } from '../errors/errors.js'
import { type Outcome, outcomeOf } from '../errors/outcome.js'
import { askedMs, backoffMs } from '../request/backoff.js'
import type { PreparedRequest } from '../request/prepared.js'
import { type AttemptEnd, hasWritten, matches, mayHaveActed } from '../request/retry.js'
import type { PoolResponse } from '../response/response.js'
import { Exchange, type ExchangeOwner } from './exchange.js'
import { breakerOpen } from './failures.js'

/** What a call needs of its pool. */
export interface CallHost extends ExchangeOwner {
  readonly closed: boolean
  readonly breaker: Breaker | null
  /** Sends it, or keeps it until it can be sent. `isFirst`: its body may have to be read before. */
  attempt(request: PreparedRequest, exchange: Exchange, isFirst: boolean): void
  /** For the counters. */
  retrySucceeded(): void
  retriesUsedUp(): void
  /** For those who listen. */
  repeated(type: 'replay' | 'retry', attempt: Attempt): void
}

/** What is asked for. */
export interface CallOptions {
  readonly retry: RetryConfig
  readonly method: string
  /** What the request says itself; null: nothing. */
  readonly idempotent: boolean | null
  readonly signal: AbortSignal | null
  readonly maxReadSize: number
  /** Over all attempts, in ms; 0: off. */
  readonly totalTimeout: number
}

type Result =
  | { readonly type: 'response'; readonly response: PoolResponse }
  | { readonly type: 'error'; readonly error: unknown }

/** One attempt. */
interface Try {
  readonly exchange: Exchange
  readonly admission: Admission
  readonly startedMs: number
  readonly result: Promise<Result>
  /** Of a repeat: whether it may be. Also true where it ended before that was known. */
  readonly granted: Promise<boolean>
}

/** See above. */
export class Call {
  readonly #host: CallHost
  readonly #request: PreparedRequest
  readonly #options: CallOptions
  readonly #startedMs: number
  /** How many attempts there were. */
  #attempts = 0
  /** Whether an earlier attempt wrote something, and whether the upstream may have acted on one. */
  #wrote = false
  #acted = false

  constructor(host: CallHost, request: PreparedRequest, options: CallOptions) {
    this.#host = host
    this.#request = request
    this.#options = options
    this.#startedMs = host.nowMs()
  }

  async run(): Promise<PoolResponse> {
    const admission = this.#admit()
    if (admission === REFUSED) {
      this.#request.extras?.drop()
      throw breakerOpen(this.#host.origin)
    }
    let current = this.#try(admission, [])
    for (;;) {
      const result = await current.result
      const next = this.#next(current, result)
      if (next === null) return given(result, this.#acted)
      if (!(await next.granted)) {
        this.#host.breaker?.ended(next.admission, null)
        flag(result, 'UO')
        return given(result, this.#acted)
      }
      const end = endOf(result)
      this.#wrote ||= end !== null && hasWritten(end)
      this.#acted ||= end !== null && mayHaveActed(end)
      const last = attemptsOf(result).at(-1)
      if (last !== undefined) this.#host.repeated('retry', retriedAttempt(last))
      letGo(result)
      current = next
    }
  }

  /** The next attempt, asked for; null where the result stands. What a policy of the user's throws ends the call. */
  #next(current: Try, result: Result): Try | null {
    try {
      return this.#repeat(current, result, this.#record(current, result))
    } catch (error) {
      letGo(result)
      throw error
    }
  }

  #admit(): Admission {
    const { breaker } = this.#host
    return breaker === null ? 0 : breaker.admit()
  }

  /** Begins an attempt; `earlier` are those before. */
  #try(admission: Admission, earlier: readonly Attempt[]): Try {
    const host = this.#host
    const { signal, maxReadSize } = this.#options
    const request = this.#request
    this.#attempts += 1
    let grant: (granted: boolean) => void = nothing
    const granted = new Promise<boolean>(resolve => {
      grant = resolve
    })
    let settle: (result: Result) => void = nothing
    const result = new Promise<Result>(resolve => {
      settle = resolve
    })
    const failed = (error: unknown): void => {
      grant(true)
      settle({ type: 'error', error })
    }
    const answered = (answer: PoolResponse | Promise<PoolResponse>): void => {
      // Listeners of 1xx that came with it run first, and may throw.
      Promise.resolve(answer).then(response => settle({ type: 'response', response }), failed)
    }
    const exchange = new Exchange(host, answered, failed, signal, maxReadSize, request.high)
    if (request.extras !== null) exchange.extend(request.extras)
    exchange.after(earlier, grant)
    const startedMs = host.nowMs()
    try {
      host.attempt(request, exchange, this.#attempts === 1)
      if (signal !== null) exchange.watch()
    } catch (error) {
      exchange.rejectWith(error)
    }
    return { exchange, admission, startedMs, result, granted }
  }

  /** Tells the breaker how an attempt ended; null where that says nothing about the upstream. */
  #record({ admission, startedMs }: Try, result: Result): Outcome | null {
    const durationMs = this.#host.nowMs() - startedMs
    const outcome = this.#outcome(result, durationMs)
    this.#host.breaker?.ended(admission, outcome)
    return outcome
  }

  #outcome(result: Result, durationMs: number): Outcome | null {
    if (result.type === 'response') return { type: 'response', status: result.response.status, durationMs }
    const { signal } = this.#options
    return signal?.aborted === true && signal.reason === result.error ? null : outcomeOf(result.error, durationMs)
  }

  #repeat({ exchange }: Try, result: Result, outcome: Outcome | null): Try | null {
    const { retry, signal } = this.#options
    const end = endOf(result)
    if (end === null || outcome === null) return null
    if (!matches(retry, end, this.#wrote)) {
      if (this.#attempts > 1 && end.type === 'response') this.#host.retrySucceeded()
      return null
    }
    if (exchange.hasInformed || !this.#isRepeatable(end) || !this.#isWanted(outcome)) return null
    if (this.#attempts > retry.attempts) {
      this.#host.retriesUsedUp()
      flag(result, 'URX')
      return null
    }
    const backoff = this.#backoff(end)
    const totalLeft = this.#totalLeft()
    if (totalLeft <= backoff || this.#host.closed || signal?.aborted === true) return null
    const admission = this.#admit()
    if (admission === REFUSED) return null
    this.#request.again(backoff, totalLeft)
    return this.#try(admission, attemptsOf(result).map(retriedAttempt))
  }

  /** Whether it may go again, after what happened. */
  #isRepeatable(end: AttemptEnd): boolean {
    if (!this.#request.isRepeatable) return false
    if (!mayHaveActed(end)) return true
    const { idempotent, method, retry } = this.#options
    return idempotent ?? (retry.methods === null ? this.#request.idempotent : retry.methods.includes(method))
  }

  #isWanted(outcome: Outcome): boolean {
    const { when } = this.#options.retry
    return when === null || when({ attempt: this.#attempts, method: this.#options.method, outcome })
  }

  #backoff(end: AttemptEnd): number {
    const { backoff, respectRetryAfter } = this.#options.retry
    const asked = end.type === 'response' && respectRetryAfter ? askedMs(end.headers, Date.now(), Math.random()) : null
    return asked ?? backoffMs(backoff, this.#attempts, Math.random())
  }

  /** In ms; `Infinity` where there is no bound. */
  #totalLeft(): number {
    const { totalTimeout } = this.#options
    if (totalTimeout === 0) return Number.POSITIVE_INFINITY
    return totalTimeout - (this.#host.nowMs() - this.#startedMs)
  }
}

function endOf(result: Result): AttemptEnd | null {
  if (result.type === 'response')
    return { type: 'response', status: result.response.status, headers: result.response.headers }
  const { error } = result
  if (!(error instanceof ForebayError)) return null
  return { type: 'failure', code: error.code, phase: error.phase, retryable: error.retryable }
}

function attemptsOf(result: Result): readonly Attempt[] {
  if (result.type === 'response') return result.response.attempts
  return result.error instanceof ForebayError ? result.error.attempts : []
}

/** Envoy's word for why there is no other attempt. A response has no place for it. */
function flag(result: Result, word: Flag): void {
  if (result.type !== 'error' || !(result.error instanceof ForebayError)) return
  amend(result.error, { flags: [...result.error.flags, word] })
}

/** To the caller. `acted`: the upstream may have acted on an earlier attempt, whatever became of the last one. */
function given(result: Result, acted: boolean): PoolResponse {
  if (result.type === 'response') return result.response
  const { error } = result
  if (acted && error instanceof ForebayError && error.retryable === 'yes') amend(error, { retryable: 'maybe' })
  throw error
}

/** What came is not wanted: its connection is kept if little is left of it. */
function letGo(result: Result): void {
  if (result.type === 'response') result.response.body.discard().catch(nothing)
}

function nothing(): void {}
