// fetch: arguments, what is sent, what comes. The platform's own is the reference.

import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { refererOf } from '../../ts/fetch/referrer.js'
import { exchangeOf, ForebayError, Pool, RequestError } from '../../ts/index.js'
import { alike, type Fetch, ours, outcome, shown, useFetchServer } from '../support/alike.js'
import { eventually } from '../support/cases.js'

useFetchServer()

/** What the server says that it was sent. */
async function sent(fetch: Fetch, url: string, init?: RequestInit): Promise<unknown> {
  return outcome((async () => (await fetch(url, init)).json())())
}

const stream = (...parts: string[]) =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })

for (const path of [
  '/text',
  '/text?type=text/plain',
  '/status/404',
  '/status/500?text=Odd',
  '/status/201',
  '/fields',
]) {
  alike(`what ${path} shows`, async ({ fetch, origin }) => shown(await fetch(origin + path), origin))
}

for (const status of [204, 205, 304]) {
  alike(`a ${status} has no body, and can be read again and again`, async ({ fetch, origin }) => {
    const response = await fetch(`${origin}/status/${status}`)
    const text = [await response.text(), await response.text()]
    const empty = [(await response.arrayBuffer()).byteLength, (await response.blob()).size]
    const rest = [await outcome(response.json()), await outcome(response.formData()), await response.clone().text()]
    return [shown(response, origin), text, empty, rest, response.bodyUsed]
  })
}

alike('HEAD has no body', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/bytes/100`, { method: 'HEAD' })
  return [shown(response, origin), await response.text(), response.headers.get('content-length')]
})

alike('a body of no bytes is a body', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/bytes/0`)
  return [shown(response, origin), await response.text(), response.bodyUsed, await outcome(response.text())]
})

for (const input of [
  '/echo/%7Ea/b%20c?x=1&y=%20',
  '/echo/a b?q=ä&r=\'"<>',
  '/echo/../echo/./x',
  '/echo#fragment',
  '/echo?a#b?c',
  '/echo/%2e%2E/echo/x',
]) {
  alike(`the path of ${input}`, async ({ fetch, origin }) => {
    const response = await fetch(origin + input)
    return [response.url.replace(origin, ''), ((await response.json()) as { url: string }).url]
  })
}

alike('a URL object', async ({ fetch, origin }) => sent(fetch, new URL('/echo?a=b', origin).href))

for (const method of ['get', 'Post', 'PUT', 'delete', 'OPTIONS', 'PATCH', 'lower']) {
  alike(`method ${method}`, ({ fetch, origin }) => sent(fetch, `${origin}/echo`, { method }))
}
for (const method of ['CONNECT', 'trace', 'TRACK', 'a b', '', 'GET\r\n']) {
  alike(`method ${JSON.stringify(method)} is refused`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/echo`, { method })),
  )
}

const HEADERS: readonly (readonly [string, () => unknown])[] = [
  ['an object', () => ({ 'X-A': '1', 'x-b': ' padded\t' })],
  ['an object with odd values', () => ({ 'x-a': undefined, 'x-b': null, 'x-c': 5, 'x-d': true, 'x-e': ['1', '2'] })],
  [
    'pairs',
    () => [
      ['x-a', '1'],
      ['X-A', '2'],
    ],
  ],
  ['a Map', () => new Map([['x-a', '1']])],
  ['Headers', () => new Headers({ 'x-a': '1', 'content-type': 'text/x' })],
  ['latin1', () => ({ 'x-a': 'caf\u00e9' })],
  ['a range', () => ({ range: 'bytes=0-1' })],
  ['its own accept-encoding', () => ({ 'Accept-Encoding': 'identity' })],
  ['a host', () => ({ host: 'other.test', 'x-a': '1' })],
  ['an authorization', () => ({ authorization: 'Bearer x', cookie: 'a=b' })],
]
for (const [what, headers] of HEADERS) {
  alike(`headers: ${what}`, ({ fetch, origin }) =>
    sent(fetch, `${origin}/echo`, { headers: headers() as NonNullable<RequestInit['headers']> }),
  )
}
const BAD_HEADERS: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['a string', 'x-a: 1'],
  ['a name that is no token', { 'a b': '1' }],
  ['an empty name', { '': '1' }],
  ['a value beyond latin1', { 'x-a': '\u0100' }],
  ['a value of two lines', { 'x-a': 'a\nb' }],
  ['a NUL', { 'x-a': 'a\0b' }],
  ['three in a pair', [['a', 'b', 'c']]],
  ['one in a pair', [['a']]],
  ['a symbol', { 'x-a': Symbol('x') }],
  ['no pairs', ['ab', 5]],
]
for (const [what, headers] of BAD_HEADERS) {
  alike(`headers: ${what} is refused`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/echo`, { headers: headers as NonNullable<RequestInit['headers']> })),
  )
}
for (const name of ['transfer-encoding', 'keep-alive', 'upgrade', 'expect']) {
  ours(`headers: ${name} is refused, by name`, async (t, { fetch, origin }) => {
    const error = await t.throwsAsync(fetch(`${origin}/echo`, { headers: { [name]: 'x' } }), { instanceOf: TypeError })
    t.true(error.cause instanceof RequestError)
    t.regex(error.message, new RegExp(name))
  })
}

const BODIES: readonly (readonly [string, () => unknown, (RequestInit & { type?: string })?])[] = [
  ['text', () => 'naïve 水'],
  ['empty text', () => ''],
  ['a number', () => 5],
  ['an object', () => ({})],
  ['bytes', () => new Uint8Array([1, 2, 255])],
  ['an ArrayBuffer', () => new Uint8Array([1, 2, 3]).buffer],
  ['a view', () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)],
  ['no bytes', () => new Uint8Array(0)],
  ['URLSearchParams', () => new URLSearchParams({ a: '1', b: 'ü &' })],
  ['a Blob', () => new Blob(['blob'], { type: 'text/x-blob' })],
  ['a Blob without type', () => new Blob(['blob'])],
  ['null', () => null],
]
for (const [what, body] of BODIES) {
  alike(`body: ${what}`, ({ fetch, origin }) =>
    sent(fetch, `${origin}/echo`, { method: 'POST', body: body() as NonNullable<RequestInit['body']> }),
  )
  alike(`body: ${what}, of a given type`, ({ fetch, origin }) =>
    sent(fetch, `${origin}/echo`, {
      method: 'PUT',
      body: body() as NonNullable<RequestInit['body']>,
      headers: { 'Content-Type': 'x/y' },
    }),
  )
  alike(`body: ${what}, in a Request`, async ({ fetch, origin }) => {
    const request = new Request(`${origin}/echo`, { method: 'POST', body: body() as NonNullable<RequestInit['body']> })
    const answer = await outcome((async () => (await fetch(request)).json())())
    return [answer, request.bodyUsed]
  })
}

alike('body: FormData', async ({ fetch, origin }) => {
  const form = new FormData()
  form.set('a', '1')
  form.set('file', new Blob(['content'], { type: 'text/x' }), 'name.txt')
  const response = await fetch(`${origin}/echo`, { method: 'POST', body: form })
  const { fields, body } = (await response.json()) as { fields: [string, string][]; body: string }
  const [, boundary = ''] = /boundary=(.*)$/.exec(Object.fromEntries(fields)['content-type'] ?? '') ?? []
  return [body.replaceAll(boundary, 'B'), Number(Object.fromEntries(fields)['content-length']) === body.length]
})

alike('body: a stream', async ({ fetch, origin }) => {
  const init = { method: 'POST', body: stream('one ', 'two'), duplex: 'half' } as RequestInit
  return sent(fetch, `${origin}/echo`, init)
})

alike('body: an async iterable', async ({ fetch, origin }) => {
  async function* parts() {
    yield Buffer.from('one ')
    yield Buffer.from('two')
  }
  const init = { method: 'POST', body: parts(), duplex: 'half' } as unknown as RequestInit
  return sent(fetch, `${origin}/echo`, init)
})

alike('body: a stream with its length told', async ({ fetch, origin }) => {
  const headers = { 'content-length': '7' }
  return sent(fetch, `${origin}/echo`, {
    method: 'POST',
    body: stream('one ', 'two'),
    duplex: 'half',
    headers,
  } as RequestInit)
})

alike('body: a stream that fails fails the fetch', ({ fetch, origin }) => {
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(new Uint8Array(10))
      await setTimeout(10)
      controller.error(new RangeError('mine'))
    },
  })
  return outcome(fetch(`${origin}/echo`, { method: 'POST', body, duplex: 'half' } as RequestInit))
})

// The platform's of Node 20 goes on to read it.
ours('body: a stream is cancelled where its fetch is aborted', async (t, { fetch, origin }) => {
  const controller = new AbortController()
  let isCancelled = false
  const body = new ReadableStream({
    async pull(to) {
      await setTimeout(5)
      to.enqueue(new Uint8Array(10))
    },
    cancel() {
      isCancelled = true
    },
  })
  const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit
  const result = outcome(fetch(`${origin}/echo`, init))
  await setTimeout(30)
  controller.abort(new RangeError('mine'))
  const thrown = await result
  await eventually('it is cancelled', () => isCancelled)
  t.like(thrown, { error: 'RangeError' })
})

alike('body: a large stream', async ({ fetch, origin }) => {
  let left = 40
  const body = new ReadableStream({
    pull(controller) {
      left -= 1
      if (left < 0) controller.close()
      else controller.enqueue(new Uint8Array(65_536).fill(97))
    },
  })
  const response = await fetch(`${origin}/echo`, { method: 'POST', body, duplex: 'half' } as RequestInit)
  return ((await response.json()) as { body: string }).body.length
})

for (const size of [70_000, 3_000_000]) {
  alike(`body: a Request with ${size} bytes`, async ({ fetch, origin }) => {
    const request = new Request(`${origin}/echo`, { method: 'POST', body: new Blob([new Uint8Array(size).fill(98)]) })
    return ((await (await fetch(request)).json()) as { body: string }).body.length
  })
}

ours('body: what a Request carries slowly goes as it comes', async (t, { fetch, origin }) => {
  async function* slowly() {
    yield Buffer.from('one ')
    await setTimeout(20)
    yield Buffer.from('two')
  }
  const init = { method: 'POST', body: slowly(), duplex: 'half' } as unknown as RequestInit
  const { fields, body } = (await (await fetch(new Request(`${origin}/echo`, init))).json()) as {
    fields: [string, string][]
    body: string
  }
  t.is(body, 'one two')
  t.is(Object.fromEntries(fields)['transfer-encoding'], 'chunked')
})

alike('body: a Request with a stream', async ({ fetch, origin }) => {
  const init = { method: 'POST', body: stream('one ', 'two'), duplex: 'half' } as RequestInit
  const request = new Request(`${origin}/echo`, init)
  const { body } = (await (await fetch(request)).json()) as { body: string }
  return [body, request.bodyUsed]
})

alike('body: a stream without duplex is refused', ({ fetch, origin }) =>
  outcome(fetch(`${origin}/echo`, { method: 'POST', body: stream('x') as NonNullable<RequestInit['body']> })),
)

alike('body: a stream that has a reader is refused', ({ fetch, origin }) => {
  const body = stream('x')
  body.getReader()
  return outcome(fetch(`${origin}/echo`, { method: 'POST', body, duplex: 'half' } as RequestInit))
})

for (const method of ['GET', 'HEAD', 'get']) {
  alike(`body: ${method} with one is refused`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/echo`, { method, body: 'x' })),
  )
}

alike('a Request carries method, headers and redirect, and init comes before it', async ({ fetch, origin }) => {
  const request = new Request(`${origin}/echo`, { method: 'PUT', headers: { 'x-a': '1' }, redirect: 'error' })
  return [
    await (await fetch(request)).json(),
    await (await fetch(request, { method: 'DELETE', headers: { 'x-b': '2' } })).json(),
    await outcome(fetch(new Request(`${origin}/redirect/302?to=/echo`, { redirect: 'error' }))),
  ]
})

alike('a Request that was used is refused', async ({ fetch, origin }) => {
  const request = new Request(`${origin}/echo`, { method: 'POST', body: 'x' })
  await request.text()
  return outcome(fetch(request))
})

alike("a Request's body gives way to that of init", async ({ fetch, origin }) => {
  const request = new Request(`${origin}/echo`, { method: 'POST', body: 'x' })
  return ((await (await fetch(request, { body: 'y' })).json()) as { body: string }).body
})

const MEMBERS: readonly (RequestInit & { readonly cache?: string })[] = [
  { mode: 'cors' },
  { mode: 'same-origin' },
  { mode: 'no-cors' },
  { credentials: 'omit' },
  { credentials: 'include' },
  { cache: 'no-store' },
  { cache: 'reload' },
  { cache: 'no-cache' },
  { cache: 'force-cache' },
  { keepalive: true },
  { referrer: '' },
  { referrer: 'http://example.com/a?b#c' },
  { referrer: 'https://example.com/a' },
  { referrer: 'about:client' },
  { integrity: '' },
  { signal: null },
  { cache: 'no-store', headers: { 'cache-control': 'private' } },
]
for (const init of MEMBERS) {
  alike(`init ${JSON.stringify(init)}`, ({ fetch, origin }) => sent(fetch, `${origin}/echo`, init))
}
const REFUSED: readonly unknown[] = [
  { mode: 'navigate' },
  { mode: 'x' },
  { mode: 'no-cors', method: 'PUT' },
  { credentials: 'x' },
  { cache: 'x' },
  { cache: 'only-if-cached' },
  { redirect: 'x' },
  { referrer: 'http://' },
  { referrerPolicy: 'x' },
  { duplex: 'full', method: 'POST', body: 'x' },
  { window: 1 },
  { signal: {} },
  { signal: 'x' },
  5,
  'x',
]
for (const init of REFUSED) {
  alike(`init ${JSON.stringify(init)} is refused`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/echo`, init as RequestInit)),
  )
}
const REFERRERS: readonly (readonly [referrer: string, policy: string, to: string, sent: string | null])[] = [
  ['http://user:pass@example.com/a?b#c', 'unsafe-url', 'http://x.test/', 'http://example.com/a?b'],
  ['https://example.com/a', 'no-referrer-when-downgrade', 'http://x.test/', null],
  ['https://example.com/a', 'no-referrer-when-downgrade', 'https://x.test/', 'https://example.com/a'],
  ['https://example.com/a', 'no-referrer-when-downgrade', 'http://127.0.0.1/', 'https://example.com/a'],
  ['https://example.com/a', 'origin', 'http://x.test/', 'https://example.com/'],
  ['http://example.com/a', 'same-origin', 'http://x.test/', null],
  ['http://example.com/a', 'same-origin', 'http://example.com/b', 'http://example.com/a'],
  ['http://example.com/a', 'no-referrer', 'http://example.com/b', null],
  ['http://example.com/a', 'origin-when-cross-origin', 'http://x.test/', 'http://example.com/'],
  ['http://example.com/a', 'origin-when-cross-origin', 'http://example.com/', 'http://example.com/a'],
  ['https://example.com/a', 'strict-origin', 'http://x.test/', null],
  ['https://example.com/a', 'strict-origin', 'https://x.test/', 'https://example.com/'],
  ['https://example.com/a', '', 'http://x.test/', null],
  ['https://example.com/a', '', 'http://localhost:1/', 'https://example.com/'],
  ['https://example.com/a', '', 'https://example.com/b', 'https://example.com/a'],
  ['', '', 'https://example.com/b', null],
  ['about:client', 'unsafe-url', 'https://example.com/b', null],
  ['ftp://example.com/', 'unsafe-url', 'https://example.com/b', null],
]
test('the referer of each policy', t => {
  for (const [referrer, policy, to, expected] of REFERRERS)
    t.is(refererOf(referrer, policy, to), expected, `${referrer} ${policy} ${to}`)
})

alike('init null is none', ({ fetch, origin }) => sent(fetch, `${origin}/echo`, null as unknown as RequestInit))
for (const url of ['http://', 'http://user:pass@HOST/echo']) {
  alike(`${url} is refused`, ({ fetch, origin }) => outcome(fetch(url.replace('HOST', new URL(origin).host))))
}

alike('an upstream that hangs up fails the fetch', ({ fetch, origin }) => outcome(fetch(`${origin}/reset`)))

alike('a body that ends too early terminates its reader', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/cut`)
  const result = await outcome(response.text())
  const { body } = await fetch(`${origin}/cut`)
  const all = (async () => {
    for await (const part of body ?? []) if (part.length !== 1) throw new Error('more than there is')
  })()
  return [result, response.bodyUsed, await outcome(all)]
})

ours('a path is relative to the origin', async (t, { fetch, origin }) => {
  for (const path of ['/text', 'text', './text', '/x/../text', '?', '/text#x']) {
    const response = await fetch(path)
    t.is(response.url, new URL(path, origin).href.replace(/#.*/, ''), path)
    await response.text()
  }
})

ours('another origin is refused, and nothing is sent', async (t, { fetch, origin, elsewhere, pool }) => {
  const other = [
    elsewhere,
    'http://127.0.0.1:1',
    origin.replace('http:', 'https:'),
    'data:,x',
    'file:///x',
    '//example.com/',
  ]
  for (const input of other) {
    const error = await t.throwsAsync(fetch(input), { instanceOf: TypeError }, input)
    t.not(error.message, 'fetch failed')
  }
  t.is(pool.stats.rqTotal, 0)
})

ours('integrity is refused', async (t, { fetch, origin }) => {
  await t.throwsAsync(fetch(`${origin}/text`, { integrity: 'sha256-x' }), {
    instanceOf: TypeError,
    message: /integrity/,
  })
})

ours('the cause of a failure is an error of Forebay', async (t, { fetch, origin }) => {
  const failed = await t.throwsAsync(fetch(`${origin}/reset`, { method: 'POST' }), { message: 'fetch failed' })
  t.true(failed.cause instanceof ForebayError)
  const late = await t.throwsAsync((await fetch(`${origin}/cut`)).text(), { message: 'terminated' })
  t.like(late.cause, { code: 'FB_BODY_INCOMPLETE', phase: 'body', origin })
})

ours(
  'what asks for too much of a body gets an error, what reads it does not',
  async (t, { fetch }) => {
    const error = await t.throwsAsync((await fetch('/bytes/2000')).text(), { message: 'terminated' })
    t.like(error.cause, { code: 'FB_BODY_TOO_LARGE' })
    let size = 0
    const { body } = await fetch('/bytes/2000')
    for await (const chunk of body ?? []) size += chunk.byteLength
    t.is(size, 2000)
  },
  { maxReadSize: 1000 },
)

ours('options of Forebay go in init.forebay', async (t, { pool }) => {
  const response = await pool.fetch('/echo?a=1', { forebay: { query: { b: 'ä' }, priority: 'high', maxReadSize: 10 } })
  t.true(response.url.endsWith('/echo?a=1&b=%C3%A4'))
  await t.throwsAsync(response.text(), { message: 'terminated' })
  const bad: unknown = { path: '/x' }
  await t.throwsAsync(pool.fetch('/echo', { forebay: bad as object }), { message: /forebay\.path/ })
  await t.throwsAsync(pool.fetch('/echo', { forebay: { nope: 1 } as object }), { message: /nope/ })
})

ours('time-outs of Forebay go in init.forebay, and say their code', async (t, { pool }) => {
  const head = await t.throwsAsync(pool.fetch('/hang', { forebay: { headersTimeout: 30 } }), {
    message: 'fetch failed',
  })
  t.like(head.cause, { code: 'FB_HEADERS_TIMEOUT', phase: 'head', timeoutMs: 30 })
  const stalled = await pool.fetch('/stall', { forebay: { bodyIdleTimeout: 30 } })
  const body = await t.throwsAsync(stalled.text(), { message: 'terminated' })
  t.like(body.cause, { code: 'FB_BODY_TIMEOUT', phase: 'body' })
})

ours('it is bound, and keeps its pool', async (t, { origin }) => {
  const { fetch } = new Pool(origin)
  t.is(await (await fetch('/text')).text(), 'hello')
})

ours('exchangeOf tells connection, timings and attempts', async (t, { fetch }) => {
  const response = await fetch('/text')
  const head = exchangeOf(response)
  t.like(head, { status: 200, connection: { protocol: 'h1' } })
  t.is(exchangeOf(response.clone()), head)
  t.is(exchangeOf(new Response('x')), null)
})
