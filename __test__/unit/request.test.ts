// What may be sent: the rows R01 to R20 of hostile input through our own API.

import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { RequestError } from '../../ts/errors/errors.js'
import { PreparedRequest } from '../../ts/request/prepared.js'
import { OutgoingRequest, type RequestOptions, type RequestRules } from '../../ts/request/request.js'

const RULES: RequestRules = {
  scheme: 'http',
  maxPathSize: 16_384,
  maxHeadSize: 65_536,
  maxHeadFields: 100,
  maxReadSize: 1_000,
}

interface Written {
  readonly method: string
  readonly path: string
  readonly fields: readonly (readonly [string, string])[]
  readonly hasBody: boolean
  readonly idempotent: boolean
  readonly high: boolean
}

/** Writes a request where other bytes stand already, and reads it back. Bytes around it must stay. */
function write(options: unknown, rules = RULES): Written {
  const request = new OutgoingRequest(options as RequestOptions, rules)
  const room = OutgoingRequest.room(rules)
  const bytes = Buffer.alloc(room + 14, 0xaa)
  const end = request.write(bytes, 7)
  if (end > room + 7) throw new Error('more than the room that was promised')
  if (bytes.subarray(0, 7).some(byte => byte !== 0xaa) || bytes.subarray(room + 7).some(byte => byte !== 0xaa)) {
    throw new Error('written outside of its place')
  }
  const pathAt = 7 + request.methodLength
  const headAt = pathAt + request.pathLength
  if (headAt + request.headLength !== end) throw new Error('the lengths do not add up')
  const parts = bytes.toString('latin1', headAt, end).split('\0')
  if (parts.pop() !== '') throw new Error('the head does not end in NUL')
  const fields: [string, string][] = []
  for (let i = 0; i < parts.length; i += 2) fields.push([parts[i] as string, parts[i + 1] as string])
  return {
    method: bytes.toString('latin1', 7, pathAt),
    path: bytes.toString('latin1', pathAt, headAt),
    fields,
    hasBody: request.hasBody,
    idempotent: request.idempotent,
    high: request.high,
  }
}

function refused(
  t: { throws: (run: () => unknown, expected: object, text?: string) => unknown },
  options: unknown,
  field: string,
  rules = RULES,
): RequestError {
  const error = t.throws(() => write(options, rules), { instanceOf: RequestError }, inspect(options)) as RequestError
  if (error.field !== field) throw new Error(`field ${error.field} instead of ${field}: ${error.message}`)
  if (error.code !== 'FB_INVALID_REQUEST' || error.retryable !== 'no' || error.phase !== 'admit')
    throw new Error('code')
  return error
}

const withHeader = (name: string, value: unknown) => ({ path: '/', headers: [[name, value]] })

test('a plain request is a GET without body', t => {
  t.deepEqual(write({ path: '/a?b=c' }), {
    method: 'GET',
    path: '/a?b=c',
    fields: [],
    hasBody: false,
    idempotent: true,
    high: false,
  })
})

test('a value with CR, LF, NUL, DEL or another control is refused, in any form (R01)', t => {
  for (const unit of [...Array.from({ length: 32 }, (_, n) => n), 127]) {
    if (unit === 9) continue
    for (const text of [
      `${String.fromCharCode(unit)}a`,
      `a${String.fromCharCode(unit)}`,
      `a${String.fromCharCode(unit)}b`,
    ]) {
      refused(t, withHeader('x-a', text), 'x-a')
      refused(t, withHeader('x-a', Buffer.from(text, 'latin1')), 'x-a')
      refused(t, { path: '/', headers: { 'x-a': text } }, 'x-a')
      refused(t, { path: '/', headers: { 'x-a': ['fine', text] } }, 'x-a')
    }
  }
})

test('a value above U+00FF is refused; bytes are sent as they are (R02)', t => {
  for (const text of ['\u0100', '\u010a', '\u010d', 'a\u0a0d', '\ud83d\ude00', '\uffff']) {
    const error = refused(t, withHeader('x-a', text), 'x-a')
    t.false(error.message.includes(text))
  }
  t.deepEqual(write(withHeader('x-a', Buffer.from('\u6c34'))).fields, [['x-a', '\u00e6\u00b0\u00b4']])
})

test('latin1 is sent as it is, outer spaces and tabs are trimmed (R03)', t => {
  t.deepEqual(write(withHeader('x-a', ' \t caf\u00e9 \u0080\u00ff a\tb \t')).fields, [
    ['x-a', 'caf\u00e9 \u0080\u00ff a\tb'],
  ])
  t.deepEqual(write(withHeader('x-a', Buffer.from('\t a b '))).fields, [['x-a', 'a b']])
  t.deepEqual(write(withHeader('x-a', ' \t ')).fields, [['x-a', '']])
  t.deepEqual(write(withHeader('x-a', '')).fields, [['x-a', '']])
})

test('only strings, numbers, booleans and bytes are values; nothing else is asked for its text (R04)', t => {
  t.deepEqual(write({ path: '/', headers: { a: 1, b: true, c: [1, 'x', false], d: undefined } }).fields, [
    ['a', '1'],
    ['b', 'true'],
    ['c', '1'],
    ['c', 'x'],
    ['c', 'false'],
  ])
  const evil = {
    toString: () => t.fail() ?? 'a\r\nb',
    valueOf: () => t.fail() ?? 1,
    [Symbol.toPrimitive]: () => t.fail() ?? 'x',
  }
  for (const value of [
    evil,
    () => 'x',
    null,
    1n,
    Symbol('x'),
    new Date(0),
    [[]],
    [evil],
    [null],
    [undefined],
    new String('x'),
  ]) {
    refused(t, { path: '/', headers: { 'x-a': value } }, 'x-a')
  }
  for (const value of [evil, null, undefined, ['a']]) refused(t, withHeader('x-a', value), 'x-a')
})

test('a name must be a token (R05)', t => {
  for (const name of [
    'a b',
    'a:',
    ':path',
    'a\r',
    'a\n',
    'a\0',
    'a\u00e9',
    'a\u0100',
    'a(',
    'a"',
    'a,',
    ' a',
    'a\t',
    'a/',
    'a@',
  ]) {
    refused(t, withHeader(name, 'x'), JSON.stringify(name).slice(1, -1))
  }
  refused(t, withHeader('', 'x'), 'headers')
  refused(t, { path: '/', headers: { '': 'x' } }, 'headers')
  t.deepEqual(write(withHeader("X-A!#$%&'*+-.^_`|~09", 'x')).fields, [["X-A!#$%&'*+-.^_`|~09", 'x']])
})

test('a method is a token of 1 to 64 characters; empty never means GET (R07)', t => {
  for (const method of [
    '',
    'GE T',
    'GET\r',
    'GET\n',
    'G\u00c9T',
    'a'.repeat(65),
    'GET ',
    'G/T',
    '\u0100',
    'GET\0',
    'CONNECT',
  ]) {
    refused(t, { path: '/', method }, 'method')
  }
  for (const method of [null, 1, {}, ['GET'], true]) refused(t, { path: '/', method }, 'method')
  for (const method of ['get', 'PROPFIND', 'M-SEARCH', 'a'.repeat(64)])
    t.is(write({ path: '/', method }).method, method)
  t.is(write({ path: '/', method: undefined }).method, 'GET')
})

test('a path is visible ASCII (R08)', t => {
  for (let unit = 0; unit < 0x120; unit++) {
    const text = `/${String.fromCharCode(unit)}x`
    if (unit >= 0x21 && unit <= 0x7e && unit !== 0x23) t.is(write({ path: text }).path, text)
    else refused(t, { path: text }, 'path')
  }
})

test('a path begins with a slash and has no fragment; * only with OPTIONS (R09)', t => {
  for (const path of ['', 'a', '?a', 'http://a.test/', '//\u0100', '/a#b', '/#', '*', ' /', '*x'])
    refused(t, { path }, 'path')
  refused(t, { path: '*x', method: 'OPTIONS' }, 'path')
  t.is(write({ path: '*', method: 'OPTIONS' }).path, '*')
  t.is(write({ path: '//a.test/' }).path, '//a.test/')
  for (const path of [undefined, null, 1, {}, ['/'], new URL('http://a.test/')]) refused(t, { path }, 'path')
  refused(t, {}, 'path')
})

test('Host, framing and hop-by-hop fields are refused in any case and form (R10, R11, R13, R17)', t => {
  const names = [
    'Host',
    'Transfer-Encoding',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'TE',
  ]
  for (const name of names) {
    for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
      for (const value of ['x', '', 'a.test\r\nx: y', Buffer.from('x'), 1]) {
        refused(t, withHeader(spelled, value), spelled)
        refused(t, { path: '/', headers: { [spelled]: value } }, spelled)
        refused(t, { path: '/', body: 'abc', headers: { 'content-length': 3, [spelled]: value } }, spelled)
      }
    }
  }
  t.deepEqual(write(withHeader('TE', ' Trailers ')).fields, [['TE', 'Trailers']])
  t.deepEqual(write(withHeader('Connections', 'x')).fields, [['Connections', 'x']])
})

test('the authority option is the first field (R11)', t => {
  t.deepEqual(write({ path: '/', authority: 'Other.Test:80', headers: { a: 'b' } }).fields, [
    ['host', 'other.test'],
    ['a', 'b'],
  ])
  refused(t, { path: '/', authority: 'a b' }, 'authority')
  refused(t, { path: '/', authority: null }, 'authority')
})

test('a Content-Length must be digits, one, and that of the body; it is not written twice (R14, R15, R16)', t => {
  t.deepEqual(write({ path: '/', method: 'POST', body: 'abc', headers: { 'content-length': '3' } }).fields, [])
  t.deepEqual(write({ path: '/', body: Uint8Array.of(1, 2), headers: { 'Content-Length': 2 } }).fields, [])
  t.true(write({ path: '/', method: 'DELETE', headers: { 'content-length': 0 } }).hasBody)
  t.deepEqual(write({ path: '/', body: '\u00e9', headers: [['content-length', ' 2 ']] }).fields, [])
  for (const value of [
    '4',
    '2',
    '',
    '+3',
    '-3',
    '3,3',
    '3, 3',
    '0x3',
    '1e1',
    '3.0',
    '3 3',
    '9'.repeat(20),
    'three',
    Number.NaN,
    3.5,
    -3,
    true,
  ]) {
    refused(t, { path: '/', body: 'abc', headers: { 'content-length': value } }, 'content-length')
  }
  refused(t, { path: '/', headers: { 'content-length': 1 } }, 'content-length')
  refused(t, { path: '/', body: 'abc', headers: { 'content-length': ['3', '3'] } }, 'content-length')
  refused(
    t,
    {
      path: '/',
      body: 'abc',
      headers: [
        ['content-length', '3'],
        ['CONTENT-LENGTH', '3'],
      ],
    },
    'CONTENT-LENGTH',
  )
})

test('fields and bytes have bounds, each exact (R19)', t => {
  const rules = { ...RULES, maxPathSize: 5, maxHeadSize: 20, maxHeadFields: 2 }
  t.is(write({ path: '/1234' }, rules).path, '/1234')
  refused(t, { path: '/12345' }, 'path', rules)
  // Name 1, value 5, and 4: ten of the twenty, twice.
  t.is(write({ path: '/', headers: { a: '12345', b: '12345' } }, rules).fields.length, 2)
  refused(t, { path: '/', headers: { a: '12345', b: '123456' } }, 'b', rules)
  refused(t, { path: '/', headers: { a: '', b: '', c: '' } }, 'headers', rules)
  refused(t, { path: '/', authority: 'abc', headers: { a: '', b: '' } }, 'headers', rules)
  refused(t, withHeader('a', 'x'.repeat(100_000)), 'a')
  refused(t, { path: '/', headers: Array.from({ length: 10_000 }, (_, n) => [`a${n}`, 'x']) }, 'headers')
  refused(t, { path: `/${'x'.repeat(1_000_000)}` }, 'path')
  t.throws(() => write({ path: '/', headers: { a: '' } }, { ...RULES, maxHeadFields: 0 }), { instanceOf: RequestError })
})

test('an own key __proto__ is a plain name, and inherited options and fields do not count (R20)', t => {
  const headers: unknown = JSON.parse('{"__proto__": "x", "constructor": "y", "a": "z"}')
  t.deepEqual(write({ path: '/', headers }).fields, [
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['a', 'z'],
  ])
  t.deepEqual(write(Object.assign(Object.create({ method: 'POST', headers: { a: 'b' } }), { path: '/' })).fields, [])
  t.is(write(Object.assign(Object.create({ method: 'POST' }), { path: '/' })).method, 'GET')
  t.deepEqual(write({ path: '/', headers: Object.assign(Object.create({ evil: '1' }), { a: '2' }) }).fields, [
    ['a', '2'],
  ])
})

test('what is read twice could differ: options and fields are read once', t => {
  let reads = 0
  const options = {
    get path() {
      reads += 1
      return reads === 1 ? '/ok' : '/not\r\nok'
    },
  }
  t.is(write(options).path, '/ok')
  t.is(reads, 1)
  let values = 0
  const headers = {
    get a() {
      values += 1
      return values === 1 ? 'ok' : 'not\r\nok'
    },
  }
  t.deepEqual(write({ path: '/', headers }).fields, [['a', 'ok']])
  t.is(values, 1)
})

test('no error shows a value', t => {
  const secret = 'hunter2\r\n'
  for (const options of [
    withHeader('authorization', secret),
    withHeader('content-length', secret),
    { path: `/${secret}` },
    { path: '/', method: secret },
    { path: '/', authority: secret },
    { path: '/', query: { a: '\ud800hunter2' } },
  ]) {
    const error = t.throws(() => write(options), { instanceOf: RequestError })
    t.false(error.message.includes('hunter2'))
  }
})

test('fields may be Headers, pairs, iterables or an object', t => {
  const expected = [
    ['a', '1'],
    ['b', '2'],
  ] as const
  const pairs: [string, string][] = [
    ['a', '1'],
    ['b', '2'],
  ]
  const generator = function* () {
    yield* pairs
  }
  for (const headers of [
    new Headers(pairs),
    pairs,
    new Map(pairs),
    generator(),
    { a: '1', b: '2' },
    { a: ['1'], b: 2 },
  ]) {
    t.deepEqual(write({ path: '/', headers }).fields, expected)
  }
  for (const headers of [undefined, null, {}, [], new Map()]) t.deepEqual(write({ path: '/', headers }).fields, [])
  for (const headers of [
    'a: b',
    1,
    true,
    () => [],
    ['a', 'b'],
    [['a']],
    [['a', 'b', 'c']],
    [[1, 'x']],
    [null],
    { [Symbol.iterator]: 1 },
  ]) {
    t.throws(() => write({ path: '/', headers }), { instanceOf: RequestError })
  }
})

test('a query is encoded and put behind the path', t => {
  const path = (path: string, query: unknown) => write({ path, query }).path
  t.is(
    path('/a', { x: 'b c&d', y: 1, z: true, skip: null, also: undefined, many: ['1', '2'] }),
    '/a?x=b%20c%26d&y=1&z=true&many=1&many=2',
  )
  t.is(path('/a?b', { c: 'd' }), '/a?b&c=d')
  t.is(path('/a', new URLSearchParams({ x: 'b c' })), '/a?x=b+c')
  t.is(path('/a', { x: '\u6c34#' }), '/a?x=%E6%B0%B4%23')
  for (const query of [{}, { a: null }, new URLSearchParams(), undefined, null]) t.is(path('/a', query), '/a')
  for (const query of ['a=b', 1, { a: {} }, { a: [1n] }, { a: Number.NaN }, { a: '\ud800' }]) {
    t.throws(() => path('/', query), { instanceOf: RequestError, message: /^query/ })
  }
  t.throws(() => write({ path: '*', method: 'OPTIONS', query: { a: 'b' } }), { instanceOf: RequestError })
  refused(t, { path: '/', query: { a: 'x'.repeat(20_000) } }, 'path')
})

test('options that are none, or that are unknown, are refused', t => {
  for (const options of [undefined, null, '/', 1]) refused(t, options, 'options')
  for (const key of ['header', 'url', 'retry', 'origin']) refused(t, { path: '/', [key]: 1 }, key)
  for (const [key, values] of Object.entries({
    body: [1, {}, [], true, [Uint8Array.of(1)], new Response('x'), locked(), Readable.from([]).destroy()],
    trailers: [1, {}, null],
    onInformational: [1, null],
    expectContinue: [-1, 1.5, '1', null, 2 ** 31],
    queueTimeout: [-1, Number.NaN, 0.5, '1', null, 2 ** 31, -Infinity],
    headersTimeout: [-1],
    bodyIdleTimeout: [-1],
    perTryTimeout: [-1],
    perTryIdleTimeout: [-1],
    maxStreamDuration: [-1],
    totalTimeout: [-1],
    signal: [{}, 1, 'x', { aborted: 1 }, { aborted: false }],
    priority: ['low', '', null, 1],
    idempotent: [0, 'yes', null],
    maxReadSize: [-1, 1.5, Number.NaN, '1', null],
  })) {
    for (const value of values) refused(t, { path: '/', [key]: value }, key)
  }
})

test('whether a request is idempotent follows from its method unless said', t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
    t.true(write({ path: '/', method }).idempotent)
  for (const method of ['POST', 'PATCH', 'get', 'LOCK']) t.false(write({ path: '/', method }).idempotent)
  t.true(write({ path: '/', method: 'POST', idempotent: true }).idempotent)
  t.false(write({ path: '/', idempotent: false }).idempotent)
  t.true(write({ path: '/', priority: 'high' }).high)
})

test('a getter that makes another request while one is written is refused, and the first goes on', t => {
  let inner: unknown
  const headers = {
    get a() {
      inner = t.throws(() => write({ path: '/inner', headers: { b: 'c' } }), { instanceOf: RequestError })
      return 'ok'
    },
  }
  t.deepEqual(write({ path: '/', headers }).fields, [['a', 'ok']])
  t.true(inner instanceof RequestError)
})

test('a prepared request gives the same bytes later, whatever became of the options', t => {
  const body = Uint8Array.of(1, 2, 3)
  const headers: Record<string, string> = { a: 'b' }
  const request = new OutgoingRequest({ path: '/x', method: 'PUT', headers, body, priority: 'high' }, RULES)
  const prepared = new PreparedRequest(request, OutgoingRequest.room(RULES))
  body.fill(9)
  headers['a'] = 'changed'
  const bytes = Buffer.alloc(100)
  t.is(bytes.toString('latin1', 5, prepared.write(bytes, 5)), 'PUT/xa\0b\0')
  t.deepEqual(prepared.body, Uint8Array.of(1, 2, 3))
  t.like(prepared, { methodLength: 3, pathLength: 2, headLength: 4, hasBody: true, high: true, idempotent: true })
})

const unit = (max: number) => fc.integer({ min: 0, max }).map(code => String.fromCharCode(code))
const text = (max: number) => fc.array(unit(max), { maxLength: 12 }).map(units => units.join(''))

test('any header that is accepted is a token and clean latin1, trimmed, as given', t => {
  fc.assert(
    fc.property(text(0x17f), text(0x1ff), (name, value) => {
      let written: Written
      try {
        written = write(withHeader(name, value))
      } catch (error) {
        return error instanceof RequestError
      }
      const [field] = written.fields
      if (field === undefined) return /^content-length$/i.test(name)
      return (
        field[0] === name &&
        /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) &&
        field[1] === value.replace(/^[ \t]+|[ \t]+$/g, '') &&
        /^[\t\x20-\x7e\x80-\xff]*$/.test(field[1])
      )
    }),
    { numRuns: 5_000 },
  )
  t.pass()
})

test('any path that is accepted is visible ASCII, as given', t => {
  fc.assert(
    fc.property(text(0x17f), tail => {
      const path = `/${tail}`
      try {
        return write({ path }).path === path && /^\/[\x21\x22\x24-\x7e]*$/.test(path)
      } catch (error) {
        return error instanceof RequestError && !/^\/[\x21\x22\x24-\x7e]*$/.test(path)
      }
    }),
    { numRuns: 5_000 },
  )
  t.pass()
})

test('whatever the options are, the outcome is a request or a RequestError', t => {
  fc.assert(
    fc.property(
      fc.record(
        {
          path: fc.anything(),
          method: fc.anything(),
          headers: fc.anything(),
          query: fc.anything(),
          body: fc.anything(),
        },
        { requiredKeys: [] },
      ),
      options => {
        try {
          write(options)
        } catch (error) {
          return error instanceof RequestError
        }
        return true
      },
    ),
    { numRuns: 3_000 },
  )
  t.pass()
})

function locked(): ReadableStream {
  const stream = new ReadableStream()
  stream.getReader()
  return stream
}
