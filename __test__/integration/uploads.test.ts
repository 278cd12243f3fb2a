// Bodies that are produced while they are sent, to real servers on both runners.

import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { BodyInput } from '../../ts/index.js'
import { eventually, settles } from '../support/cases.js'
import { MEASURED, runChild } from '../support/child.js'
import { eachRunner, eachRunnerSerially } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

interface Seen {
  readonly bodyLength: number
  readonly bodyChunked: boolean
  readonly bodyIsPattern: boolean
  readonly headers: readonly (readonly [string, string])[]
}

/** The pattern in chunks of odd sizes. */
async function* produced(length: number, chunk = 7_919): AsyncGenerator<Uint8Array> {
  const all = pattern(length)
  for (let at = 0; at < length; at += chunk) yield all.subarray(at, Math.min(at + chunk, length))
}

const LENGTH = 1_000_003

const KINDS: Readonly<Record<string, () => BodyInput>> = {
  'an async generator': () => produced(LENGTH),
  'a function': () => () => produced(LENGTH),
  'a web stream': () => ReadableStream.from(produced(LENGTH)),
  'a Node stream': () => Readable.from(produced(LENGTH)),
  'a large Blob': () => new Blob([Uint8Array.from(pattern(LENGTH))]),
}

eachRunner('a stream of any kind arrives whole, in chunks or with its length', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 2 } })
  await Promise.all(
    Object.entries(KINDS).map(async ([name, make]) => {
      for (const headers of [{}, { 'content-length': LENGTH }]) {
        const response = await pool.request({ method: 'POST', path: '/inspect', body: make(), headers })
        const { bodyLength, bodyIsPattern, bodyChunked } = await response.body.json<Seen>()
        t.deepEqual([bodyLength, bodyIsPattern], [LENGTH, true], name)
        t.is(bodyChunked, !('content-length' in headers) && name !== 'a large Blob', name)
      }
    }),
  )
  t.is((await upstream.stats()).connectionsAccepted, 2)
  t.is(pool.stats.rqActive, 0)
})

eachRunner('empty and tiny streams arrive as what they are', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const texts: readonly (readonly string[])[] = [[], [''], ['a'], ['', 'a', '', '\u00fc', '']]
  for (const chunks of texts) {
    const text = chunks.join('')
    for (const headers of [{}, { 'content-length': Buffer.byteLength(text) }]) {
      const response = await pool.request({ method: 'PUT', path: '/echo-late', body: Readable.from(chunks), headers })
      t.is(await response.body.text(), text)
    }
  }
  t.is((await upstream.stats()).connectionsAccepted, 1)
})

eachRunner('a body and its response flow beside each other', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const asked: ((text: string | null) => void)[] = []
  const give = async (text: string | null) => {
    await eventually('a part is asked for', () => asked.length > 0)
    asked.shift()?.(text)
  }
  const body = (async function* () {
    for (;;) {
      const text: string | null = await new Promise(resolve => asked.push(resolve))
      if (text === null) return
      yield text
    }
  })()
  const request = pool.request({ method: 'POST', path: '/echo', body })
  await give('first')
  const response = await request
  const echo = response.body[Symbol.asyncIterator]()
  t.is(String(Buffer.from((await echo.next()).value ?? [])), 'first')
  for (const text of ['second', 'third']) {
    await give(text)
    t.is(String(Buffer.from((await echo.next()).value ?? [])), text)
  }
  await give(null)
  t.true((await echo.next()).done)
})

eachRunner('a large echo comes back whole, whoever is slower', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { bodyBuffer: 16_384 })
  const length = 3_000_000
  const { body } = await pool.request({ method: 'POST', path: '/echo', body: produced(length) })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) {
    chunks.push(chunk)
    if (chunks.length % 50 === 0) await wait(1)
  }
  const back = Buffer.concat(chunks)
  t.deepEqual([back.length, mismatch(back)], [length, -1])
})

eachRunner('a peer that does not read stops the producer, and nobody else', async (t, makePool) => {
  const parked = await startScripted(['head', 'signal', 'readToEnd'])
  t.teardown(() => parked.stop())
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(parked.origin)
  let made = 0
  const body = (async function* () {
    for (;;) {
      made += 65_536
      yield new Uint8Array(65_536)
    }
  })()
  const controller = new AbortController()
  const request = pool.request({ method: 'POST', path: '/', body, signal: controller.signal })
  let before = -1
  while (before !== made) {
    before = made
    await wait(150)
  }
  // Socket buffers are the system's: up to 6 MiB for the receiver and 4 for the sender, by Linux's defaults.
  t.true(made < 20_000_000, `${made} bytes were asked for`)
  const others = makePool(upstream.origin)
  const lengths = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const options = { method: 'POST', path: '/inspect', body: produced(50_000) }
      return (await (await others.request(options)).body.json<Seen>()).bodyLength
    }),
  )
  t.true(lengths.every(length => length === 50_000))
  controller.abort(new Error('enough'))
  await t.throwsAsync(request, { message: 'enough' })
  await eventually('the exchange is reset', () => pool.stats.rqActive === 0)
  t.true((await body.next()).done)
})

eachRunner('the producer may be slow: its pauses are not the peer’s', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  // Long enough for the peer's own part on a loaded machine.
  const pool = makePool(upstream.origin, { bodyIdleTimeout: 400, headersTimeout: 400 })
  const body = (async function* () {
    for (let n = 0; n < 3; n += 1) {
      await wait(600)
      yield 'part'
    }
  })()
  const response = await pool.request({ method: 'POST', path: '/echo-late', body })
  t.is(await response.body.text(), 'partpartpart')
})

eachRunner('trailers arrive behind the last chunk', async (t, makePool) => {
  const upstream = await startScripted(['request', { send: ANSWER }, 'readToEnd'])
  t.teardown(() => upstream.stop())
  let handedOver = false
  const body = (async function* () {
    yield 'some text'
    handedOver = true
  })()
  const response = await makePool(upstream.origin).request({
    method: 'POST',
    path: '/',
    body,
    headers: { trailer: 'x-sum, x-late' },
    trailers: async () => ({ 'x-sum': '1', 'x-late': handedOver }),
  })
  t.is(response.status, 200)
  const received = await upstream.received(0)
  t.regex(received, /\r\ntransfer-encoding: chunked\r\n/i)
  t.regex(received, /\r\nsome text\r\n0\r\nx-sum: 1\r\nx-late: true\r\n\r\n$/)
})

eachRunner('a body in memory may have trailers, too', async (t, makePool) => {
  const upstream = await startScripted(['request', { send: ANSWER }, 'readToEnd'])
  t.teardown(() => upstream.stop())
  const trailers = () => ({ 'x-sum': '1' })
  const options = { method: 'POST', path: '/', body: 'text', headers: { trailer: 'x-sum' }, trailers }
  t.is((await makePool(upstream.origin).request(options)).status, 200)
  t.regex(await upstream.received(0), /\r\ntext\r\n0\r\nx-sum: 1\r\n\r\n$/)
})

eachRunner(
  'Expect waits for 100, and then sends; a peer that says nothing gets the body in the end',
  async (t, makePool) => {
    const upstream = await startScripted([
      'head',
      'signal',
      { send: 'HTTP/1.1 100 Continue\r\n\r\n' },
      { read: 4 },
      { send: ANSWER },
      ...WELL_BEHAVED,
    ])
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
    for (const body of ['text', Readable.from(['te', 'xt'])]) {
      if (body === 'text') {
        const request = pool.request({
          method: 'POST',
          path: '/',
          body,
          headers: { 'content-length': 4 },
          expectContinue: 60_000,
        })
        await upstream.until('0.received>=20')
        await wait(50)
        const before = await upstream.received(0)
        t.regex(before, /\r\nexpect: 100-continue\r\n/i)
        t.true(before.endsWith('\r\n\r\n'), before)
        await upstream.ask('signal 0')
        t.is((await request).status, 200)
        t.true((await upstream.received(0)).endsWith('\r\n\r\ntext'))
      } else {
        const start = performance.now()
        const options = { method: 'POST', path: '/', body, expectContinue: 80 }
        t.is((await pool.request(options)).status, 200)
        t.true(performance.now() - start >= 79)
      }
    }
  },
)

eachRunner('each 1xx is told in order, with its fields, before the head', async (t, makePool) => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink: </b>\r\n\r\n'
  const upstream = await startScripted(
    [
      'request',
      { send: `HTTP/1.1 102 Processing\r\n\r\n${early}` },
      'signal',
      { send: early + ANSWER },
      ...WELL_BEHAVED,
    ],
    WELL_BEHAVED,
  )
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const seen: unknown[] = []
  const request = pool.request({
    path: '/',
    onInformational: ({ status, headers }) => {
      seen.push([status, headers.get('LINK')])
      if (seen.length === 2) void upstream.ask('signal 0')
    },
  })
  t.is((await request).status, 200)
  const hints = [103, '</a>, </b>']
  t.deepEqual(seen, [[102, null], hints, hints])
  t.is((await pool.request({ path: '/' })).connection.reused, true)
})

eachRunner('trailers of a response come behind its body, whoever waits', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  for (const length of [0, 10, 1_000_000]) {
    const response = await pool.request({ path: `/trailers/${length}/5000` })
    const [bytes, trailers] = await Promise.all([response.body.bytes(), response.trailers])
    t.is(bytes.length, length)
    t.deepEqual(
      [...trailers],
      [
        ['x-length', String(length)],
        ['x-end', 'yes'],
      ],
    )
    t.is(response.headers.get('x-length'), null)
  }
  t.deepEqual([...(await (await pool.request({ path: '/' })).trailers)], [])
})

eachRunner('an upload through TLS arrives whole', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, upstream.ca === null ? {} : { tls: { ca: upstream.ca } })
  const options = { method: 'POST', path: '/inspect', body: produced(LENGTH) }
  const { bodyLength, bodyIsPattern } = await (await pool.request(options)).body.json<Seen>()
  t.deepEqual([bodyLength, bodyIsPattern], [LENGTH, true])
})

eachRunner('uploads that are aborted at random moments disturb no other', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 8 } })
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const controller = new AbortController()
      const { signal } = controller
      const request = pool.request({ method: 'POST', path: '/inspect', body: produced(30_000), signal })
      if (n % 2 === 1) setTimeout(() => controller.abort(new Error('enough')), n % 9)
      try {
        return (await (await request).body.json<Seen>()).bodyIsPattern
      } catch (error) {
        return n % 2 === 1 && error === signal.reason
      }
    }),
  )
  t.deepEqual(outcomes.indexOf(false), -1)
  await settles(t, pool, { rqActive: 0, rqPendingActive: 0 })
})

eachRunner('destroy() ends an upload, close() waits for one', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const closing = makePool(upstream.origin)
  const slow = (async function* () {
    yield 'some'
    await wait(50)
    yield 'more'
  })()
  const request = closing.request({ method: 'POST', path: '/echo-late', body: slow })
  const closed = closing.close()
  t.is(await (await request).body.text(), 'somemore')
  await closed

  const destroying = makePool(upstream.origin)
  const stream = new Readable({ read() {} })
  stream.push('some')
  const lost = rejection(destroying.request({ method: 'POST', path: '/echo-late', body: stream }))
  await wait(20)
  await destroying.destroy()
  t.like(await lost, { code: 'FB_POOL_CLOSED' })
  t.true(stream.destroyed)
})

eachRunnerSerially('an upload of 100 MB grows the process by little', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const child = await runChild('large-upload', [upstream.origin, runOn, '50000000', '100000000'], MEASURED)
  t.is(child.code, 0, child.stderr)
  const { growth, seen } = JSON.parse(child.stdout)
  t.deepEqual(seen, { bodyLength: 100_000_000, bodyIsPattern: true })
  t.log(`${growth} bytes`)
  t.true(growth < 32_000_000, `${growth} bytes`)
})
