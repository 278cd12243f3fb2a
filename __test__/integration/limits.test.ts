// Limits refuse at once, hold nothing, and free what is given back.

import { OverflowError } from '../../ts/index.js'
import { settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { ANSWER, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

eachRunner(
  'one waiting request more than maxPendingRequests is refused, the others are served',
  async (t, makePool) => {
    const upstream = await startScripted(['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { limits: { maxConnections: 1, maxPendingRequests: 2 } })
    const first = pool.request({ path: '/' })
    await upstream.until('0.requests>=1')
    const waiting = [pool.request({ path: '/' }), pool.request({ path: '/' })]
    const error = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: OverflowError })
    t.like(error, { code: 'FB_PENDING_OVERFLOW', limit: 'maxPendingRequests', max: 2, retryable: 'yes' })
    await upstream.ask('signal 0')
    for (const response of await Promise.all([first, ...waiting])) t.is(response.status, 200)
    t.is(pool.stats.rqPendingOverflow, 1)
  },
)

eachRunner('maxRequests refuses by default and queues when told', async (t, makePool) => {
  const upstream = await startScripted(['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED], WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxRequests: 1 } })
  const first = pool.request({ path: '/' })
  await upstream.until('0.requests>=1')
  const error = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: OverflowError })
  t.like(error, { code: 'FB_REQUEST_OVERFLOW', limit: 'maxRequests', max: 1 })
  await upstream.ask('signal 0')
  t.is((await first).status, 200)
  t.is((await pool.request({ path: '/' })).status, 200)

  const queueing = makePool(upstream.origin, { limits: { maxRequests: 1, onMaxRequests: 'queue' } })
  const all = await Promise.all(Array.from({ length: 5 }, () => queueing.request({ path: '/' })))
  t.deepEqual(
    all.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  )
})

eachRunner('a request that waits longer than queueTimeout is FB_QUEUE_TIMEOUT and never sent', async (t, makePool) => {
  const upstream = await startScripted(['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
  t.teardown(() => upstream.stop())
  // Long enough for the connection that the first one needs.
  const pool = makePool(upstream.origin, { queueTimeout: 1_000, limits: { maxConnections: 1 } })
  const first = pool.request({ path: '/first' })
  await upstream.until('0.requests>=1')
  await t.throwsAsync(pool.request({ path: '/second' }), { code: 'FB_QUEUE_TIMEOUT' })
  await upstream.ask('signal 0')
  t.is((await first).status, 200)
  t.false((await upstream.received(0)).includes('/second'))
})

eachRunner('there are never more connections than maxConnections, nor more than requests need', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 5 } })
  // Longer than connections need: none is free before the last is open.
  await Promise.all(Array.from({ length: 3 }, () => pool.request({ path: '/delay/300/' })))
  t.is((await upstream.stats()).maxConnectionsOpen, 3)
  await Promise.all(Array.from({ length: 100 }, () => pool.request({ path: '/delay/20/' })))
  t.is((await upstream.stats()).maxConnectionsOpen, 5)
})

eachRunner('an unused connection is closed after idleTimeout', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { connection: { idleTimeout: 50 } })
  await (await pool.request({ path: '/' })).body.text()
  // An idle pool keeps no loop alive; this wait for the testkit's answer does.
  await upstream.until('connectionsOpen=0')
  await settles(t, pool, { cxActive: 0, cxIdleTimeout: 1 })
})
