// Drops bodies without reading them, in each way in which that can be done, and waits until the collector has found them; run with
// --expose-gc. Prints how many connections are left.

import { once } from 'node:events'
import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'

const [, , origin = '', runOn = 'thread'] = process.argv
const pool = new Pool(origin, { runOn: runOn as Runner, limits: { maxConnections: 8 } })
const warnings: string[] = []
process.on('warning', warning => warnings.push(`${warning.name}: ${warning.message}`))

const path = '/bytes/4000000'

/** In functions of their own, so that no variable keeps what is dropped. */
const ways: readonly (() => Promise<unknown>)[] = [
  async () => {
    await pool.request({ path })
  },
  async () => (await pool.request({ path, signal: new AbortController().signal })).status,
  async () => {
    ;(await pool.request({ path })).body.stream()
  },
  async () => {
    await (await pool.request({ path })).body.stream().getReader().read()
  },
  async () => {
    const readable = (await pool.request({ path })).body.readable()
    await once(readable, 'readable')
  },
  async () => {
    await (await pool.request({ path })).body[Symbol.asyncIterator]().next()
  },
]
for (const way of ways) await way()

/** What is read by itself is not dropped, though nobody holds its body. */
const kept = (async () => (await (await pool.request({ path })).body.bytes()).byteLength)()

for (let round = 0; round < 500 && pool.stats.rqActive > 0; round += 1) {
  globalThis.gc?.()
  await new Promise(resolve => setTimeout(resolve, 5))
}
const { rqActive } = pool.stats
await new Promise(resolve => setTimeout(resolve, 5))
console.log(JSON.stringify({ rqActive, kept: await kept, warnings: warnings.length, text: warnings[0] ?? '' }))
// A body that nobody will read any more must not keep this from ending.
await pool.close()
