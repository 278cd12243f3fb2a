// Starts workers that have requests in flight and terminates them at all moments. Then the process must be as it was.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { Pool } from '../../../ts/index.js'

const [origin = '', runner, count = '200'] = process.argv.slice(2)
const runOn = runner === 'event-loop' ? 'event-loop' : 'thread'
const WORKER = new URL('./worker-in-flight.js', import.meta.url)

/** Workers at a time. */
const BESIDE = 4

/** Workers before the first look: what is made once is made then. */
const WARM = 20

/** Open files and threads of this process; null where the system does not tell. */
function held(): { files: number; threads: number } | null {
  try {
    return { files: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length }
  } catch {
    return null
  }
}

async function startAndTerminate(n: number): Promise<void> {
  const worker = new Worker(WORKER, { workerData: { origin, runOn } })
  await once(worker, 'message')
  // At once, in the same turn's microtasks, or after some of its answers have come.
  if (n % 4 === 1) await new Promise(resolve => setImmediate(resolve))
  if (n % 4 >= 2) await new Promise(resolve => setTimeout(resolve, n % 9))
  await worker.terminate()
}

async function startMany(total: number): Promise<void> {
  let started = 0
  async function lane(): Promise<void> {
    while (started < total) {
      started += 1
      await startAndTerminate(started)
    }
  }
  await Promise.all(Array.from({ length: BESIDE }, lane))
}

const pool = new Pool(origin, { runOn })
await (await pool.request({ path: '/' })).body.text()
await startMany(WARM)
const before = held()
const memoryBefore = process.memoryUsage.rss()
await startMany(Number(count))
const after = held()
const grown = process.memoryUsage.rss() - memoryBefore
const { status } = await pool.request({ path: '/' })
await pool.close()
process.stdout.write(JSON.stringify({ status, before, after, grown }))
