// The HTTP/2 cases of the inventory about connections that are silent or no good.

import type { ExecutionContext } from 'ava'
import { eventually, gone, inventory } from '../support/cases.js'
import { answering, body, frameTypes, PING, response, responseHead, settings } from '../support/frames.js'
import { rejection } from '../support/rejection.js'
import type { Step } from '../support/script.js'
import { startScripted } from '../support/upstream.js'

const H2 = { protocols: ['h2'] } as const
const HEADERS = 1

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]) {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

// 1.2 s: on a loaded machine the server pauses for longer than a little.
const ping = { interval: 100, timeout: 1_200 }

inventory(76, async (t, makePool) => {
  const silent = await scripted(t, ['preface', settings(100), { streams: 1 }, 'park'])
  const deaf = makePool(silent.origin, { ...H2, http2: { ping } })
  t.like(await rejection(deaf.request({ path: '/' })), { code: 'FB_KEEPALIVE_TIMEOUT', flags: ['UC'] })
  await gone(deaf)
  t.like(deaf.stats, { http2KeepaliveTimeout: 1, cxTotal: 1, cxDestroyWithActiveRq: 1 })

  const slowly: Step = { ...body(1, 'x', false), times: 16, every: 100 }
  const steps: readonly Step[] = ['preface', settings(100), { streams: 1 }, responseHead(1), slowly, body(1, '!', true)]
  const talking = await scripted(t, [...steps, 'frames'])
  const patient = makePool(talking.origin, { ...H2, http2: { ping } })
  t.is(await (await patient.request({ path: '/' })).body.text(), `${'x'.repeat(16)}!`)
  t.is(patient.stats.http2KeepaliveTimeout, 0)
})

// 200 ms instead of 1 s.
inventory(77, async (t, makePool) => {
  const upstream = await scripted(t, answering(100, 3))
  const pool = makePool(upstream.origin, { ...H2, http2: { ping: { timeout: 5_000, idleInterval: 200 } } })
  const sent = async () => frameTypes(await upstream.received(0)).filter(type => type === PING || type === HEADERS)
  await pool.request({ path: '/' })
  await pool.request({ path: '/' })
  const before = await sent()
  await new Promise(resolve => setTimeout(resolve, 400))
  await pool.request({ path: '/' })
  t.deepEqual((await sent()).slice(before.length), [PING, HEADERS])
  t.like(pool.stats, { cxTotal: 1, http2KeepaliveTimeout: 0 })
})

inventory(78, async (t, makePool) => {
  const bad = Array.from({ length: 512 }, (_, n): Step[] => [
    { streams: 1 },
    responseHead(2 * n + 3, [['content-length', 'many']]),
  ])
  const open: readonly Step[] = ['preface', settings(100), { streams: 1 }]
  const upstream = await scripted(t, [...open, ...bad.flat(), 'signal', response(1), 'frames'], answering(100))
  const pool = makePool(upstream.origin, { ...H2 })
  const reasons: string[] = []
  pool.on('drain', ({ reason }) => reasons.push(reason))
  const long = pool.request({ path: '/long' })
  await upstream.until('0.step>=3')
  for (let n = 0; n < 512; n += 1) {
    t.deepEqual(reasons, [])
    await rejection(pool.request({ path: '/bad' }))
  }
  await eventually('it drains', () => reasons.length === 1)
  t.deepEqual(reasons, ['local-errors'])
  const next = await pool.request({ path: '/' })
  await upstream.ask('signal 0')
  t.is((await long).status, 200)
  t.not((await long).connection.id, next.connection.id)
  t.is(pool.stats.cxTotal, 2)
})
