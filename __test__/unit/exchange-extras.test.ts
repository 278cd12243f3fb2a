// Trailers both ways, 1xx, Expect, time-outs of a request, attempts before the last. The native side is a fake.

import { Writable } from 'node:stream'
import test from 'ava'
import { BodyError, ClosedError, RequestError, TimeoutError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import { requestFlag, requestTimeouts, special } from '../../ts/native/layout.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import type { HeadersInput } from '../../ts/request/headers.js'
import type { InformationalHead, RequestOptions } from '../../ts/request/request.js'
import { useFake } from '../support/fake-native.js'
import { bodyText, codeIndex, fakePool, parts, turns } from '../support/fake-pool.js'
import {
  connectedRecord,
  dataRecord,
  endRecord,
  failRecord,
  informationalRecord,
  replayedRecord,
  responseRecord,
} from '../support/records.js'

test.after.always(() => useBinding(null))

const ascii = (text: string) => new Uint8Array(Buffer.from(text))

function requested(options: Partial<RequestOptions> = {}) {
  const { pool, native } = fakePool()
  const promise = pool.request({ path: '/', ...options })
  promise.catch(() => {})
  return { pool, native, promise }
}

test.serial('trailers go behind the body, in chunks, once it was handed over', async t => {
  const bodies: readonly (readonly [body: RequestOptions['body'], text: string])[] = [
    ['text', 'text'],
    [ascii('bytes'), 'bytes'],
    [new Blob(['blob']), 'blob'],
    [null, ''],
    [
      (async function* () {
        yield 'stream'
      })(),
      'stream',
    ],
  ]
  for (const [body, text] of bodies) {
    let sawText = ''
    const trailers = (): HeadersInput => {
      sawText = bodyText(native)
      return { 'X-Sum': '1', b: ['2', '3'] }
    }
    const { native } = requested({ method: 'POST', body: body ?? null, trailers })
    await turns()
    t.is(bodyText(native), text)
    t.is(sawText === text || sawText === '', true)
    const [request] = await native.seen('request')
    t.is(request?.flags, requestFlag.STREAM | requestFlag.TRAILERS)
    t.is(request?.bodyTotal, null)
    const end = parts(native).at(-1)
    t.true(end?.ends)
    t.is(end?.trailers, 'X-Sum\x001\0b\x002\0b\x003\0')
  }
})

test.serial('bytes that have trailers behind them are copied at once', async t => {
  const body = ascii('before')
  const { native } = requested({ method: 'POST', body, trailers: async () => ({}) })
  body.fill(0x2a)
  await turns()
  t.is(bodyText(native), 'before')
})

test.serial('trailers that cannot be had, or may not be sent, spoil the upload', async t => {
  const bad: readonly (() => HeadersInput)[] = [
    () => {
      throw new Error('no sum')
    },
    () => ({ 'content-length': 1 }),
    () => ({ 'transfer-encoding': 'chunked' }),
    () => ({ host: 'a' }),
    () => ({ 'a b': '1' }),
    () => ({ a: 'x\r\ny: z' }),
    () => Array.from({ length: 101 }, (_, n) => [`a${n}`, ''] as const),
    () => ({ a: 'x'.repeat(17_000) }),
  ]
  for (const trailers of bad) {
    const { native, promise } = requested({ method: 'POST', body: 'some', trailers })
    const error = await t.throwsAsync(promise, { instanceOf: BodyError })
    t.is(error.code, 'FB_REQUEST_BODY_FAILED')
    t.true(error.cause instanceof Error)
    await turns()
    t.true(parts(native).at(-1)?.fails)
  }
})

test.serial('the trailers of a response come behind its body', async t => {
  const { native, promise } = requested()
  await native.seen('request')
  native.deliver(responseRecord(0), dataRecord(0, ascii('some')))
  const response = await promise
  const { trailers } = response
  t.is(trailers, response.trailers)
  let there = false
  void trailers.then(() => {
    there = true
  })
  await turns()
  t.false(there)
  native.deliver(endRecord(0, [['X-Sum', '1']]))
  t.is((await trailers).get('x-sum'), '1')
  t.is(await response.body.text(), 'some')
})

test.serial('a response without trailers has an empty map of them', async t => {
  const whole = requested()
  await whole.native.seen('request')
  whole.native.deliver(responseRecord(0, { body: 'x' }))
  t.deepEqual([...(await (await whole.promise).trailers)], [])
  const later = requested()
  await later.native.seen('request')
  later.native.deliver(responseRecord(0), endRecord(0))
  const response = await later.promise
  t.deepEqual([...(await response.trailers)], [])
})

test.serial('trailers fail as the body does, and are nobody’s unhandled rejection', async t => {
  const failing = requested()
  await failing.native.seen('request')
  failing.native.deliver(responseRecord(0))
  const failed = await failing.promise
  const asked = failed.trailers
  failing.native.deliver(failRecord(0, { code: codeIndex('FB_BODY_TIMEOUT'), phase: 8, connection: 1 }))
  await turns()
  await t.throwsAsync(asked, { instanceOf: TimeoutError })
  await t.throwsAsync(failed.body.text(), { instanceOf: TimeoutError })

  const left = requested()
  await left.native.seen('request')
  left.native.deliver(responseRecord(0))
  const response = await left.promise
  const { trailers } = response
  await response.body.discard({ maxBytes: 0 })
  await t.throwsAsync(trailers, { instanceOf: ClosedError })
  t.like(await trailers.catch((error: unknown) => error), { code: 'FB_ABORTED' })
})

test.serial('stream() gives the trailers', async t => {
  const { pool, native } = fakePool()
  const chunks: string[] = []
  const sink = new Writable({
    write(chunk, _, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  const result = pool.stream({ path: '/' }, () => sink)
  await native.seen('request')
  native.deliver(responseRecord(0), dataRecord(0, ascii('some')), endRecord(0, [['a', 'b']]))
  t.is((await result).trailers.get('a'), 'b')
  t.deepEqual(chunks, ['some'])
})

test.serial('each 1xx is told in order, before the promise resolves', async t => {
  const seen: string[] = []
  const onInformational = ({ status, headers }: InformationalHead) => {
    seen.push(`${status} ${headers.get('link')}`)
  }
  const { native, promise } = requested({ onInformational })
  const resolved = promise.then(() => seen.push('resolved'))
  t.is((await native.seen('request'))[0]?.flags, requestFlag.INFORMATIONAL)
  native.deliver(informationalRecord(0, 102, []))
  await turns()
  native.deliver(
    informationalRecord(0, 103, [['Link', 'a']]),
    informationalRecord(0, 103, [['Link', 'b']]),
    responseRecord(0, { body: '' }),
  )
  await resolved
  t.deepEqual(seen, ['102 null', '103 a', '103 b', 'resolved'])
})

test.serial('a listener that throws fails its request, and resets it', async t => {
  const onInformational = () => {
    throw new Error('mine')
  }
  const early = requested({ onInformational })
  await early.native.seen('request')
  early.native.deliver(informationalRecord(0, 103, []))
  await t.throwsAsync(early.promise, { message: 'mine' })
  await early.native.seen('cancel')

  const late = requested({ onInformational })
  await late.native.seen('request')
  late.native.deliver(informationalRecord(0, 103, []), responseRecord(0, { body: '' }))
  await t.throwsAsync(late.promise, { message: 'mine' })
})

test.serial('after an abort no 1xx is told', async t => {
  const controller = new AbortController()
  const seen: unknown[] = []
  const { native, promise } = requested({ signal: controller.signal, onInformational: head => seen.push(head) })
  await native.seen('request')
  controller.abort(new Error('enough'))
  native.deliver(informationalRecord(0, 103, []))
  await t.throwsAsync(promise, { message: 'enough' })
  await turns()
  t.deepEqual(seen, [])
})

test.serial('time-outs cross only where a request sets one', async t => {
  const { native } = requested({ queueTimeout: undefined, maxStreamDuration: undefined })
  t.is((await native.seen('request'))[0]?.timeouts, null)
  const all = requested({
    queueTimeout: 1,
    headersTimeout: 2,
    bodyIdleTimeout: 3,
    perTryTimeout: 4,
    perTryIdleTimeout: 5,
    totalTimeout: 6,
    maxStreamDuration: 7,
    headers: { a: 'b' },
  })
  const [request] = await all.native.seen('request')
  t.is(request?.flags, requestFlag.TIMEOUTS)
  t.deepEqual(request?.fields, [['a', 'b']])
  const words: Record<string, number | undefined> = {}
  for (const [name, at] of Object.entries(requestTimeouts)) if (name !== 'WORDS') words[name] = request?.timeouts?.[at]
  const pools = special.POOL_TIMEOUT
  t.deepEqual(words, {
    QUEUE: 1,
    HEADERS: 2,
    BODY_IDLE: 3,
    PER_TRY: 4,
    PER_TRY_IDLE: 5,
    TOTAL: 6,
    DURATION: 7,
    EXPECT: pools,
  })
  const off = requested({ totalTimeout: Number.POSITIVE_INFINITY, queueTimeout: 0, perTryTimeout: 2 ** 31 - 1 })
  const section = (await off.native.seen('request'))[0]?.timeouts ?? []
  t.deepEqual(
    [requestTimeouts.TOTAL, requestTimeouts.QUEUE, requestTimeouts.PER_TRY, requestTimeouts.HEADERS].map(
      at => section[at],
    ),
    [0, 0, 2 ** 31 - 1, pools],
  )
})

test.serial('a bad time-out is refused with its name', async t => {
  for (const option of ['queueTimeout', 'totalTimeout', 'perTryTimeout', 'expectContinue'] as const) {
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 31]) {
      const error = await t.throwsAsync(requested({ [option]: bad }).promise, { instanceOf: RequestError })
      t.is(error.field, option)
    }
  }
})

test.serial('Expect crosses with a body, and without one has no effect', async t => {
  const sent = async (options: Partial<RequestOptions>) => {
    const [request] = await requested({ method: 'POST', ...options }).native.seen('request')
    return [request?.flags, request?.timeouts?.[requestTimeouts.EXPECT]]
  }
  t.deepEqual(await sent({ body: 'x', expectContinue: 250 }), [requestFlag.EXPECT | requestFlag.TIMEOUTS, 250])
  const stream = new ReadableStream()
  t.deepEqual(await sent({ body: stream, expectContinue: 250 }), [
    requestFlag.EXPECT | requestFlag.TIMEOUTS | requestFlag.STREAM,
    250,
  ])
  for (const none of [
    { expectContinue: 250 },
    { body: 'x', expectContinue: 0 },
    { body: 'x', expectContinue: Infinity },
  ]) {
    const [flags = 0] = await sent(none)
    t.is(flags & requestFlag.EXPECT, 0)
  }
})

test.serial('attempts before the last are on the response, and on the error', async t => {
  const replayed = () => replayedRecord(0, codeIndex('FB_CONNECTION_CLOSED'), 1, 1_500)
  const first = {
    type: 'failure',
    endpoint: '127.0.0.1:8080',
    code: 'FB_CONNECTION_CLOSED',
    durationMs: 1.5,
    // biome-ignore lint/suspicious/noThenProperty: the word of the public type.
    then: 'replay',
  }
  const good = requested()
  await good.native.seen('request')
  good.native.deliver(
    replayed(),
    connectedRecord(2, 1, '127.0.0.1', 8080),
    responseRecord(0, { connection: 2, body: '' }),
  )
  const { attempts } = await good.promise
  t.deepEqual(attempts[0], first as never)
  t.like(attempts, { length: 2, 1: { type: 'response', status: 200 } })

  const bad = requested()
  await bad.native.seen('request')
  bad.native.deliver(replayed(), failRecord(0, { code: codeIndex('FB_CONNECTION_RESET'), connection: 1, phase: 7 }))
  const error: unknown = await bad.promise.catch((thrown: unknown) => thrown)
  t.like(error, { code: 'FB_CONNECTION_RESET', attempts: { 0: first, 1: { code: 'FB_CONNECTION_RESET' }, length: 2 } })
})

test.serial('the whole time counts the lookup: it runs out in it, or what is left crosses', async t => {
  const binding = useFake()
  let found: () => void = () => {}
  const lookup = () =>
    new Promise<{ address: string; family: 4 }[]>(resolve => {
      found = () => resolve([{ address: '10.0.0.1', family: 4 }])
    })
  const pool = new Pool('http://a.test', { runOn: 'thread', resolver: { lookup }, totalTimeout: 60_000 })
  const late = pool.request({ path: '/late', totalTimeout: 20 })
  const error = await t.throwsAsync(late, { instanceOf: TimeoutError })
  t.like(error, { code: 'FB_DEADLINE_EXCEEDED', phase: 'dns', retryable: 'yes', timeoutMs: 20 })
  pool.request({ path: '/pool' }).catch(() => {})
  pool.request({ path: '/own', totalTimeout: 5_000, headersTimeout: 7 }).catch(() => {})
  pool.request({ path: '/off', totalTimeout: 0 }).catch(() => {})
  found()
  const [first, second, third] = await binding.channel.seen('request', 3)
  t.is(first?.path, '/pool')
  const left = first?.timeouts?.[requestTimeouts.TOTAL] ?? 0
  t.true(left > 30_000 && left <= 60_000)
  const own = second?.timeouts?.[requestTimeouts.TOTAL] ?? 0
  t.true(own > 1_000 && own <= 5_000)
  t.is(second?.timeouts?.[requestTimeouts.HEADERS], 7)
  t.is(third?.timeouts?.[requestTimeouts.TOTAL], 0)
  void pool.destroy()
})
