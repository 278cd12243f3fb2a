// Records from native to JavaScript, against a native side that writes them by the layout alone.

import test from 'ava'
import fc from 'fast-check'
import { InternalError } from '../../ts/errors/errors.js'
import { Channel, type ExchangeSink } from '../../ts/native/channel.js'
import { INLINE_BODY_BYTES, SLAB_BYTES } from '../../ts/native/decode.js'
import { Notes, ROOM, Source, scene, turn } from '../support/channel-scene.js'
import { FakeBinding } from '../support/fake-native.js'
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
} from '../support/records.js'

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
