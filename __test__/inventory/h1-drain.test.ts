// The HTTP/1.1 cases of the inventory about `drain()`, through TypeScript.

import type { ExecutionContext } from 'ava'
import { gone, inventory, secure, settles } from '../support/cases.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { startScripted } from '../support/upstream.js'

const ONE = { limits: { maxConnections: 1 } } as const

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]) {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

inventory(14, async (t, makePool) => {
  const upstream = await scripted(t, WELL_BEHAVED, ['request', 'signal', { send: ANSWER }, 'readToEnd'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, ONE)
  await pool.request({ path: '/' })
  pool.drain()
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxDestroyLocal: 1 })

  const busy = pool.request({ path: '/' })
  await upstream.until('1.requests>=1')
  const reasons: string[] = []
  pool.on('drain', ({ reason }) => reasons.push(reason))
  pool.drain()
  const next = pool.request({ path: '/' })
  await settles(t, pool, { rqPendingActive: 1, rqActive: 1, cxActive: 1 }, 'it is left to finish')
  await upstream.ask('signal 1')
  t.is((await busy).status, 200)
  t.is((await next).status, 200)
  t.false((await next).connection.reused)
  t.deepEqual(reasons, ['manual'])
  t.like(pool.stats, { cxTotal: 3, cxDestroyLocal: 2, cxDestroyWithActiveRq: 0 })
})

inventory(18, async (t, makePool) => {
  const upstream = await scripted(t, ['signal', { tls: 'good' }, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  const pool = makePool(origin, { ...ONE, tls: { ca } })
  const abort = new AbortController()
  const queued = pool.request({ path: '/', signal: abort.signal })
  await upstream.until('connections>=1')
  abort.abort(new Error('not wanted'))
  await t.throwsAsync(queued, { message: 'not wanted' })
  await settles(t, pool, { rqCancelled: 1, cxActive: 1 })
  pool.drain()
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxDestroyLocal: 1, cxConnectFail: 0, rqTotal: 0 })
})
