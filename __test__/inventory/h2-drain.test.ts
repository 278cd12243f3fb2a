// The HTTP/2 cases of the inventory about drains, closing, and requests that are no longer wanted while their connection is made.

import type { ExecutionContext } from 'ava'
import { eventually, gone, inventory, secure, settles } from '../support/cases.js'
import { answering } from '../support/frames.js'
import { answer, stage } from '../support/http2-stage.js'
import { rejection } from '../support/rejection.js'
import type { Step } from '../support/script.js'
import { startScripted } from '../support/upstream.js'

const H2 = { protocols: ['h2'] } as const

/** Servers whose handshake begins with a signal. */
async function held(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]) {
  const upstream = await startScripted(
    ...scripts.map(script => ['signal', { tls: 'good', alpn: ['h2'] }, ...script] as const),
  )
  t.teardown(() => upstream.stop())
  const { origin, ca } = secure(upstream)
  return { ...upstream, origin, tls: { ca } }
}

inventory(35, async (t, makePool) => {
  const idle = await stage(t, 100, true)
  const lazy = makePool(idle.origin, H2)
  await lazy.request({ path: '/' })
  lazy.drain()
  await gone(lazy)
  t.like(lazy.stats, { cxTotal: 1, cxDestroyLocal: 1, cxDestroyWithActiveRq: 0 })

  // Ready with room for more, and Busy.
  for (const limit of [100, 1]) {
    const upstream = await stage(t, limit)
    const pool = makePool(upstream.origin, H2)
    const first = pool.request({ path: '/first' })
    const old = await upstream.at(0, 1)
    const reasons: string[] = []
    pool.on('drain', ({ reason }) => reasons.push(reason))
    pool.drain()
    const next = pool.request({ path: '/next' })
    const fresh = await upstream.at(1, 1)
    await settles(t, pool, { cxActive: 2, rqActive: 2 })
    answer(old, 0)
    t.is((await first).status, 200)
    await settles(t, pool, { cxActive: 1, rqActive: 1 }, 'the old one closes')
    answer(fresh, 0)
    t.not((await next).connection.id, (await first).connection.id)
    t.deepEqual(reasons, ['manual'])
    t.like(pool.stats, { cxTotal: 2, cxDestroyLocal: 1, cxDestroyWithActiveRq: 0 })
  }
})

inventory(36, async (t, makePool) => {
  const upstream = await held(t, answering(100))
  const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls })
  const abort = new AbortController()
  const request = pool.request({ path: '/', signal: abort.signal })
  await upstream.until('connections>=1')
  pool.drain()
  abort.abort(new Error('not wanted'))
  await t.throwsAsync(request, { message: 'not wanted' })
  await settles(t, pool, { rqCancelled: 1, cxTotal: 1, cxActive: 1 }, 'the first drain left it')
  pool.drain()
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxConnectFail: 0, cxDestroyLocal: 1, rqTotal: 0 })
})

inventory(37, async (t, makePool) => {
  const upstream = await held(t, answering(100))
  const pool = makePool(upstream.origin, { ...H2, tls: upstream.tls, connection: { onCancel: 'close-excess' } })
  const abort = new AbortController()
  const request = pool.request({ path: '/', signal: abort.signal })
  await upstream.until('connections>=1')
  pool.drain()
  abort.abort(new Error('not wanted'))
  await t.throwsAsync(request, { message: 'not wanted' })
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxConnectFail: 0, cxDestroyLocal: 1, rqCancelled: 1 })
})

for (const { number, streams, waiting, left } of [
  { number: 38, streams: 1, waiting: 2, left: [1, 0] },
  { number: 39, streams: 3, waiting: 5, left: [2, 1, 1, 1, 0] },
]) {
  inventory(number, async (t, makePool) => {
    const upstream = await held(t, answering(100))
    const pool = makePool(upstream.origin, {
      ...H2,
      tls: upstream.tls,
      http2: { maxConcurrentStreams: streams },
      connection: { onCancel: 'close-excess' },
    })
    const waits = Array.from({ length: waiting }, () => {
      const abort = new AbortController()
      return { abort, request: pool.request({ path: '/', signal: abort.signal }) }
    })
    await settles(t, pool, { cxTotal: 2, cxActive: 2 })
    for (const [n, { abort, request }] of waits.entries()) {
      abort.abort(new Error('not wanted'))
      await t.throwsAsync(request, { message: 'not wanted' })
      await settles(t, pool, { rqCancelled: n + 1, cxActive: left[n] ?? -1 })
    }
    t.like(pool.stats, { cxTotal: 2, cxDestroyLocal: 2, cxConnectFail: 0 })
  })
}

inventory(40, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, connection: { maxRequestsPerConnection: 1 } })
  const two = [rejection(pool.request({ path: '/' })), rejection(pool.request({ path: '/' }))]
  for (const index of [0, 1]) (await upstream.at(index, 1)).drop()
  for (const error of await Promise.all(two)) t.like(error, { code: 'FB_CONNECTION_CLOSED', retryable: 'maybe' })
  await gone(pool)
  t.like(pool.stats, { cxTotal: 2, cxDestroyRemote: 2, cxDestroyRemoteWithActiveRq: 2 })
  pool.drain()
  const next = pool.request({ path: '/' })
  answer(await upstream.at(2, 1), 0)
  t.is((await next).status, 200)
  t.is(pool.stats.cxTotal, 3)
})

inventory(47, async (t, makePool) => {
  const quiet = await stage(t, 100, true)
  const idle = makePool(quiet.origin, H2)
  await idle.request({ path: '/' })
  await idle.close()
  t.like(idle.stats, { cxActive: 0, cxDestroyLocal: 1 })

  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, H2)
  const broken = rejection(pool.request({ path: '/' }))
  const session = await upstream.at(0, 1)
  let ends = 0
  const closed = pool.close().then(() => {
    ends += 1
  })
  session.drop()
  t.like(await broken, { code: 'FB_CONNECTION_CLOSED' })
  await closed
  t.is(ends, 1)
  t.like(pool.stats, { cxTotal: 1, cxDestroyRemote: 1, cxDestroyRemoteWithActiveRq: 1 })
})

inventory(48, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, http2: { maxConcurrentStreams: 1 } })
  const two = [pool.request({ path: '/' }), pool.request({ path: '/' })]
  const sessions = [await upstream.at(0, 1), await upstream.at(1, 1)]
  let ends = 0
  const closed = pool.close().then(() => {
    ends += 1
  })
  for (const [n, session] of sessions.entries()) {
    t.is(ends, 0)
    answer(session, 0)
    await eventually('one more has gone', () => pool.stats.cxActive === 1 - n)
  }
  for (const response of await Promise.all(two)) t.is(response.status, 200)
  await closed
  t.is(ends, 1)
})
