// Which ends of an attempt are repeated, how long is waited, and which options are refused.

import test from 'ava'
import fc from 'fast-check'
import { parseRetry, type RetryCondition, type RetryConfig } from '../../ts/config/retry.js'
import { CODES, type ErrorCode, type Phase, type Retryable } from '../../ts/errors/codes.js'
import { ConfigError } from '../../ts/errors/errors.js'
import { askedMs, backoffMs } from '../../ts/request/backoff.js'
import { type AttemptEnd, matches } from '../../ts/request/retry.js'
import { LazyHeaderMap } from '../../ts/response/headers.js'

const fields = (text = ''): LazyHeaderMap => new LazyHeaderMap(text)

function config(on: RetryCondition): RetryConfig {
  const parsed = parseRetry({ on: [on], statusCodes: [418], headers: ['X-Retry'] })
  if (parsed === null) throw new Error('it was parsed')
  return parsed
}

const response = (status: number, text = ''): AttemptEnd => ({ type: 'response', status, headers: fields(text) })
const failure = (code: ErrorCode, phase: Phase, retryable: Retryable): AttemptEnd => {
  return { type: 'failure', code, phase, retryable }
}

/** Every way in which an attempt can end. */
const ENDS: Readonly<Record<string, AttemptEnd>> = {
  refused: failure('FB_CONNECT_REFUSED', 'connect', 'yes'),
  timeout: failure('FB_CONNECT_TIMEOUT', 'connect', 'yes'),
  handshake: failure('FB_TLS_HANDSHAKE', 'tls', 'yes'),
  untrusted: failure('FB_TLS_UNTRUSTED', 'tls', 'no'),
  stream: failure('FB_STREAM_REFUSED', 'head', 'yes'),
  unsent: failure('FB_CONNECTION_CLOSED', 'send', 'yes'),
  lost: failure('FB_CONNECTION_RESET', 'head', 'maybe'),
  sending: failure('FB_CONNECTION_RESET', 'send', 'maybe'),
  try: failure('FB_TRY_TIMEOUT', 'head', 'maybe'),
  malformed: failure('FB_RESPONSE_MALFORMED', 'head', 'no'),
  queue: failure('FB_QUEUE_TIMEOUT', 'queue', 'yes'),
  name: failure('FB_DNS_FAILED', 'dns', 'yes'),
  deadline: failure('FB_DEADLINE_EXCEEDED', 'head', 'maybe'),
  version: failure('FB_VERSION_REQUIRED', 'head', 'yes'),
  200: response(200),
  404: response(404),
  409: response(409),
  418: response(418),
  500: response(500),
  502: response(502),
  504: response(504),
  505: response(505),
  marked: response(200, 'X-Retry\0please\0'),
}

const RESETS = ['refused', 'timeout', 'handshake', 'stream', 'unsent', 'lost', 'sending', 'try']

const CASES: Readonly<Record<RetryCondition, readonly string[]>> = {
  'connect-failure': ['refused', 'timeout', 'handshake'],
  'refused-stream': ['stream'],
  'reset-before-request': ['refused', 'timeout', 'handshake', 'unsent'],
  reset: RESETS,
  '5xx': ['500', '502', '504', '505', ...RESETS],
  'gateway-error': ['502', '504', ...RESETS],
  'retriable-4xx': ['409'],
  'retriable-status-codes': ['418'],
  'retriable-headers': ['marked'],
}

for (const [condition, cases] of Object.entries(CASES) as [RetryCondition, readonly string[]][]) {
  test(`${condition} matches its cases and no other`, t => {
    const found = Object.keys(ENDS).filter(name => matches(config(condition), ENDS[name] as AttemptEnd, false))
    t.deepEqual(found.sort(), [...cases].sort())
  })
}

test('reset-before-request looks at the attempts before, too', t => {
  t.true(matches(config('reset-before-request'), ENDS['refused'] as AttemptEnd, false))
  t.false(matches(config('reset-before-request'), ENDS['refused'] as AttemptEnd, true))
})

test('what another try would meet again is never repeated', t => {
  const never = CODES.filter(entry => entry.retryable.every(word => word === 'no'))
  t.true(never.length > 10)
  for (const { code, phases } of never) {
    for (const phase of phases) {
      for (const condition of Object.keys(CASES) as RetryCondition[]) {
        t.false(matches(config(condition), failure(code, phase, 'no'), false), `${code} ${condition}`)
      }
    }
  }
})

test('the wait is a whole number of ms below the doubled base and below the maximum', t => {
  const highest = [1, 2, 3, 4, 5, 6, 100].map(attempt => backoffMs({ base: 25, max: 250 }, attempt, 0.999_999))
  t.deepEqual(highest, [24, 49, 99, 199, 249, 249, 249])
  t.is(backoffMs({ base: 0, max: 0 }, 3, 0.999_999), 0)
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(random, fc.integer({ min: 1, max: 100 }), fc.nat(10_000), fc.nat(10_000), (chance, n, base, more) => {
      const ms = backoffMs({ base, max: base + more }, n, chance)
      t.true(Number.isInteger(ms) && ms >= 0 && ms <= Math.max(0, Math.min(base * 2 ** (n - 1), base + more) - 1))
    }),
  )
})

const NOW = Date.UTC(2026, 0, 1)

test('an upstream may ask for a wait in seconds, as a date or as a time', t => {
  const asked = (text: string, random = 0) => askedMs(fields(text), NOW, random)
  t.is(asked('retry-after\x007\0'), 7_000)
  t.is(asked('Retry-After\x007\0', 0.999_999), 10_499)
  t.is(asked('retry-after\0Thu, 01 Jan 2026 00:00:30 GMT\0'), 30_000)
  t.is(asked('ratelimit-reset\x005\0'), 5_000)
  t.is(asked(`x-ratelimit-reset\0${NOW / 1_000 + 60}\0`), 60_000)
  t.is(asked('retry-after\0soon\0ratelimit-reset\x005\0'), 5_000)
  t.is(asked('retry-after\x00300\0'), 300_000)
})

test('no wait, one that is over or is too long is not obeyed', t => {
  for (const text of [
    '',
    'retry-after\x000\0',
    'retry-after\x00301\0',
    'retry-after\x00-1\0',
    'retry-after\x001.5\0',
    'retry-after\0Wed, 31 Dec 2025 23:59:59 GMT\0',
    'x-ratelimit-reset\x0099999999999\0',
  ]) {
    t.is(askedMs(fields(text), NOW, 0), null, text)
  }
})

test('every option has its default, and its edges', t => {
  t.deepEqual(parseRetry({ on: ['5xx'] }), {
    on: ['5xx'],
    attempts: 1,
    methods: null,
    statusCodes: [],
    headers: [],
    backoff: { base: 25, max: 250 },
    respectRetryAfter: true,
    when: null,
  })
  t.is(parseRetry(null), null)
  t.is(parseRetry(undefined), null)
  t.like(parseRetry({ on: ['reset'], backoff: { base: 2_000 } }), { backoff: { base: 2_000, max: 20_000 } })
  t.like(parseRetry({ on: ['reset'], attempts: 0, methods: [], backoff: { base: 0 } }), {
    attempts: 0,
    methods: [],
    backoff: { base: 0, max: 0 },
  })
  const bad: readonly (readonly [unknown, string])[] = [
    [1, 'retry'],
    [[], 'retry'],
    [{}, 'retry.on'],
    [{ on: '5xx' }, 'retry.on'],
    [{ on: [] }, 'retry.on'],
    [{ on: ['5XX'] }, 'retry.on'],
    [{ on: ['5xx'], typo: 1 }, 'retry.typo'],
    [{ on: ['retriable-status-codes'] }, 'retry.statusCodes'],
    [{ on: ['retriable-headers'] }, 'retry.headers'],
    [{ on: ['5xx'], backoff: { base: 100, max: 99 } }, 'retry.backoff.max'],
    [{ on: ['5xx'], backoff: 1 }, 'retry.backoff'],
    [{ on: ['5xx'], backoff: { base: -1 } }, 'retry.backoff.base'],
    [{ on: ['5xx'], respectRetryAfter: 1 }, 'retry.respectRetryAfter'],
    [{ on: ['5xx'], when: 1 }, 'retry.when'],
    [{ on: ['5xx'], when: null }, 'retry.when'],
    ...[-1, 101, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null].map(
      attempts => [{ on: ['5xx'], attempts }, 'retry.attempts'] as const,
    ),
    ...[[199], [1_000], ['500'], 500, [Number.NaN], null].map(
      statusCodes => [{ on: ['5xx'], statusCodes }, 'retry.statusCodes'] as const,
    ),
    ...[['a b'], [1], 'GET', [''], null].map(methods => [{ on: ['5xx'], methods }, 'retry.methods'] as const),
    ...[['a:b'], [1], 'x', null].map(headers => [{ on: ['5xx'], headers }, 'retry.headers'] as const),
  ]
  for (const [value, path] of bad) {
    const error = t.throws(() => parseRetry(value), { instanceOf: ConfigError }, JSON.stringify(value))
    t.is(error.path, path)
  }
})

test('lists are copied', t => {
  const on: RetryCondition[] = ['reset']
  const parsed = parseRetry({ on })
  on.push('5xx')
  t.deepEqual(parsed?.on, ['reset'])
  t.true(Object.isFrozen(parsed) && Object.isFrozen(parsed?.on) && Object.isFrozen(parsed?.backoff))
})
