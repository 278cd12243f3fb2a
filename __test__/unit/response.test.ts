// What a response shows of what came.

import test from 'ava'
import fc from 'fast-check'
import { Collector } from '../../ts/response/collect.js'
import { connectionInfo, endpointOf } from '../../ts/response/connection.js'
import { LazyHeaderMap } from '../../ts/response/headers.js'
import { ReceivedResponse } from '../../ts/response/response.js'
import { WholeBody } from '../../ts/response/whole-body.js'

const FACTS = { id: 7, protocol: 0, address: '10.0.0.1', port: 8080, connectMicros: 1_500, tlsMicros: 250 }

const map = (...pairs: readonly (readonly [string, string])[]) =>
  new LazyHeaderMap(pairs.map(([name, value]) => `${name}\0${value}\0`).join(''))

test('fields are found in any case, joined, and kept in order', t => {
  const headers = map(['Content-Type', 'text/plain'], ['X-A', '1'], ['x-a', '2'], ['Empty', ''])
  t.is(headers.get('content-TYPE'), 'text/plain')
  t.is(headers.get('X-a'), '1, 2')
  t.is(headers.get('empty'), '')
  t.is(headers.get('none'), null)
  t.deepEqual(headers.getAll('x-A'), ['1', '2'])
  t.deepEqual(headers.getAll('none'), [])
  t.true(headers.has('EMPTY'))
  t.false(headers.has('text/plain'))
  t.deepEqual(
    [...headers],
    [
      ['content-type', 'text/plain'],
      ['x-a', '1'],
      ['x-a', '2'],
      ['empty', ''],
    ],
  )
  t.deepEqual(headers.raw, ['Content-Type', 'text/plain', 'X-A', '1', 'x-a', '2', 'Empty', ''])
  t.true(Object.isFrozen(headers.raw))
})

test('of set-cookie get() gives the first and getAll() all', t => {
  const headers = map(['Set-Cookie', 'a=1'], ['set-cookie', 'b=2'])
  t.is(headers.get('set-cookie'), 'a=1')
  t.deepEqual(headers.getAll('Set-Cookie'), ['a=1', 'b=2'])
})

test('a field named __proto__ or constructor is plain data', t => {
  const object = map(['__proto__', 'x'], ['constructor', 'y'], ['a', '1'], ['a', '2'], ['a', '3']).toObject()
  t.is(Object.getPrototypeOf(object), null)
  t.deepEqual(Object.entries(object), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['a', ['1', '2', '3']],
  ])
  t.is(Reflect.get({}, 'x'), undefined)
})

test('any fields are found as a plain list would find them', t => {
  const name = fc.constantFrom('a', 'A', 'ab', 'Set-Cookie', 'set-cookie', 'x-[', 'x-{', 'b')
  const value = fc.constantFrom('', 'a', 'A', 'b', 'x, y', '\u00e9')
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), name, (pairs, wanted) => {
      const headers = map(...pairs)
      const values = pairs.filter(([one]) => one.toLowerCase() === wanted.toLowerCase()).map(([, one]) => one)
      t.deepEqual(headers.getAll(wanted), values)
      t.is(headers.has(wanted), values.length > 0)
      const joined = wanted.toLowerCase() === 'set-cookie' ? values[0] : values.join(', ')
      t.is(headers.get(wanted), values.length === 0 ? null : (joined ?? null))
      t.deepEqual(
        [...headers],
        pairs.map(([one, other]) => [one.toLowerCase(), other]),
      )
    }),
  )
})

test('a text that is cut off ends the search', t => {
  for (const text of ['a', 'a\0', 'a\0b', 'a\0b\0', 'a\0b\0c', 'a\0b\0c\0d']) {
    for (const name of ['zz', 'a', 'c', ''])
      t.deepEqual(new LazyHeaderMap(text).getAll(name), text.length > 3 && name === 'a' ? ['b'] : [])
  }
})

test('no fields are no fields', t => {
  const headers = new LazyHeaderMap('')
  t.deepEqual([...headers], [])
  t.deepEqual(headers.raw, [])
  t.is(headers.get(''), null)
})

const whole = (content: Uint8Array | string, type = '') =>
  new WholeBody(content, { headers: type === '' ? map() : map(['Content-Type', type]) })

async function chunks(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of source) all.push(chunk)
  return Buffer.concat(all)
}

const BODIES: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from('plain'),
  Buffer.from('{"a":[1,"\u6c34"]}'),
  Buffer.from('\ufeffwith a byte order mark'),
  Buffer.from([0x66, 0xff, 0xfe, 0x80, 0xc3]),
  Buffer.from([0, 1, 2, 127, 128, 255]),
]

test('a body is the same whether it came as bytes or as a string, and as fetch decodes it', async t => {
  for (const content of BODIES) {
    for (const body of [() => whole(content.toString('latin1')), () => whole(new Uint8Array(content))]) {
      t.is(await body().text(), await new Response(content).text())
      t.deepEqual(Buffer.from(await body().bytes()), content)
      t.deepEqual(Buffer.from(await body().arrayBuffer()), content)
      t.deepEqual(Buffer.from(await (await body().blob()).arrayBuffer()), content)
      t.deepEqual(await chunks(body()), content)
      t.deepEqual(await chunks(body().readable()), content)
      t.deepEqual(Buffer.from(await new Response(body().stream()).arrayBuffer()), content)
      await body().discard()
    }
  }
})

test('any bytes survive as text and as bytes', async t => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async content => {
      const latin1 = Buffer.from(content).toString('latin1')
      t.is(await whole(latin1).text(), await new Response(content).text())
      t.deepEqual(await whole(latin1).bytes(), content)
    }),
  )
})

test("bytes are the reader's own and exact", async t => {
  const bytes = await whole('abc').bytes()
  t.is(bytes.buffer.byteLength, 3)
  const larger = new Uint8Array(new ArrayBuffer(10), 2, 3)
  t.is((await whole(larger).arrayBuffer()).byteLength, 3)
})

test('json is parsed, and what is none rejects', async t => {
  t.deepEqual(await whole('\u00ef\u00bb\u00bf{"a":1}').json(), { a: 1 })
  t.is(await whole('null').json(), null)
  await t.throwsAsync(whole('<html>').json(), { instanceOf: SyntaxError })
})

test('a blob has the type of its response', async t => {
  t.is((await whole('{}', 'application/json; charset=utf-8').blob()).type, 'application/json; charset=utf-8')
  t.is((await whole('{}').blob()).type, '')
})

test('a body has one reader', async t => {
  const readers = ['text', 'json', 'bytes', 'arrayBuffer', 'blob', 'discard'] as const
  for (const first of readers) {
    const body = whole('1')
    t.false(body.used)
    await body[first]()
    t.true(body.used)
    for (const second of readers) await t.throwsAsync(body[second](), { instanceOf: TypeError })
    t.throws(() => body.stream(), { instanceOf: TypeError })
    t.throws(() => body.readable(), { instanceOf: TypeError })
    t.throws(() => body[Symbol.asyncIterator](), { instanceOf: TypeError })
  }
  const failed = whole('not json')
  await t.throwsAsync(failed.json())
  t.true(failed.used)
})

test('a reader that is left early has no more', async t => {
  const iterator = whole('abc')[Symbol.asyncIterator]()
  t.deepEqual(await iterator.return?.(), { done: true, value: undefined })
  t.deepEqual(await iterator.next(), { done: true, value: undefined })
  const stream = whole('abc').stream()
  await stream.cancel()
  t.deepEqual(await stream.getReader().read(), { done: true, value: undefined })
})

test('an unknown or bad option of discard is refused', async t => {
  const bad: readonly object[] = [{ maxBytes: -1 }, { maxBytes: 0.5 }, { maxBytes: '1' }, { max: 1 }]
  for (const options of bad) {
    await t.throwsAsync(whole('abc').discard(options), { code: 'FB_INVALID_CONFIG', message: /^discard\.max/ })
  }
})

test('a response shows its head, its connection and its times', async t => {
  const text = 'Not Found\0A\0b\0BODY'
  const response = new ReceivedResponse(404, text, text.length - 4, null, FACTS, false, 2_000, 3_500, 4, null)
  t.is(response.status, 404)
  t.is(response.statusText, 'Not Found')
  t.deepEqual([...response.headers], [['a', 'b']])
  t.is(response.headers, response.headers)
  t.is(response.body, response.body)
  t.deepEqual(response.timings, { queueMs: 2, dial: { dnsMs: 4, connectMs: 1.5, tlsMs: 0.25 }, headMs: 3.5 })
  t.deepEqual(response.connection, {
    id: 7,
    protocol: 'h1',
    endpoint: '10.0.0.1:8080',
    remoteAddress: '10.0.0.1',
    remotePort: 8080,
    reused: false,
    earlyData: false,
  })
  t.deepEqual(response.attempts, [{ type: 'response', endpoint: '10.0.0.1:8080', status: 404, durationMs: 3.5 }])
  t.is(await response.body.text(), 'BODY')
  t.is(new ReceivedResponse(200, '\0', 1, null, FACTS, true, 0, 0, 9, null).timings.dial, null)
})

test('a response without reason or fields, with bytes as body', async t => {
  const response = new ReceivedResponse(200, '\0', 1, Uint8Array.of(1), FACTS, true, 0, 0, 0, null)
  t.is(response.statusText, '')
  t.deepEqual([...response.headers], [])
  t.deepEqual(await response.body.bytes(), Uint8Array.of(1))
})

test('disposal discards an unread body', async t => {
  const response = new ReceivedResponse(200, '\0abc', 1, null, FACTS, true, 0, 0, 0, null)
  await response[Symbol.asyncDispose]()
  t.true(response.body.used)
  await t.throwsAsync(response.body.text(), { instanceOf: TypeError })
})

test('endpoints of IPv4, IPv6 and Unix sockets', t => {
  t.is(endpointOf(FACTS), '10.0.0.1:8080')
  t.is(endpointOf({ ...FACTS, address: '::1' }), '[::1]:8080')
  t.is(endpointOf({ ...FACTS, address: '/run/a.sock', port: 0 }), 'unix:/run/a.sock')
  t.is(connectionInfo({ ...FACTS, protocol: 1 }, true).protocol, 'h2')
})

test('parts are put together whatever was announced', t => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40_000, minLength: 1 }), { maxLength: 8 }),
      fc.constantFrom(-1, 0, 10, 100_000, 4_000_000_000),
      (parts, announced) => {
        const collector = new Collector(announced)
        for (const part of parts) {
          const slab = Buffer.concat([Buffer.from('before'), part, Buffer.from('after')])
          collector.add(slab, 6, 6 + part.length)
          slab.fill(0)
        }
        const whole = Buffer.concat(parts)
        return collector.length === whole.length && Buffer.compare(collector.take(), whole) === 0
      },
    ),
    { numRuns: 50 },
  )
  t.pass()
})

test('parts beyond what was announced are not copied again and again', t => {
  const collector = new Collector(10)
  const part = Uint8Array.of(1)
  const sizes = new Set<number>()
  for (let n = 0; n < 5_000; n++) {
    collector.add(part, 0, 1)
    sizes.add(collector.take().buffer.byteLength)
  }
  t.true(sizes.size < 15, `${sizes.size} sizes`)
})

test('a length that is only announced takes no memory beyond a bound', t => {
  const before = process.memoryUsage().arrayBuffers
  const collectors = Array.from({ length: 10 }, () => new Collector(4_000_000_000))
  t.true(process.memoryUsage().arrayBuffers - before < 32_000_000)
  t.is(collectors.length, 10)
})
