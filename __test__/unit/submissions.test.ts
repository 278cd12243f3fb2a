// Records from JavaScript to native, against a native side that reads them by the layout alone.

import test from 'ava'
import fc from 'fast-check'
import { SLAB_BYTES } from '../../ts/native/decode.js'
import { SUBMIT_BYTES } from '../../ts/native/encode.js'
import { bodies, Notes, ROOM, requests, Source, scene, turn } from '../support/channel-scene.js'
import { responseRecord } from '../support/records.js'

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
  65_535,
  65_536,
  65_537,
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

test('a long body that cannot be kept ends the way across, and its request with it', async t => {
  const { native, send, channel } = scene()
  native.failure = new Error('no memory')
  const exchange = send(new Source('POST', '/', '', Buffer.alloc(5_000_000)))
  t.like(exchange.seen, [['broke', { code: 'FB_INTERNAL' }]])
  t.throws(() => channel.submit(1, new Source(), ROOM, 0, new Notes()), { code: 'FB_INTERNAL' })
  await turn()
  t.deepEqual(native.submissions, [])
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
