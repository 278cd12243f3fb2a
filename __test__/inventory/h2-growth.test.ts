// The HTTP/2 cases of the inventory about how many connections there are, and what becomes of those that fail while they are made.

import type { ExecutionContext } from 'ava'
import type { Pool } from '../../ts/index.js'
import { eventually, gone, inventory, secure, settles } from '../support/cases.js'
import { answering, settings } from '../support/frames.js'
import { answer, type Session, stage } from '../support/http2-stage.js'
import { rejection } from '../support/rejection.js'
import type { Step } from '../support/script.js'
import { startScripted } from '../support/upstream.js'

const H2 = { protocols: ['h2'] } as const
const TLS: Step = { tls: 'good', alpn: ['h2'] }

/** A server that never begins its handshake. */
const DEAF: readonly Step[] = ['signal']

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]) {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  const { origin, ca } = secure(upstream)
  return { ...upstream, origin, tls: { ca } }
}

/** Requests that nobody will answer. */
function waiting(pool: Pool, count: number): void {
  for (let n = 0; n < count; n += 1) pool.request({ path: '/' }).catch(() => {})
}

inventory(41, async (t, makePool) => {
  const upstream = await stage(t, 1, true)
  const pool = makePool(upstream.origin, H2)
  const first = await pool.request({ path: '/' })
  // Its stream is over, too.
  await first.body.text()
  const second = await pool.request({ path: '/' })
  await second.body.text()
  t.is(second.connection.id, first.connection.id)
  const two = await Promise.all([pool.request({ path: '/' }), pool.request({ path: '/' })])
  t.not(two[0].connection.id, two[1].connection.id)
  t.like(pool.stats, { cxTotal: 2, rqTotal: 4 })
})

inventory(42, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, H2)
  const three = ['/1', '/2', '/3'].map(path => pool.request({ path }))
  const session = await upstream.at(0, 3)
  await settles(t, pool, { rqActive: 3 })
  const queued = pool.stats.rqPendingTotal
  const fourth = pool.request({ path: '/4' })
  await upstream.at(0, 4)
  await settles(t, pool, { rqActive: 4, rqPendingTotal: queued })
  t.deepEqual(
    session.streams.map(({ path }) => path),
    ['/1', '/2', '/3', '/4'],
  )
  for (const n of [0, 1, 2, 3]) answer(session, n)
  for (const response of await Promise.all([...three, fourth])) t.is(response.status, 200)
  t.is(pool.stats.cxTotal, 1)
})

inventory(43, async (t, makePool) => {
  for (const options of [{ connection: { maxRequestsPerConnection: 2 } }, { http2: { maxConcurrentStreams: 2 } }]) {
    const upstream = await stage(t, 100)
    const pool = makePool(upstream.origin, { ...H2, ...options })
    const three = [1, 2, 3].map(() => pool.request({ path: '/' }))
    const [one, two] = [await upstream.at(0, 1), await upstream.at(1, 1)]
    await eventually('three are there', () => one.streams.length + two.streams.length === 3)
    for (const { streams } of [one, two]) for (const stream of streams) stream.answer()
    for (const response of await Promise.all(three)) t.is(response.status, 200)
    t.is(pool.stats.cxTotal, 2)
  }
})

inventory(
  44,
  async (t, makePool) => {
    const upstream = await scripted(t, ['signal', 'close'], [TLS, ...answering(100)])
    const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls })
    const failed: string[] = []
    const three = ['r1', 'r2', 'r3'].map(async name => {
      t.like(await rejection(pool.request({ path: `/${name}` })), { code: 'FB_TLS_CLOSED', retryable: 'yes' })
      failed.push(name)
    })
    await upstream.until('connections>=1')
    await upstream.ask('signal 0')
    await Promise.all(three)
    t.deepEqual(failed, ['r3', 'r2', 'r1'])
    t.like(pool.stats, { cxConnectFail: 1, rqPendingFailureEject: 3, cxTotal: 1 })
    t.is((await pool.request({ path: '/' })).status, 200)
    t.is(pool.stats.cxTotal, 2)
  },
  { part: 'the peer closes' },
)

inventory(45, async (t, makePool) => {
  const upstream = await scripted(t, DEAF)
  const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls, limits: { maxPendingRequests: 1 } })
  waiting(pool, 1)
  t.like(await rejection(pool.request({ path: '/' })), { code: 'FB_PENDING_OVERFLOW', phase: 'admit', flags: ['UO'] })
  t.like(pool.stats, { rqPendingActive: 1, rqOverflowPending: 1 })
})

// 1 s: the next connection has to be made within it too.
inventory(49, async (t, makePool) => {
  const upstream = await scripted(t, DEAF, [TLS, ...answering(100)])
  const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls, connection: { connectTimeout: 1_000 } })
  t.like(await rejection(pool.request({ path: '/' })), { kind: 'timeout', timeoutMs: 1_000, retryable: 'yes' })
  t.is((await pool.request({ path: '/' })).status, 200)
  t.like(pool.stats, {
    rqTotal: 1,
    cxConnectFail: 1,
    cxConnectTimeout: 1,
    rqPendingFailureEject: 1,
    cxDestroyLocal: 1,
    cxTotal: 2,
  })
})

// Of the triples what a caller sees: how many connections each arrival leads to.
inventory(
  52,
  async (t, makePool) => {
    for (const [maxConcurrentStreams, totals] of [
      [1, [2, 3, 5]],
      [2, [1, 2]],
    ] satisfies [number, number[]][]) {
      const upstream = await scripted(t, DEAF)
      const pool = makePool(upstream.origin, {
        ...H2,
        tls: upstream.tls,
        http2: { maxConcurrentStreams },
        connection: { preconnectRatio: 1.5 },
      })
      for (const [arrival, total] of totals.entries()) {
        waiting(pool, 1)
        await settles(t, pool, { rqPendingActive: arrival + 1, cxTotal: total })
      }
    }
  },
  { part: 'the connections' },
)

const AHEAD = { ...H2, http2: { maxConcurrentStreams: 1 }, connection: { preconnectRatio: 1.5 } } as const

inventory(54, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, AHEAD)
  const request = pool.request({ path: '/' })
  await settles(t, pool, { cxHttp2Total: 2, rqActive: 1 })
  const isUsed = ({ streams }: Session) => streams.length === 1
  await eventually('both are there', () => upstream.sessions.length === 2 && upstream.sessions.some(isUsed))
  const [used, spare] = upstream.sessions.toSorted((a, b) => b.streams.length - a.streams.length)
  spare?.goaway(0)
  await settles(t, pool, { cxTotal: 3, cxActive: 2, rqActive: 1, rqPendingActive: 0, cxCloseNotify: 1 })
  if (used !== undefined) answer(used, 0)
  t.is((await request).status, 200)
})

inventory(55, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, AHEAD)
  const requests = [pool.request({ path: '/' })]
  await settles(t, pool, { rqActive: 1, cxHttp2Total: 2 }, 'one is in use, one is spare')
  requests.push(pool.request({ path: '/' }))
  await settles(t, pool, { rqActive: 2, cxTotal: 3 }, 'both are in use')
  for (const index of [0, 1]) answer(await upstream.at(index, 1), 0)
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
})

inventory(56, async (t, makePool) => {
  const active: readonly Step[] = [TLS, 'preface', settings(100), { streams: 1 }, 'frames']
  const upstream = await scripted(t, active, DEAF, [TLS, 'preface', settings(100), 'frames'])
  const connection = { preconnectRatio: 1.5, connectTimeout: 1_000 }
  const pool = makePool(upstream.origin, { ...AHEAD, tls: upstream.tls, connection })
  waiting(pool, 1)
  await settles(t, pool, {
    cxConnectTimeout: 1,
    cxHttp2Total: 2,
    cxTotal: 3,
    cxActive: 2,
    rqActive: 1,
    rqPendingFailureEject: 0,
  })
})

inventory(59, async (t, makePool) => {
  const upstream = await scripted(t, DEAF)
  for (const [options, streams] of [
    [{ http2: { maxConcurrentStreams: 2_000 } }, 2_000],
    [{ http2: { maxConcurrentStreams: 2_000 }, connection: { maxRequestsPerConnection: 100 } }, 100],
  ] as const) {
    const limits = { maxPendingRequests: 3_000 }
    const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls, limits, ...options })
    waiting(pool, streams)
    await settles(t, pool, { rqPendingActive: streams, cxTotal: 1 })
    waiting(pool, 1)
    await eventually('one more does not fit', () => pool.stats.cxTotal === 2)
  }

  const said = await scripted(t, [TLS, ...answering(500).slice(0, -1), 'close'], DEAF)
  const pool = makePool(said.origin, { ...H2, tls: said.tls, http2: { maxConcurrentStreams: 2_000 } })
  await pool.request({ path: '/' })
  await gone(pool)
  waiting(pool, 500)
  await settles(t, pool, { rqPendingActive: 500, cxTotal: 2 })
  waiting(pool, 1)
  await eventually('one more does not fit', () => pool.stats.cxTotal === 3)
})

inventory(60, async (t, makePool) => {
  const upstream = await scripted(t, DEAF)
  const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls, http2: { preSettingsStreams: 100 } })
  waiting(pool, 150)
  await settles(t, pool, { rqPendingActive: 150, cxTotal: 2 })
})

inventory(62, async (t, makePool) => {
  const upstream = await stage(t, 10, true)
  const pool = makePool(upstream.origin, H2)
  /** Connections that so many cold requests lead to; all of them are closed afterwards. */
  const cold = async (count: number): Promise<number> => {
    const before = pool.stats.cxTotal
    await Promise.all(Array.from({ length: count }, async () => (await pool.request({ path: '/' })).body.text()))
    const made = pool.stats.cxTotal - before
    pool.drain()
    await gone(pool)
    return made
  }
  t.is(await cold(1), 1)
  t.is(await cold(11), 2)
  upstream.limit(20)
  t.is(await cold(1), 1)
  t.is(await cold(20), 1)
  t.is(await cold(21), 2)
})
