// Bodies that are produced while they are sent: window, order, ends of every kind, and that their sources are let go once.
// The native side is a fake.

import { Readable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { BodyError, ClosedError, OverflowError, RequestError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import { requestFlag } from '../../ts/native/layout.js'
import type { BodyInput } from '../../ts/request/body.js'
import type { RequestOptions } from '../../ts/request/request.js'
import type { FakeChannel } from '../support/fake-native.js'
import { bodyText, codeIndex, fakePool, parts, turn, turns } from '../support/fake-pool.js'
import { pattern } from '../support/pattern.js'
import { endRecord, failRecord, responseRecord, stoppedRecord, takenRecord } from '../support/records.js'

test.after.always(() => useBinding(null))

const BUFFER = 16_384

function upload(body: BodyInput, options: Partial<RequestOptions> = {}) {
  const { pool, native } = fakePool({ bodyBuffer: BUFFER })
  const promise = pool.request({ path: '/', method: 'POST', body, ...options })
  promise.catch(() => {})
  return { pool, native, promise }
}

/** Passes on whatever comes until the body has ended. */
async function drained(native: FakeChannel, id = 0): Promise<string> {
  let passed = 0
  for (;;) {
    await turn()
    const now = parts(native, id)
    const length = now.reduce((sum, one) => sum + one.bytes.length, 0)
    if (now.some(one => one.ends || one.fails)) return bodyText(native, id)
    if (length > passed) native.deliver(takenRecord(id, length - passed))
    passed = length
  }
}

const TEXT = 'one two three four'

/** The same text, in every kind of stream. */
const KINDS: Readonly<Record<string, () => BodyInput>> = {
  'an async generator': () => words(),
  'a function of one': () => () => words(),
  'a web stream': () => ReadableStream.from(bytes()),
  'a byte stream': () => new Blob([TEXT]).stream(),
  'a Node stream of text': () => Readable.from(words(), { objectMode: false }),
  'a Node stream of objects': () => Readable.from(['one ', 'two three ', 'four']),
  'a function of a web stream': () => () => new Blob([TEXT]).stream(),
}

async function* words() {
  yield 'one '
  yield ''
  await turn()
  yield Buffer.from('two three ')
  yield 'four'
}

async function* bytes() {
  for await (const word of words()) yield Buffer.from(word)
}

for (const [name, make] of Object.entries(KINDS)) {
  test.serial(`${name} is sent in order, in chunks, and ends once`, async t => {
    const { native, promise } = upload(make())
    t.is(await drained(native), TEXT)
    const [request] = await native.seen('request')
    t.is(request?.bodyTotal, null)
    t.is(request?.flags, requestFlag.STREAM)
    t.is(parts(native).filter(one => one.ends).length, 1)
    t.false(parts(native).some(one => one.fails))
    native.deliver(responseRecord(0, { body: 'done' }))
    t.is(await (await promise).body.text(), 'done')
    await turns()
    t.deepEqual(
      native.submissions.filter(one => one.type === 'cancel'),
      [],
    )
  })
}

test.serial('an announced length crosses; the last byte waits for the end of the source', async t => {
  let release: () => void = () => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  const body = (async function* () {
    yield TEXT
    await gate
  })()
  const { native } = upload(body, { headers: { 'content-length': TEXT.length } })
  await turns()
  t.is((await native.seen('request'))[0]?.bodyTotal, TEXT.length)
  t.is(bodyText(native), TEXT.slice(0, -1))
  release()
  await turns()
  t.is(bodyText(native), TEXT)
  t.is(parts(native).filter(one => one.ends).length, 1)
})

test.serial('a body of another length than announced never looks whole (R14)', async t => {
  const cases: readonly (readonly [chunks: readonly string[], announced: number])[] = [
    [['abc'], 4],
    [['abc'], 2],
    [['ab', 'c'], 2],
    [[], 1],
    [['a'], 0],
  ]
  for (const [chunks, announced] of cases) {
    const { native, promise } = upload(Readable.from(chunks), { headers: { 'content-length': announced } })
    const error = await t.throwsAsync(promise, { instanceOf: BodyError })
    t.like(error, { code: 'FB_REQUEST_BODY_FAILED', phase: 'send', retryable: 'no' })
    t.true(error.cause instanceof RangeError)
    await turns()
    t.true(parts(native).some(one => one.fails))
    t.false(parts(native).some(one => one.ends))
    if (announced > 0) t.true(bodyText(native).length < announced)
  }
})

test.serial('a length that cannot cross, or with trailers, is refused', async t => {
  const length = { headers: { 'content-length': 2 ** 32 } }
  await t.throwsAsync(upload(words(), length).promise, { instanceOf: RequestError, message: /^content-length/ })
  const both = { headers: { 'content-length': 3 }, trailers: () => ({}) }
  await t.throwsAsync(upload(words(), both).promise, { instanceOf: RequestError, message: /^trailers/ })
})

test.serial('no more than the window is under way, and the source is asked only for what goes', async t => {
  const all = pattern(100_000)
  let asked = 0
  const body = (async function* () {
    for (let at = 0; at < all.length; at += 1_000) {
      asked += 1
      yield all.subarray(at, at + 1_000)
    }
  })()
  const { native } = upload(body)
  await turns(10)
  let got = Buffer.concat(parts(native).map(one => one.bytes)).length
  t.is(got, BUFFER)
  t.is(asked, 17)
  let taken = 0
  while (got < all.length) {
    native.deliver(takenRecord(0, got - taken))
    taken = got
    await turns()
    const now = Buffer.concat(parts(native).map(one => one.bytes)).length
    t.true(now > got && now - got <= BUFFER)
    got = now
  }
  t.deepEqual(Buffer.concat(parts(native).map(one => one.bytes)), Buffer.from(all))
})

test.serial('a chunk may be written again as soon as the next one is asked for', async t => {
  const memory = new Uint8Array(10_000)
  const body = (async function* () {
    for (let n = 1; n <= 9; n += 1) yield memory.fill(n)
  })()
  const { native } = upload(body)
  await drained(native)
  const got = Buffer.concat(parts(native).map(one => one.bytes))
  t.is(got.length, 90_000)
  t.true(got.every((value, at) => value === Math.floor(at / 10_000) + 1))
})

test.serial('many small chunks cross in few records', async t => {
  const body = (async function* () {
    for (let n = 0; n < 5_000; n += 1) yield 'ab'
  })()
  const { native } = upload(body)
  t.is((await drained(native)).length, 10_000)
  t.true(parts(native).length < 20, `${parts(native).length} records`)
})

test.serial('chunks of any sizes, several uploads at once, in windows of any sizes: the same bytes', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
      async uploads => {
        const { pool, native } = fakePool({ bodyBuffer: BUFFER })
        for (const sizes of uploads) {
          const body = (async function* () {
            let at = 0
            for (const size of sizes) {
              yield pattern(at + size).subarray(at)
              at += size
            }
          })()
          pool.request({ path: '/', method: 'POST', body }).catch(() => {})
        }
        const texts = await Promise.all(uploads.map((_, id) => drained(native, id)))
        const expected = uploads.map(sizes =>
          Buffer.from(pattern(sizes.reduce((sum, size) => sum + size, 0))).toString(),
        )
        return texts.every((text, id) => text === expected[id])
      },
    ),
    { numRuns: 20 },
  )
  t.pass()
})

/** A source that writes down how it was let go. */
function watched(log: string[]): AsyncIterable<string> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        log.push('next')
        return log.length > 1 ? new Promise(() => {}) : Promise.resolve({ done: false, value: 'some' })
      },
      return: () => {
        log.push('return')
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
}

const FAILED = () => failRecord(0, { code: codeIndex('FB_CONNECTION_RESET'), connection: 1, phase: 7 })

/** What ends an upload before its source has. */
const ENDS: Readonly<Record<string, (native: FakeChannel, abort: () => void) => void>> = {
  'a whole response': native => native.deliver(responseRecord(0, { body: '' })),
  'the end of a response': native => native.deliver(responseRecord(0), endRecord(0)),
  STOPPED: native => native.deliver(responseRecord(0), stoppedRecord(0)),
  'a failure': native => native.deliver(FAILED()),
  'a failure in the body': native => native.deliver(responseRecord(0), FAILED()),
  'an abort': (_, abort) => abort(),
}

for (const [name, end] of Object.entries(ENDS)) {
  test.serial(`${name} lets the source go, once, and nothing is sent behind it`, async t => {
    const log: string[] = []
    const controller = new AbortController()
    const { native, promise } = upload(watched(log), { signal: controller.signal })
    await turns()
    t.deepEqual(log, ['next', 'next'])
    end(native, () => controller.abort())
    await promise.catch(() => {})
    const sent = parts(native).length
    native.deliver()
    await turns()
    t.deepEqual(log, ['next', 'next', 'return'])
    t.is(parts(native).length, sent)
  })
}

test.serial('a web stream is cancelled, a Node stream destroyed', async t => {
  const reasons: unknown[] = []
  const web = new ReadableStream({
    pull: controller => controller.enqueue(Buffer.from('x')),
    cancel: () => {
      reasons.push('cancelled')
    },
  })
  const first = upload(web)
  await turns()
  first.native.deliver(FAILED())
  await t.throwsAsync(first.promise)
  await turns()
  t.deepEqual(reasons, ['cancelled'])

  const node = new Readable({ read() {} })
  const second = upload(node)
  node.push('x')
  await turns()
  second.native.deliver(FAILED())
  await t.throwsAsync(second.promise)
  await turns()
  t.true(node.destroyed)
})

/** Sources that fail, with what. */
const cause = new Error('the disk is gone')
const FAILING: Readonly<Record<string, () => BodyInput>> = {
  'an async generator': () =>
    (async function* () {
      yield 'some'
      throw cause
    })(),
  'a web stream': () =>
    new ReadableStream({
      start: controller => controller.enqueue(Buffer.from('some')),
      pull: controller => controller.error(cause),
    }),
  'a Node stream': () => {
    const stream = new Readable({ read() {} })
    stream.push('some')
    setImmediate(() => stream.destroy(cause))
    return stream
  },
  'a function': () => () => {
    throw cause
  },
}

for (const [name, make] of Object.entries(FAILING)) {
  test.serial(`${name} that fails spoils the upload and fails the request with its error (P12)`, async t => {
    const { native, promise } = upload(make())
    const error = await t.throwsAsync(promise, { instanceOf: BodyError })
    t.is(error.cause, cause)
    t.like(error, { code: 'FB_REQUEST_BODY_FAILED', phase: 'send', retryable: 'no', origin: 'http://127.0.0.1:8080' })
    t.like(error.attempts, { 0: { type: 'failure', code: 'FB_REQUEST_BODY_FAILED' } })
    await turns()
    t.deepEqual(
      parts(native)
        .map(one => [one.ends, one.fails])
        .at(-1),
      [false, true],
    )
    // The terminal record that still comes.
    native.deliver(failRecord(0, { code: codeIndex('FB_REQUEST_BODY_FAILED'), phase: 6 }))
  })
}

test.serial('a failure after the head is the failure of the response body', async t => {
  let fail: () => void = () => {}
  const body = (async function* () {
    yield 'some'
    await new Promise<void>(resolve => {
      fail = resolve
    })
    throw cause
  })()
  const { native, promise } = upload(body)
  await turns()
  native.deliver(responseRecord(0))
  const response = await promise
  const text = response.body.text()
  fail()
  const error = await t.throwsAsync(text, { instanceOf: BodyError })
  t.is(error.cause, cause)
})

test.serial('chunks that are neither bytes nor text fail the upload', async t => {
  const { promise } = upload(Readable.from([1]) as BodyInput)
  t.true((await t.throwsAsync(promise, { instanceOf: BodyError })).cause instanceof TypeError)
  const { promise: other } = upload((() => 'text') as unknown as BodyInput)
  t.true((await t.throwsAsync(other, { instanceOf: BodyError })).cause instanceof TypeError)
})

test.serial('what is never sent is let go: aborted before, closed, refused while the host is looked up', async t => {
  const before = new Readable({ read() {} })
  await t.throwsAsync(upload(before, { signal: AbortSignal.abort(new Error('before')) }).promise, { message: 'before' })
  t.true(before.destroyed)

  const { pool } = fakePool()
  void pool.close()
  const closed = new Readable({ read() {} })
  await t.throwsAsync(pool.request({ path: '/', method: 'POST', body: closed }), { instanceOf: ClosedError })
  t.true(closed.destroyed)

  const lookup = () => new Promise<never>(() => {})
  const { pool: waiting } = await named(lookup)
  const [kept, extra] = [new Readable({ read() {} }), new Readable({ read() {} })]
  const first = waiting.request({ path: '/', method: 'POST', body: kept })
  first.catch(() => {})
  await t.throwsAsync(waiting.request({ path: '/', method: 'POST', body: extra }), { instanceOf: OverflowError })
  await turns()
  t.deepEqual([kept.destroyed, extra.destroyed], [false, true])
  void waiting.destroy()
  await turns()
  t.true(kept.destroyed)
})

async function named(lookup: () => Promise<never>) {
  const { useFake } = await import('../support/fake-native.js')
  const { Pool } = await import('../../ts/pool/origin-pool.js')
  useFake()
  return {
    pool: new Pool('http://a.test', { runOn: 'thread', resolver: { lookup }, limits: { maxPendingRequests: 1 } }),
  }
}

test.serial('a Node stream that fails while nobody reads it does not end the process', async t => {
  const { pool } = await named(() => new Promise<never>(() => {}))
  const stream = new Readable({ read() {} })
  const promise = pool.request({ path: '/', method: 'POST', body: stream })
  promise.catch(() => {})
  stream.destroy(cause)
  await turns()
  void pool.destroy()
  await t.throwsAsync(promise, { instanceOf: ClosedError })
})

test.serial('a large Blob is sent as it is read, with its length', async t => {
  const blob = new Blob([Uint8Array.from(pattern(300_000))], { type: 'a/b' })
  const { native } = upload(blob)
  await drained(native)
  const [request] = await native.seen('request')
  t.like(request, { bodyTotal: 300_000, flags: requestFlag.STREAM, fields: [['content-type', 'a/b']] })
  t.deepEqual(Buffer.concat(parts(native).map(one => one.bytes)), Buffer.from(pattern(300_000)))
})

test.serial('a pool that is under way with another request takes a part all the same', async t => {
  const { pool, native } = fakePool()
  let inner: Promise<unknown> = Promise.resolve()
  const body = (async function* () {
    yield 'some'
    inner = pool.request({ path: '/inner' })
    yield 'more'
  })()
  pool.request({ path: '/', method: 'POST', body }).catch(() => {})
  await turns()
  t.is(bodyText(native), 'somemore')
  native.deliver(responseRecord(1, { body: '' }))
  await inner
  t.pass()
})
