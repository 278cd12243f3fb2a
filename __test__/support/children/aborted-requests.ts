// Aborts requests at random moments, of every kind: plain ones, uploads, those whose body is read. Run with --expose-gc. Prints what
// that left behind.

import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'

const [, , origin = '', runOn = 'thread', warmUp = '0', count = '0'] = process.argv
const limits = { maxConnections: 16, maxPendingRequests: 4_096, maxRequests: 4_096 }
const pool = new Pool(origin, { runOn: runOn as Runner, limits })

let listeners = 0
let foreign = 0

/** A signal that counts its listeners. */
function counted(controller: AbortController): AbortSignal {
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  return signal
}

async function* produced() {
  for (let n = 0; n < 10; n += 1) yield new Uint8Array(200)
}

async function one(n: number): Promise<void> {
  const controller = new AbortController()
  const signal = counted(controller)
  const reason = new Error('enough')
  const kind = n % 4
  const options =
    kind === 0
      ? { path: '/chunked/2000/100', signal }
      : kind === 1
        ? { method: 'POST', path: '/echo', body: produced(), signal }
        : { path: '/delay/3', signal }
  const abort = () => controller.abort(reason)
  if (kind === 2) abort()
  else if (kind === 3) setImmediate(abort)
  else setTimeout(abort, n % 5)
  try {
    await (await pool.request(options)).body.bytes()
  } catch (error) {
    if (error !== reason) foreign += 1
  }
}

/** At most so many at once. */
const LANES = 64

async function abortMany(many: number): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < many) {
      next += 1
      await one(next)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** What was aborted is still to be told by the native side, turn by turn. */
async function settled(): Promise<{ heap: number; rss: number }> {
  for (let n = 0; n < 40; n += 1) {
    globalThis.gc?.()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return { heap: process.memoryUsage().heapUsed, rss: process.memoryUsage.rss() }
}

await abortMany(Number(warmUp))
const before = await settled()
await abortMany(Number(count))
const after = await settled()
const { rqActive, rqPendingActive } = pool.stats
const stats = { rqActive, rqPendingActive }
const [heapGrowth, rssGrowth] = [after.heap - before.heap, after.rss - before.rss]
console.log(JSON.stringify({ heapGrowth, rssGrowth, listeners, foreign, stats }))
await pool.close()
