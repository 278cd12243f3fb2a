// Records both ways, against a native side that reads and writes by the layout alone.

import test from 'ava'
import fc from 'fast-check'
import { InternalError } from '../../ts/errors/errors.js'
import { Channel, type ExchangeSink, type PoolSink } from '../../ts/native/channel.js'
import { INLINE_BODY_BYTES, SLAB_BYTES } from '../../ts/native/decode.js'
import type { NativeConnection, NativeFailure, NativePoolConfig } from '../../ts/native/dto.js'
import { type RequestSource, SUBMIT_BYTES } from '../../ts/native/encode.js'
import { FakeBinding, type FakeChannel } from '../support/fake-native.js'
import {
  connectedRecord,
  dataRecord,
  disconnectedRecord,
  drainingRecord,
  endRecord,
  failRecord,
  overflowRecord,
  poolClosedRecord,
  record,
  responseRecord,
  type Submission,
} from '../support/records.js'

/** A request whose bytes the test chose. */
class Source implements RequestSource {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  readonly body: string | Uint8Array | null
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  readonly #text: string

  constructor(
    method = 'GET',
    path = '/',
    head = '',
    body: string | Uint8Array | null = null,
    options: { readonly high?: boolean; readonly idempotent?: boolean; readonly hasBody?: boolean } = {},
  ) {
    this.methodLength = method.length
    this.pathLength = path.length
    this.headLength = head.length
    this.body = body
    this.hasBody = options.hasBody ?? body !== null
    this.high = options.high ?? false
    this.idempotent = options.idempotent ?? false
    this.#text = method + path + head
  }

  write(bytes: Uint8Array, at: number): number {
    bytes.set(Buffer.from(this.#text, 'latin1'), at)
    return at + this.#text.length
  }
}

/** Writes down what it is told. */
class Notes implements ExchangeSink {
  id = -1
  readonly seen: unknown[] = []

  complete(...args: Parameters<ExchangeSink['complete']>): void {
    this.seen.push(['complete', ...args])
  }
  head(...args: Parameters<ExchangeSink['head']>): void {
    this.seen.push(['head', ...args])
  }
  data(slab: Uint8Array, from: number, to: number): void {
    this.seen.push(['data', Buffer.from(slab.subarray(from, to)).toString('latin1')])
  }
  end(): void {
    this.seen.push(['end'])
  }
  fail(failure: NativeFailure): void {
    this.seen.push(['fail', failure])
  }
  broke(cause: unknown): void {
    this.seen.push(['broke', cause])
  }
}

class PoolNotes implements PoolSink {
  readonly seen: unknown[] = []

  connected(connection: NativeConnection): void {
    this.seen.push(['connected', connection])
  }
  disconnected(connection: NativeConnection, code: number): void {
    this.seen.push(['disconnected', connection.id, code])
  }
  draining(connection: NativeConnection, reason: number): void {
    this.seen.push(['draining', connection.id, reason])
  }
  overflow(high: boolean, limit: number, count: number): void {
    this.seen.push(['overflow', high, limit, count])
  }
  poolClosed(): void {
    this.seen.push(['closed'])
  }
}

const ROOM = 100_000
const NO_CONFIG = {} as NativePoolConfig
const turn = () => new Promise(resolve => setImmediate(resolve))

function scene(): {
  channel: Channel
  native: FakeChannel
  pool: PoolNotes
  send: (source?: Source, exchange?: Notes) => Notes
} {
  const binding = new FakeBinding()
  const channel = new Channel(binding, 'thread')
  const pool = new PoolNotes()
  channel.createPool(NO_CONFIG, pool)
  const native = binding.channel
  native.deliver(connectedRecord(1, 1))
  const send = (source = new Source(), exchange = new Notes()): Notes => {
    channel.submit(1, source, ROOM, 5_000, exchange)
    return exchange
  }
  return { channel, native, pool, send }
}

function requests(native: FakeChannel): Extract<Submission, { type: 'request' }>[] {
  return native.submissions.filter((one): one is Extract<Submission, { type: 'request' }> => one.type === 'request')
}

/** The whole body of each request, put together from its parts. */
function bodies(native: FakeChannel): Map<number, Buffer> {
  const found: Map<number, Buffer> = new Map()
  for (const one of native.submissions) {
    if (one.type === 'request') found.set(one.id, Buffer.from(one.body))
    if (one.type === 'body') found.set(one.id, Buffer.concat([found.get(one.id) ?? Buffer.alloc(0), one.bytes]))
  }
  return found
}

test('a request crosses as it was written', async t => {
  const { native, send } = scene()
  send(new Source('POST', '/a?b', 'x-a\0b\0', 'h\u00e9llo', { high: true, idempotent: true }))
  send(new Source('GET', '/', ''))
  send(new Source('DELETE', '/', '', null, { hasBody: true }))
  send(new Source('PUT', '/', '', ''))
  t.deepEqual(native.flushes, [], 'nothing is handed over before the turn ends')
  await turn()
  t.is(native.flushes.length, 1)
  t.like(requests(native), {
    length: 4,
    0: {
      id: 0,
      pool: 1,
      method: 'POST',
      path: '/a?b',
      fields: [['x-a', 'b']],
      bodyTotal: 6,
      grant: 5_000,
      high: true,
      idempotent: true,
    },
    1: { id: 1, method: 'GET', head: '', bodyTotal: null, high: false, idempotent: false },
    2: { id: 2, bodyTotal: 0 },
    3: { id: 3, bodyTotal: 0 },
  })
  t.is(Buffer.from(requests(native)[0]?.body ?? []).toString(), 'h\u00e9llo')
})

test('any request crosses as it was written, many in one turn', async t => {
  const latin1 = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code)),
    maxLength: 40,
  })
  const body = fc.oneof(fc.constant(null), fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 3_000 }))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(latin1, latin1, latin1, latin1, body), { maxLength: 40 }), async given => {
      const { native, send } = scene()
      for (const [method, path, name, value, content] of given)
        send(new Source(method, path, `${name}\0${value}\0`, content))
      await turn()
      const parts = bodies(native)
      t.deepEqual(
        requests(native).map(one => [one.method, one.path, one.fields, one.bodyTotal]),
        given.map(([method, path, name, value, content]) => [
          method,
          path,
          [[name, value]],
          content === null ? null : Buffer.from(content).length,
        ]),
      )
      t.deepEqual(
        [...parts.values()],
        given.map(([, , , , content]) => Buffer.from(content ?? '')),
      )
    }),
    { numRuns: 60 },
  )
})

for (const size of [
  0,
  1,
  3,
  4,
  65_536,
  SUBMIT_BYTES - 60,
  SUBMIT_BYTES - 44,
  SUBMIT_BYTES,
  SUBMIT_BYTES + 1,
  5_000_001,
]) {
  test(`a body of ${size} bytes crosses whole, as bytes and as text, behind another request`, async t => {
    const content = Buffer.alloc(size, 'abcdefghijk')
    for (const body of [content, content.toString('latin1')]) {
      const { native, send } = scene()
      send()
      send(new Source('POST', '/', '', body))
      send()
      await turn()
      t.is(Buffer.compare(bodies(native).get(1) ?? Buffer.alloc(0), content), 0)
      t.is(requests(native)[1]?.bodyTotal, size)
      t.deepEqual(
        requests(native).map(one => one.id),
        [0, 1, 2],
      )
      t.true(native.flushes.every(length => length <= SUBMIT_BYTES))
    }
  })
}

test('text beyond ASCII is counted in bytes, also where it does not fit at once', async t => {
  for (const text of ['\u6c34'.repeat(10), '\u6c34'.repeat(400_000), '\ud800x']) {
    const { native, send } = scene()
    send(new Source('POST', '/', '', text))
    await turn()
    t.is(requests(native)[0]?.bodyTotal, Buffer.byteLength(text))
    t.is(bodies(native).get(0)?.toString(), Buffer.from(text).toString())
  }
})

test('bytes are copied at submission', async t => {
  const { native, send } = scene()
  const body = Buffer.alloc(2_000_000, 'a')
  send(new Source('POST', '/', '', body))
  body.fill('b')
  await turn()
  t.is(bodies(native).get(0)?.indexOf('b'), -1)
})

test('100,000 submissions in one turn go over as often as the buffer fills, none lost, in order', async t => {
  const { native, send } = scene()
  const count = 100_000
  for (let n = 0; n < count; n++) send(new Source('GET', `/${n}`))
  await turn()
  const found = requests(native)
  t.is(found.length, count)
  t.true(found.every((one, n) => one.path === `/${n}` && one.id === n))
  t.true(native.flushes.length > 4 && native.flushes.length < 12, `${native.flushes.length} flushes`)
})

test('a request that refuses itself leaves nothing behind', async t => {
  const { native, send, channel } = scene()
  send(new Source('GET', '/first'))
  const refusing = new Source('GET', '/refused')
  refusing.write = (bytes, at) => {
    bytes.fill(0x41, at, at + 50)
    throw new TypeError('no')
  }
  const exchange = new Notes()
  t.throws(() => channel.submit(1, refusing, ROOM, 0, exchange), { instanceOf: TypeError })
  t.is(exchange.id, -1)
  t.is(channel.inFlight, 1)
  send(new Source('GET', '/second'))
  await turn()
  t.deepEqual(
    requests(native).map(one => [one.id, one.path]),
    [
      [0, '/first'],
      [1, '/second'],
    ],
  )
})

test('what a caller does while its request is written comes right after it', async t => {
  const { native, send, channel } = scene()
  send(new Source('GET', '/first'))
  const source = new Source('GET', '/second')
  const { write } = Source.prototype
  source.write = function (bytes, at) {
    const end = write.call(this, bytes, at)
    channel.cancel(0)
    channel.credit(0, 5)
    channel.closePool(1)
    t.throws(() => channel.submit(1, new Source(), ROOM, 0, new Notes()), { message: /another request/ })
    return end
  }
  send(source)
  await turn()
  t.deepEqual(
    native.submissions.map(one => one.type),
    ['request', 'request', 'cancel', 'credit', 'pool-close'],
  )
})

test('a number is used again only after its terminal record', async t => {
  const { native, send, channel } = scene()
  const [first, second, third] = [send(), send(), send()]
  t.deepEqual([first.id, second.id, third.id], [0, 1, 2])
  channel.cancel(1)
  const fourth = send()
  t.is(fourth.id, 3, 'a cancelled one is still under way')
  native.deliver(responseRecord(0, { body: 'x' }), failRecord(1, { code: 5 }), responseRecord(2, {}))
  t.is(channel.inFlight, 2)
  t.deepEqual([first.id, second.id, third.id], [-1, -1, 2])
  t.deepEqual([send().id, send().id, send().id], [1, 0, 4])
  native.deliver(dataRecord(2, Buffer.from('y')), endRecord(2))
  t.is(send().id, 2)
  t.deepEqual(
    third.seen.map(one => (one as unknown[])[0]),
    ['head', 'data', 'end'],
  )
  await turn()
})

test('a response in one record: short bodies ride in the string, longer ones as bytes of their own', t => {
  for (const size of [0, 1, 22, INLINE_BODY_BYTES, INLINE_BODY_BYTES + 1, 500_000]) {
    const { native, send } = scene()
    const exchange = send()
    const body = Buffer.alloc(size, '\u00ff\u0000a', 'latin1')
    native.deliver(
      responseRecord(0, {
        status: 201,
        reason: 'Made',
        fields: [['A', '\u00e9\u00ff']],
        body,
        reused: true,
        queueMicros: 4_294_967_295,
        headMicros: 7,
      }),
    )
    const head = 'Made\0A\0\u00e9\u00ff\0'
    const [kind, status, text, headLength, bytes, connection, reused, queue, headMicros] = exchange.seen[0] as [
      string,
      ...Parameters<ExchangeSink['complete']>,
    ]
    t.deepEqual(
      [kind, status, headLength, reused, queue, headMicros],
      ['complete', 201, head.length, true, 4_294_967_295, 7],
    )
    t.is(connection.id, 1)
    t.is(text.slice(0, headLength), head)
    const inline = size <= INLINE_BODY_BYTES
    t.is(bytes === null, inline)
    const got = bytes === null ? Buffer.from(text.slice(headLength), 'latin1') : Buffer.from(bytes)
    t.is(Buffer.compare(got, body), 0, `${size} bytes, after the slab was written over`)
  }
})

test('a response in parts, the length known or not', t => {
  const { native, send } = scene()
  const exchange = send()
  native.deliver(responseRecord(0, { status: 200, bodyTotal: 4 }), dataRecord(0, Buffer.from('ab')))
  native.deliver(dataRecord(0, Buffer.from('cd')), dataRecord(0, Buffer.alloc(0)), endRecord(0))
  t.is((exchange.seen[0] as unknown[])[3], 4)
  t.deepEqual(exchange.seen.slice(1), [['data', 'ab'], ['data', 'cd'], ['data', ''], ['end']])
  const unknown = send()
  native.deliver(responseRecord(0, {}))
  t.is((unknown.seen[0] as unknown[])[3], -1)
})

test('a failure crosses with its extremes', t => {
  const { native, send } = scene()
  const max = 4_294_967_295
  const [a, b] = [send(), send()]
  native.deliver(
    failRecord(0, {
      code: max,
      retryable: max,
      phase: max,
      connection: 1,
      number: max,
      text: 'w\u00e4\u6c34',
      endpoint: '[::1]:1',
      reused: true,
    }),
    failRecord(1, { code: 0, connection: 99 }),
  )
  t.like((a.seen[0] as unknown[])[1], {
    code: max,
    retryable: max,
    phase: max,
    number: max,
    text: 'w\u00e4\u6c34',
    endpoint: '[::1]:1',
    reused: true,
    connection: { id: 1 },
  })
  t.like((b.seen[0] as unknown[])[1], { code: 0, text: '', endpoint: '', reused: false, connection: null })
})

test('connections, drains and overflows come to their pool, and a connection may be named until its delivery ends', t => {
  const { native, pool, send } = scene()
  const exchange = send()
  native.deliver(
    connectedRecord(4_294_967_295, 1, '::1', 65_535, [4_294_967_295, 1]),
    drainingRecord(4_294_967_295, 1, 3),
    overflowRecord(1, 1, 2, 4_294_967_295),
    disconnectedRecord(4_294_967_295, 1, 7),
    responseRecord(0, { connection: 4_294_967_295, body: '' }),
    connectedRecord(5, 999),
    disconnectedRecord(5, 999),
  )
  t.deepEqual(pool.seen.slice(1), [
    [
      'connected',
      { id: 4_294_967_295, protocol: 0, address: '::1', port: 65_535, connectMicros: 4_294_967_295, tlsMicros: 1 },
    ],
    ['draining', 4_294_967_295, 3],
    ['overflow', true, 2, 4_294_967_295],
    ['disconnected', 4_294_967_295, 7],
  ])
  t.is(exchange.seen.length, 1)
})

test('a slab that is full to its last byte is read to its end', t => {
  const { native, send } = scene()
  const exchange = send()
  native.deliver(responseRecord(0, {}))
  const filling = dataRecord(0, Buffer.alloc(SLAB_BYTES - 16, 'z'))
  t.is(filling.length, SLAB_BYTES)
  native.deliver(filling)
  t.is(((exchange.seen[1] as unknown[])[1] as string).length, SLAB_BYTES - 16)
})

test('answers that flush gives back are taken at once', async t => {
  const { native, send } = scene()
  native.answer = one => (one.type === 'request' ? [responseRecord(one.id, { body: one.path })] : [])
  const exchange = send(new Source('GET', '/x'))
  await turn()
  t.is((exchange.seen[0] as unknown[])[0], 'complete')
})

test('a request that is refused while its body is handed over gets no more of it', async t => {
  const { native, send, channel } = scene()
  native.answer = one => (one.type === 'request' ? [failRecord(one.id, { code: 6 })] : [])
  const exchange = send(new Source('POST', '/', '', Buffer.alloc(5_000_000)))
  t.is(exchange.seen.length, 1)
  t.is(channel.inFlight, 0)
  native.answer = null
  send(new Source('GET', '/next'))
  await turn()
  t.deepEqual(
    native.submissions.map(one => one.type),
    ['request', 'request'],
  )
  t.is(requests(native)[1]?.path, '/next')
})

test('what is said while records are decoded is sent after them, however much it is', async t => {
  const { native, channel } = scene()
  const count = 100_000
  class Cancels extends Notes {
    override head(): void {
      channel.cancel(this.id)
      channel.credit(this.id, 1)
    }
  }
  for (let n = 0; n < count; n++) channel.submit(1, new Source(), ROOM, 0, new Cancels())
  await turn()
  native.submissions.length = 0
  // As many heads as fit one delivery.
  const size = responseRecord(0, {}).length
  const heads = Math.floor(SLAB_BYTES / size)
  native.deliver(...Array.from({ length: heads }, (_, n) => responseRecord(n, {})))
  await turn()
  t.deepEqual(
    native.submissions.slice(0, 4).map(one => [one.type, one.id]),
    [
      ['cancel', 0],
      ['credit', 0],
      ['cancel', 1],
      ['credit', 1],
    ],
  )
  t.is(native.submissions.length, heads * 2)
})

test('control records that do not fit flush first', async t => {
  const { native, channel, send } = scene()
  const exchange = send()
  const count = 200_000
  for (let n = 0; n < count; n++) channel.credit(exchange.id, n)
  await turn()
  const credits = native.submissions.filter(one => one.type === 'credit')
  t.is(credits.length, count)
  t.true(credits.every((one, n) => one.type === 'credit' && one.bytes === n))
})

/** The record with another value in one of its words. */
function patched(bytes: Uint8Array, word: number, value: number): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(word * 4, value, true)
  return bytes
}

test('a record that breaks the layout ends the channel: every request with FB_INTERNAL, every pool, nothing new', async t => {
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ['unknown kind', record(77, 0, [0])],
    ['too short', Uint8Array.of(8, 0, 0, 0, 3, 0, 0, 0)],
    ['longer than the delivery', Uint8Array.of(64, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0)],
    ['not a multiple of four', Uint8Array.of(13, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['unknown request', endRecord(9)],
    ['head beyond the record', patched(responseRecord(1, { body: '' }), 5, 8)],
    ['body beyond the record', patched(responseRecord(1, { body: '' }), 6, 4_000_000_000)],
    ['data beyond the record', patched(dataRecord(1, Buffer.alloc(4)), 3, 5)],
    ['text beyond the record', patched(failRecord(1, { code: 1 }), 8, 4)],
    ['address beyond the record', patched(connectedRecord(9, 1), 8, 400)],
    ['unknown connection', responseRecord(1, { connection: 55, body: '' })],
  ]
  for (const [name, bad] of broken) {
    const { native, channel, pool, send } = scene()
    const exchanges = [send(), send(), send()]
    native.deliver(responseRecord(0, { body: 'fine' }), bad)
    t.deepEqual(
      exchanges.map(one => (one.seen[0] as unknown[])[0]),
      ['complete', 'broke', 'broke'],
      name,
    )
    t.true(exchanges.slice(1).every(one => (one.seen[0] as unknown[])[1] instanceof InternalError))
    t.deepEqual(pool.seen.at(-1), ['closed'])
    t.throws(() => channel.submit(1, new Source(), ROOM, 0, new Notes()), { instanceOf: InternalError })
    channel.cancel(1)
    channel.closePool(1)
    channel.stats(1, new Float64Array(1))
    channel.forgetPool(1)
    await turn()
    t.deepEqual(native.forgotten, [])
    native.deliver(responseRecord(1, { body: 'late' }))
    t.is(exchanges[1]?.seen.length, 1)
  }
})

test('any bytes are taken or end the channel; nothing hangs, nothing is thrown at the native side', t => {
  const small = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(16, 20, 24, 40, 44, 4_294_967_295))
  fc.assert(
    fc.property(fc.array(small, { minLength: 1, maxLength: 60 }), words => {
      const { native, send } = scene()
      const exchanges = [send(), send()]
      const bytes = new Uint8Array(words.length * 4)
      const view = new DataView(bytes.buffer)
      for (const [index, value] of words.entries()) view.setUint32(index * 4, value, true)
      native.deliver(bytes)
      return exchanges.every(one => one.seen.filter(seen => (seen as unknown[])[0] === 'broke').length <= 1)
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('a flush that throws ends the channel as well', async t => {
  const { native, send } = scene()
  const exchange = send()
  native.failure = new Error('native')
  await turn()
  const [kind, error] = exchange.seen[0] as [string, InternalError]
  t.is(kind, 'broke')
  t.is(error.code, 'FB_INTERNAL')
})

test('a binary with other tables is refused', t => {
  const binding = new FakeBinding(null, ['FB_OTHER'])
  t.throws(() => new Channel(binding, 'thread'), { instanceOf: InternalError, message: /another version/ })
})

test('a closed pool is told once and hears no more', t => {
  const { native, pool } = scene()
  native.deliver(poolClosedRecord(1), connectedRecord(8, 1))
  t.deepEqual(pool.seen.slice(1), [['closed']])
})
