// What a pool of HTTP/2 connections is for, with Node's server at the other end: bursts, farewells in the middle of work, connections that
// are renewed again and again, and a reader that stalls. The comparison with others is bench/behaviour.

import type { ExecutionContext } from 'ava'
import type { Pool } from '../../ts/index.js'
import { eachRunner } from '../support/each-runner.js'
import { type Scene, startScene } from '../support/http2-scene.js'
import { mismatch } from '../support/pattern.js'

async function scene(t: ExecutionContext, options: Partial<Scene>) {
  const steady: Scene = { maxConcurrentStreams: 100, delayMs: 0, manner: { type: 'steady' } }
  const server = await startScene({ ...steady, ...options }, null)
  t.teardown(() => server.stop())
  return { ...server, origin: `http://127.0.0.1:${server.port}` }
}

/** So many requests at once; gives how many bytes each answer had. */
function burst(pool: Pool, count: number, path: string): Promise<number[]> {
  return Promise.all(
    Array.from({ length: count }, async () => (await (await pool.request({ path })).body.bytes()).byteLength),
  )
}

for (const [count, limit, connections] of [
  [50, 100, 1],
  [100, 10, 10],
  [300, 100, 3],
] as const) {
  eachRunner(`${count} cold requests to Node at limit ${limit}: ${connections} connections`, async (t, makePool) => {
    const server = await scene(t, { maxConcurrentStreams: limit, together: count })
    const pool = makePool(server.origin, { protocols: ['h2'] })
    const bytes = await burst(pool, count, '/bytes/100')
    t.true(bytes.every(length => length === 100))
    t.is(server.stats().connections, connections)
    t.is(pool.stats.rqReplay, 0, 'nothing was refused')
  })
}

eachRunner('GOAWAY at the 20th of 100, on each connection: all are answered', async (t, makePool) => {
  const server = await scene(t, { delayMs: 50, manner: { type: 'goaway', at: 20 } })
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const bytes = await burst(pool, 100, '/bytes/100')
  t.true(bytes.every(length => length === 100))
  const { connections, goaways } = server.stats()
  t.true(goaways >= 4, 'a hundred do not fit')
  t.true(connections <= 2 * goaways, `${connections} connections, ${goaways} GOAWAYs`)
  t.true(pool.stats.rqReplay >= 80, 'the unprocessed of the first went again')
})

for (const steps of [1, 2] as const) {
  const how = steps === 1 ? 'in one step' : 'in two steps'
  eachRunner(`connections that are renewed every 100 ms, ${how}, lose no request`, async (t, makePool) => {
    const server = await scene(t, { delayMs: 3, manner: { type: 'rotate', afterMs: 100, steps } })
    const pool = makePool(server.origin, { protocols: ['h2'] })
    const end = performance.now() + 2_000
    let answered = 0
    const loop = async (): Promise<void> => {
      // Two farewells at least, however long a loaded machine needs for them.
      while (performance.now() < end || server.stats().goaways < 2) {
        const { status, body } = await pool.request({ path: '/bytes/100' })
        t.is(status, 200)
        t.is((await body.bytes()).byteLength, 100)
        answered += 1
      }
    }
    await Promise.all(Array.from({ length: 20 }, loop))
    const { connections, goaways } = server.stats()
    t.true(answered >= 20)
    t.true(goaways >= 2, `${goaways} GOAWAYs`)
    t.true(connections <= 2 * goaways, `${connections} connections, ${goaways} GOAWAYs`)
  })
}

eachRunner('a reader that stalls holds nobody up on its connection', async (t, makePool) => {
  const server = await scene(t, {})
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const stalled = await pool.request({ path: '/bytes/3000000' })
  for (let round = 0; round < 3; round += 1) {
    const bytes = await burst(pool, 99, '/bytes/100000')
    t.true(bytes.every(length => length === 100_000))
  }
  t.is(server.stats().connections, 1)
  const bytes = await stalled.body.bytes()
  t.is(bytes.byteLength, 3_000_000)
  t.is(mismatch(bytes), -1)
})
