// The pool itself under pressure: rows P of docs/conformance.md that need no long run.

import { setImmediate as immediate } from 'node:timers/promises'
import { OverflowError } from '../../ts/index.js'
import { eventually, gone, row, settles } from '../support/cases.js'
import { runChild } from '../support/child.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

row('P01', '10,000 requests at a cold start', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const count = 10_000
  const limits = { maxConnections: 20, maxPendingRequests: count, maxRequests: count }
  const pool = makePool(upstream.origin, { limits })
  const settled: number[] = []
  const requests = Array.from({ length: count }, async (_, n) => {
    const { status } = await pool.request({ path: '/' })
    settled.push(n)
    return status
  })
  t.true((await Promise.all(requests)).every(status => status === 200))
  const server = await upstream.stats()
  t.like(server, { connectionsAccepted: 20, maxConnectionsOpen: 20, requestsBegun: count })
  // Of twenty that run side by side the last may answer first: no request is further from its place.
  const astray = settled.map((n, place) => Math.abs(n - place))
  t.true(Math.max(...astray) <= 2_000, `${Math.max(...astray)} places from its own`)
})

row('P02', 'each limit refuses at once, by its own code', async (t, makePool) => {
  const upstream = await startScripted(['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
  t.teardown(() => upstream.stop())
  for (const [limits, code, limit, index] of [
    [{ maxConnections: 1, maxPendingRequests: 0 }, 'FB_PENDING_OVERFLOW', 'maxPendingRequests', -1],
    [{ maxRequests: 1 }, 'FB_REQUEST_OVERFLOW', 'maxRequests', 0],
    [{ maxConnectionPools: 0 }, 'FB_POOL_OVERFLOW', 'maxConnectionPools', -1],
  ] as const) {
    const pool = makePool(upstream.origin, { limits })
    const first = index === -1 ? null : pool.request({ path: '/' })
    if (first !== null) await upstream.until(`${index}.requests>=1`)
    const error = await rejection(pool.request({ path: '/' }))
    t.true(error instanceof OverflowError)
    t.like(error, { code, limit, max: limits[limit as keyof typeof limits], phase: 'admit', retryable: 'yes' })
    t.deepEqual(error.flags, ['UO'])
    t.is(error.attempts.length, 0)
    if (first !== null) {
      await upstream.ask(`signal ${index}`)
      t.is((await first).status, 200)
    }
  }
})

row('P04', 'a request that waited too long is never sent', async (t, makePool) => {
  const upstream = await startScripted(['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { queueTimeout: 1_000, limits: { maxConnections: 1 } })
  const first = pool.request({ path: '/first' })
  await upstream.until('0.requests>=1')
  const late = await Promise.all(Array.from({ length: 20 }, () => rejection(pool.request({ path: '/late' }))))
  for (const error of late) t.like(error, { code: 'FB_QUEUE_TIMEOUT', phase: 'queue', retryable: 'yes', flags: ['UT'] })
  t.like(pool.stats, { rqPendingTimeout: 20, rqPendingActive: 0 })
  await upstream.ask('signal 0')
  await first
  await pool.request({ path: '/last' })
  t.false((await upstream.received(0)).includes('/late'))
})

row('P06', 'close() lets queued and open requests finish, and takes no new one', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 2 } })
  const requests = Array.from({ length: 20 }, () => pool.request({ path: '/delay/2/' }))
  let finished = 0
  for (const request of requests) request.then(() => (finished += 1))
  const closed = pool.close().then(() => finished)
  const refused = await rejection(pool.request({ path: '/' }))
  t.like(refused, { code: 'FB_POOL_CLOSED', phase: 'admit', retryable: 'yes', flags: ['UF'] })
  t.is(await closed, 20, 'all have finished before it resolves')
  for (const { status } of await Promise.all(requests)) t.is(status, 200)
  await upstream.until('connectionsOpen=0')
})

row('P07', 'destroy() fails each request once, whatever its phase', async (t, makePool) => {
  const upstream = await startScripted(
    ['request', 'readToEnd'],
    ['request', { send: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello' }, 'readToEnd'],
    ['head', 'park'],
  )
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 3 } })
  let settled = 0
  let heads = 0
  const send = (body: Uint8Array | null) => {
    const request = pool.request({ path: '/', method: 'POST', body }).then(response => {
      heads += 1
      return response
    })
    return rejection(request).finally(() => {
      settled += 1
    })
  }
  // One waits for a head, one has half a body, one is uploading, two wait for a connection.
  const requests = [send(null)]
  await upstream.until('0.requests>=1')
  requests.push(send(null))
  await eventually('its head is there', () => heads === 1)
  requests.push(send(new Uint8Array(16 * 1_048_576)))
  await upstream.until('2.received>=1')
  requests.push(send(null), send(null))
  await settles(t, pool, { rqPendingActive: 2, rqActive: 3 })
  await pool.destroy(new Error('over'))
  const errors = await Promise.all(requests)
  for (const error of errors) {
    t.like(error, { code: 'FB_POOL_CLOSED', flags: ['UF'] })
    t.is((error.cause as Error).message, 'over')
  }
  t.deepEqual(
    errors.map(({ retryable }) => retryable),
    ['maybe', 'no', 'maybe', 'yes', 'yes'],
  )
  await immediate()
  t.is(settled, 5)
  for (const index of [0, 1]) await upstream.until(`${index}.ended>=1`)
})

row('P09', 'an idle pool lets the process exit, an open request keeps it alive', async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  for (const path of ['/', '/delay/300/']) {
    const { code, stdout, stderr } = await runChild('idle-exit', [upstream.origin, runOn, path])
    t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    const { lived } = JSON.parse(stdout)
    // 100 ms where the machine does nothing else; far below what an idle connection is kept.
    t.true(lived < 10_000, `${path}: ${lived} ms`)
  }
  await upstream.until('requestsCompleted>=2')
  t.is((await upstream.stats()).requestsCompleted, 2)
})

row('P19', 'connections are replaced after their requests or their time, and no request fails', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  for (const connection of [
    { maxRequestsPerConnection: 1 },
    { maxRequestsPerConnection: 2 },
    { maxRequestsPerConnection: 7 },
    { maxConnectionDuration: 5 },
  ]) {
    const before = await upstream.stats()
    const pool = makePool(upstream.origin, { limits: { maxConnections: 4 }, connection })
    const responses = await Promise.all(Array.from({ length: 200 }, () => pool.request({ path: '/delay/1/' })))
    t.true(responses.every(({ status }) => status === 200))
    const after = await upstream.stats()
    t.is(after.requestsBegun - before.requestsBegun, 200)
    if (connection.maxRequestsPerConnection !== undefined) {
      const served = new Map<number, number>()
      for (const { connection: used } of responses) served.set(used.id, (served.get(used.id) ?? 0) + 1)
      t.true(Math.max(...served.values()) <= connection.maxRequestsPerConnection)
    } else {
      t.true(pool.stats.cxMaxDurationReached > 0)
    }
    await pool.close()
  }
})

row('P22', 'pools of one address that differ in anything share no connection', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const ca = upstream.ca ?? ''
  const options = [
    { tls: { ca } },
    { tls: { ca, servername: 'localhost' } },
    { tls: { ca, minVersion: 'TLSv1.3' as const } },
    { tls: { ca, sessionCache: 0 } },
    { tls: { dangerouslySkipVerification: true } },
    { tls: { ca }, connection: { localAddress: '127.0.0.1' } },
  ]
  const pools = options.map(option => makePool(upstream.origin, option))
  for (const pool of pools) t.is((await pool.request({ path: '/' })).status, 200)
  t.like(await upstream.stats(), { connectionsAccepted: pools.length, tlsHandshakes: pools.length, tlsResumed: 0 })
  for (const pool of pools) {
    t.true((await pool.request({ path: '/' })).connection.reused)
    await pool.close()
    await gone(pool)
  }
  t.is((await upstream.stats()).connectionsAccepted, pools.length)
})
