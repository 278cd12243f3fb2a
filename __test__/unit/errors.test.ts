// The table of codes, the classes, and the one converter.

import test from 'ava'
import { lastAttempt } from '../../ts/errors/attempt.js'
import { CODES, codeEntry, PHASES, RETRYABLE } from '../../ts/errors/codes.js'
import {
  ClosedError,
  ConfigError,
  ConnectError,
  ForebayError,
  InternalError,
  OverflowError,
  RequestError,
  TimeoutError,
  UnavailableError,
} from '../../ts/errors/errors.js'
import { errorFromCreate, errorFromNative, makeError, type NativeFailure } from '../../ts/errors/from-native.js'

const CONTEXT = { origin: 'http://a.test', durationMs: 7, closeReason: undefined, earlier: null }

function failure(code: string, more: Partial<NativeFailure> = {}): NativeFailure {
  const index = CODES.findIndex(entry => entry.code === code)
  return {
    code: index,
    retryable: 2,
    phase: PHASES.indexOf('connect'),
    connection: null,
    number: 0,
    text: '',
    endpoint: '',
    reused: false,
    ...more,
  }
}

test('codes are unique, start with FB_, and have phases and classes of the table', t => {
  t.is(new Set(CODES.map(entry => entry.code)).size, CODES.length)
  for (const entry of CODES) {
    t.regex(entry.code, /^FB_[A-Z_]+$/)
    t.true(entry.meaning.length > 0, entry.code)
    t.true(entry.phases.length > 0 && entry.phases.every(phase => PHASES.includes(phase)), entry.code)
    t.true(entry.retryable.length > 0 && entry.retryable.every(word => RETRYABLE.includes(word)), entry.code)
    t.true(Object.isFrozen(entry))
    t.is(codeEntry(entry.code), entry)
  }
})

test('every code becomes an error of its kind, with its code, flags and phase', t => {
  for (const entry of CODES) {
    const error = errorFromNative(failure(entry.code), CONTEXT)
    t.true(error instanceof ForebayError, entry.code)
    t.true(error instanceof Error)
    t.is(error.kind, entry.kind, entry.code)
    t.is(error.code, entry.code)
    t.deepEqual(error.flags, entry.flags)
    t.is(error.phase, 'connect')
    t.is(error.retryable, 'yes')
    t.is(error.origin, 'http://a.test')
    t.true(error.message.includes(entry.meaning) || entry.kind === 'request' || entry.kind === 'config', entry.code)
  }
})

test('a failure carries endpoint, protocol, reuse, cause and its attempt', t => {
  const connection = { id: 3, protocol: 0, address: '10.0.0.1', port: 80, connectMicros: 0, tlsMicros: 0 }
  const error = errorFromNative(
    failure('FB_CONNECTION_RESET', {
      retryable: 1,
      phase: PHASES.indexOf('head'),
      connection,
      text: 'Connection reset by peer (os error 104)',
      endpoint: '10.0.0.1:80',
      reused: true,
    }),
    CONTEXT,
  )
  t.is(error.endpoint, '10.0.0.1:80')
  t.is(error.protocol, 'h1')
  t.is(error.retryable, 'maybe')
  t.true(error.reused)
  t.true(error.cause instanceof Error)
  t.is(error.cause instanceof Error ? error.cause.message : '', 'Connection reset by peer (os error 104)')
  t.deepEqual(error.attempts, [lastAttempt('10.0.0.1:80', 'FB_CONNECTION_RESET', 7)])
  t.is(Reflect.get(error.attempts[0] ?? {}, 'then'), 'gave-up')
})

test('what never reached an upstream has no attempt', t => {
  for (const phase of ['admit', 'queue', 'dns'] as const) {
    const error = errorFromNative(failure('FB_QUEUE_TIMEOUT', { phase: PHASES.indexOf(phase) }), CONTEXT)
    t.deepEqual(error.attempts, [])
  }
})

test('an overflow says which limit, a time-out how long, and both name the option', t => {
  const overflow = errorFromNative(failure('FB_PENDING_OVERFLOW', { number: 12 }), CONTEXT)
  t.true(overflow instanceof OverflowError)
  t.like(overflow, { limit: 'maxPendingRequests', max: 12 })
  t.regex(overflow.message, /maxPendingRequests: 12/)
  t.like(errorFromNative(failure('FB_REQUEST_OVERFLOW', { number: 1 }), CONTEXT), { limit: 'maxRequests' })
  t.like(errorFromNative(failure('FB_POOL_OVERFLOW', { number: 1 }), CONTEXT), { limit: 'maxConnectionPools' })
  t.like(errorFromNative(failure('FB_SHED_OVERFLOW'), CONTEXT), { limit: 'shed' })
  const timeout = errorFromNative(failure('FB_HEADERS_TIMEOUT', { number: 30_000 }), CONTEXT)
  t.true(timeout instanceof TimeoutError)
  t.like(timeout, { timeoutMs: 30_000 })
  t.regex(timeout.message, /headersTimeout: 30000/)
})

test('the cause of a destroyed pool is what destroy() was given', t => {
  const closeReason = new Error('going away')
  const error = errorFromNative(failure('FB_POOL_CLOSED', { text: 'native words' }), { ...CONTEXT, closeReason })
  t.true(error instanceof ClosedError)
  t.is(error.cause, closeReason)
})

test('an error from native code has no stack frames, and others keep theirs', t => {
  t.notRegex(errorFromNative(failure('FB_CONNECT_REFUSED'), CONTEXT).stack ?? '', /\n\s+at /)
  t.regex(new InternalError('FB_INTERNAL', 'here').stack ?? '', /\n\s+at /)
})

test('an index that is not in the tables still gives an error', t => {
  const error = errorFromNative(failure('FB_INTERNAL', { code: 4_294_967_295, retryable: 9, phase: 77 }), CONTEXT)
  t.like(error, { code: 'FB_INTERNAL', retryable: 'no' })
})

test('instanceof tells the kinds apart', t => {
  const error: unknown = new RequestError('path', 'bad')
  t.true(error instanceof RequestError && error instanceof ForebayError && error instanceof Error)
  t.false(error instanceof ConfigError)
  t.false(error instanceof OverflowError)
  for (const other of [new Error('x'), null, undefined, 'FB_INTERNAL', 5, {}, Object.create(null)]) {
    t.false(other instanceof ForebayError)
    t.false(other instanceof RequestError)
  }
  t.is(Object.prototype.toString.call(error), '[object Error]')
  t.is((error as Error).name, 'RequestError')
})

test('two copies of the package know each other by the brand', async t => {
  const copy: typeof import('../../ts/errors/errors.js') = await import(
    new URL('../../ts/errors/errors.js?copy', import.meta.url).href
  )
  t.not(copy.TimeoutError, TimeoutError)
  const error: unknown = new copy.TimeoutError('FB_QUEUE_TIMEOUT', 'late', 5)
  t.true(error instanceof TimeoutError)
  t.true(error instanceof ForebayError)
  t.false(error instanceof OverflowError)
})

test("a user's own subclass is judged by its prototype", t => {
  class Mine extends TimeoutError {}
  const mine: unknown = new Mine('FB_QUEUE_TIMEOUT', 'late', 1)
  t.true(mine instanceof Mine)
  t.true(mine instanceof TimeoutError)
  const theirs: unknown = new TimeoutError('FB_QUEUE_TIMEOUT', 'late', 1)
  t.false(theirs instanceof Mine)
})

test('an error made here takes phase and class from the table unless told', t => {
  t.like(new UnavailableError('FB_BINARY_MISSING', 'x'), { phase: 'setup', retryable: 'no', attempts: [] })
  t.like(makeError(codeEntry('FB_DNS_FAILED'), 'x', 0, { phase: 'dns' }), { phase: 'dns', retryable: 'yes' })
  t.true(makeError(codeEntry('FB_DNS_FAILED'), 'x', 0, {}) instanceof ConnectError)
})

test('a refused option from createPool becomes a ConfigError with its path, anything else a defect', t => {
  const refused = errorFromCreate(new Error('FB_INVALID_CONFIG|tls.ca|no certificate | in it'))
  t.true(refused instanceof ConfigError)
  t.like(refused, { path: 'tls.ca', code: 'FB_INVALID_CONFIG', message: 'tls.ca: no certificate | in it' })
  t.like(errorFromCreate(new Error('oops')), { code: 'FB_INTERNAL' })
  t.like(errorFromCreate('text'), { code: 'FB_INTERNAL' })
})
