// The cases of retries: limit, budget, back-off, conditions; and what a storm of them comes to.

import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'
import { consecutiveFailures, type Pool, type RetryCondition, type RetryOptions } from '../../ts/index.js'
import { backoffMs } from '../../ts/request/backoff.js'
import { startAnswering } from '../support/answering.js'
import { eventually, inventory, row, settles } from '../support/cases.js'
import { rejection } from '../support/rejection.js'
import { startShut } from '../support/upstream.js'

const AT_ONCE = { base: 0 }

inventory(129, async (t, makePool) => {
  const upstream = await startAnswering(t, (request, response, count) => {
    if (count === 1) response.writeHead(503).end('first')
    else upstream.held.push(response)
    request.resume()
  })
  const pool = makePool(upstream.origin, {
    limits: { maxRetries: 3 },
    retry: { on: ['5xx'], attempts: 1, backoff: AT_ONCE },
  })
  const three = [1, 2, 3].map(n => pool.request({ path: `/${n}` }))
  await eventually('three retries are under way', () => upstream.held.length === 3)
  await settles(t, pool, {
    rqRetry: 3,
    rqRetryOverflow: 0,
    circuitBreakers: { default: { rqRetry: { open: true, remaining: 0 } } },
  })

  const fourth = await pool.request({ path: '/4' })
  t.is(fourth.status, 503)
  t.is(await fourth.body.text(), 'first')
  t.is(fourth.attempts.length, 1)
  t.like(pool.stats, { rqRetry: 3, rqRetryOverflow: 1, rqRetryLimitExceeded: 0 })
  t.is(upstream.seen.get('/4'), 1)

  for (const response of upstream.held.splice(0)) response.end()
  for (const { status, attempts } of await Promise.all(three)) t.deepEqual([status, attempts.length], [200, 2])
  await settles(t, pool, {
    rqRetrySuccess: 3,
    circuitBreakers: { default: { rqRetry: { open: false, remaining: 3 } } },
  })

  const fifth = pool.request({ path: '/5' })
  await eventually('the fifth is tried again', () => upstream.held.length === 1)
  upstream.held[0]?.writeHead(503).end()
  t.is((await fifth).status, 503)
  await eventually('its attempt is spent', () => pool.stats.rqRetryLimitExceeded === 1)
})

inventory(130, async (t, makePool) => {
  const upstream = await startAnswering(t, (_request, response) =>
    response.writeHead(503, { 'retry-after': '60' }).end(),
  )
  for (const [active, most] of [
    [10, 3],
    [100, 20],
  ] as const) {
    upstream.held.length = 0
    const pool = makePool(upstream.origin, { retry: { on: ['5xx'] } })
    const all = Array.from({ length: active }, () => pool.request({ path: '/hold' }))
    await eventually('all are active', () => upstream.held.length === active)
    for (let n = 1; n <= most; n += 1) {
      all.push(pool.request({ path: '/' }))
      // In back-off, where it is no request that is active or waits.
      await eventually(`retry ${n}`, () => pool.stats.rqRetry === n && pool.stats.rqActive === active)
    }
    t.is((await pool.request({ path: '/' })).status, 503)
    t.like(pool.stats, { rqRetry: most, rqRetryOverflow: 1 })
    t.deepEqual(pool.stats.circuitBreakers.default.rqRetry, { open: true, remaining: 0 })
    const ends = Promise.allSettled(all)
    await pool.destroy()
    for (const { status } of await ends) t.is(status, 'rejected')
    t.false(pool.stats.circuitBreakers.default.rqRetry.open)
  }
})

const HIGHEST = [24, 49, 99, 199, 249]

inventory(132, async (t, makePool) => {
  const arrivals: number[] = []
  const upstream = await startAnswering(t, (_request, response) => {
    arrivals.push(performance.now())
    response.writeHead(500).end()
  })
  const pool = makePool(upstream.origin, { retry: { on: ['5xx'], attempts: HIGHEST.length } })
  const random = Math.random
  // The highest number there is, and the lowest.
  Math.random = () => 1 - Number.EPSILON / 2
  try {
    t.is((await pool.request({ path: '/' })).status, 500)
  } finally {
    Math.random = random
  }
  t.is(arrivals.length, HIGHEST.length + 1)
  for (const [n, ms] of HIGHEST.entries()) {
    const waited = (arrivals[n + 1] ?? 0) - (arrivals[n] ?? 0)
    // Timers of the native side count whole ms from the decision, and this clock from when the request was seen.
    t.true(waited >= ms - 1, `wait ${n + 1}: ${waited}`)
  }
  const range = (chance: number) => HIGHEST.map((_, n) => backoffMs({ base: 25, max: 250 }, n + 1, chance))
  t.deepEqual(range(1 - Number.EPSILON / 2), HIGHEST)
  t.deepEqual(range(0), [0, 0, 0, 0, 0])
})

/** How an attempt can end, by the path that leads to it. */
const ENDS = ['/500', '/502', '/505', '/404', '/409', '/418', '/marked', '/reset'] as const

const STATUS_CASES: readonly (readonly [RetryCondition, readonly string[]])[] = [
  ['5xx', ['/500', '/502', '/505', '/reset', 'refused', 'stream']],
  ['gateway-error', ['/502', '/reset', 'refused', 'stream']],
  ['reset', ['/reset', 'refused', 'stream']],
  ['reset-before-request', ['refused']],
  ['connect-failure', ['refused']],
  ['refused-stream', ['stream']],
  ['retriable-4xx', ['/409']],
  ['retriable-status-codes', ['/418']],
  ['retriable-headers', ['/marked']],
]

inventory(133, async (t, makePool) => {
  const upstream = await startAnswering(t, ({ url, socket }, response) => {
    if (url === '/reset') socket.resetAndDestroy()
    else if (url === '/marked') response.setHeader('x-again', '1').end()
    else if (url === '/early')
      response.writeEarlyHints({ link: '</a>; rel=preload' }, () => response.writeHead(503).end())
    else response.writeHead(Number(url?.slice(1))).end()
  })
  const shut = await startShut()
  t.teardown(() => shut.stop())
  const refusing = await startRefusing(t)
  const pool = makePool(upstream.origin)
  const nobody = makePool(shut.origin)
  const multiplexed = makePool(refusing, { protocols: ['h2'] })
  const full = makePool(upstream.origin, { limits: { maxRequests: 0 } })
  const repeats = async (to: Pool, path: string, retry: RetryOptions): Promise<boolean> => {
    const before = to.stats.rqRetry
    const ended = await to.request({ path, retry }).catch((error: unknown) => error)
    t.truthy(ended)
    return to.stats.rqRetry > before
  }
  for (const [condition, expected] of STATUS_CASES) {
    const retry: RetryOptions = { on: [condition], statusCodes: [418], headers: ['x-again'], backoff: AT_ONCE }
    const found: string[] = []
    for (const path of ENDS) if (await repeats(pool, path, retry)) found.push(path)
    if (await repeats(nobody, '/', retry)) found.push('refused')
    if (await repeats(multiplexed, '/', retry)) found.push('stream')
    t.deepEqual(found, expected, condition)
    t.false(await repeats(full, '/', retry), 'Overflow')
  }
  t.is((await rejection(full.request({ path: '/', retry: { on: ['5xx', 'reset'] } }))).code, 'FB_REQUEST_OVERFLOW')
  t.is(full.stats.rqRetry + full.stats.rqRetryOverflow, 0)

  // Told of a 103, the caller gets what follows it; not told, it may be repeated.
  const retry: RetryOptions = { on: ['5xx'], backoff: AT_ONCE }
  t.is((await pool.request({ path: '/early', retry, onInformational: () => {} })).status, 503)
  t.is(upstream.seen.get('/early'), 1)
  t.is((await pool.request({ path: '/early', retry })).status, 503)
  t.is(upstream.seen.get('/early'), 3)
})

/** An HTTP/2 upstream that refuses every stream. */
async function startRefusing(t: ExecutionContext): Promise<string> {
  const REFUSED_STREAM = 7
  const server = createHttp2Server()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session))
  server.on('stream', stream => {
    stream.on('error', () => {})
    stream.close(REFUSED_STREAM)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

row(
  'P17',
  'retries of an upstream that fails stay within the budget; an open breaker ends them',
  async (t, makePool) => {
    const REQUESTS = 2_000
    const AT_A_TIME = 100
    const upstream = await startAnswering(t, (_request, response) => response.writeHead(503).end())
    const storm = async (pool: Pool, requests: number): Promise<string[]> => {
      const ends: string[] = []
      let left = requests
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1
          const response = await pool.request({ path: '/' }).catch((error: { code: string }) => error.code)
          if (typeof response === 'string') ends.push(response)
          else {
            ends.push(String(response.status))
            await response.body.discard()
          }
        }
      }
      await Promise.all(Array.from({ length: AT_A_TIME }, worker))
      return ends
    }
    const retry: RetryOptions = { on: ['5xx'], attempts: 5 }
    const pool = makePool(upstream.origin, { retry })
    t.deepEqual(new Set(await storm(pool, REQUESTS)), new Set(['503']))
    t.true(upstream.total >= REQUESTS)
    t.true(upstream.total <= 1.2 * REQUESTS, `${upstream.total} attempts of ${REQUESTS} requests`)

    const guarded = makePool(upstream.origin, { retry, breaker: consecutiveFailures({ failures: 10 }) })
    const ends = await storm(guarded, REQUESTS)
    t.true(ends.includes('FB_BREAKER_OPEN'))
    const { total } = upstream
    const attached = guarded.stats.rqTotal
    t.deepEqual(new Set(await storm(guarded, REQUESTS)), new Set(['FB_BREAKER_OPEN']))
    t.is(upstream.total, total)
    t.is(guarded.stats.rqTotal, attached)
    const error = await rejection(guarded.request({ path: '/' }))
    t.like(error, { code: 'FB_BREAKER_OPEN', retryable: 'yes', phase: 'admit' })
  },
)
