// The HTTP/2 cases of the inventory about GOAWAY, refused and reset streams, and what goes again.

import { createHash } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import { eventually, gone, inventory, settles } from '../support/cases.js'
import {
  answering,
  EVERY_STREAM,
  goaway,
  INTERNAL_ERROR,
  NO_ERROR,
  REFUSED_STREAM,
  reset,
  response,
  responseHead,
  settings,
} from '../support/frames.js'
import { answer, resetStream, stage } from '../support/http2-stage.js'
import { pattern } from '../support/pattern.js'
import { rejection } from '../support/rejection.js'
import type { Step } from '../support/script.js'
import { startHttp2, startScripted } from '../support/upstream.js'

const H2 = { protocols: ['h2'] } as const
const ONE = { maxConnections: 1 } as const

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]) {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

inventory(46, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, H2)
  const abort = new AbortController()
  const ours = pool.request({ path: '/', signal: abort.signal })
  const session = await upstream.at(0, 1)
  abort.abort(new Error('not wanted'))
  await t.throwsAsync(ours, { message: 'not wanted' })
  await settles(t, pool, { rqTxReset: 1, rqActive: 0, rqRxReset: 0, cxActive: 1 })

  const theirs = rejection(pool.request({ path: '/' }))
  await upstream.at(0, 2)
  resetStream(session, 1, INTERNAL_ERROR)
  t.like(await theirs, { code: 'FB_STREAM_RESET', retryable: 'maybe' })
  t.like(pool.stats, { rqTxReset: 1, rqRxReset: 1, rqActive: 0, cxActive: 1 })

  const next = pool.request({ path: '/' })
  answer(await upstream.at(0, 3), 2)
  t.is((await next).status, 200)
  t.is(pool.stats.cxTotal, 1)
})

inventory(51, async (t, makePool) => {
  const upstream = await stage(t, 100, true)
  const pool = makePool(upstream.origin, H2)
  await pool.request({ path: '/' })
  upstream.sessions[0]?.goaway(0)
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxCloseNotify: 1, cxDestroyWithActiveRq: 0 })
  t.is((await pool.request({ path: '/' })).status, 200)
  t.is(pool.stats.cxTotal, 2)
})

inventory(65, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, H2)
  const requests = [1, 3, 5, 7, 9].map(id => pool.request({ path: `/${id}` }))
  const above = [rejection(requests[3] ?? Promise.resolve()), rejection(requests[4] ?? Promise.resolve())]
  const session = await upstream.at(0, 5)
  session.goaway(EVERY_STREAM)
  await settles(t, pool, { cxCloseNotify: 1, rqActive: 5 })
  session.goaway(5)
  for (const error of await Promise.all(above)) t.like(error, { retryable: 'yes', protocol: 'h2' })
  t.is(pool.stats.rqActive, 3)
  for (const n of [0, 1, 2]) answer(session, n)
  for (const response of await Promise.all(requests.slice(0, 3))) t.is(response.status, 200)
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, rqTotal: 5, cxDestroyWithActiveRq: 0 })
})

inventory(66, async (t, makePool) => {
  const upstream = await scripted(
    t,
    ['preface', settings(100), { streams: 2 }, goaway(1, NO_ERROR), 'signal', goaway(3, NO_ERROR), 'frames'],
    answering(100),
  )
  const pool = makePool(upstream.origin, H2)
  const first = rejection(pool.request({ path: '/1' }))
  const second = rejection(pool.request({ path: '/2' }))
  t.like(await second, { retryable: 'yes' })
  await upstream.ask('signal 0')
  t.like(await first, { code: 'FB_PROTOCOL_ERROR' })
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, rqTotal: 2, rqReplay: 0, cxProtocolError: 1 })
})

inventory(67, async (t, makePool) => {
  const answers = [{ streams: 3 }, response(1), response(3), response(5)]
  const upstream = await scripted(
    t,
    ['preface', settings(100), { streams: 3 }, goaway(0, NO_ERROR), 'frames'],
    ['preface', settings(100), ...answers, 'frames'],
  )
  const pool = makePool(upstream.origin, { ...H2, replay: 'unprocessed' })
  const three = await Promise.all(['/1', '/2', '/3'].map(path => pool.request({ path })))
  for (const { status, connection } of three) {
    t.is(status, 200)
    t.is(connection.id, three[0]?.connection.id ?? -1)
  }
  t.like(pool.stats, { rqReplay: 3, cxTotal: 2, cxCloseNotify: 1 })
})

inventory(68, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, H2)
  const first = pool.request({ path: '/first' })
  const old = await upstream.at(0, 1)
  old.goaway(0)
  await eventually('it goes away', () => pool.stats.cxCloseNotify === 1)
  const next = pool.request({ path: '/next' })
  answer(await upstream.at(1, 1), 0)
  t.is((await next).status, 200)
  answer(old, 0)
  t.is((await first).status, 200)
  await settles(t, pool, { cxActive: 1, rqActive: 0, cxTotal: 2, cxDestroyWithActiveRq: 0 })
})

inventory(69, async (t, makePool) => {
  const upstream = await scripted(t, ['preface', settings(100), { streams: 3 }, goaway(3, INTERNAL_ERROR), 'close'])
  const pool = makePool(upstream.origin, H2)
  const errors = await Promise.all([1, 3, 5].map(id => rejection(pool.request({ path: `/${id}` }))))
  t.deepEqual(
    errors.map(({ retryable }) => retryable),
    ['maybe', 'maybe', 'yes'],
  )
  t.is(pool.stats.cxTotal, 1)
})

inventory(70, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const strict = makePool(upstream.origin, H2)
  const failed = rejection(strict.request({ path: '/' }))
  resetStream(await upstream.at(0, 1), 0, REFUSED_STREAM)
  t.like(await failed, { code: 'FB_STREAM_REFUSED', retryable: 'yes' })
  t.is(strict.stats.rqRxReset, 0)

  const pool = makePool(upstream.origin, { ...H2, replay: 'unprocessed' })
  const again = pool.request({ path: '/', method: 'POST', body: 'once' })
  const session = await upstream.at(1, 1)
  resetStream(session, 0, REFUSED_STREAM)
  answer(await upstream.at(1, 2), 1)
  t.is((await again).status, 200)
  t.is(pool.stats.rqReplay, 1)

  const late: readonly Step[] = ['preface', settings(100), { streams: 1 }, responseHead(1), reset(1, REFUSED_STREAM)]
  const headed = makePool((await scripted(t, [...late, 'frames'])).origin, { ...H2, replay: 'unprocessed' })
  const cut = headed.request({ path: '/' }).then(({ body }) => body.text())
  t.like(await rejection(cut), { phase: 'body', retryable: 'no' })
  t.is(headed.stats.rqReplay, 0)
})

inventory(71, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, replay: 'unprocessed', limits: ONE })
  const failed = rejection(pool.request({ path: '/' }))
  for (let n = 0; n < 9; n += 1) resetStream(await upstream.at(0, n + 1), n, REFUSED_STREAM)
  t.like(await failed, { code: 'FB_STREAM_REFUSED', retryable: 'yes' })
  t.is(upstream.sessions[0]?.streams.length, 9)
  t.is(pool.stats.rqReplay, 8)
})

// Node refuses what comes above its limit by itself.
inventory(72, async (t, makePool) => {
  const upstream = await stage(t, 10)
  const http2Options = { preSettingsStreams: 100 }
  const pool = makePool(upstream.origin, { ...H2, replay: 'unprocessed', limits: ONE, http2: http2Options })
  const requests = Array.from({ length: 100 }, (_, n) => pool.request({ path: `/${n}` }))
  for (let n = 0; n < 100; n += 1) answer(await upstream.at(0, n + 1), n)
  for (const { status } of await Promise.all(requests)) t.is(status, 200)
  t.deepEqual(
    upstream.sessions[0]?.streams.map(({ path }) => path),
    Array.from({ length: 100 }, (_, n) => `/${n}`),
  )
  t.like(pool.stats, { rqReplay: 90, cxTotal: 1 })
})

inventory(73, async (t, makePool) => {
  const upstream = await scripted(t, [
    'preface',
    settings(100),
    { streams: 1 },
    response(1),
    reset(1, NO_ERROR),
    { streams: 1 },
    response(3),
    'frames',
  ])
  const pool = makePool(upstream.origin, H2)
  for (const reused of [false, true]) {
    const { status, body, connection } = await pool.request({ path: '/' })
    t.is(status, 200)
    t.is(await body.text(), 'hello from the testkit')
    t.is(connection.reused, reused)
  }
  t.like(pool.stats, { rqRxReset: 0, cxTotal: 1 })
})

inventory(79, async (t, makePool) => {
  const upstream = await startHttp2()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, H2)
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, async (_, n) => {
      const path = n % 2 === 0 ? '/echo-late' : '/reset/2'
      const sent = pattern(10_000 + n)
      const got = await (await pool.request({ method: 'POST', path, body: sent })).body.bytes()
      return hash(got) === hash(sent)
    }),
  )
  for (const [n, outcome] of outcomes.entries()) {
    if (n % 2 === 0) t.deepEqual(outcome, { status: 'fulfilled', value: true })
    else t.is(outcome.status, 'rejected')
  }
  t.like(pool.stats, { cxTotal: 1, rqTotal: 100, rqRxReset: 50 })
})
