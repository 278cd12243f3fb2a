// close() lets the rest finish, destroy() fails it, disposal closes, and all may be called twice.

import { ForebayError, Pool } from '../../ts/index.js'
import { eachRunner } from '../support/each-runner.js'
import { ANSWER } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

eachRunner('close waits for what is in flight and waiting, then closes the connections', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 2 } })
  const requests = Array.from({ length: 10 }, () => pool.request({ path: '/delay/20/' }))
  const closed = pool.close()
  t.true(pool.closed)
  await t.throwsAsync(async () => pool.request({ path: '/' }), { code: 'FB_POOL_CLOSED' })
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
  await closed
  await upstream.until('connectionsOpen=0')
  t.is((await upstream.stats()).requestsCompleted, 10)
})

eachRunner('close of an unused pool is immediate, twice is harmless', async (t, makePool) => {
  const pool = makePool('http://127.0.0.1:1')
  await pool.close()
  await pool.close()
  await pool.destroy()
  t.true(pool.closed)
})

eachRunner('destroy fails what is in flight and what waits, with the reason as cause', async (t, makePool) => {
  const upstream = await startScripted(['request', 'readToEnd'])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const requests = ['/a', '/b', '/c'].map(path => pool.request({ path }))
  await upstream.until('0.requests>=1')
  const reason = new Error('shutting down')
  const destroyed = pool.destroy(reason)
  for (const settled of await Promise.allSettled(requests)) {
    if (settled.status === 'fulfilled') throw new Error('answered')
    const error: unknown = settled.reason
    t.true(error instanceof ForebayError && error.code === 'FB_POOL_CLOSED' && error.cause === reason)
  }
  await destroyed
  t.true(pool.destroyed)
  await upstream.until('0.ended>=1')
  await t.throwsAsync(async () => pool.request({ path: '/' }), { code: 'FB_POOL_CLOSED' })
})

eachRunner('destroy after close does not wait', async (t, makePool) => {
  const upstream = await startScripted(['request', 'readToEnd'])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const request = pool.request({ path: '/' })
  await upstream.until('0.requests>=1')
  const closed = pool.close()
  await pool.destroy()
  await t.throwsAsync(request, { code: 'FB_POOL_CLOSED' })
  await closed
})

eachRunner('close with a time-out destroys what has not finished', async (t, makePool) => {
  const upstream = await startScripted(['request', 'readToEnd'])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const request = pool.request({ path: '/' })
  await upstream.until('0.requests>=1')
  const closed = pool.close({ timeout: 50 })
  await t.throwsAsync(request, { code: 'FB_POOL_CLOSED' })
  await closed
  t.true(pool.destroyed)
})

eachRunner('disposal closes', async (t, _, runOn) => {
  const upstream = await startScripted(['request', { wait: 20 }, { send: ANSWER }, 'readToEnd'])
  t.teardown(() => upstream.stop())
  let request: Promise<{ status: number }>
  {
    await using pool = new Pool(upstream.origin, { runOn })
    request = pool.request({ path: '/' })
  }
  t.is((await request).status, 200)
  await upstream.until('0.ended>=1')
})

eachRunner('pools that come and go leave no connection behind', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  for (let n = 0; n < 50; n += 1) {
    const pool = makePool(upstream.origin)
    const request = pool.request({ path: '/' })
    if (n % 2 === 0) {
      t.is((await request).status, 200)
      await pool.close()
    } else {
      await Promise.allSettled([request, pool.destroy()])
    }
  }
  await upstream.until('connectionsOpen=0')
  t.pass()
})
