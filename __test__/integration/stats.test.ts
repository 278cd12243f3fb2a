// `pool.stats` is exact: it says what the server counted and what the callers saw, on both runners.

import type { ExecutionContext } from 'ava'
import { OverflowError, type PoolResponse, type PoolStats, type StatName } from '../../ts/index.js'
import { eventually, gone, settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { atRest, total } from '../support/rest.js'
import { ANSWER, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit, type Testkit } from '../support/upstream.js'

/** Every counter that the type promises. */
const NAMES: Readonly<Record<StatName, true>> = {
  cxActive: true,
  rqActive: true,
  rqPendingActive: true,
  cxTotal: true,
  cxHttp1Total: true,
  cxHttp2Total: true,
  cxHttp3Total: true,
  cxConnectFail: true,
  cxConnectTimeout: true,
  cxConnectWith0Rtt: true,
  cxIdleTimeout: true,
  cxMaxDurationReached: true,
  cxMaxRequests: true,
  cxOverflow: true,
  cxPoolOverflow: true,
  cxNoneHealthy: true,
  cxCloseNotify: true,
  cxProtocolError: true,
  cxDestroy: true,
  cxDestroyLocal: true,
  cxDestroyRemote: true,
  cxDestroyWithActiveRq: true,
  cxDestroyLocalWithActiveRq: true,
  cxDestroyRemoteWithActiveRq: true,
  rqTotal: true,
  rq0Rtt: true,
  rqPendingTotal: true,
  rqPendingOverflow: true,
  rqOverflowPending: true,
  rqOverflowRequests: true,
  rqPendingFailureEject: true,
  rqCancelled: true,
  rqPendingTimeout: true,
  rqRequeued: true,
  rqReplay: true,
  rqRxReset: true,
  rqTxReset: true,
  rqRetry: true,
  rqRetryOverflow: true,
  rqRetrySuccess: true,
  rqRetryLimitExceeded: true,
  rqTimeout: true,
  rqPerTryTimeout: true,
  rqPerTryIdleTimeout: true,
  rqMaxDurationReached: true,
  rqCompleted: true,
  http3Broken: true,
  http2KeepaliveTimeout: true,
  rq1xx: true,
  rq2xx: true,
  rq3xx: true,
  rq4xx: true,
  rq5xx: true,
  http2RxBytes: true,
  http2RxFrames: true,
  http2RxData: true,
  http2RxHeaders: true,
  http2RxReset: true,
  http2RxSettings: true,
  http2RxPing: true,
  http2RxGoaway: true,
  http2RxWindowUpdate: true,
  http2TxBytes: true,
  http2TxFrames: true,
  http2TxData: true,
  http2TxHeaders: true,
  http2TxReset: true,
  http2TxSettings: true,
  http2TxPing: true,
  http2TxGoaway: true,
  http2TxWindowUpdate: true,
}

eachRunner(
  'every counter, gauge and histogram is there before the first request, and the snapshot is frozen',
  async (t, makePool) => {
    const pool = makePool('http://127.0.0.1:1', {
      limits: { maxConnections: 3, maxPendingRequests: 5, maxRequests: 7 },
    })
    const { stats } = pool
    const { circuitBreakers, histograms, rqByStatus, ...counters } = stats
    t.deepEqual(counters, Object.fromEntries(Object.keys(NAMES).map(name => [name, 0])))
    const untouched = {
      cx: { open: false, remaining: 3 },
      rqPending: { open: false, remaining: 5 },
      rq: { open: false, remaining: 7 },
      cxPool: { open: false, remaining: Number.POSITIVE_INFINITY },
    }
    t.like(stats.circuitBreakers.default, untouched)
    t.like(stats.circuitBreakers.high, { cx: { open: false, remaining: 1_024 }, rq: { open: false, remaining: 1_024 } })
    for (const name of ['rqQueueMs', 'cxConnectMs', 'cxLengthMs', 'rqPerCx'] as const) {
      const { bounds, counts, sum } = stats.histograms[name]
      t.is(bounds.length, counts.length)
      t.is(bounds.at(-1), Number.POSITIVE_INFINITY)
      t.deepEqual(
        [...bounds],
        [...bounds].sort((a, b) => a - b),
      )
      t.deepEqual([total({ bounds, counts, sum }), sum], [0, 0])
    }
    t.true(Object.isFrozen(stats) && Object.isFrozen(stats.circuitBreakers.default.cx))
    t.not(pool.stats, stats)
    await pool.close()
    atRest(t, pool)
  },
)

/** What must agree of a pool without requests under way, its server, and the answers that its callers got. */
async function agree(
  t: ExecutionContext,
  stats: PoolStats,
  upstream: Testkit,
  answers: readonly { readonly status: number }[],
): Promise<void> {
  const server = await upstream.stats()
  const classed = (hundreds: number) => answers.filter(({ status }) => Math.floor(status / 100) === hundreds).length
  t.is(stats.cxTotal, server.connectionsAccepted, 'connections')
  t.is(stats.cxHttp1Total, stats.cxTotal)
  t.is(stats.cxTotal, total(stats.histograms.cxConnectMs))
  t.is(stats.cxDestroy, stats.cxTotal - stats.cxActive)
  t.is(stats.rqTotal, server.requestsBegun, 'requests')
  t.is(stats.rqCompleted, answers.length, 'answers')
  t.like(stats, { rq2xx: classed(2), rq3xx: classed(3), rq4xx: classed(4), rq5xx: classed(5) })
  const byStatus: Record<number, number> = {}
  for (const { status } of answers) byStatus[status] = (byStatus[status] ?? 0) + 1
  t.deepEqual(stats.rqByStatus, byStatus)
  t.like(stats, { rqActive: 0, rqPendingActive: 0 })
  const left = stats.rqCancelled + stats.rqPendingFailureEject + stats.rqPendingTimeout
  t.is(total(stats.histograms.rqQueueMs) + left, stats.rqPendingTotal, 'each that waited has left the queue by one way')
}

eachRunner(
  'after a load of every kind of answer the counters are what server and callers counted',
  async (t, makePool) => {
    const upstream = await startTestkit({ args: ['--max-requests', '7'] })
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, {
      limits: { maxConnections: 6 },
      connection: { maxRequestsPerConnection: 5 },
    })
    const paths = [
      '/',
      '/close',
      '/bytes/70000',
      '/chunked/5000/300',
      '/1.0',
      '/status/503',
      '/status/404',
      '/delay/2/',
    ]
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, n) =>
        n % 9 === 8
          ? pool.request({ method: 'POST', path: '/echo-late', body: new Uint8Array(n * 100) })
          : pool.request({ path: paths[n % 9] ?? '/' }),
      ),
    )
    await eventually('nothing is under way', () => {
      const { rqActive, cxHttp1Total, cxTotal } = pool.stats
      return rqActive === 0 && cxHttp1Total === cxTotal
    })
    await upstream.until(`connectionsOpen=${pool.stats.cxActive}`)
    const { stats } = pool
    await agree(t, stats, upstream, answers)
    t.is(stats.cxActive, (await upstream.stats()).connectionsOpen)
    t.is(stats.cxDestroyWithActiveRq, 0)
    t.true(stats.cxOverflow > 0)
    const used = new Set(answers.map(({ connection }) => connection.id))
    // One that was under way when another became free may never have been needed.
    t.true(used.size <= stats.cxTotal && used.size >= stats.cxTotal - 6, 'the connections that the callers saw')
    t.is(answers.filter(({ connection }) => !connection.reused).length, used.size)
    await pool.close()
    t.is(pool.stats.histograms.rqPerCx.sum, 400)
    atRest(t, pool)
  },
)

eachRunner('cancelled, refused, waiting and timed out requests are each counted once', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, {
    replay: 'none',
    limits: { maxConnections: 4, maxPendingRequests: 12, maxRequests: 4, high: { maxPendingRequests: 0 } },
  })
  const answers: PoolResponse[] = []
  for (let n = 0; n < 4; n += 1) answers.push(await pool.request({ path: '/' }))

  // Four run, ten wait.
  const aborts: AbortController[] = []
  const outcomes: Promise<unknown>[] = []
  const send = (path: string) => {
    const abort = new AbortController()
    aborts.push(abort)
    const request = pool.request({ path, signal: abort.signal }).then(
      response => answers.push(response),
      (error: unknown) => error,
    )
    outcomes.push(request)
  }
  for (let n = 0; n < 4; n += 1) send('/delay/60000/')
  await upstream.until('requestsActive=4')
  for (let n = 0; n < 10; n += 1) send('/')
  await settles(t, pool, {
    rqPendingActive: 10,
    rqActive: 4,
    cxActive: 4,
    rqTotal: 8,
    circuitBreakers: { default: { rqPending: { open: false, remaining: 2 } } },
  })

  // Two more may wait, five are refused, and so is one of the other priority.
  for (let n = 0; n < 2; n += 1) send('/')
  for (let n = 0; n < 5; n += 1) t.true((await rejection(pool.request({ path: '/' }))) instanceof OverflowError)
  t.like(await rejection(pool.request({ path: '/', priority: 'high' })), { code: 'FB_PENDING_OVERFLOW' })
  t.like(pool.stats, { rqPendingActive: 12, rqOverflowPending: 6, rqPendingOverflow: 6, rqOverflowRequests: 0 })

  // Three that wait are taken back, and two that run: those cost their connections, and two of the waiting get new ones.
  for (const index of [5, 9, 13]) aborts[index]?.abort(new Error('given up'))
  await settles(t, pool, { rqPendingActive: 9, rqCancelled: 3 })
  for (const index of [0, 2]) aborts[index]?.abort(new Error('given up'))
  await upstream.until('requestsCompleted>=13')
  await eventually('the queue is empty', () => pool.stats.rqPendingActive === 0 && pool.stats.rqActive === 2)
  for (const index of [1, 3]) aborts[index]?.abort(new Error('given up'))
  await Promise.all(outcomes)
  await eventually('nothing runs', () => pool.stats.rqActive === 0)
  t.is(answers.length, 4 + 9)

  // A head that comes too late costs its connection as well.
  const late = makePool(upstream.origin, { headersTimeout: 50, replay: 'none' })
  t.like(await rejection(late.request({ path: '/delay/60000/' })), { code: 'FB_HEADERS_TIMEOUT' })
  await gone(late)
  t.like(late.stats, { rqTotal: 1, rqTimeout: 1, rqCompleted: 0, cxTotal: 1, cxDestroyLocalWithActiveRq: 1 })

  await upstream.until(`connectionsOpen=${pool.stats.cxActive}`)
  const { stats } = pool
  const server = await upstream.stats()
  t.is(stats.cxTotal, server.connectionsAccepted - 1)
  t.is(stats.rqTotal, server.requestsBegun - 1)
  t.is(stats.rqTotal, 4 + 4 + 9)
  t.is(stats.rqCompleted, answers.length)
  t.like(stats, { rqCancelled: 3, cxDestroyLocalWithActiveRq: 4, cxDestroyWithActiveRq: 4, cxDestroyRemote: 0 })
  for (const one of [pool, late]) {
    await one.close()
    atRest(t, one)
  }
  await upstream.until('connectionsOpen=0')
})

eachRunner(
  'connections that fail, break or are closed by the peer are each counted by their side',
  async (t, makePool) => {
    const upstream = await startScripted(
      ['request', { send: ANSWER }, 'signal', 'close'],
      ['request', 'close'],
      ['request', 'reset'],
      ['request', { send: 'garbage\r\n\r\n' }, 'readToEnd'],
      ['request', { send: `${ANSWER}x` }, 'readToEnd'],
      WELL_BEHAVED,
    )
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, {
      replay: 'none',
      limits: { maxConnections: 1 },
      connection: { connectBackoff: { base: 0 } },
    })
    await pool.request({ path: '/' })
    await upstream.ask('signal 0')
    await gone(pool)
    t.like(pool.stats, { cxDestroyRemote: 1, cxDestroyLocal: 0, cxDestroyWithActiveRq: 0 })
    for (const code of ['FB_CONNECTION_CLOSED', 'FB_CONNECTION_RESET']) {
      t.like(await rejection(pool.request({ path: '/' })), { code })
    }
    t.like(pool.stats, { cxDestroyRemote: 3, cxDestroyRemoteWithActiveRq: 2, cxProtocolError: 0 })
    t.like(await rejection(pool.request({ path: '/' })), { code: 'FB_RESPONSE_MALFORMED' })
    t.like(pool.stats, { cxProtocolError: 1, cxDestroyLocal: 1, cxDestroyLocalWithActiveRq: 1 })
    await pool.request({ path: '/' })
    await gone(pool)
    t.like(pool.stats, { cxProtocolError: 2, cxDestroyLocal: 2, cxDestroyLocalWithActiveRq: 1 })
    await pool.request({ path: '/' })
    await pool.close()
    t.like(pool.stats, { cxTotal: 6, cxDestroyLocal: 3, cxDestroyRemote: 3, rqTotal: 6, rqCompleted: 3 })
    t.is((await upstream.connections()).length, 6)
    atRest(t, pool)
  },
)
