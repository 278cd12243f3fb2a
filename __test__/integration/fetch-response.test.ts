// The Response of a fetch, case by case as the web platform tests hold it (fetch/api/response, headers): the platform's is the reference.

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import test from 'ava'
import { Pool } from '../../ts/index.js'
import { alike, type Fetch, ours, outcome, useFetchServer } from '../support/alike.js'
import { startFetchServer } from '../support/fetch-server.js'

useFetchServer()

const READERS = ['text', 'json', 'arrayBuffer', 'blob', 'formData'] as const
type Reader = (typeof READERS)[number]

/** What a reader gives, as plain data. */
async function read(response: Response, reader: Reader): Promise<unknown> {
  const value: unknown = await response[reader]()
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)]
  if (value instanceof Blob) return [value.type, value.size, await value.text()]
  if (value instanceof FormData) return formEntries(value)
  return value
}

function formEntries(form: FormData): Promise<unknown> {
  const entries = [...form].map(async ([name, value]) =>
    typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()],
  )
  return Promise.all(entries)
}

const SOURCES: readonly (readonly [what: string, path: string])[] = [
  ['json', '/text?type=application/json&body=%7B%22a%22:1%7D'],
  ['text', '/text?type=text/plain;charset=utf-8'],
  ['text without type', '/text'],
  ['bad json', '/text?body=%7B'],
  ['a byte order mark', '/text?body=%EF%BB%BFx'],
  ['bad UTF-8', '/bytes/7'],
  ['a url-encoded form', '/text?type=application/x-www-form-urlencoded&body=a%3D1%26b%3D2'],
  ['a multipart form', '/form'],
  ['nothing', '/bytes/0'],
  ['parts', '/parts'],
  ['a large one', '/bytes/300000'],
  ['an encoded one', '/encoded/gzip?plain=text'],
  ['an upper-case type', '/text?type=TEXT/Plain;Charset=%22UTF-8%22'],
  ['a bad type', '/text?type=nonsense'],
]

for (const [what, path] of SOURCES) {
  for (const reader of READERS) {
    alike(`${what}: ${reader}()`, async ({ fetch, origin }) => {
      const response = await fetch(origin + path)
      const before = response.bodyUsed
      const result = await digest(outcome(read(response, reader)))
      const after = response.bodyUsed
      const again = await outcome(read(response, reader))
      return [before, result, after, again, response.body?.locked, await outcome(readStream(response.body))]
    })
    alike(`${what}: ${reader}() of a response whose body was looked at`, async ({ fetch, origin }) => {
      const response = await fetch(origin + path)
      const { body } = response
      const same = body === response.body
      const result = await digest(outcome(read(response, reader)))
      return [same, result, response.bodyUsed, response.body === body]
    })
    alike(`${what}: ${reader}() of a clone, and of what it was cloned from`, async ({ fetch, origin }) => {
      const response = await fetch(origin + path)
      const clone = response.clone()
      const results = await Promise.all([outcome(read(clone, reader)), outcome(read(response, reader))])
      return [await digest(Promise.resolve(results)), response.bodyUsed, clone.bodyUsed]
    })
  }
}

/** Long values as their digest, so that a difference can be read. */
async function digest(value: Promise<unknown>): Promise<unknown> {
  const text = JSON.stringify(await value)
  return text.length < 2_000 ? text : createHash('sha1').update(text).digest('hex')
}

async function readStream(stream: Response['body']): Promise<unknown> {
  const parts: Uint8Array[] = []
  for await (const part of stream ?? []) parts.push(part)
  return Buffer.concat(parts).toString('latin1')
}

alike('a body is a stream of bytes, with BYOB readers', async ({ fetch, origin }) => {
  const { body } = await fetch(`${origin}/text`)
  const reader = body?.getReader({ mode: 'byob' })
  const first = await reader?.read(new Uint8Array(3))
  const second = await reader?.read(new Uint8Array(8))
  const third = await reader?.read(new Uint8Array(8))
  return [first, second, third].map(step => [step?.done, Buffer.from(step?.value ?? []).toString()])
})

alike('a locked body cannot be read or cloned, and is not used', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/text`)
  const reader = response.body?.getReader()
  const locked = [response.bodyUsed, await outcome(response.text()), await outcome((async () => response.clone())())]
  reader?.releaseLock()
  return [locked, await response.text()]
})

alike('a body that was read in part is used', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/parts`)
  const reader = response.body?.getReader()
  await reader?.read()
  reader?.releaseLock()
  return [response.bodyUsed, response.body?.locked, await outcome(response.text())]
})

alike('a cancelled body is used and empty', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/parts`)
  await response.body?.cancel()
  return [response.bodyUsed, await outcome(response.text()), await outcome((async () => response.clone())())]
})

alike('tee of a body gives it twice', async ({ fetch, origin }) => {
  const [a, b] = (await fetch(`${origin}/parts`)).body?.tee() ?? []
  return [await new Response(a).text(), await new Response(b).text()]
})

alike('a clone of a clone, and of one whose body was looked at', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/parts`)
  response.body
  const copies = [response.clone().clone(), response.clone(), response]
  return Promise.all(copies.map(copy => copy.text()))
})

alike('a clone shows what the first shows', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/redirect/302?to=/text`)
  const clone = response.clone()
  const show = (of: Response) => [
    of.status,
    of.statusText,
    of.ok,
    of.type,
    of.redirected,
    of.url,
    of.constructor === Response,
  ]
  return [show(response), show(clone), response.headers !== clone.headers, clone instanceof Response]
})

alike('a response that was read cannot be cloned', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/text`)
  await response.text()
  return outcome((async () => response.clone())())
})

alike('new Response(body, response) keeps status and fields', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/status/404?text=Gone%20away`)
  const copy = new Response(response.body, response)
  const fields = await fetch(`${origin}/fields`)
  const other = new Response(fields.body, fields)
  other.headers.set('x-own', '1')
  return [
    copy.status,
    copy.statusText,
    await copy.text(),
    await other.text(),
    other.headers.getSetCookie(),
    other.headers.get('x-own'),
  ]
})

alike('everything of headers', async ({ fetch, origin }) => {
  const { headers } = await fetch(`${origin}/fields`)
  const names = ['x-many', 'X-MANY', 'set-cookie', 'x-latin1', 'x-blank', 'missing']
  const seen: unknown[] = []
  headers.forEach((value, name, all) => {
    seen.push([name, value, all === headers])
  })
  return [
    [...headers].filter(([name]) => name !== 'connection' && name !== 'keep-alive'),
    names.map(name => [headers.get(name), headers.has(name)]),
    headers.getSetCookie(),
    [...headers.keys()].length === [...headers.values()].length && seen.length,
    headers instanceof Headers,
    headers.constructor === Headers,
    Object.prototype.toString.call(headers),
    [...new Headers(headers)].length === [...headers].length,
    new Headers(headers).getSetCookie(),
    inspect(headers).startsWith('Headers {'),
    await outcome((async () => headers.get('a b'))()),
  ]
})

alike('headers cannot be changed', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/fields`)
  const { headers } = response
  const tries = [
    () => headers.set('a', 'b'),
    () => headers.append('a', 'b'),
    () => headers.delete('x-many'),
    () => Reflect.set(response, 'headers', new Headers()) && response.headers === headers,
  ]
  const results = await Promise.all(tries.map(one => outcome((async () => one())())))
  return [results, headers.get('a'), headers.has('x-many'), response.headers === headers]
})

alike('what a Response is to the language', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/text`)
  const names: string[] = []
  for (const name in response) names.push(name)
  return [
    response instanceof Response,
    response.constructor === Response,
    Object.prototype.toString.call(response),
    Object.keys(response),
    JSON.stringify(response),
    names.filter(name => name !== 'bytes' && name !== 'textStream').sort(),
    ['status', 'ok', 'body', 'headers', 'url'].map(name => Reflect.set(response, name, 1)),
    response.status,
    inspect(response).startsWith('Response {'),
    typeof response.text,
    response.text.length,
    'then' in response,
  ]
})

alike('readers called on something else reject or throw', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/text`)
  const prototype: object = Object.getPrototypeOf(response)
  return Promise.all(
    [...READERS, 'clone'].map(name =>
      outcome(
        (async () => {
          const method: unknown = Reflect.get(prototype, name)
          return typeof method === 'function' ? method.call({}) : 'none'
        })(),
      ),
    ),
  )
})

alike('Readable.fromWeb and pipeTo take its body', async ({ fetch, origin }) => {
  const { body } = await fetch(`${origin}/parts`)
  const node = body === null ? [] : await Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]).toArray()
  let piped = ''
  const sink = new WritableStream<Uint8Array>({
    write(chunk) {
      piped += Buffer.from(chunk).toString()
    },
  })
  await (await fetch(`${origin}/parts`)).body?.pipeTo(sink)
  return [Buffer.concat(node).toString(), piped]
})

alike('WebAssembly takes a response of its type', async ({ fetch, origin }) => {
  const module = '%00asm%01%00%00%00'
  const compile = Reflect.get(Reflect.get(globalThis, 'WebAssembly'), 'compileStreaming')
  const go = async (path: string) => Object.prototype.toString.call(await compile(fetch(origin + path)))
  return [
    await outcome(go(`/text?type=application/wasm&body=${module}`)),
    await outcome(go(`/text?type=text/plain&body=${module}`)),
  ]
})

/** The types of Node 20 do not have it. */
const bytesOf = (response: Response): Promise<Uint8Array> => Reflect.get(response, 'bytes').call(response)

ours('bytes() is there on every Node', async (t, { fetch }) => {
  const hello = new TextEncoder().encode('hello')
  const response = await fetch('/text')
  t.deepEqual(await bytesOf(response), hello)
  t.true(response.bodyUsed)
  await t.throwsAsync(bytesOf(response), { instanceOf: TypeError })
  const looked = await fetch('/text')
  t.truthy(looked.body)
  t.deepEqual(await bytesOf(looked), hello)
  t.is((await bytesOf(await fetch('/status/204'))).length, 0)
})

ours("what is read is its reader's own", async (t, { fetch }) => {
  const buffers = await Promise.all([1, 2].map(async () => (await fetch('/text')).arrayBuffer()))
  t.deepEqual(
    buffers.map(({ byteLength }) => byteLength),
    [5, 5],
  )
  t.not(buffers[0], buffers[1])
  t.is((await (await fetch('/encoded/gzip?plain=short')).arrayBuffer()).byteLength, 5)
})

ours('methods of the prototype that are called past ours refuse a fetched response', async (t, { fetch }) => {
  const response = await fetch('/text')
  await t.throwsAsync(async () => Response.prototype.text.call(response), { instanceOf: TypeError })
  t.throws(() => Response.prototype.clone.call(response), { instanceOf: TypeError })
  t.is(await response.text(), 'hello')
})

ours('a body that nobody reads is left to close()', async (t, { fetch, pool }) => {
  await (await fetch('/bytes/3000000')).body?.cancel()
  t.is(await (await fetch('/text')).text(), 'hello')
  await pool.close()
})

test('many at once each get their own', async t => {
  const server = await startFetchServer()
  const pool = new Pool(server.origin, { limits: { maxConnections: 4 } })
  t.teardown(() => pool.destroy().then(() => server.stop()))
  const { fetch }: { fetch: Fetch } = pool
  const texts = await Promise.all(Array.from({ length: 200 }, async (_, n) => (await fetch(`/text?body=${n}`)).text()))
  t.deepEqual(
    texts,
    Array.from({ length: 200 }, (_, n) => `${n}`),
  )
})
