// Content codings: of fetch, with the platform's as the reference, and of `decompress: true`.

import { hasZstd } from '../../ts/response/codings.js'
import { alike, ours, outcome, useFetchServer } from '../support/alike.js'
import { settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { PLAIN, startFetchServer } from '../support/fetch-server.js'
import { rejection } from '../support/rejection.js'
import { startScripted } from '../support/upstream.js'

useFetchServer()

const CODINGS = ['gzip', 'x-gzip', 'deflate', 'br', ...(hasZstd() ? ['zstd'] : [])]

const CASES = [
  ...CODINGS,
  'raw-deflate?field=deflate',
  'gzip?field=GZip',
  'gzip?field=%20gzip',
  'gzip?chunked',
  'br?chunked',
  'deflate?chunked',
  'gzip?plain=',
  'gzip?plain=short',
  'deflate?plain=short',
  'raw-deflate?field=deflate&plain=short',
  'br?plain=short',
  'gzip,br',
  'br,deflate,gzip',
  'deflate,raw-deflate?field=deflate,deflate',
  'gzip,gzip,gzip,gzip,gzip',
  'none?field=unknown',
  'gzip?field=gzip,unknown',
  'none?field=',
  'none?field=,',
]

for (const path of CASES) {
  alike(`/encoded/${path} is decoded, and its fields stay`, async ({ fetch, origin }) => {
    const url = `${origin}/encoded/${path}`
    const first = await fetch(url)
    const fields = [first.headers.get('content-encoding'), first.headers.get('content-length')]
    const text = await first.text()
    const buffer = Buffer.from(await (await fetch(url)).arrayBuffer())
    const parts: Uint8Array[] = []
    for await (const part of (await fetch(url)).body ?? []) parts.push(part)
    return [
      fields,
      text.length > 200 ? text === PLAIN : text,
      buffer.equals(Buffer.concat(parts)),
      buffer.length,
      text === buffer.toString(),
    ]
  })
}

alike('six codings are too many', ({ fetch, origin }) =>
  outcome(fetch(`${origin}/encoded/gzip,gzip,gzip,gzip,gzip,gzip`)),
)

for (const coding of ['gzip', 'deflate', 'br']) {
  alike(`${coding}: a body of no bytes is empty`, async ({ fetch, origin }) =>
    (await fetch(`${origin}/empty/${coding}`)).text(),
  )
  alike(`${coding}: what is not encoded terminates its reader`, async ({ fetch, origin }) => {
    const response = await fetch(`${origin}/lies/${coding}`)
    const reader = (await fetch(`${origin}/lies/${coding}`)).body?.getReader()
    return [await outcome(response.text()), await outcome(Promise.resolve(reader?.read()).then(step => step?.value))]
  })
}

alike('HEAD and 204 have nothing to decode', async ({ fetch, origin }) => {
  const head = await fetch(`${origin}/encoded/gzip`, { method: 'HEAD' })
  return [head.headers.get('content-encoding'), await head.text()]
})

alike('a caller who asks for no coding still gets what came decoded', async ({ fetch, origin }) =>
  (await fetch(`${origin}/encoded/gzip?plain=x`, { headers: { 'accept-encoding': 'identity' } })).text(),
)

for (const coding of CODINGS) {
  for (const cut of [1, 5, 9]) {
    // The platform's gives the part that came as if it were the whole.
    ours(`${coding}: a body that lacks ${cut} bytes terminates its reader`, async (t, { fetch }) => {
      for (const plain of ['', '&plain=some%20short%20text']) {
        const url = `/encoded/${coding}?cut=${cut}${plain}`
        const error = await t.throwsAsync((await fetch(url)).text(), { message: 'terminated' })
        t.like(error.cause, { code: 'FB_RESPONSE_MALFORMED', retryable: 'no', phase: 'body' })
        const { body } = await fetch(url)
        await t.throwsAsync(
          async () => {
            for await (const _ of body ?? []);
          },
          { message: 'terminated' },
        )
      }
    })
  }
}

ours(
  'H18: a small body that grows is bounded for those who collect it',
  async (t, scene) => {
    for (const coding of CODINGS.filter(name => name !== 'x-gzip')) {
      const error = await t.throwsAsync((await scene.fetch(`/bomb/${coding}`)).arrayBuffer(), { message: 'terminated' })
      t.like(error.cause, { code: 'FB_BODY_TOO_LARGE', retryable: 'no' }, coding)
      let size = 0
      for await (const part of (await scene.fetch(`/bomb/${coding}`)).body ?? []) size += part.byteLength
      t.is(size, 16_777_216)
    }
  },
  { maxReadSize: 1_000_000 },
)

eachRunner('decompress: true asks for codings, and gives every reader what was encoded', async (t, make) => {
  const server = await startFetchServer()
  t.teardown(() => server.stop())
  const pool = make(server.origin)
  const ask = (path: string) => pool.request({ path, decompress: true })
  const expected = Buffer.from(PLAIN)
  for (const coding of CODINGS) {
    const path = `/encoded/${coding}`
    const response = await ask(path)
    t.is(response.headers.get('content-encoding'), coding)
    t.false(response.body.used)
    t.is(await response.body.text(), PLAIN)
    t.true(response.body.used)
    await t.throwsAsync(response.body.text(), { instanceOf: TypeError })
    t.deepEqual(Buffer.from(await (await ask(path)).body.bytes()), expected)
    t.deepEqual(Buffer.from(await (await ask(path)).body.arrayBuffer()), expected)
    t.is(await (await (await ask(path)).body.blob()).text(), PLAIN)
    const parts: Uint8Array[] = []
    for await (const part of (await ask(path)).body) parts.push(part)
    t.deepEqual(Buffer.concat(parts), expected)
    t.deepEqual(Buffer.concat(await (await ask(path)).body.readable().toArray()), expected)
    t.is(await new Response((await ask(path)).body.stream()).text(), PLAIN)
    await (await ask(path)).body.discard()
  }
  t.deepEqual(await (await ask('/encoded/gzip?plain=%7B%22a%22:1%7D')).body.json(), { a: 1 })
  const echoed = await (await ask('/echo')).body.json<{ fields: [string, string][] }>()
  t.deepEqual(echoed.fields, [['accept-encoding', 'gzip, deflate']])
  for (const headers of [
    { 'Accept-Encoding': 'br' },
    [['accept-encoding', 'br']] as const,
    new Headers({ 'accept-encoding': 'br' }),
  ]) {
    const { body } = await pool.request({ path: '/echo', decompress: true, headers })
    t.deepEqual((await body.json<{ fields: unknown }>()).fields, [['accept-encoding', 'br']])
  }
  const plain = await pool.request({ path: '/encoded/gzip' })
  t.is((await plain.body.bytes())[0], 0x1f)
  const sunk = await pool.stream({ path: '/encoded/gzip', decompress: true }, () => new WritableStream())
  t.is(sunk.head.status, 200)
})

eachRunner('H18: decompress: true refuses too many codings, and bounds what is collected', async (t, make) => {
  const server = await startFetchServer()
  t.teardown(() => server.stop())
  // One whose body is still to come.
  const head = `HTTP/1.1 200 OK\r\ncontent-encoding: ${'gzip,'.repeat(5)}gzip\r\ncontent-length: 100\r\n\r\nx`
  const upstream = await startScripted(['request', { send: head }, 'readToEnd'])
  t.teardown(() => upstream.stop())
  const refusing = make(upstream.origin)
  const many = refusing.request({ path: '/', decompress: true })
  t.like(await rejection(many), { code: 'FB_RESPONSE_MALFORMED', retryable: 'no' })
  await settles(t, refusing, { rqActive: 0, cxActive: 0, cxDestroyLocal: 1 }, 'its connection closes')

  const pool = make(server.origin, { maxReadSize: 100_000 })
  const large = pool.request({ path: '/encoded/gzip', decompress: true })
  t.like(await rejection(large), { code: 'FB_BODY_TOO_LARGE', retryable: 'no', max: undefined })
  const bounded = await pool.request({ path: '/encoded/gzip', decompress: true, maxReadSize: 1_000_000 })
  t.is(await bounded.body.text(), PLAIN)
  t.like(await rejection(pool.request({ path: '/', decompress: 1 as unknown as boolean })), { field: 'decompress' })
})

eachRunner('a decoded body that is left early resets its exchange and no other', async (t, make) => {
  const server = await startFetchServer()
  t.teardown(() => server.stop())
  const pool = make(server.origin)
  for await (const part of (await pool.request({ path: '/bomb/gzip', decompress: true })).body) {
    t.true(part.length > 0)
    break
  }
  const reader = (await pool.fetch('/bomb/br')).body?.getReader()
  await reader?.read()
  await reader?.cancel()
  const readable = (await pool.request({ path: '/bomb/gzip', decompress: true })).body.readable()
  readable.destroy()
  t.is(await (await pool.fetch('/encoded/gzip?plain=next')).text(), 'next')
})
