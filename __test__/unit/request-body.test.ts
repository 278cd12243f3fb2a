// Bodies of requests that are in memory: what is sent of each kind, and those that are read first. The native side is a fake.

import test from 'ava'
import fc from 'fast-check'
import type { PoolOptions } from '../../ts/config/options.js'
import { BodyError, ClosedError, RequestError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import type { BodyInput } from '../../ts/request/body.js'
import { type FakeChannel, useFake } from '../support/fake-native.js'
import { connectedRecord, responseRecord, type Submission } from '../support/records.js'

type SentRequest = Extract<Submission, { type: 'request' }>

const turn = () => new Promise(resolve => setImmediate(resolve))

test.after.always(() => useBinding(null))

function scene(options: PoolOptions = {}): { pool: Pool; native: FakeChannel } {
  const binding = useFake()
  const pool = new Pool('http://127.0.0.1:8080', { runOn: 'thread', ...options })
  binding.channel.deliver(connectedRecord(1, 1, '127.0.0.1', 8080))
  return { pool, native: binding.channel }
}

async function sent(body: BodyInput, headers: Record<string, string> = {}): Promise<SentRequest> {
  const { pool, native } = scene()
  void pool.request({ path: '/', method: 'POST', body, headers })
  const [request] = await native.seen('request')
  if (request === undefined) throw new Error('nothing was sent')
  return request
}

const text = (request: SentRequest): string => Buffer.from(request.body).toString()

test.serial('bytes in any form are sent as they are', async t => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  const forms: readonly BodyInput[] = [
    bytes,
    Buffer.from(bytes),
    bytes.slice().buffer,
    new DataView(bytes.buffer),
    new Uint16Array(bytes.buffer),
    new Uint8ClampedArray(bytes.buffer),
    new BigInt64Array(bytes.buffer),
    new Uint16Array(Uint8Array.of(0, 0, ...bytes, 0, 0).buffer, 2, 4),
    new Blob([bytes]),
  ]
  for (const form of forms) {
    const request = await sent(form)
    t.deepEqual(request.body, bytes)
    t.is(request.bodyTotal, 8)
    t.deepEqual(request.fields, [])
  }
})

test.serial('an empty body is one, of length 0', async t => {
  for (const form of [new ArrayBuffer(0), new DataView(new ArrayBuffer(0)), new URLSearchParams(), new Blob([])]) {
    t.is((await sent(form)).bodyTotal, 0)
  }
})

test.serial('URLSearchParams are encoded and say their type, unless the caller does', async t => {
  const params = new URLSearchParams([
    ['a', '1 & 2'],
    ['b', '\u6c34'],
  ])
  const request = await sent(params, { 'X-A': 'b' })
  t.is(text(request), 'a=1+%26+2&b=%E6%B0%B4')
  t.deepEqual(request.fields, [
    ['X-A', 'b'],
    ['content-type', 'application/x-www-form-urlencoded;charset=UTF-8'],
  ])
  t.deepEqual((await sent(params, { 'Content-TYPE': 'text/x' })).fields, [['Content-TYPE', 'text/x']])
  t.is((await sent(params, { a: 'content-type' })).fields.length, 2, 'a value is no name')
})

test.serial('a Blob says its type, if it has one', async t => {
  const request = await sent(new Blob(['{}'], { type: 'application/json' }))
  t.is(text(request), '{}')
  t.deepEqual(request.fields, [['content-type', 'application/json']])
  t.deepEqual((await sent(new Blob(['x'], { type: 'a/b' }), { 'content-type': 'c/d' })).fields, [
    ['content-type', 'c/d'],
  ])
})

test.serial('a FormData is multipart, and the server side finds in it what was put in', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { maxLength: 4 }),
      fc.uint8Array(),
      async (entries, bytes) => {
        const form = new FormData()
        const usual = entries.map(([name, value]) => [`n${name}`, value.replaceAll(/\r\n?|\n/g, '')] as const)
        for (const [name, value] of usual) form.append(name.replaceAll(/[\r\n]/g, ''), value)
        form.append('file', new Blob([Uint8Array.from(bytes)], { type: 'image/x' }), 'a "b".bin')
        const request = await sent(form)
        const type = request.fields.find(([name]) => name === 'content-type')?.[1] ?? ''
        if (!type.startsWith('multipart/form-data; boundary=')) throw new Error(type)
        const back = await new Response(Buffer.from(request.body), { headers: { 'content-type': type } }).formData()
        const file = back.get('file')
        if (!(file instanceof Blob)) throw new Error('no file')
        t.deepEqual(new Uint8Array(await file.arrayBuffer()), Uint8Array.from(bytes))
        t.is(file.type, 'image/x')
        t.deepEqual(
          [...back].filter(([name]) => name !== 'file').map(([, value]) => value),
          [...form].filter(([name]) => name !== 'file').map(([, value]) => value),
        )
      },
    ),
    { numRuns: 25 },
  )
})

test.serial('a type that a body says of itself passes the same check as a field (R18)', async t => {
  const evil = Object.defineProperty(new Blob(['x']), 'type', { value: 'text/plain\r\nx-injected: 1' })
  const { pool, native } = scene()
  const error = await t.throwsAsync(pool.request({ path: '/', method: 'POST', body: evil }), {
    instanceOf: RequestError,
  })
  t.is(error.field, 'content-type')
  t.false(error.message.includes('injected'))
  await turn()
  t.deepEqual(native.submissions, [])
})

test.serial('a Content-Length of the caller is held against what was read', async t => {
  const { pool, native } = scene()
  const body = new Blob(['abc'])
  await t.throwsAsync(pool.request({ path: '/', method: 'POST', body, headers: { 'content-length': 4 } }), {
    instanceOf: RequestError,
    message: /^content-length/,
  })
  t.deepEqual(native.submissions, [])
  void pool.request({ path: '/', method: 'POST', body, headers: { 'content-length': 3 } })
  t.like(await native.seen('request'), { 0: { bodyTotal: 3, fields: [] } })
})

test.serial('a refused request with a Blob is refused at once, and its Blob is not read', async t => {
  const { pool } = scene()
  const body = new SlowBlob()
  await t.throwsAsync(pool.request({ path: 'x', method: 'POST', body }), { instanceOf: RequestError })
  t.is(body.reads, 0)
})

/** A Blob that the test lets be read. */
class SlowBlob extends Blob {
  reads = 0
  give: (content: ArrayBuffer) => void = () => {}
  fail: (error: unknown) => void = () => {}

  constructor() {
    super([])
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    this.reads += 1
    return new Promise((resolve, reject) => {
      this.give = resolve
      this.fail = reject
    })
  }
}

test.serial('an abort while a body is read rejects, sends nothing and leaves no listener', async t => {
  const { pool, native } = scene()
  const body = new SlowBlob()
  const controller = new AbortController()
  const promise = pool.request({ path: '/', method: 'POST', body, signal: controller.signal })
  controller.abort('enough')
  t.is(await promise.catch(error => error), 'enough')
  body.give(new ArrayBuffer(3))
  await turn()
  t.deepEqual(native.submissions, [])
})

test.serial('a body that cannot be read fails its request', async t => {
  const { pool, native } = scene()
  const body = new SlowBlob()
  const promise = pool.request({ path: '/', method: 'POST', body })
  const cause = new Error('the file is gone')
  body.fail(cause)
  const error = await t.throwsAsync(promise, { instanceOf: BodyError })
  t.like(error, { code: 'FB_REQUEST_BODY_FAILED', phase: 'send', origin: 'http://127.0.0.1:8080' })
  t.is(error.cause, cause)
  t.deepEqual(native.submissions, [])
})

test.serial('close() waits for a body that is read; destroy() does not', async t => {
  const closing = scene()
  const kept = new SlowBlob()
  const promise = closing.pool.request({ path: '/', method: 'POST', body: kept })
  void closing.pool.close()
  await turn()
  t.deepEqual(closing.native.submissions, [])
  kept.give(new ArrayBuffer(3))
  await closing.native.seen('pool-close')
  t.deepEqual(
    closing.native.submissions.map(one => one.type),
    ['request', 'pool-close'],
  )
  closing.native.deliver(responseRecord(0, { body: 'done' }))
  t.is(await (await promise).body.text(), 'done')

  const destroying = scene()
  const lost = new SlowBlob()
  const failed = destroying.pool.request({ path: '/', method: 'POST', body: lost })
  void destroying.pool.destroy()
  await t.throwsAsync(failed, { instanceOf: ClosedError })
  lost.give(new ArrayBuffer(3))
  await turn()
  t.deepEqual(
    destroying.native.submissions.map(one => one.type),
    ['pool-destroy'],
  )
})

test.serial('a body may be read while the host is looked up, and waits for both', async t => {
  const binding = useFake()
  let found: () => void = () => {}
  const lookup = () =>
    new Promise<{ address: string; family: 4 }[]>(resolve => {
      found = () => resolve([{ address: '10.0.0.1', family: 4 }])
    })
  const pool = new Pool('http://a.test', { runOn: 'thread', resolver: { lookup } })
  const native = binding.channel
  const body = new SlowBlob()
  void pool.request({ path: '/blob', method: 'POST', body })
  void pool.request({ path: '/plain' })
  body.give(Uint8Array.of(1, 2).buffer)
  await turn()
  void pool.close()
  await turn()
  t.deepEqual(native.submissions, [])
  found()
  const requests = await native.seen('request', 2)
  t.deepEqual(
    requests.map(one => [one.path, one.bodyTotal]),
    [
      ['/plain', null],
      ['/blob', 2],
    ],
  )
  await native.seen('pool-close')
  await turn()
  t.is(native.submissions.filter(one => one.type === 'pool-close').length, 1)
})
