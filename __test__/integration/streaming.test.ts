// Bodies in parts, from real servers on both runners: backpressure, memory, ends of every kind.

import { createHash } from 'node:crypto'
import { eventually } from '../support/cases.js'
import { MEASURED, runChild } from '../support/child.js'
import { eachRunner, eachRunnerSerially } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { rejection } from '../support/rejection.js'
import { WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

/** The head of a response of a script, with `length` bytes to come. */
const head = (length: number): string => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`

async function joined(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

eachRunner('every reader gets the same bytes, whatever the framing', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const length = 1_000_000
  for (const path of [
    `/bytes/${length}`,
    `/chunked/${length}/1000`,
    `/close-delimited/${length}`,
    `/trailers/${length}/5000`,
  ]) {
    const bodies = await Promise.all(Array.from({ length: 6 }, async () => (await pool.request({ path })).body))
    const [one, two, three, four, five, six] = bodies
    const all = await Promise.all([
      one?.bytes(),
      two?.arrayBuffer().then(buffer => new Uint8Array(buffer)),
      three && joined(three),
      four && joined(four.readable()),
      five && new Response(five.stream()).arrayBuffer().then(buffer => new Uint8Array(buffer)),
      six
        ?.blob()
        .then(blob => blob.arrayBuffer())
        .then(buffer => new Uint8Array(buffer)),
    ])
    for (const bytes of all)
      t.deepEqual([bytes?.length, mismatch(bytes ?? new Uint8Array(1).fill(9))], [length, -1], path)
  }
  t.is(pool.stats.rqActive, 0)
})

eachRunner('request() resolves at the head, long before the body has ended', async (t, makePool) => {
  const upstream = await startScripted([
    'request',
    { send: head(8) },
    'signal',
    { send: 'some' },
    'signal',
    { send: 'more' },
    ...WELL_BEHAVED,
  ])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const { status, body } = await pool.request({ path: '/' })
  t.is(status, 200)
  const iterator = body[Symbol.asyncIterator]()
  for (const part of ['some', 'more']) {
    await upstream.ask('signal 0')
    const { value } = await iterator.next()
    t.is(Buffer.from(value ?? []).toString(), part)
  }
  t.true((await iterator.next()).done)
  // The connection serves on.
  t.is((await pool.request({ path: '/' })).connection.reused, true)
})

eachRunner('a body that ends too early gives what came and then FB_BODY_INCOMPLETE', async (t, makePool) => {
  const upstream = await startScripted(['request', { send: `${head(100)}half` }, 'signal', 'close'])
  t.teardown(() => upstream.stop())
  const { body } = await makePool(upstream.origin).request({ path: '/' })
  const seen: string[] = []
  const reading = (async () => {
    for await (const chunk of body) {
      seen.push(Buffer.from(chunk).toString())
      await upstream.ask('signal 0')
    }
  })()
  const error = await rejection(reading)
  t.like(error, { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no' })
  t.deepEqual(seen, ['half'])
})

eachRunner('a malformed chunk fails the reader', async (t, makePool) => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'
  const upstream = await startScripted(['request', { send: chunked }, 'signal', { send: 'zz\r\n' }, 'readToEnd'])
  t.teardown(() => upstream.stop())
  const { body } = await makePool(upstream.origin).request({ path: '/' })
  await upstream.ask('signal 0')
  t.is((await rejection(body.text())).code, 'FB_RESPONSE_MALFORMED')
})

eachRunner(
  'a gap in a body that is read is FB_BODY_TIMEOUT; one in a body that is not read is none',
  async (t, makePool) => {
    const upstream = await startScripted(['request', { send: `${head(100)}half` }, 'readToEnd'])
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { bodyIdleTimeout: 150, bodyBuffer: 16_384 })
    const { body } = await pool.request({ path: '/' })
    t.like(await rejection(body.text()), { code: 'FB_BODY_TIMEOUT', timeoutMs: 150 })

    const kit = await startTestkit()
    t.teardown(() => kit.stop())
    // Long enough for what the server may pause by itself on a loaded machine.
    const other = makePool(kit.origin, { bodyIdleTimeout: 500, bodyBuffer: 16_384 })
    const response = await other.request({ path: '/bytes/10000000' })
    // We are not ready: the time is not the peer's.
    await new Promise(resolve => setTimeout(resolve, 1_200))
    t.is((await response.body.bytes()).byteLength, 10_000_000)
  },
)

eachRunner('leaving early closes the connection and frees its place', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  for (const leave of ['break', 'cancel', 'destroy', 'discard', 'abort'] as const) {
    const controller = new AbortController()
    const { body } = await pool.request({ path: '/bytes/50000000', signal: controller.signal })
    switch (leave) {
      case 'break':
        for await (const chunk of body) if (chunk.length > 0) break
        break
      case 'cancel':
        await body.stream().cancel()
        break
      case 'destroy':
        body.readable().destroy()
        break
      case 'discard':
        await body.discard()
        break
      case 'abort':
        controller.abort()
        t.is(await body.text().catch((error: unknown) => error), controller.signal.reason)
    }
    t.is((await pool.request({ path: '/' })).status, 200, leave)
  }
  t.is(pool.stats.rqActive, 0)
})

eachRunner('a short body that is discarded keeps its connection', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  for (let n = 0; n < 5; n += 1) {
    await using response = await pool.request({ path: '/chunked/100000/1000' })
    t.is(response.status, 200)
  }
  t.is((await upstream.stats()).connectionsAccepted, 1)
})

eachRunner('destroy() fails a body that is being read, close() waits for one', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const closing = makePool(upstream.origin)
  const kept = await closing.request({ path: '/bytes/3000000' })
  let closed = false
  const done = closing.close().then(() => {
    closed = true
  })
  await (await makePool(upstream.origin).request({ path: '/delay/50' })).body.text()
  t.false(closed)
  t.is((await kept.body.bytes()).byteLength, 3_000_000)
  await done

  const destroying = makePool(upstream.origin)
  const lost = await destroying.request({ path: '/bytes/3000000' })
  await destroying.destroy(new Error('why'))
  t.like(await rejection(lost.body.bytes()), { code: 'FB_POOL_CLOSED' })
})

eachRunner('a reader that stops stops its upstream, and a hundred other exchanges go on', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--threads', '2'] })
  t.teardown(() => upstream.stop())
  const scripted = await startScripted(['request', { send: head(60_000_000) }, { pattern: 60_000_000 }, 'readToEnd'])
  t.teardown(() => scripted.stop())
  const pool = makePool(scripted.origin)
  const { body } = await pool.request({ path: '/' })
  const iterator = body[Symbol.asyncIterator]()
  await iterator.next()
  // The server is stopped when what it has sent stands still.
  let sent = -1
  for (;;) {
    const [connection] = await scripted.connections()
    if (connection?.sent === sent) break
    sent = connection?.sent ?? 0
    await new Promise(resolve => setTimeout(resolve, 150))
  }
  // Socket buffers are the system's: up to 6 MiB for the receiver and 4 for the sender, by Linux's defaults.
  t.true(sent < 20_000_000, `${sent} bytes were sent`)
  const others = makePool(upstream.origin)
  const texts = await Promise.all(
    Array.from({ length: 100 }, async () => (await others.request({ path: '/chunked/10000/100' })).body.bytes()),
  )
  t.true(texts.every(bytes => mismatch(bytes) === -1))
  await iterator.return?.()
  await eventually('the exchange is reset', () => pool.stats.rqActive === 0)
})

eachRunnerSerially('150 MB in a stream grow the process by little', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const length = 100_000_000
  const child = await runChild(
    'large-body',
    [upstream.origin, runOn, 'stream', '/bytes/50000000', `/bytes/${length}`],
    MEASURED,
  )
  t.is(child.code, 0, child.stderr)
  const { growth, digest } = JSON.parse(child.stdout)
  t.is(digest, createHash('sha256').update(pattern(length)).digest('hex'))
  t.log(`${growth} bytes`)
  t.true(growth < 32_000_000, `${growth} bytes`)
})

eachRunnerSerially('a reader that stops keeps no more than its window', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const child = await runChild(
    'large-body',
    [upstream.origin, runOn, 'stop', '/bytes/50000000', '/bytes/100000000'],
    MEASURED,
  )
  t.is(child.code, 0, child.stderr)
  const { growth } = JSON.parse(child.stdout)
  t.log(`${growth} bytes`)
  t.true(growth < 8_000_000, `${growth} bytes`)
})

eachRunner('bodies of every kind arrive', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const bytes = pattern(3_000_000)
  const blob = new Blob([Uint8Array.from(bytes)], { type: 'application/x-test' })
  const form = new FormData()
  form.set('file', blob, 'name')
  for (const body of [bytes, Uint8Array.from(bytes).buffer, new DataView(Uint8Array.from(bytes).buffer), blob]) {
    const { body: echo } = await pool.request({ method: 'POST', path: '/echo-late', body })
    const back = await echo.bytes()
    t.deepEqual([back.length, mismatch(back)], [bytes.length, -1])
  }
  const response = await pool.request({ method: 'POST', path: '/inspect', body: form })
  const { bodyLength, headers } = await response.body.json<{ bodyLength: number; headers: [string, string][] }>()
  t.true(bodyLength > bytes.length)
  t.regex(new Map(headers).get('content-type') ?? '', /^multipart\/form-data; boundary=/)
})

eachRunnerSerially('P11: bodies that are dropped are reset by the collector, with one warning', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const child = await runChild('dropped-bodies', [upstream.origin, runOn], ['--expose-gc'])
  t.is(child.code, 0, child.stderr)
  const { text, ...counts } = JSON.parse(child.stdout)
  t.deepEqual(counts, { rqActive: 0, kept: 4_000_000, warnings: 1 })
  t.regex(text, /^ForebayWarning: The body of a response was dropped/)
  await upstream.until('connectionsOpen=0')
})
