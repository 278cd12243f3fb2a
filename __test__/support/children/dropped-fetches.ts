// Drops responses of fetch without reading them, in each way in which that can be done, and waits until the collector has found them;
// aborts a fetch whose Request nobody else holds. Run with --expose-gc. Prints what is left.

import { setTimeout } from 'node:timers/promises'
import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'
import { startFetchServer } from '../fetch-server.js'

const [, , runOn = 'thread'] = process.argv
const server = await startFetchServer()
const pool = new Pool(server.origin, { runOn: runOn as Runner })
const path = '/bytes/4000000'

/** In functions of their own, so that no variable keeps what is dropped. */
const ways: readonly (() => Promise<unknown>)[] = [
  () => pool.fetch(path),
  async () => (await pool.fetch(path)).headers.get('content-length'),
  async () => (await pool.fetch(path)).body,
  async () => (await pool.fetch(path)).clone(),
  async () => (await pool.fetch(path)).body?.getReader().read(),
  () => pool.fetch(path, { signal: new AbortController().signal }),
  () => pool.fetch('/stall'),
  () => pool.fetch(new Request(`${server.origin}/stall`, { method: 'POST', body: 'x' })),
]
for (const way of ways) await way()

const kept = (async () => (await (await pool.fetch(path)).arrayBuffer()).byteLength)()
for (let round = 0; round < 500 && pool.stats.rqActive > 0; round += 1) {
  globalThis.gc?.()
  await setTimeout(5)
}
const { rqActive } = pool.stats

/** The signal of a Request follows its maker's only while the Request is there. */
async function abortedOf(at: string): Promise<unknown> {
  const controller = new AbortController()
  const begin = () => pool.fetch(new Request(server.origin + at, { signal: controller.signal }))
  const reading = begin().then(response => response.text())
  const ended = reading.catch((error: unknown) => error)
  for (let round = 0; round < 10; round += 1) {
    await setTimeout(5)
    globalThis.gc?.()
  }
  controller.abort('enough')
  return Promise.race([ended, setTimeout(20_000, 'not aborted', { ref: false })])
}
const aborted = [await abortedOf('/hang'), await abortedOf('/stall')]

console.log(JSON.stringify({ rqActive, kept: await kept, aborted }))
await pool.close()
await server.stop()
