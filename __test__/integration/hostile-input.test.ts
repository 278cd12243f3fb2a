// What our own API refuses: rows R of docs/conformance.md. Nothing reaches the server, the field is named, its value is never shown.

import { inspect } from 'node:util'
import type { ExecutionContext } from 'ava'
import { ConfigError, Pool, RequestError, type RequestOptions } from '../../ts/index.js'
import { row } from '../support/cases.js'
import type { MakePool } from '../support/each-runner.js'
import { startTestkit, type Testkit } from '../support/upstream.js'

/** Part of every value that must not be shown. */
const SECRET = 'sesame'

/** Each of `requests` is refused at its field; then the pool serves a good one, the only one that arrives. */
async function rejects(
  t: ExecutionContext,
  makePool: MakePool,
  requests: readonly (readonly [field: string | RegExp, request: unknown])[],
): Promise<void> {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  for (const [field, request] of requests) {
    const what = inspect(request, { breakLength: 200 }).slice(0, 200)
    const error = await t.throwsAsync(
      async () => pool.request(request as RequestOptions),
      { instanceOf: RequestError },
      what,
    )
    t.like(error, { code: 'FB_INVALID_REQUEST', phase: 'admit', retryable: 'no', flags: ['DPE'], attempts: [] }, what)
    if (typeof field === 'string') t.is(error.field, field, what)
    else t.regex(error.field, field, what)
    t.true(error.message.startsWith(error.field), what)
    t.false(inspect(error, { depth: 10 }).includes(SECRET), `${what} is shown`)
    t.notRegex(error.message, /\p{Cc}/u, `${what}: the text has no controls`)
  }
  t.like(await upstream.stats(), { connectionsAccepted: 0, requestsBegun: 0 })
  t.like(pool.stats, { cxTotal: 0, rqTotal: 0, rqPendingTotal: 0 })
  t.is((await pool.request({ path: '/' })).status, 200)
  // The server counts an answer when it has written it.
  await upstream.until('requestsCompleted>=1')
  t.like(await upstream.stats(), { connectionsAccepted: 1, requestsBegun: 1, requestsCompleted: 1 })
}

interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly bodyLength: number
}

/** What the server got. */
async function seen(t: ExecutionContext, makePool: MakePool, request: Omit<RequestOptions, 'path'>): Promise<Seen> {
  const upstream: Testkit = await startTestkit()
  t.teardown(() => upstream.stop())
  const response = await makePool(upstream.origin).request({ path: '/inspect', ...request })
  return response.body.json<Seen>()
}

function field(value: unknown): unknown {
  return { path: '/', headers: { 'x-a': value } }
}

row('R01', 'a value with CR, LF, NUL or DEL', (t, makePool) =>
  rejects(t, makePool, [
    ...['\r\nx: y', '\r', '\n', '\0', '\x7f', '\x01', '\x1b'].map(
      bad => ['x-a', field(`${SECRET}${bad}${SECRET}`)] as const,
    ),
    // As bytes too.
    ...[0x0d, 0x0a, 0x00, 0x7f].map(byte => ['x-a', field(Uint8Array.of(0x61, byte, 0x62))] as const),
    ['x-a', { path: '/', headers: [['x-a', `${SECRET}\r\n`]] }],
    ['x-a', { path: '/', headers: new Map([['x-a', `${SECRET}\n`]]) }],
  ]),
)

row('R02', 'a value with a code unit over 0xff', async (t, makePool) => {
  await rejects(t, makePool, [
    ['x-a', field(`${SECRET}\u0100`)],
    ['x-a', field(`${SECRET}\u010a\u010d`)],
    ['x-a', field(`${SECRET}\u{1f600}`)],
  ])
  const { headers } = await seen(t, makePool, { headers: { 'x-a': Buffer.from('\u6c34') } })
  t.deepEqual(
    headers.find(([name]) => name === 'x-a'),
    ['x-a', '\xe6\xb0\xb4'],
  )
})

row('R03', '0x80 to 0xff is latin1, outer blanks are trimmed', async (t, makePool) => {
  const { headers } = await seen(t, makePool, { headers: { 'x-a': ' \t caf\u00e9 \u00ff\t ', 'x-b': '\u0080' } })
  t.deepEqual(
    headers.filter(([name]) => name.startsWith('x-')),
    [
      ['x-a', 'caf\u00e9 \u00ff'],
      ['x-b', '\u0080'],
    ],
  )
})

row('R04', 'a value that would have to be asked for its text', async (t, makePool) => {
  const asked = { toString: () => `${SECRET}\r\nx: y` }
  await rejects(t, makePool, [
    ['x-a', field(asked)],
    ['x-a', field(() => SECRET)],
    ['x-a', field(Symbol(SECRET))],
    ['x-a', field(null)],
    ['x-a', field(5n)],
    ['x-a', field(new Date())],
    ['x-a', field(['ok', asked])],
    ['x-a', field([['nested']])],
    ['x-a', field(['ok', `${SECRET}\n`])],
  ])
  let reads = 0
  const changing = {
    get 'x-a'() {
      reads += 1
      return reads === 1 ? 'good' : 'a\r\nb'
    },
  }
  const { headers } = await seen(t, makePool, { headers: changing })
  t.is(reads, 1, 'read once')
  t.deepEqual(
    headers.find(([name]) => name === 'x-a'),
    ['x-a', 'good'],
  )
})

row('R05', 'a name that is no token', (t, makePool) =>
  rejects(t, makePool, [
    ...['x a', 'x:a', 'x\ra', 'x\na', 'x\r\na', '\u00e9', 'x\u0131', 'x\0', ':path', ':authority', 'x\t', '(x)'].map(
      name => [/^\S|x/, { path: '/', headers: { [name]: SECRET } }] as const,
    ),
    ['headers', { path: '/', headers: { '': SECRET } }],
    ['headers', { path: '/', headers: [['', SECRET]] }],
  ]),
)

row('R07', 'a method that is no token', (t, makePool) =>
  rejects(
    t,
    makePool,
    ['GET /x', 'GET\r\n', 'G\nT', 'G\0T', '', 'x'.repeat(65), '\u0131', 5, null, {}, ['GET'], 'CONNECT'].map(
      method => ['method', { path: '/', method }] as const,
    ),
  ),
)

row('R08', 'a path with other than visible ASCII', (t, makePool) =>
  rejects(
    t,
    makePool,
    ['/a b', '/a\tb', '/a\r\nx: y', '/a\0b', '/a\x7fb', '/\u00e9', '/\u010a', '/\u{1f600}'].map(
      path => ['path', { path }] as const,
    ),
  ),
)

row('R09', 'a path that is no path', (t, makePool) =>
  rejects(t, makePool, [
    ...['', 'a', '?a', '#', '/a#b', 'http://other.test/', '//other.test#', '*', 5, null, undefined].map(
      path => ['path', { path }] as const,
    ),
    ['path', { path: '*', method: 'GET' }],
    ['path', {}],
  ]),
)

row(['R10', 'R11'], 'a Host field, once, twice or with CR LF', async (t, makePool) => {
  await rejects(t, makePool, [
    ['host', { path: '/', headers: { host: 'other.test' } }],
    ['Host', { path: '/', headers: { Host: 'other.test' } }],
    [
      'host',
      {
        path: '/',
        headers: [
          ['host', 'a'],
          ['host', 'b'],
        ],
      },
    ],
    ['host', { path: '/', headers: { host: `${SECRET}\r\nx: y` } }],
  ])
  const { headers } = await seen(t, makePool, { authority: 'Other.test:8080' })
  t.deepEqual(
    headers.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value),
    ['other.test:8080'],
  )
})

const AUTHORITIES = [
  'user@other.test',
  'user:sesame@other.test',
  'a b',
  'a/b',
  '@',
  'a\\b',
  'a\0b',
  'a%00b',
  'a:0',
  'a:65536',
  'a:80abc',
  'a\u3002test',
  'a.test.',
  '',
  'a\r\nb',
  '[::1',
  '0x7f.1',
  '127.1',
]

row('R12', 'an authority or origin that can be read in two ways', async (t, makePool, runOn) => {
  await rejects(
    t,
    makePool,
    AUTHORITIES.map(authority => ['authority', { path: '/', authority }] as const),
  )
  for (const authority of AUTHORITIES) {
    const error = t.throws(() => new Pool(`http://${authority}`, { runOn }), { instanceOf: ConfigError }, authority)
    t.like(error, { code: 'FB_INVALID_CONFIG', path: 'origin' })
    t.false(error.message.includes(SECRET), authority)
  }
  const { headers } = await seen(t, makePool, { authority: 'OTHER.test:80' })
  t.is(headers.find(([name]) => name.toLowerCase() === 'host')?.[1], 'other.test')
})

row('R13', 'Transfer-Encoding by the caller', (t, makePool) =>
  rejects(t, makePool, [
    ['transfer-encoding', { path: '/', method: 'POST', body: 'x', headers: { 'transfer-encoding': 'chunked' } }],
    ['Transfer-Encoding', { path: '/', headers: { 'Transfer-Encoding': 'gzip, chunked' } }],
    [
      /^(transfer-encoding|content-length)$/,
      { path: '/', method: 'POST', body: 'x', headers: { 'content-length': '1', 'transfer-encoding': 'chunked' } },
    ],
  ]),
)

function sized(length: unknown, body: unknown = 'abc'): unknown {
  return { path: '/', method: 'POST', body, headers: { 'content-length': length } }
}

row('R14', 'a Content-Length unlike the body', async (t, makePool) => {
  await rejects(t, makePool, [
    ['content-length', sized('2')],
    ['content-length', sized('4')],
    ['content-length', sized(4)],
    ['content-length', sized('1', '\u00e9')],
    ['content-length', sized('0', new Uint8Array(1))],
  ])
  const { headers, bodyLength } = await seen(t, makePool, {
    method: 'POST',
    body: 'abc',
    headers: { 'Content-Length': 3 },
  })
  t.is(bodyLength, 3)
  t.is(headers.filter(([name]) => name.toLowerCase() === 'content-length').length, 1)
})

row('R15', 'a Content-Length that is not digits only', (t, makePool) =>
  rejects(t, makePool, [
    ...['+3', '-3', '3,3', '3, 3', '0x3', '1e1', '3.0', '', '3 3', '\u0663'].map(
      length => ['content-length', sized(length)] as const,
    ),
    ['content-length', { path: '/', method: 'POST', body: 'abc', headers: { 'content-length': ['3', '3'] } }],
  ]),
)

row('R16', 'a Content-Length above 0 without a body', (t, makePool) =>
  rejects(t, makePool, [
    ['content-length', { path: '/', headers: { 'content-length': '1' } }],
    ['content-length', { path: '/', method: 'POST', body: null, headers: { 'content-length': 5 } }],
  ]),
)

row('R17', 'fields of the connection', async (t, makePool) => {
  const names = ['Connection', 'Keep-Alive', 'Proxy-Connection', 'Upgrade', 'Expect', 'HTTP2-Settings']
  await rejects(t, makePool, [
    ...names.flatMap(name =>
      [name, name.toLowerCase()].map(spelling => [spelling, { path: '/', headers: { [spelling]: 'x' } }] as const),
    ),
    ['te', { path: '/', headers: { te: 'gzip' } }],
    ['TE', { path: '/', headers: { TE: 'trailers, gzip' } }],
  ])
  const { headers } = await seen(t, makePool, { headers: { te: 'trailers' } })
  t.deepEqual(
    headers.find(([name]) => name === 'te'),
    ['te', 'trailers'],
  )
})

row('R19', 'heads and paths past their bounds', async (t, makePool) => {
  const fields = (count: number) => Array.from({ length: count }, (_, n) => [`x-${n}`, 'y'])
  await rejects(t, makePool, [
    ['x-a', field('y'.repeat(100_000))],
    ['headers', { path: '/', headers: fields(10_000) }],
    ['headers', { path: '/', headers: fields(101) }],
    ['path', { path: `/${'a'.repeat(1_000_000)}` }],
    ['path', { path: `/${'a'.repeat(16_384)}` }],
    ['path', { path: '/', query: { a: 'b'.repeat(16_384) } }],
  ])
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  t.is((await pool.request({ path: `/${'a'.repeat(16_383)}` })).status, 200)
  const most = fields(99).map(([name = '', value = '']) => [name, value] as const)
  t.is((await pool.request({ path: '/', headers: [...most] })).status, 200)
})

row('R18', 'what a body says of itself passes the same check', async (t, makePool) => {
  const evil = Object.defineProperty(new Blob(['x']), 'type', { value: `text/plain\r\nx-injected: ${SECRET}` })
  await rejects(t, makePool, [['content-type', { path: '/', method: 'POST', body: evil }]])
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const form = new FormData()
  form.set('a\r\nx-injected: 1', new File(['text'], 'b"\r\nx-injected: 2', { type: 'text/plain\r\nx-injected: 3' }))
  const response = await makePool(upstream.origin).request({ path: '/echo', method: 'POST', body: form })
  t.notRegex(await response.body.text(), /^x-injected/m)
})

row('R20', 'own properties only, and a name that means something to JavaScript is a name', async (t, makePool) => {
  const polluted = Object.create({ 'x-inherited': SECRET, headers: { 'x-b': 'y' }, method: 'POST' })
  const own = JSON.parse('{"__proto__":"plain","x-a":"1"}')
  const { method, headers } = await seen(t, makePool, Object.assign(polluted, { path: '/inspect', headers: own }))
  t.is(method, 'GET')
  t.deepEqual(
    headers.filter(([name]) => name.startsWith('x-') || name.startsWith('__')),
    [
      ['__proto__', 'plain'],
      ['x-a', '1'],
    ],
  )
  await rejects(t, makePool, [['surprise', { path: '/', surprise: true }]])
})

row('R21', 'credentials are in no error', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { headersTimeout: 50 })
  const headers = { authorization: `Bearer ${SECRET}`, cookie: `a=${SECRET}` }
  const request = pool.request({ path: '/delay/2000/', headers })
  const error = await t.throwsAsync(request, { code: 'FB_HEADERS_TIMEOUT' })
  t.false(inspect(error, { depth: 10 }).includes(SECRET))
  t.false(JSON.stringify(error).includes(SECRET))
  await rejects(t, makePool, [
    ['authorization', { path: '/', headers: { authorization: `${SECRET}\r\n` } }],
    ['cookie', { path: '/', headers: { cookie: `${SECRET}\u0100` } }],
  ])
})
