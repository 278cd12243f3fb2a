// The cases of the inventory about pools that agree with their upstream on HTTP/2 or HTTP/1.1, connection by connection.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import type { ExecutionContext } from 'ava'
import type { Pool, PoolOptions } from '../../ts/index.js'
import { eventually, gone, inventory, secure, settles } from '../support/cases.js'
import { answering, response, settings } from '../support/frames.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

const TWO: Step = { tls: 'good', alpn: ['h2', 'http/1.1'] }
const ONE: Step = { tls: 'good', alpn: ['http/1.1'] }
const NONE: Step = { tls: 'good', alpn: [] }
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

inventory(116, async (t, makePool) => {
  const testkit = await startTestkit({ args: ['--tls'] })
  await testkit.stop()
  const { ca, identity } = testkit
  if (ca === null || identity === null) throw new Error('no certificate')
  const offers: string[][] = []
  const server = createServer({
    ...identity,
    ALPNCallback({ protocols }) {
      offers.push(protocols)
      return undefined
    },
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const asked: readonly (readonly [PoolOptions['protocols'], string[]])[] = [
    [undefined, ['h2', 'http/1.1']],
    ['auto', ['h2', 'http/1.1']],
    [['h2'], ['h2']],
    [['h1'], ['http/1.1']],
  ]
  for (const [protocols, offered] of asked) {
    await rejection(makePool(origin, { tls: { ca }, protocols }).request({ path: '/' }))
    t.deepEqual(offers.at(-1), offered)
  }

  for (const [first, protocol] of [
    [TWO, 'h2'],
    [ONE, 'h1'],
    [NONE, 'h1'],
  ] as const) {
    const upstream = await scripted(t, [first, ...(protocol === 'h2' ? answering(100) : WELL_BEHAVED)])
    const { connection } = await makePool(upstream.origin, { tls: upstream.tls }).request({ path: '/' })
    t.is(connection.protocol, protocol)
  }
})

inventory(117, async (t, makePool) => {
  const upstream = await scripted(t, ['signal', NONE, 'request', 'signal', { send: ANSWER }, ...WELL_BEHAVED], DEAF)
  const pool = makePool(upstream.origin, { tls: upstream.tls })
  waiting(pool, 10)
  await settles(t, pool, { rqPendingActive: 10, cxTotal: 1 })
  await upstream.ask('signal 0')
  await settles(t, pool, { rqActive: 1, cxTotal: 4, cxHttp1Total: 1, rqPendingActive: 9 })
})

inventory(118, async (t, makePool) => {
  for (const [limit, fits] of [
    [5, 5],
    [2 ** 32 - 1, 1_024],
  ] as const) {
    const said = answering(limit).slice(0, -1)
    const upstream = await scripted(t, [TWO, ...said, 'close'], DEAF)
    const pool = makePool(upstream.origin, { tls: upstream.tls, limits: { maxPendingRequests: 2_000 } })
    await pool.request({ path: '/' })
    await gone(pool)
    waiting(pool, fits)
    await settles(t, pool, { rqPendingActive: fits, cxTotal: 2 }, `SETTINGS ${limit}`)
    waiting(pool, 1)
    await eventually('one more does not fit', () => pool.stats.cxTotal === 3)
  }

  const old = await scripted(t, [ONE, 'request', { send: ANSWER }, 'close'], DEAF)
  const pool = makePool(old.origin, { tls: old.tls })
  await pool.request({ path: '/' })
  await gone(pool)
  waiting(pool, 3)
  await settles(t, pool, { rqPendingActive: 3, cxTotal: 4 })
})

inventory(119, async (t, makePool) => {
  const two: readonly Step[] = [
    TWO,
    'preface',
    settings(1),
    { streams: 1 },
    'signal',
    response(1),
    { streams: 1 },
    response(3),
  ]
  const one: readonly Step[] = [ONE, 'request', 'signal', { send: ANSWER }, ...WELL_BEHAVED]
  const upstream = await scripted(t, [...two, 'frames'], one)
  const pool = makePool(upstream.origin, { tls: upstream.tls })
  const first = pool.request({ path: '/' })
  await eventually('one is attached', () => pool.stats.rqActive === 1)
  const second = pool.request({ path: '/' })
  await upstream.until('1.requests>=1')
  await settles(t, pool, { rqActive: 2, cxHttp1Total: 1, cxHttp2Total: 1 })
  for (const index of [0, 1]) await upstream.ask(`signal ${index}`)
  t.is((await first).connection.protocol, 'h2')
  t.is((await second).connection.protocol, 'h1')
  const both = await Promise.all([pool.request({ path: '/' }), pool.request({ path: '/' })])
  t.deepEqual(both.map(({ connection }) => connection.protocol).sort(), ['h1', 'h2'])
  t.is(pool.stats.cxTotal, 2)
})
