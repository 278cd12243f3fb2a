// The HTTP/2 cases of the inventory about how many streams a connection takes, and which connection a stream goes to.

import { eventually, inventory, settles } from '../support/cases.js'
import { answer, type Session, stage } from '../support/http2-stage.js'
import { rejection } from '../support/rejection.js'

const H2 = { protocols: ['h2'] } as const
const ONE = { maxConnections: 1 } as const

inventory(50, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, limits: { maxRequests: 1 } })
  const first = pool.request({ path: '/' })
  const session = await upstream.at(0, 1)
  t.like(await rejection(pool.request({ path: '/' })), { code: 'FB_REQUEST_OVERFLOW', phase: 'admit', flags: ['UO'] })
  t.like(pool.stats, { rqOverflowRequests: 1, rqOverflowPending: 0, rqActive: 1, cxTotal: 1 })
  answer(session, 0)
  t.is((await first).status, 200)
})

// What U is shows in how many of many get a stream.
inventory(
  53,
  async (t, makePool) => {
    const upstream = await stage(t, 1_000)
    const pool = makePool(upstream.origin, { ...H2, limits: ONE, http2: { maxConcurrentStreams: 100 } })
    const requests = [pool.request({ path: '/' })]
    const session = await upstream.at(0, 1)
    session.limit(1)
    await session.agreed()
    for (let n = 0; n < 120; n += 1) requests.push(pool.request({ path: '/' }))
    await settles(t, pool, { rqPendingActive: 120, rqActive: 1 }, 'SETTINGS 1')
    for (const [said, active] of [
      [10, 10],
      [150, 100],
    ] as const) {
      session.limit(said)
      await upstream.at(0, active)
      await session.agreed()
      await settles(t, pool, { rqActive: active, rqPendingActive: 121 - active }, `SETTINGS ${said}`)
    }
    for (let n = 0; n < 121; n += 1) answer(await upstream.at(0, n + 1), n)
    for (const response of await Promise.all(requests)) t.is(response.status, 200)
    t.is(pool.stats.cxTotal, 1)
  },
  { part: 'the streams' },
)

inventory(57, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, {
    ...H2,
    limits: ONE,
    http2: { maxConcurrentStreams: 8 },
    connection: { maxRequestsPerConnection: 6 },
  })
  const requests = [1, 2, 3].map(() => pool.request({ path: '/' }))
  const session = await upstream.at(0, 3)
  session.limit(4)
  await session.agreed()
  for (let n = 0; n < 4; n += 1) requests.push(pool.request({ path: '/' }))
  await upstream.at(0, 4)
  await settles(t, pool, { rqActive: 4, rqPendingActive: 3 }, 'one more fits')
  for (const n of [0, 1]) {
    answer(session, n)
    await upstream.at(0, 5 + n)
    await settles(t, pool, { rqActive: 4, rqPendingActive: 2 - n })
  }
  t.is(pool.stats.cxMaxRequests, 1, 'its life is used up')
  for (const n of [2, 3, 4, 5]) answer(session, n)
  answer(await upstream.at(1, 1), 0)
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
  t.is(session.streams.length, 6)
  t.is(pool.stats.cxTotal, 2)
})

inventory(58, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, http2: { maxConcurrentStreams: 4, remember: false } })
  const requests = [1, 2, 3].map(() => pool.request({ path: '/' }))
  const session = await upstream.at(0, 3)
  session.limit(1)
  await session.agreed()
  answer(session, 0)
  await settles(t, pool, { rqActive: 2 })
  requests.push(pool.request({ path: '/' }))
  const other = await upstream.at(1, 1)
  await settles(t, pool, { rqActive: 3, cxTotal: 2 }, 'a debt is no room')
  answer(session, 1)
  await settles(t, pool, { rqActive: 2 }, 'the debt is paid')
  requests.push(pool.request({ path: '/' }))
  await upstream.at(1, 2)
  await settles(t, pool, { rqActive: 3 })
  answer(session, 2)
  await settles(t, pool, { rqActive: 2 }, 'it is idle')
  requests.push(pool.request({ path: '/' }))
  await upstream.at(0, 4)
  answer(session, 3)
  for (const n of [0, 1]) answer(other, n)
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
  t.is(pool.stats.cxTotal, 2)
})

inventory(61, async (t, makePool) => {
  const upstream = await stage(t, 1)
  const pool = makePool(upstream.origin, { ...H2, limits: ONE, http2: { maxConcurrentStreams: 8 } })
  const requests = ['/1', '/2', '/3'].map(path => pool.request({ path }))
  const session = await upstream.at(0, 1)
  await settles(t, pool, { rqPendingActive: 2, rqActive: 1 })
  session.limit(3)
  await upstream.at(0, 3)
  t.deepEqual(
    session.streams.map(({ path }) => path),
    ['/1', '/2', '/3'],
  )
  for (const n of [0, 1, 2]) answer(session, n)
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
  t.is(pool.stats.cxTotal, 1)
})

inventory(63, async (t, makePool) => {
  const upstream = await stage(t, 0)
  const pool = makePool(upstream.origin, { ...H2, limits: ONE })
  const requests = [pool.request({ path: '/' }), pool.request({ path: '/' })]
  await settles(t, pool, { cxHttp2Total: 1, rqActive: 0, rqPendingActive: 2, cxActive: 1 })
  upstream.sessions[0]?.limit(1)
  const session = await upstream.at(0, 1)
  await session.agreed()
  await settles(t, pool, { rqActive: 1, rqPendingActive: 1 })
  answer(session, 0)
  answer(await upstream.at(0, 2), 1)
  for (const response of await Promise.all(requests)) t.is(response.status, 200)
  t.is(pool.stats.cxTotal, 1)
})

inventory(64, async (t, makePool) => {
  const upstream = await stage(t, 1)
  const pool = makePool(upstream.origin, H2)
  const long = pool.request({ path: '/long' })
  const session = await upstream.at(0, 1)
  const second = pool.request({ path: '/second' })
  answer(await upstream.at(1, 1), 0)
  t.is((await second).status, 200)
  await settles(t, pool, { cxTotal: 2, rqActive: 1 })
  answer(session, 0)
  t.not((await long).connection.id, (await second).connection.id)
})

inventory(74, async (t, makePool) => {
  const upstream = await stage(t, 100)
  const pool = makePool(upstream.origin, { ...H2, limits: ONE, http2: { maxConcurrentStreams: 19 } })
  const active = Array.from({ length: 19 }, () => rejection(pool.request({ path: '/active' })))
  const session = await upstream.at(0, 19)
  const queued = [pool.request({ path: '/queued' }), pool.request({ path: '/queued' })]
  await settles(t, pool, { rqPendingActive: 2, rqActive: 19 })
  session.drop()
  for (const error of await Promise.all(active))
    t.like(error, { code: 'FB_CONNECTION_CLOSED', retryable: 'maybe', flags: ['UC'] })
  const next = await upstream.at(1, 2)
  for (const n of [0, 1]) answer(next, n)
  for (const response of await Promise.all(queued)) t.is(response.status, 200)
  t.like(pool.stats, { cxTotal: 2, rqPendingFailureEject: 0, cxDestroyRemoteWithActiveRq: 1 })
})

// Three streams on the first and one on the second connection; then both may take a fourth, the first as the last of them.
inventory(75, async (t, makePool) => {
  for (const pick of ['least-loaded', 'most-recent'] as const) {
    const upstream = await stage(t, 3)
    const pool = makePool(upstream.origin, { ...H2, connection: { pick } })
    const requests = [1, 2, 3].map(() => pool.request({ path: '/' }))
    const full = await upstream.at(0, 3)
    requests.push(pool.request({ path: '/' }))
    const light = await upstream.at(1, 1)
    full.limit(4)
    await full.agreed()
    requests.push(pool.request({ path: '/' }))
    const expected: Session = pick === 'least-loaded' ? light : full
    await eventually('the fifth is there', () => full.streams.length + light.streams.length === 5)
    t.is(expected.streams.length, pick === 'least-loaded' ? 2 : 4, pick)
    for (const { streams } of [full, light]) for (const stream of streams) stream.answer()
    for (const response of await Promise.all(requests)) t.is(response.status, 200)
    t.is(pool.stats.cxTotal, 2)
  }
})
