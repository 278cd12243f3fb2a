// The cases of limits and groups that one pool of one upstream can show, through TypeScript.

import type { ExecutionContext } from 'ava'
import { eventually, gone, inventory, settles } from '../support/cases.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { type Scripted, startScripted, startTestkit } from '../support/upstream.js'

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

/** Answers the first request when told to, then behaves. */
const HELD: readonly Step[] = ['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED]

inventory(120, async (t, makePool) => {
  const upstream = await scripted(t, HELD)
  const limits = { maxConnections: 2, maxPendingRequests: 3, maxRequests: 4, maxConnectionPools: 1 }
  const pool = makePool(upstream.origin, { limits })
  const gauges = () => pool.stats.circuitBreakers.default
  t.like(gauges(), {
    cx: { open: false, remaining: 2 },
    rqPending: { open: false, remaining: 3 },
    rq: { open: false, remaining: 4 },
    cxPool: { open: false, remaining: 1 },
  })
  const requests = Array.from({ length: 3 }, () => pool.request({ path: '/' }))
  for (const index of [0, 1]) await upstream.until(`${index}.requests>=1`)
  await settles(t, pool, {
    rqActive: 2,
    circuitBreakers: {
      default: {
        cx: { open: true, remaining: 0 },
        rqPending: { open: false, remaining: 2 },
        rq: { open: false, remaining: 2 },
        cxPool: { open: true, remaining: 0 },
      },
    },
  })
  t.like(pool.stats.circuitBreakers.high, {
    cx: { open: false, remaining: 1024 },
    rq: { open: false, remaining: 1024 },
  })
  for (const index of [0, 1]) await upstream.ask(`signal ${index}`)
  await Promise.all(requests)

  const none = makePool(upstream.origin, {
    limits: { maxConnections: 0, maxPendingRequests: 0, maxRequests: 0, maxConnectionPools: 0 },
  })
  const full = { open: true, remaining: 0 }
  t.like(none.stats.circuitBreakers.default, { cx: full, rqPending: full, rq: full, cxPool: full })

  // At least one connection is made; what remains is 0 and not -1.
  const least = makePool(upstream.origin, { limits: { maxConnections: 0 } })
  const only = least.request({ path: '/' })
  await upstream.until('2.requests>=1')
  t.like(least.stats.circuitBreakers.default, { cx: full })
  await upstream.ask('signal 2')
  t.is((await only).status, 200)
})

inventory(
  121,
  async (t, makePool) => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { limits: { maxPendingRequests: 0 } })
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code: 'FB_PENDING_OVERFLOW', phase: 'admit', retryable: 'yes' })
    t.like(pool.stats, { rqOverflowPending: 1, rqPendingOverflow: 1, cxTotal: 0, rqPendingTotal: 0 })
    t.is((await upstream.stats()).connectionsAccepted, 0)
  },
  { part: 'cold' },
)

inventory(
  122,
  async (t, makePool) => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { limits: { maxConnectionPools: 0 } })
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code: 'FB_POOL_OVERFLOW', phase: 'admit', retryable: 'yes', flags: ['UO'] })
    t.like(pool.stats, { cxPoolOverflow: 1, rqPendingTotal: 0, cxTotal: 0 })
    t.is((await upstream.stats()).connectionsAccepted, 0)
  },
  { part: '0' },
)

inventory(
  123,
  async (t, makePool) => {
    const upstream = await scripted(t, HELD)
    const pool = makePool(upstream.origin, { limits: { maxConnections: 1, high: { maxConnections: 1 } } })
    const low = pool.request({ path: '/' })
    await upstream.until('0.requests>=1')
    const waits = pool.request({ path: '/' })
    const high = pool.request({ path: '/', priority: 'high' })
    await upstream.until('1.requests>=1')
    await settles(t, pool, { rqActive: 2, rqPendingActive: 1 }, 'each holds its own')
    const { circuitBreakers } = pool.stats
    t.like(circuitBreakers.default, { cx: { open: true, remaining: 0 }, rqPending: { remaining: 1023 } })
    t.like(circuitBreakers.high, { cx: { open: true, remaining: 0 }, rqPending: { remaining: 1024 } })
    for (const index of [1, 0]) await upstream.ask(`signal ${index}`)
    const [a, b, c] = await Promise.all([low, waits, high])
    t.is(b.connection.id, a.connection.id, 'the same key, the same pool')
    t.not(c.connection.id, a.connection.id, 'another priority, another pool')
  },
  { part: 'priorities' },
)

inventory(124, async (t, makePool) => {
  const upstream = await scripted(t, ['request', { send: ANSWER }, 'signal', 'close'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnectionPools: 1 } })
  const gauge = () => pool.stats.circuitBreakers.default.cxPool
  t.deepEqual(gauge(), { open: false, remaining: 1 })
  await pool.request({ path: '/' })
  t.deepEqual(gauge(), { open: true, remaining: 0 })
  await upstream.ask('signal 0')
  await gone(pool)
  t.deepEqual(gauge(), { open: false, remaining: 1 })
  t.is((await pool.request({ path: '/' })).status, 200)
  t.deepEqual(gauge(), { open: true, remaining: 0 })
  t.is(pool.stats.cxPoolOverflow, 0)
})

inventory(126, async (t, makePool) => {
  const head = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhello'
  const upstream = await scripted(
    t,
    ['request', { send: head }, 'signal', { send: 'hello' }, 'readToEnd'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  let draining = false
  pool.once('drain', () => {
    draining = true
  })
  const first = pool.request({ path: '/' })
  await eventually('the connection drains', () => draining)
  const second = pool.request({ path: '/' })
  await settles(t, pool, { rqPendingActive: 1, cxTotal: 1, cxOverflow: 1 })
  t.is((await upstream.connections()).length, 1)
  await upstream.ask('signal 0')
  t.is(await (await first).body.text(), 'hellohello')
  t.false((await second).connection.reused)
  t.like(pool.stats, { cxTotal: 2 })
})

inventory(127, async (t, makePool) => {
  const upstream = await scripted(t, HELD)
  const pool = makePool(upstream.origin, { limits: { perHost: { maxConnections: 2 } } })
  const requests = [pool.request({ path: '/' }), pool.request({ path: '/' })]
  for (const index of [0, 1]) await upstream.until(`${index}.requests>=1`)
  requests.push(pool.request({ path: '/', priority: 'high' }))
  await upstream.until('2.requests>=1')
  requests.push(pool.request({ path: '/', priority: 'high' }))
  await settles(t, pool, { rqPendingActive: 1, rqActive: 3, cxTotal: 3 }, 'the second of high waits')
  for (const index of [2, 1, 0]) await upstream.ask(`signal ${index}`)
  const [, , third, fourth] = await Promise.all(requests)
  t.is(fourth?.connection.id, third?.connection.id)
  t.is(pool.stats.cxTotal, 3)
})

inventory(
  128,
  async (t, makePool) => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { limits: { maxConnections: 10 } })
    const responses = await Promise.all(Array.from({ length: 1_000 }, () => pool.request({ path: '/' })))
    t.true(responses.every(({ status }) => status === 200))
    t.is((await upstream.stats()).maxConnectionsOpen, 10)
    t.is(pool.stats.cxTotal, 10)
  },
  { part: 'one upstream, one pool' },
)

inventory(131, async (t, makePool) => {
  const upstream = await scripted(t, HELD)
  const pool = makePool(upstream.origin, { limits: { maxRequests: 1, onMaxRequests: 'queue' } })
  const first = pool.request({ path: '/1' })
  await upstream.until('0.requests>=1')
  const second = pool.request({ path: '/2' })
  await settles(t, pool, {
    rqPendingActive: 1,
    rqActive: 1,
    rqOverflowRequests: 0,
    circuitBreakers: { default: { rq: { open: true, remaining: 0 } } },
  })
  await upstream.ask('signal 0')
  t.is((await first).status, 200)
  // Where the second got a connection of its own while it waited for the place, that one has to answer.
  await upstream.ask('signal 1')
  t.is((await second).status, 200)
  t.is(pool.stats.rqOverflowRequests, 0)
})
