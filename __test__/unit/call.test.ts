// A request that is sent more than once: what is repeated, what the caller gets, who is told. The native side is a fake.

import test, { type ExecutionContext } from 'ava'
import { consecutiveFailures } from '../../ts/breaker/consecutive.js'
import type { PoolOptions } from '../../ts/config/options.js'
import type { RetryOptions } from '../../ts/config/retry.js'
import type { Attempt } from '../../ts/errors/attempt.js'
import type { ErrorCode } from '../../ts/errors/codes.js'
import { ForebayError, RequestError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import type { PoolEvents } from '../../ts/pool/pool.js'
import type { RequestOptions } from '../../ts/request/request.js'
import type { PoolResponse } from '../../ts/response/response.js'
import type { FakeChannel } from '../support/fake-native.js'
import { codeIndex, fakePool, type Sent, turn, turns } from '../support/fake-pool.js'
import {
  dataRecord,
  endRecord,
  failRecord,
  informationalRecord,
  poolClosedRecord,
  replayedRecord,
  responseRecord,
  retryRecord,
} from '../support/records.js'

test.after.always(() => useBinding(null))

const RETRY: RetryOptions = { on: ['5xx'], attempts: 2, backoff: { base: 0 } }

function scene(options: PoolOptions = {}) {
  const { pool, native } = fakePool({ retry: RETRY, ...options })
  const told: PoolEvents['repeat'][0][] = []
  pool.on('repeat', event => told.push(event))
  const send = (request: Partial<RequestOptions> = {}): Promise<PoolResponse> => {
    const promise = pool.request({ path: '/', ...request })
    promise.catch(() => {})
    return promise
  }
  return { pool, native, send, told }
}

/** The request of attempt `count`, once it is there. */
async function attempt(native: FakeChannel, count: number): Promise<Sent<'request'>> {
  const sent = await native.seen('request', count)
  return sent[count - 1] as Sent<'request'>
}

/** Grants the attempt. */
async function granted(native: FakeChannel, count: number): Promise<Sent<'request'>> {
  const sent = await attempt(native, count)
  native.deliver(retryRecord(sent.id, true))
  return sent
}

const unavailable = (id: number): Uint8Array => responseRecord(id, { status: 503, body: 'no' })
const lost = (id: number, retryable = 1): Uint8Array =>
  failRecord(id, { code: codeIndex('FB_CONNECTION_RESET'), retryable, phase: 7, connection: 1 })

/** What followed each attempt, or its status. */
function thens(attempts: readonly Attempt[]): (string | number)[] {
  return attempts.map(one => (one.type === 'failure' ? one.then : one.status))
}

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<ForebayError> {
  const error = await t.throwsAsync(promise)
  if (!(error instanceof ForebayError)) throw error
  return error
}

test.serial('a response that is to be repeated is not seen by the caller', async t => {
  const { native, send, told } = scene({ name: 'mine' })
  const promise = send({ method: 'PUT', headers: { a: 'b' }, body: 'text', query: { q: 1 } })
  const first = await attempt(native, 1)
  t.is(first.backoff, null)
  native.deliver(unavailable(first.id))
  const second = await granted(native, 2)
  t.is(second.backoff, 0)
  const same = ({ method, path, head, body, bodyTotal, idempotent, grant }: Sent<'request'>) => {
    return { method, path, head, body: Buffer.from(body).toString(), bodyTotal, idempotent, grant }
  }
  t.deepEqual(same(second), same(first))
  native.deliver(responseRecord(second.id, { status: 201, body: 'yes' }))
  const response = await promise
  t.is(response.status, 201)
  t.is(await response.body.text(), 'yes')
  t.deepEqual(
    response.attempts.map(one => (one.type === 'response' ? one.status : one.code)),
    [503, 201],
  )
  await turn()
  t.is(told.length, 1)
  t.like(told[0], { pool: 'mine', type: 'retry', attempt: { type: 'response', status: 503 } })
  t.deepEqual(
    native.submissions.filter(one => one.type === 'counted'),
    [{ type: 'counted', id: 1, what: 0 }],
  )
})

test.serial('a failure that is to be repeated is one of the attempts', async t => {
  const { native, send, told } = scene()
  const promise = send()
  native.deliver(lost((await attempt(native, 1)).id))
  const second = await granted(native, 2)
  native.deliver(responseRecord(second.id, { body: '' }))
  const { attempts } = await promise
  t.is(attempts.length, 2)
  t.like(attempts[0], { type: 'failure', code: 'FB_CONNECTION_RESET', endpoint: '127.0.0.1:8080' })
  t.deepEqual(thens(attempts), ['retry', 200])
  t.like(attempts[1], { type: 'response', status: 200 })
  await turn()
  t.like(told[0], { type: 'retry', attempt: { code: 'FB_CONNECTION_RESET' } })
})

test.serial('the last error lists every attempt, with the flag for retries that are used up', async t => {
  const { native, send } = scene()
  const promise = send()
  native.deliver(lost((await attempt(native, 1)).id))
  native.deliver(lost((await granted(native, 2)).id))
  native.deliver(lost((await granted(native, 3)).id))
  const error = await failure(t, promise)
  t.deepEqual(error.flags, ['UC', 'URX'])
  t.deepEqual(thens(error.attempts), ['retry', 'retry', 'gave-up'])
  await turn()
  t.deepEqual(
    native.submissions.filter(one => one.type === 'counted'),
    [{ type: 'counted', id: 1, what: 1 }],
  )
})

test.serial('refused by limit or budget, the original result stands', async t => {
  const { native, send, told } = scene()
  const failed = send()
  native.deliver(lost((await attempt(native, 1)).id))
  native.deliver(retryRecord((await attempt(native, 2)).id, false))
  const error = await failure(t, failed)
  t.is(error.code, 'FB_CONNECTION_RESET')
  t.deepEqual(error.flags, ['UC', 'UO'])
  t.deepEqual(thens(error.attempts), ['gave-up'])

  const answered = send()
  native.deliver(responseRecord((await attempt(native, 3)).id, { status: 500 }))
  native.deliver(retryRecord((await attempt(native, 4)).id, false))
  const response = await answered
  t.is(response.status, 500)
  const body = response.body.text()
  native.deliver(dataRecord(0, Buffer.from('whole')), endRecord(0))
  t.is(await body, 'whole')
  await turn()
  t.is(told.length, 0)
})

test.serial('a response whose body still comes is let go once the retry is granted, and not before', async t => {
  const { native, send } = scene()
  const promise = send()
  const first = await attempt(native, 1)
  native.deliver(responseRecord(first.id, { status: 503 }))
  const second = await attempt(native, 2)
  native.deliver(dataRecord(first.id, new Uint8Array(200_000)))
  await turns()
  t.is(native.submissions.filter(one => one.type === 'cancel').length, 0)
  native.deliver(retryRecord(second.id, true))
  const [cancel] = await native.seen('cancel')
  t.is(cancel?.id, first.id)
  native.deliver(
    failRecord(first.id, { code: codeIndex('FB_ABORTED') }),
    responseRecord(second.id, { status: 200, body: '' }),
  )
  t.is((await promise).status, 200)
})

test.serial('what is not idempotent is repeated only where the upstream cannot have acted, or it may', async t => {
  const { native, send } = scene()
  let count = 0
  const repeats = async (request: Partial<RequestOptions>, end: (id: number) => Uint8Array): Promise<boolean> => {
    const promise = send(request)
    count += 1
    native.deliver(end((await attempt(native, count)).id))
    await turns()
    const last = (await native.seen('request')).at(-1)
    if (last?.backoff === null) {
      await promise.catch(() => {})
      return false
    }
    count += 1
    native.deliver(retryRecord(last?.id ?? -1, true), responseRecord(last?.id ?? -1, { body: '' }))
    t.is((await promise).status, 200)
    return true
  }
  const POST = { method: 'POST', body: 'x' }
  const unsent = (id: number) => lost(id, 2)
  t.true(await repeats({}, unavailable))
  t.true(await repeats({ method: 'DELETE' }, lost))
  t.false(await repeats(POST, unavailable))
  t.false(await repeats(POST, lost))
  t.true(await repeats(POST, unsent))
  t.true(await repeats({ ...POST, idempotent: true }, unavailable))
  t.false(await repeats({ idempotent: false }, unavailable))
  t.true(await repeats({ idempotent: false }, unsent))
  t.true(await repeats({ ...POST, retry: { ...RETRY, methods: ['POST'] } }, unavailable))
  t.false(await repeats({ retry: { ...RETRY, methods: ['POST'] } }, unavailable))
  t.false(await repeats({ ...POST, idempotent: false, retry: { ...RETRY, methods: ['POST'] } }, unavailable))
})

test.serial('a request may have its own retries, or none', async t => {
  const { native, send } = scene()
  const none = send({ retry: null })
  native.deliver(unavailable((await attempt(native, 1)).id))
  t.is((await none).status, 503)

  const own = send({ retry: { on: ['retriable-status-codes'], statusCodes: [404], backoff: { base: 0 } } })
  native.deliver(responseRecord((await attempt(native, 2)).id, { status: 404, body: '' }))
  native.deliver(unavailable((await granted(native, 3)).id))
  t.is((await own).status, 503)

  const error = await t.throwsAsync(send({ retry: { on: [] } }), { instanceOf: RequestError })
  t.is(error.field, 'retry.on')

  const plain = fakePool()
  const promise = plain.pool.request({ path: '/', retry: RETRY })
  plain.native.deliver(unavailable((await attempt(plain.native, 1)).id))
  plain.native.deliver(responseRecord((await granted(plain.native, 2)).id, { body: '' }))
  t.is((await promise).status, 200)
})

test.serial('a body in memory is as it was when the request was made', async t => {
  const { native, send } = scene()
  const body = Buffer.from('before')
  const promise = send({ method: 'PUT', body })
  body.write('after!')
  native.deliver(unavailable((await attempt(native, 1)).id))
  const second = await granted(native, 2)
  t.is(Buffer.from(second.body).toString(), 'before')
  native.deliver(responseRecord(second.id, { body: '' }))
  await promise
})

test.serial('a Blob is read once, and sent again', async t => {
  const { native, send } = scene()
  const promise = send({ method: 'PUT', body: new Blob(['blob']) })
  native.deliver(unavailable((await attempt(native, 1)).id))
  const second = await granted(native, 2)
  t.is(Buffer.from(second.body).toString(), 'blob')
  native.deliver(responseRecord(second.id, { body: '' }))
  t.is((await promise).status, 200)
})

test.serial('a function gives its stream again; a stream goes once', async t => {
  const { native, send } = scene()
  let made = 0
  async function* words() {
    made += 1
    yield `words ${made}`
  }
  const bodyOf = (id: number): string => {
    const parts = native.submissions.filter((one): one is Sent<'body'> => one.type === 'body' && one.id === id)
    return Buffer.concat(parts.map(one => one.bytes)).toString()
  }
  const promise = send({ method: 'PUT', body: () => words() })
  const first = await attempt(native, 1)
  await turns()
  t.is(bodyOf(first.id), 'words 1')
  native.deliver(unavailable(first.id))
  const second = await granted(native, 2)
  await turns()
  t.is(bodyOf(second.id).replace('words 1', ''), 'words 2')
  native.deliver(responseRecord(second.id, { body: '' }))
  t.is((await promise).status, 200)

  const once = send({ method: 'PUT', body: words() })
  native.deliver(unavailable((await attempt(native, 3)).id))
  t.is((await once).status, 503)
})

test.serial('after a 1xx that the caller was told of nothing is repeated', async t => {
  const { native, send } = scene()
  const told: number[] = []
  const promise = send({ onInformational: ({ status }) => told.push(status) })
  const { id } = await attempt(native, 1)
  native.deliver(informationalRecord(id, 103, []), unavailable(id))
  t.is((await promise).status, 503)
  t.deepEqual(told, [103])

  const untold = send()
  native.deliver(unavailable((await attempt(native, 2)).id))
  native.deliver(responseRecord((await granted(native, 3)).id, { body: '' }))
  t.is((await untold).status, 200)
})

test.serial('when can only refuse, and what it throws fails the request', async t => {
  const seen: unknown[] = []
  const { native, send } = scene({
    retry: {
      ...RETRY,
      when: ({ attempt, method, outcome }) => {
        seen.push([attempt, method, outcome.type === 'response' ? outcome.status : outcome.code])
        return attempt < 2
      },
    },
  })
  const promise = send()
  native.deliver(unavailable((await attempt(native, 1)).id))
  native.deliver(lost((await granted(native, 2)).id))
  await failure(t, promise)
  t.deepEqual(seen, [
    [1, 'GET', 503],
    [2, 'GET', 'FB_CONNECTION_RESET'],
  ])

  const throws = (): boolean => {
    throw new Error('mine')
  }
  const thrown = send({ retry: { ...RETRY, when: throws } })
  const { id } = await attempt(native, 3)
  native.deliver(responseRecord(id, { status: 503 }))
  await t.throwsAsync(thrown, { message: 'mine' })
  native.deliver(dataRecord(id, new Uint8Array(200_000)))
  const [cancel] = await native.seen('cancel')
  t.is(cancel?.id, id, 'the response is let go')
})

test.serial('an abort while the retry waits ends it at once', async t => {
  const { native, send } = scene()
  const abort = new AbortController()
  const promise = send({ signal: abort.signal })
  native.deliver(unavailable((await attempt(native, 1)).id))
  const second = await granted(native, 2)
  const reason = new Error('enough')
  abort.abort(reason)
  t.is(await t.throwsAsync(promise), reason)
  const [cancel] = await native.seen('cancel')
  t.is(cancel?.id, second.id)
})

test.serial('an abort before it is known whether the retry may be ends it, too', async t => {
  const { native, send } = scene()
  const abort = new AbortController()
  const promise = send({ signal: abort.signal })
  native.deliver(unavailable((await attempt(native, 1)).id))
  const second = await attempt(native, 2)
  const reason = new Error('enough')
  abort.abort(reason)
  t.is(await t.throwsAsync(promise), reason)
  native.deliver(retryRecord(second.id, true), failRecord(second.id, { code: codeIndex('FB_ABORTED') }))
})

test.serial('what is left of the total time goes with each attempt; a wait that is longer is not begun', async t => {
  const { native, send } = scene({ totalTimeout: 5_000 })
  const TOTAL = 4
  const promise = send()
  const first = await attempt(native, 1)
  t.is(first.timeouts, null)
  native.deliver(unavailable(first.id))
  const second = await granted(native, 2)
  const left = second.timeouts?.[TOTAL] ?? 0
  t.true(left > 0 && left <= 5_000, String(left))
  native.deliver(responseRecord(second.id, { status: 503, fields: [['retry-after', '5']], body: '' }))
  t.is((await promise).status, 503)
  t.is((await native.seen('request')).length, 2)
})

test.serial('the upstream says how long to wait, unless that is not wanted', async t => {
  const { native, send } = scene()
  const asked = (id: number) => responseRecord(id, { status: 503, fields: [['retry-after', '7']], body: '' })
  const obeyed = send()
  native.deliver(asked((await attempt(native, 1)).id))
  const second = await granted(native, 2)
  t.true(second.backoff !== null && second.backoff >= 7_000 && second.backoff < 10_500)
  native.deliver(responseRecord(second.id, { body: '' }))
  await obeyed
  const ignored = send({ retry: { ...RETRY, respectRetryAfter: false } })
  native.deliver(asked((await attempt(native, 3)).id))
  const fourth = await granted(native, 4)
  t.is(fourth.backoff, 0)
  native.deliver(responseRecord(fourth.id, { body: '' }))
  await ignored
})

test.serial('a pool that closes repeats nothing more', async t => {
  const { pool, native, send } = scene()
  const promise = send()
  const { id } = await attempt(native, 1)
  const closed = pool.close()
  native.deliver(unavailable(id), poolClosedRecord(1))
  t.is((await promise).status, 503)
  await closed
  t.is((await native.seen('request')).length, 1)
})

test.serial('each attempt asks the breaker, and counts', async t => {
  const { native, send } = scene({ breaker: consecutiveFailures({ failures: 2 }) })
  const promise = send()
  native.deliver(unavailable((await attempt(native, 1)).id))
  native.deliver(unavailable((await granted(native, 2)).id))
  t.is((await promise).status, 503, 'the breaker opened: the result stands')
  await turn()
  t.is((await native.seen('request')).length, 2)
  t.is((await failure(t, send())).code, 'FB_BREAKER_OPEN')
})

test.serial('a probe that is refused as a retry gives its place back', async t => {
  let released = 0
  const { native, send } = scene({
    breaker: {
      initial: { type: 'closed' },
      admit: state => [true, state],
      record: state => state,
      release: state => {
        released += 1
        return state
      },
    },
  })
  const promise = send()
  native.deliver(unavailable((await attempt(native, 1)).id))
  native.deliver(retryRecord((await attempt(native, 2)).id, false))
  t.is((await promise).status, 503)
  t.is(released, 1)
})

test.serial('when a later attempt was never sent, the request may still have been acted on', async t => {
  const { native, send } = scene()
  const promise = send()
  native.deliver(lost((await attempt(native, 1)).id))
  const refused = { code: codeIndex('FB_CONNECT_REFUSED'), retryable: 2, phase: 4 }
  native.deliver(failRecord((await granted(native, 2)).id, refused))
  native.deliver(failRecord((await granted(native, 3)).id, refused))
  const error = await failure(t, promise)
  t.like(error, { code: 'FB_CONNECT_REFUSED', retryable: 'maybe' })
})

test.serial('what the pool repeats itself is told, too, and listed before', async t => {
  const { native, send, told } = scene()
  const promise = send()
  const { id } = await attempt(native, 1)
  native.deliver(replayedRecord(id, codeIndex('FB_CONNECTION_CLOSED'), 1, 1_000))
  native.deliver(unavailable(id))
  native.deliver(responseRecord((await granted(native, 2)).id, { body: '' }))
  t.deepEqual(thens((await promise).attempts), ['replay', 503, 200])
  await turn()
  t.deepEqual(
    told.map(({ type }) => type),
    ['replay', 'retry'],
  )
})

test.serial('limits never lead to a repeat', async t => {
  const { native, send } = scene({ retry: { ...RETRY, on: ['reset', '5xx', 'gateway-error', 'connect-failure'] } })
  let count = 0
  const codes: readonly ErrorCode[] = [
    'FB_PENDING_OVERFLOW',
    'FB_REQUEST_OVERFLOW',
    'FB_POOL_OVERFLOW',
    'FB_BREAKER_OPEN',
    'FB_QUEUE_TIMEOUT',
  ]
  for (const code of codes) {
    const promise = send()
    count += 1
    native.deliver(failRecord((await attempt(native, count)).id, { code: codeIndex(code), retryable: 2, phase: 2 }))
    t.is((await failure(t, promise)).code, code)
  }
  await turn()
  t.is((await native.seen('request')).length, count)
})
