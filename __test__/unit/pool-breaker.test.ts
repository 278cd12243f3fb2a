// A pool with a breaker: what crosses, what does not, who is told. The native side is a fake.

import test from 'ava'
import { consecutiveFailures } from '../../ts/breaker/consecutive.js'
import type { BreakerPolicy, BreakerState } from '../../ts/config/breaker.js'
import { BreakerError, RequestError } from '../../ts/errors/errors.js'
import type { Outcome } from '../../ts/errors/outcome.js'
import { useBinding } from '../../ts/native/environment.js'
import type { PoolEvents } from '../../ts/pool/pool.js'
import { codeIndex, fakePool, turn } from '../support/fake-pool.js'
import { failRecord, responseRecord } from '../support/records.js'

test.after.always(() => useBinding(null))

/** Writes down what it is told; lets `allowed` through. */
class Notes implements BreakerPolicy {
  readonly initial: BreakerState = { type: 'closed' }
  readonly seen: unknown[] = []
  allowed = true
  next: BreakerState = { type: 'closed' }

  admit(state: BreakerState) {
    return [this.allowed, state] as const
  }

  record(_state: BreakerState, outcome: Outcome): BreakerState {
    const { durationMs, ...rest } = outcome
    this.seen.push(typeof durationMs === 'number' ? rest : outcome)
    return this.next
  }

  release(state: BreakerState): BreakerState {
    this.seen.push('released')
    return state
  }
}

test.serial('an open breaker refuses without crossing, and the gate shuts before', async t => {
  const { pool, native } = fakePool({ breaker: consecutiveFailures({ failures: 1 }) })
  const first = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(responseRecord(0, { status: 503, body: '' }))
  t.is((await first).status, 503)
  const [gate] = await native.seen('gate')
  t.deepEqual(gate, { type: 'gate', id: 1, shut: true })
  const before = native.submissions.length
  const error = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: BreakerError })
  t.like(error, {
    code: 'FB_BREAKER_OPEN',
    retryable: 'yes',
    phase: 'admit',
    flags: ['UH'],
    origin: 'http://127.0.0.1:8080',
    attempts: [],
  })
  await turn()
  t.is(native.submissions.length, before)
})

test.serial('a tunnel is refused, too, and counts', async t => {
  const { pool, native } = fakePool({ breaker: consecutiveFailures({ failures: 1 }) })
  const first = pool.connect({ type: 'tunnel', authority: 'a.test:443' })
  await native.seen('request')
  native.deliver(failRecord(0, { code: codeIndex('FB_CONNECT_REFUSED'), retryable: 2, phase: 4 }))
  await t.throwsAsync(first, { code: 'FB_CONNECT_REFUSED' })
  await t.throwsAsync(pool.connect({ type: 'tunnel', authority: 'a.test:443' }), { code: 'FB_BREAKER_OPEN' })
})

test.serial('the gate opens again before the probe crosses', async t => {
  const breaker = consecutiveFailures({ failures: 1, openFor: 1 })
  const { pool, native } = fakePool({ breaker })
  const first = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(failRecord(0, { code: codeIndex('FB_CONNECTION_RESET'), retryable: 1, phase: 7 }))
  await t.throwsAsync(first, { code: 'FB_CONNECTION_RESET' })
  const end = performance.now() + 1
  while (performance.now() <= end);
  const probe = pool.request({ path: '/' })
  await native.seen('request', 2)
  const kinds = native.submissions.map(one => (one.type === 'gate' ? `gate ${one.shut}` : one.type))
  t.deepEqual(kinds, ['request', 'gate true', 'gate false', 'request'])
  native.deliver(responseRecord(0, { body: '' }))
  t.is((await probe).status, 200)
})

test.serial('each change of the breaker is an event', async t => {
  const { pool, native } = fakePool({ name: 'mine', breaker: consecutiveFailures({ failures: 1 }) })
  const told: PoolEvents['breaker'][0][] = []
  pool.on('breaker', event => told.push(event))
  const first = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(responseRecord(0, { status: 500, body: '' }))
  await first
  await turn()
  t.is(told.length, 1)
  t.like(told[0], { pool: 'mine', endpoint: null, from: { type: 'closed' }, to: { type: 'open' } })
})

test.serial('what the upstream did is recorded; what others did is released', async t => {
  const breaker = new Notes()
  const { pool, native } = fakePool({ breaker })
  const fails = async (code: string, retryable = 0): Promise<void> => {
    const promise = pool.request({ path: '/' })
    await turn()
    native.deliver(failRecord(0, { code: codeIndex(code), retryable, phase: 7 }))
    await t.throwsAsync(promise, { code })
  }
  const recorded = async (act: () => Promise<unknown>): Promise<unknown> => {
    breaker.seen.length = 0
    await act()
    t.is(breaker.seen.length, 1)
    return breaker.seen[0]
  }
  t.deepEqual(await recorded(() => fails('FB_CONNECTION_RESET', 1)), {
    type: 'failure',
    code: 'FB_CONNECTION_RESET',
    retryable: 'maybe',
  })
  for (const code of ['FB_HEADERS_TIMEOUT', 'FB_QUEUE_TIMEOUT', 'FB_RESPONSE_MALFORMED', 'FB_TLS_UNTRUSTED']) {
    t.like(await recorded(() => fails(code)), { type: 'failure', code })
  }
  for (const code of [
    'FB_PENDING_OVERFLOW',
    'FB_BREAKER_OPEN',
    'FB_POOL_CLOSED',
    'FB_REQUEST_BODY_FAILED',
    'FB_INTERNAL',
  ]) {
    t.is(await recorded(() => fails(code)), 'released', code)
  }
  t.is(
    await recorded(() => t.throwsAsync(pool.request({ path: '/', method: 'a b' }), { instanceOf: RequestError })),
    'released',
  )
  const aborts = async (reason: Error): Promise<void> => {
    const abort = new AbortController()
    const promise = pool.request({ path: '/', signal: abort.signal })
    await turn()
    abort.abort(reason)
    t.is(await t.throwsAsync(promise), reason)
    const sent = native.submissions.findLast(one => one.type === 'request')
    native.deliver(failRecord(sent?.id ?? -1, { code: codeIndex('FB_ABORTED') }))
  }
  t.is(await recorded(() => aborts(new Error('enough'))), 'released')
  const reset = await t.throwsAsync(
    (async () => {
      const promise = pool.request({ path: '/' })
      await turn()
      native.deliver(failRecord(0, { code: codeIndex('FB_CONNECTION_RESET'), phase: 7 }))
      return promise
    })(),
  )
  t.is(await recorded(() => aborts(reset)), 'released', 'an error of ours as the reason is still the caller giving up')
})

test.serial('a refused upload lets its source go', async t => {
  const breaker = new Notes()
  breaker.allowed = false
  const { pool } = fakePool({ breaker })
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    cancel() {
      cancelled = true
    },
  })
  await t.throwsAsync(pool.request({ path: '/', method: 'POST', body }), { code: 'FB_BREAKER_OPEN' })
  await turn()
  t.true(cancelled)
})

test.serial('a request that its caller got wrong or gave up is refused as ever', async t => {
  const breaker = new Notes()
  breaker.allowed = false
  const { pool } = fakePool({ breaker })
  await t.throwsAsync(pool.request({ path: '/', typo: 1 } as never), { instanceOf: RequestError })
  await t.throwsAsync(pool.request({ path: '/', signal: AbortSignal.abort(new Error('early')) }), { message: 'early' })
  void pool.close()
  await t.throwsAsync(pool.request({ path: '/' }), { code: 'FB_POOL_CLOSED' })
})

test.serial('what a policy throws fails the request', async t => {
  const breaker = new Notes()
  breaker.admit = () => {
    throw new Error('mine')
  }
  const { pool } = fakePool({ breaker })
  await t.throwsAsync(pool.request({ path: '/' }), { message: 'mine' })
})
