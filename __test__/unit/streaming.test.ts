// Bodies that are still coming when their response is there: readers, credit, failures, aborts. The native side is a fake.

import { Writable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { CODES, PHASES } from '../../ts/errors/codes.js'
import { BodyError, ClosedError, TimeoutError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import type { ResponseBody } from '../../ts/response/body.js'
import { begun, scene } from '../support/body-scene.js'
import type { FakeChannel } from '../support/fake-native.js'
import { pattern } from '../support/pattern.js'
import { dataRecord, endRecord, failRecord, responseRecord } from '../support/records.js'

const code = (name: string): number => CODES.findIndex(entry => entry.code === name)
const turn = () => new Promise(resolve => setImmediate(resolve))
const ascii = (text: string) => new Uint8Array(Buffer.from(text))

test.after.always(() => useBinding(null))

/** What was submitted after the request. */
const rest = (native: FakeChannel) => native.submissions.slice(1)

const INCOMPLETE = failRecord(0, {
  code: code('FB_BODY_INCOMPLETE'),
  phase: PHASES.indexOf('body'),
  connection: 1,
})

test.serial('request() resolves at the head, and the body is read as it comes', async t => {
  const { native, response, body } = await begun()
  t.is(response.status, 200)
  t.is(response.headers.get('content-type'), 'text/plain')
  t.false(body.used)
  t.is(body, response.body)
  const seen: string[] = []
  const reading = (async () => {
    for await (const chunk of body) seen.push(Buffer.from(chunk).toString())
  })()
  t.true(body.used)
  for (const part of ['a', 'bc', 'def']) {
    native.deliver(dataRecord(0, ascii(part)))
    await turn()
  }
  t.deepEqual(seen, ['a', 'bc', 'def'])
  native.deliver(endRecord(0))
  await reading
  t.deepEqual(rest(native), [])
})

/** Every way to read all of a body. */
const READERS: Readonly<Record<string, (body: ResponseBody) => Promise<Uint8Array>>> = {
  text: async body => ascii(await body.text()),
  bytes: body => body.bytes(),
  arrayBuffer: async body => new Uint8Array(await body.arrayBuffer()),
  blob: async body => new Uint8Array(await (await body.blob()).arrayBuffer()),
  iterator: body => joined(body),
  stream: async body => new Uint8Array(await new Response(body.stream()).arrayBuffer()),
  readable: body => joined(body.readable()),
  'readable, flowing': body =>
    new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = []
      body
        .readable()
        .on('data', chunk => chunks.push(chunk))
        .on('end', () => resolve(Uint8Array.from(Buffer.concat(chunks))))
        .on('error', reject)
    }),
  byob: async body => {
    const reader = body.stream().getReader({ mode: 'byob' })
    const chunks: Uint8Array[] = []
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(7))
      if (done) return Uint8Array.from(Buffer.concat(chunks))
      chunks.push(value)
    }
  },
}

async function joined(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Uint8Array.from(Buffer.concat(chunks))
}

for (const [name, read] of Object.entries(READERS)) {
  test.serial(`${name}: gets what came before and after it began, and the parts are its own`, async t => {
    const { native, body } = await begun()
    const sent = Array.from({ length: 100 }, (_, n) => String.fromCharCode(97 + (n % 26)).repeat(n + 1))
    native.deliver(...sent.slice(0, 60).map(part => dataRecord(0, ascii(part))))
    const reading = read(body)
    native.deliver(dataRecord(0, ascii(sent[60] ?? '')))
    for (const part of sent.slice(61)) {
      native.deliver(dataRecord(0, ascii(part)))
      await turn()
    }
    native.deliver(endRecord(0))
    t.deepEqual(await reading, ascii(sent.join('')))
  })

  test.serial(`${name}: a body that was whole before it was read`, async t => {
    for (const parts of [[], ['abc'], ['abc', 'de']]) {
      const { native, body } = await begun()
      native.deliver(...parts.map(part => dataRecord(0, ascii(part))), endRecord(0))
      t.deepEqual(await read(body), ascii(parts.join('')))
    }
  })

  test.serial(`${name}: fails as the body does`, async t => {
    for (const when of ['before', 'after']) {
      const { native, body } = await begun()
      if (when === 'before') native.deliver(dataRecord(0, ascii('some')), INCOMPLETE)
      const reading = read(body)
      if (when === 'after') {
        await turn()
        native.deliver(dataRecord(0, ascii('some')), INCOMPLETE)
      }
      const error = await t.throwsAsync(reading, { instanceOf: BodyError })
      t.like(error, { code: 'FB_BODY_INCOMPLETE', phase: 'body', endpoint: '127.0.0.1:8080', retryable: 'no' })
      t.deepEqual(rest(native), [])
    }
  })

  test.serial(`${name}: an abort rejects with the reason and resets the exchange`, async t => {
    const controller = new AbortController()
    const { native, body } = await begun({ request: { signal: controller.signal } })
    const reading = read(body)
    native.deliver(dataRecord(0, ascii('some')))
    await turn()
    const reason = new Error('enough')
    controller.abort(reason)
    t.is(await reading.catch(error => error), reason)
    await native.seen('cancel')
    native.deliver(dataRecord(0, ascii('late')), failRecord(0, { code: code('FB_ABORTED') }))
    await turn()
    t.deepEqual(rest(native), [{ type: 'cancel', id: 0 }])
  })
}

test.serial('what came before a failure is read first', async t => {
  const { native, body } = await begun()
  native.deliver(
    dataRecord(0, ascii('some')),
    failRecord(0, { code: code('FB_BODY_TIMEOUT'), phase: PHASES.indexOf('body'), number: 30_000, connection: 1 }),
  )
  const iterator = body[Symbol.asyncIterator]()
  t.deepEqual((await iterator.next()).value, ascii('some'))
  const error = await t.throwsAsync(iterator.next(), { instanceOf: TimeoutError })
  t.like(error, { code: 'FB_BODY_TIMEOUT', timeoutMs: 30_000 })
  t.true((await iterator.next()).done)
})

test.serial("the failure of a body that nobody reads is nobody's unhandled rejection", async t => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => {
    unhandled.push(reason)
  }
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const controller = new AbortController()
  const { native, body } = await begun({ request: { signal: controller.signal } })
  native.deliver(INCOMPLETE)
  await turn()
  controller.abort()
  await turn()
  t.deepEqual(unhandled, [])
  await t.throwsAsync(body.bytes(), { instanceOf: BodyError })
})

test.serial('an abort before the body is read, and with an odd reason', async t => {
  const controller = new AbortController()
  const { native, body } = await begun({ request: { signal: controller.signal } })
  native.deliver(dataRecord(0, ascii('some')))
  controller.abort('enough')
  t.is(await body.text().catch(error => error), 'enough')
  t.like(await native.seen('cancel'), { length: 1 })
})

test.serial('a signal keeps its listener until the body has ended, and not longer', async t => {
  const ends: readonly ((native: FakeChannel, body: ResponseBody, abort: () => void) => unknown)[] = [
    native => native.deliver(endRecord(0)),
    native => native.deliver(INCOMPLETE),
    (_native, body) => body.discard({ maxBytes: 0 }),
    (_native, body) => body.stream().cancel(),
    (_native, _body, abort) => abort(),
  ]
  for (const end of ends) {
    const controller = new AbortController()
    const listeners = countListeners(controller.signal)
    const { native, body } = await begun({ request: { signal: controller.signal }, total: 100 })
    native.deliver(dataRecord(0, ascii('some')))
    t.is(listeners.size, 1)
    await end(native, body, () => controller.abort())
    t.is(listeners.size, 0)
  }
})

function countListeners(signal: AbortSignal): Set<unknown> {
  const listening: Set<unknown> = new Set()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening.add(args[1])
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening.delete(args[1])
    remove(...args)
  }
  return listening
}

test.serial('nothing is granted before somebody reads, and then only what was read', async t => {
  const { native, body } = await begun({ pool: { bodyBuffer: 20_000 } })
  const part = Buffer.alloc(5_000, 'x')
  for (let n = 0; n < 4; n++) native.deliver(dataRecord(0, part))
  await turn()
  t.deepEqual(rest(native), [])
  const iterator = body[Symbol.asyncIterator]()
  await iterator.next()
  await turn()
  t.deepEqual(rest(native), [])
  await iterator.next()
  await turn()
  t.deepEqual(rest(native), [{ type: 'credit', id: 0, bytes: 10_000 }])
  await iterator.return?.()
  await turn()
  t.deepEqual(rest(native).slice(1), [{ type: 'cancel', id: 0 }])
})

test.serial('a web stream and a Node stream read no further than they are read', async t => {
  const { native, body } = await begun({ pool: { bodyBuffer: 16_384 } })
  native.deliver(dataRecord(0, Buffer.alloc(16_384)))
  const reader = body.stream().getReader()
  await turn()
  t.deepEqual(rest(native), [])
  await reader.read()
  await turn()
  t.deepEqual(rest(native), [{ type: 'credit', id: 0, bytes: 16_384 }])

  const other = await begun({ pool: { bodyBuffer: 1_048_576 } })
  const readable = other.body.readable()
  await turn()
  t.is(readable.readableLength, 0)
  for (let n = 0; n < 10; n++) other.native.deliver(dataRecord(0, Buffer.alloc(65_536)))
  readable.read(0)
  await turn()
  t.true(readable.readableLength > 0 && readable.readableLength <= readable.readableHighWaterMark + 65_536)
  t.deepEqual(rest(other.native), [])
  readable.destroy()
  await other.native.seen('cancel')
})

test.serial('leaving early resets the exchange, once; after the end there is nothing to reset', async t => {
  const leave: readonly ((body: ResponseBody) => Promise<unknown>)[] = [
    async body => {
      for await (const _chunk of body) break
    },
    async body => {
      try {
        for await (const _chunk of body) throw new Error('mine')
      } catch {}
    },
    body => body.stream().cancel('why'),
    async body => body.readable().destroy(),
    body => body.discard({ maxBytes: 3 }),
  ]
  for (const one of leave) {
    const { native, body } = await begun()
    native.deliver(dataRecord(0, ascii('some')))
    await one(body)
    await turn()
    t.deepEqual(rest(native), [{ type: 'cancel', id: 0 }])
    native.deliver(failRecord(0, { code: code('FB_ABORTED') }))
    t.true(body.used)

    const ended = await begun()
    ended.native.deliver(dataRecord(0, ascii('some')), endRecord(0))
    await one(ended.body)
    await turn()
    t.deepEqual(rest(ended.native), [])
  }
})

test.serial('who waits for a chunk when another hand leaves gets the end', async t => {
  const { body } = await begun()
  const iterator = body[Symbol.asyncIterator]()
  const waiting = [iterator.next(), iterator.next()]
  await iterator.return?.()
  for (const one of waiting) t.deepEqual(await one, { done: true, value: undefined })
})

test.serial('chunks may be asked for ahead', async t => {
  const { native, body } = await begun()
  const iterator = body[Symbol.asyncIterator]()
  const asked = Array.from({ length: 4 }, () => iterator.next())
  native.deliver(dataRecord(0, ascii('a')), dataRecord(0, ascii('b')), dataRecord(0, ascii('c')), endRecord(0))
  t.deepEqual(
    (await Promise.all(asked)).map(({ value }) => (value === undefined ? null : Buffer.from(value).toString())),
    ['a', 'b', 'c', null],
  )
})

test.serial('discard() reads on to keep the connection, and no further than it may', async t => {
  const kept = await begun({ pool: { bodyBuffer: 16_384 } })
  const gone = kept.body.discard()
  let settled = false
  void gone.then(() => {
    settled = true
  })
  for (let n = 0; n < 8; n++) kept.native.deliver(dataRecord(0, Buffer.alloc(16_384)))
  await turn()
  t.false(settled)
  t.is(rest(kept.native).filter(one => one.type === 'credit').length, 8)
  kept.native.deliver(endRecord(0))
  await gone

  const long = await begun({ pool: { bodyBuffer: 16_384 } })
  const cut = long.body.discard()
  for (let n = 0; n < 9; n++) long.native.deliver(dataRecord(0, Buffer.alloc(16_384)))
  await cut
  t.like(await long.native.seen('cancel'), { length: 1 })

  const announced = await begun({ total: 131_073 })
  await announced.body.discard()
  t.like(await announced.native.seen('cancel'), { length: 1 })
})

test.serial('a body that fails or is aborted while it is discarded is gone, which is what was wanted', async t => {
  const failed = await begun()
  const gone = failed.body.discard()
  failed.native.deliver(dataRecord(0, ascii('some')), INCOMPLETE)
  await gone
  const controller = new AbortController()
  const aborted = await begun({ request: { signal: controller.signal } })
  const also = aborted.body.discard()
  controller.abort()
  await also
  t.like(await aborted.native.seen('cancel'), { length: 1 })
})

test.serial('disposal discards a body that has no reader, and leaves one that has', async t => {
  const { native, response } = await begun()
  const disposed = response[Symbol.asyncDispose]()
  t.true(response.body.used)
  native.deliver(dataRecord(0, ascii('some')), endRecord(0))
  await disposed
  t.deepEqual(rest(native), [])

  const other = await begun()
  const text = other.response.body.text()
  await other.response[Symbol.asyncDispose]()
  other.native.deliver(dataRecord(0, ascii('some')), endRecord(0))
  t.is(await text, 'some')
})

test.serial('a second reader gets a TypeError, and the first goes on', async t => {
  const { native, body } = await begun()
  const text = body.text()
  for (const second of ['text', 'json', 'bytes', 'arrayBuffer', 'blob', 'discard'] as const) {
    await t.throwsAsync(body[second](), { instanceOf: TypeError })
  }
  t.throws(() => body.stream(), { instanceOf: TypeError })
  t.throws(() => body.readable(), { instanceOf: TypeError })
  t.throws(() => body[Symbol.asyncIterator](), { instanceOf: TypeError })
  native.deliver(dataRecord(0, ascii('some')), endRecord(0))
  t.is(await text, 'some')
})

test.serial('json, and a blob of its type', async t => {
  const { native, body } = await begun()
  native.deliver(dataRecord(0, ascii('{"a":')), dataRecord(0, ascii('1}')), endRecord(0))
  t.deepEqual(await body.json(), { a: 1 })
  const other = await begun()
  other.native.deliver(endRecord(0))
  const blob = await other.body.blob()
  t.deepEqual([blob.type, blob.size], ['text/plain', 0])
})

test.serial('destroy() fails a body that is being read; close() waits for one', async t => {
  const { pool, native, body } = await begun()
  const reading = body.text()
  let closed = false
  const closing = pool.close().then(() => {
    closed = true
  })
  await native.seen('pool-close')
  await turn()
  t.false(closed)
  const why = new Error('shutting down')
  void pool.destroy(why)
  await native.seen('pool-destroy')
  native.deliver(failRecord(0, { code: code('FB_POOL_CLOSED'), phase: PHASES.indexOf('body') }))
  native.closed()
  const error = await t.throwsAsync(reading, { instanceOf: ClosedError })
  t.is(error.cause, why)
  await closing
})

test.serial('a broken channel fails the bodies that are read', async t => {
  const { native, body } = await begun()
  const reading = body.text()
  native.deliver(dataRecord(55, ascii('x')))
  await t.throwsAsync(reading, { code: 'FB_INTERNAL' })
})

test.serial('the end of a response without its head is a defect, not a hang', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(endRecord(0))
  await t.throwsAsync(promise, { code: 'FB_INTERNAL' })
})

test.serial('many small parts that nobody reads take about as much memory as their bytes', async t => {
  const { native, body } = await begun()
  const one = dataRecord(0, ascii('x'))
  const thousand = Array.from({ length: 1_000 }, () => one)
  const before = process.memoryUsage()
  for (let n = 0; n < 100; n++) native.deliver(...thousand)
  const after = process.memoryUsage()
  t.true(after.arrayBuffers - before.arrayBuffers < 2_000_000)
  native.deliver(endRecord(0))
  let count = 0
  let length = 0
  for await (const chunk of body) {
    count += 1
    length += chunk.length
    t.is(chunk.buffer.byteLength, chunk.length)
  }
  t.is(length, 100_000)
  t.true(count < 20, `${count} chunks`)
})

test.serial('credit: no more is ever outstanding than bodyBuffer, and everything comes, in order', async t => {
  const bodyBuffer = 16_384
  const step = fc.oneof(
    fc.record({ type: fc.constant('send' as const), bytes: fc.integer({ min: 1, max: bodyBuffer }) }),
    fc.record({ type: fc.constant('read' as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ type: fc.constant('turn' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, collects) => {
      const { native, body } = await begun({ pool: { bodyBuffer } })
      const all = pattern(40 * bodyBuffer)
      const read: Uint8Array[] = []
      const asked: Promise<unknown>[] = []
      const iterator = collects ? null : body[Symbol.asyncIterator]()
      let taken = 0
      const ask = (): void => {
        if (iterator === null) return
        const next = iterator.next().then(({ value }) => {
          if (value === undefined) return
          taken += value.length
          read.push(value)
        })
        asked.push(next)
      }
      // The native side: it sends what was granted, no more.
      let sent = 0
      const granted = (): number =>
        native.submissions.reduce((sum, one) => sum + (one.type === 'credit' ? one.bytes : 0), bodyBuffer)
      const send = (bytes: number): void => {
        const length = Math.min(bytes, granted() - sent)
        if (length === 0) return
        native.deliver(dataRecord(0, all.subarray(sent, sent + length)))
        sent += length
      }
      const check = (): void => {
        if (iterator !== null && granted() - taken > bodyBuffer) {
          throw new Error(`${granted() - taken} outstanding of ${bodyBuffer}`)
        }
      }
      let whole: Promise<Uint8Array> | null = null
      for (const [index, one] of steps.entries()) {
        if (collects && index === steps.length >> 1) whole = body.bytes()
        if (one.type === 'send') send(one.bytes)
        else if (one.type === 'read') for (let n = 0; n < one.count; n++) ask()
        else await turn()
        if (one.type !== 'turn') await Promise.resolve()
        await turn()
        check()
      }
      // Whoever reads on is served on: the credit never runs dry.
      for (let n = 0; n < 8; n++) {
        ask()
        if (collects) whole ??= body.bytes()
        send(bodyBuffer)
        await turn()
        check()
      }
      native.deliver(endRecord(0))
      for (let n = 0; n < 200; n++) ask()
      await Promise.all(asked)
      const got = whole === null ? Buffer.concat(read) : Buffer.from(await whole)
      if (sent < bodyBuffer) throw new Error('the credit ran dry')
      if (Buffer.compare(got, all.subarray(0, sent)) !== 0) throw new Error('not what was sent')
    }),
    { numRuns: 60 },
  )
  t.pass()
})

test.serial('an upstream that answers every grant at once leaves the loop its turns', async t => {
  const { native, body } = await begun({ pool: { bodyBuffer: 16_384 } })
  const part = dataRecord(0, Buffer.alloc(8_192))
  let grants = 0
  // As on Node's own loop, where a flush brings what is ready.
  native.answer = one => {
    if (one.type !== 'credit') return []
    grants += 1
    return grants < 100 ? [part] : [part, endRecord(0)]
  }
  let turns = 0
  const count = (): void => {
    turns += 1
    if (grants < 100) setImmediate(count)
  }
  setImmediate(count)
  native.deliver(part)
  t.is((await body.bytes()).length, 101 * 8_192)
  t.true(turns >= 99, `${turns} turns`)
})

test.serial('stream() writes a body into a Node or a web stream, with its head', async t => {
  for (const kind of ['node', 'web']) {
    const { pool, native } = scene()
    const written: Buffer[] = []
    let ended = false
    const node = new Writable({
      write(chunk, _encoding, callback) {
        written.push(Buffer.from(chunk))
        setImmediate(callback)
      },
      final(callback) {
        ended = true
        callback()
      },
    })
    const web = new WritableStream<Uint8Array>({
      write(chunk) {
        written.push(Buffer.from(chunk))
      },
      close() {
        ended = true
      },
    })
    const result = pool.stream({ path: '/' }, head => {
      t.is(head.status, 203)
      return kind === 'node' ? node : web
    })
    await native.seen('request')
    native.deliver(responseRecord(0, { status: 203 }), dataRecord(0, ascii('some')))
    await turn()
    native.deliver(dataRecord(0, ascii('more')), endRecord(0))
    t.is((await result).head.status, 203)
    t.is(Buffer.concat(written).toString(), 'somemore')
    t.true(ended)
  }
})

test.serial('stream(): a slow stream stops the upstream; one that fails, or a sink that throws, resets it', async t => {
  const { pool, native } = scene({ bodyBuffer: 16_384 })
  let release: () => void = () => {}
  const slow = new Writable({
    highWaterMark: 1,
    write(_chunk, _encoding, callback) {
      release = () => callback(new Error('full'))
    },
  })
  const result = pool.stream({ path: '/' }, () => slow)
  await native.seen('request')
  native.deliver(responseRecord(0, {}), ...Array.from({ length: 4 }, () => dataRecord(0, Buffer.alloc(4_096))))
  for (let n = 0; n < 5; n++) await turn()
  const granted = rest(native).reduce((sum, one) => sum + (one.type === 'credit' ? one.bytes : 0), 0)
  t.true(granted <= 16_384)
  release()
  await t.throwsAsync(result, { message: 'full' })
  t.like(await native.seen('cancel'), { length: 1 })

  const other = scene()
  const thrown = other.pool.stream({ path: '/' }, () => {
    throw new Error('no sink')
  })
  await other.native.seen('request')
  other.native.deliver(responseRecord(0, {}))
  await t.throwsAsync(thrown, { message: 'no sink' })
  t.like(await other.native.seen('cancel'), { length: 1 })
})
