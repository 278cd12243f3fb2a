// Peers and callers that spoil an exchange on its way: uploads cut short, waits that never end, readers that stop. Rows B, P and R of
// docs/conformance.md.

import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { RequestTimeouts } from '../../ts/index.js'
import { block, eventually, gone, row } from '../support/cases.js'
import { MEASURED, runChild } from '../support/child.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { type Scripted, startScripted, startTestkit } from '../support/upstream.js'

const TEXT = 'hello from the testkit'
const OK = 'HTTP/1.1 200 OK\r\n'

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

/** Bytes without end, and how many were asked for. */
class Endless {
  made = 0
  readonly body: AsyncGenerator<Uint8Array> = this.#produce()

  async *#produce(): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.made += 65_536
      yield new Uint8Array(65_536)
    }
  }
}

row('B16', 'a flood of 1xx that are wanted is still one', async (t, makePool) => {
  const hint = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'
  const upstream = await scripted(t, ['request', { send: hint, times: 10_000 }, 'readToEnd'], WELL_BEHAVED)
  const pool = makePool(upstream.origin)
  let seen = 0
  const onInformational = () => {
    seen += 1
  }
  const error = await rejection(pool.request({ path: '/', onInformational }))
  t.like(error, { code: 'FB_FLOOD', retryable: 'no' })
  t.true(seen <= 100, `${seen} were told`)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B17', 'a final response without 100: the body is not sent', async (t, makePool) => {
  const refusal = 'HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n'
  const scripts = Array.from({ length: 2 }, (): readonly Step[] => ['head', { send: refusal }, 'readToEnd'])
  const upstream = await scripted(t, ...scripts, WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const stream = Readable.from(['never sent'])
  for (const body of ['never sent', stream]) {
    const response = await pool.request({ method: 'POST', path: '/', body, expectContinue: 60_000 })
    t.is(response.status, 417)
    await response.body.discard()
    await gone(pool)
  }
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
  await upstream.until('1.ended>=1')
  for (const connection of [0, 1]) t.false((await upstream.received(connection)).includes('never sent'))
  await eventually('the stream is let go', () => stream.destroyed)
})

row('B19', 'a final response ends an upload that is still produced', async (t, makePool) => {
  const upstream = await scripted(t, ['head', { read: 1_000 }, { send: ANSWER }, 'readToEnd'], WELL_BEHAVED)
  const pool = makePool(upstream.origin)
  const source = new Endless()
  const response = await pool.request({ path: '/', method: 'POST', body: source.body })
  t.is(await response.body.text(), TEXT)
  await gone(pool)
  t.true((await source.body.next()).done)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B20', '413 while an upload is produced is heard; a reset without it is told', async (t, makePool) => {
  const refusal = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n'
  const upstream = await scripted(t, ['head', { send: refusal }, 'signal', 'reset'], ['head', 'reset'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const refused = new Endless()
  t.is((await pool.request({ path: '/', method: 'POST', body: refused.body })).status, 413)
  await upstream.ask('signal 0')
  t.true((await refused.body.next()).done)
  const reset = new Endless()
  const error = await rejection(pool.request({ path: '/', method: 'POST', body: reset.body }))
  t.like(error, { code: 'FB_CONNECTION_RESET', retryable: 'maybe', flags: ['UC'] })
  t.true((await reset.body.next()).done)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B21', 'a peer that reads nothing meets the limit of an upload, which waits at its window', async (t, makePool) => {
  const upstream = await scripted(t, ['head', 'park'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { bodyIdleTimeout: 200 })
  const source = new Endless()
  const error = await rejection(pool.request({ path: '/', method: 'POST', body: source.body }))
  t.like(error, { code: 'FB_WRITE_TIMEOUT', phase: 'send', retryable: 'maybe', flags: ['UT'], timeoutMs: 200 })
  // Socket buffers are the system's: up to 6 MiB for the receiver and 4 for the sender, by Linux's defaults.
  t.true(source.made < 20_000_000, `${source.made} bytes were asked for`)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B23', 'a body that drips meets the deadline of its request', async (t, makePool) => {
  const drip: readonly Step[] = [
    'request',
    { send: `${OK}content-length: 1000\r\n\r\n` },
    { send: 'x', times: 500, every: 20 },
    'readToEnd',
  ]
  const upstream = await scripted(t, drip, WELL_BEHAVED)
  const pool = makePool(upstream.origin)
  const start = performance.now()
  const error = await rejection(pool.request({ path: '/', totalTimeout: 500 }))
  const took = performance.now() - start
  t.like(error, { code: 'FB_DEADLINE_EXCEEDED', phase: 'body', retryable: 'no', flags: ['UT'], timeoutMs: 500 })
  t.true(took >= 499 && took < 6_000, `${took} ms`)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B24', 'a body faster than its reader: the body timer stands still', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  // Long enough for what the server may pause by itself on a loaded machine.
  const pool = makePool(upstream.origin, { bodyIdleTimeout: 500, bodyBuffer: 16_384 })
  const { body } = await pool.request({ path: '/bytes/3000000' })
  let length = 0
  for await (const chunk of body) {
    if (length === 0) await wait(1_200)
    length += chunk.length
  }
  t.is(length, 3_000_000)
})

/** In ms: long enough for a connection and a head on a loaded machine. */
const LIMIT_MS = 400

/** What never ends, by the limit that ends it. */
const ENDLESS: readonly (readonly [
  limit: keyof RequestTimeouts,
  code: string,
  script: readonly Step[],
  phase: string,
])[] = [
  ['perTryTimeout', 'FB_TRY_TIMEOUT', ['request', 'readToEnd'], 'head'],
  ['perTryIdleTimeout', 'FB_TRY_IDLE_TIMEOUT', ['request', 'readToEnd'], 'head'],
  ['maxStreamDuration', 'FB_STREAM_DURATION', ['request', 'readToEnd'], 'head'],
  ['totalTimeout', 'FB_DEADLINE_EXCEEDED', ['request', 'readToEnd'], 'head'],
  ...(
    [
      ['perTryTimeout', 'FB_TRY_TIMEOUT'],
      ['maxStreamDuration', 'FB_STREAM_DURATION'],
      ['totalTimeout', 'FB_DEADLINE_EXCEEDED'],
    ] as const
  ).map(
    ([limit, code]) =>
      [
        limit,
        code,
        ['request', { send: `${OK}\r\n` }, { send: 'x', times: 500, every: 20 }, 'readToEnd'],
        'body',
      ] as const,
  ),
  ['perTryIdleTimeout', 'FB_TRY_IDLE_TIMEOUT', ['request', { send: `${OK}\r\nx` }, 'readToEnd'], 'body'],
]

for (const of of ['pool', 'request'] as const) {
  for (const [limit, code, script, phase] of ENDLESS) {
    row('P03', `${limit} of the ${of} ends a ${phase} that never comes`, async (t, makePool) => {
      const upstream = await scripted(t, script, WELL_BEHAVED)
      const pool = makePool(upstream.origin, of === 'pool' ? { [limit]: LIMIT_MS } : {})
      const start = performance.now()
      const error = await rejection(pool.request({ path: '/', ...(of === 'request' ? { [limit]: LIMIT_MS } : {}) }))
      const took = performance.now() - start
      const retryable = phase === 'body' ? 'no' : 'maybe'
      t.like(error, { code, phase, retryable, timeoutMs: LIMIT_MS, endpoint: `127.0.0.1:${upstream.port}` })
      t.like(error.attempts, { length: 1, 0: { code } })
      t.true(took >= LIMIT_MS - 1 && took < 6_000, `${took} ms`)
      await upstream.until('0.ended>=1')
      t.is((await pool.request({ path: '/', [limit]: 0 })).status, 200)
    })
  }
}

row('P12', 'a body that throws never looks complete', async (t, makePool) => {
  const cause = new Error('the disk is gone')
  for (const headers of [{}, { 'content-length': 1_000 }, { 'content-length': 10 }]) {
    const upstream = await scripted(t, ['head', 'readToEnd'], WELL_BEHAVED)
    const pool = makePool(upstream.origin)
    const failing = async function* () {
      yield 'some of it'
      // The head is there, or more.
      await upstream.until('0.received>=60')
      throw cause
    }
    const error = await rejection(pool.request({ path: '/', method: 'POST', body: failing(), headers }))
    t.like(error, { code: 'FB_REQUEST_BODY_FAILED', phase: 'send', retryable: 'no', flags: ['DR'] })
    t.is(error.cause, cause)
    await upstream.until('0.ended>=1')
    const [, body = ''] = (await upstream.received(0)).split('\r\n\r\n')
    t.false(body.includes('0\r\n'), 'no last chunk')
    if ('content-length' in headers) t.true(body.length < headers['content-length'], 'not all of it')
    t.is((await pool.request({ path: '/' })).status, 200)
  }
})

/** A loop that does nothing else for so long, in ms: far longer than any time-out of the test. */
const BLOCKED_MS = 5_000

row('P13', 'a loop that is blocked makes no time-out fire falsely', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const limits: RequestTimeouts = {
    headersTimeout: 800,
    bodyIdleTimeout: 800,
    queueTimeout: 800,
    perTryTimeout: 1_000,
    perTryIdleTimeout: 800,
    maxStreamDuration: 1_000,
    totalTimeout: 1_000,
  }
  const pool = makePool(upstream.origin, limits)
  await (await pool.request({ path: '/' })).body.text()
  const waiting = pool.request({ path: '/delay/50' })
  // It is sent, and answered while this thread sleeps.
  await wait(20)
  block(BLOCKED_MS)
  t.is(await (await waiting).body.text(), TEXT)
})

row('R14', 'a stream unlike its Content-Length: the server never sees a complete body', async (t, makePool) => {
  for (const [chunks, announced] of [
    [['abcd'], 3],
    [['abc', 'd'], 3],
    [['ab'], 3],
    [[], 3],
  ] as const) {
    const upstream = await scripted(t, ['head', 'readToEnd'], WELL_BEHAVED)
    const pool = makePool(upstream.origin)
    const options = { path: '/', method: 'POST', body: Readable.from(chunks), headers: { 'content-length': announced } }
    const error = await rejection(pool.request(options))
    t.like(error, { code: 'FB_REQUEST_BODY_FAILED', retryable: 'no' })
    t.true(error.cause instanceof RangeError)
    // It may have failed before its connection was there.
    const [connection] = await upstream.connections()
    if (connection === undefined || connection.received === 0) continue
    await upstream.until('0.ended>=1')
    const [, body = ''] = (await upstream.received(0)).split('\r\n\r\n')
    t.true(body.length < announced)
    t.is((await pool.request({ path: '/' })).status, 200)
  }
})

/** More of them, for a long run: FOREBAY_ABORTS=1000000. */
const ABORTS = process.env['FOREBAY_ABORTS'] ?? '20000'

row('P05', `${ABORTS} aborted requests leave nothing behind`, async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const child = await runChild('aborted-requests', [upstream.origin, runOn, '10000', ABORTS], MEASURED)
  t.is(child.code, 0, child.stderr)
  const { heapGrowth, rssGrowth, listeners, stats, foreign } = JSON.parse(child.stdout)
  t.log(`heap ${heapGrowth}, resident ${rssGrowth} bytes`)
  t.is(foreign, 0, 'each rejects with its own reason, or was answered before')
  t.is(listeners, 0)
  t.deepEqual(stats, { rqActive: 0, rqPendingActive: 0 })
  t.true(heapGrowth < 2_000_000, `heap: ${heapGrowth} bytes`)
  t.true(rssGrowth < 24_000_000, `resident: ${rssGrowth} bytes`)
  await upstream.until('requestsActive=0')
})
