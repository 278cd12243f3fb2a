// npm run soak: two million requests through one pool; resident memory must stay flat after the first 200,000.
//
//   npm run soak -- [--requests 2000000] [--run-on thread|event-loop] [--in-flight 50] [--url http://host:port/path]
// Ends with 1 when memory grew by more than 5 MB.

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool } from 'forebay'
import { endProgress, progress } from './lib/progress.js'
import { quantile } from './lib/statistics.js'
import { startUpstream } from './lib/upstream.js'

/** Requests after which memory is expected to be flat: caches are full, code is compiled. */
const SETTLED_AFTER = 200_000

/** Requests between two samples. */
const SAMPLE_EVERY = 50_000

/** Growth that fails the run. */
const MAX_GROWTH_BYTES = 5_000_000

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '2000000' },
    'in-flight': { type: 'string', default: '50' },
    'run-on': { type: 'string', default: 'thread' },
    url: { type: 'string' },
  },
})
const requests = Number(values.requests)
const inFlight = Number(values['in-flight'])
const runOn = values['run-on'] === 'event-loop' ? 'event-loop' : 'thread'

const upstream = values.url === undefined ? await startUpstream([22], null) : null
const url = new URL(values.url ?? upstream?.url(22) ?? '')
const pool = new Pool(url.origin, { runOn, limits: { maxConnections: inFlight } })
const samples: { requests: number; rss: number }[] = []

try {
  for (let done = 0; done < requests; done += SAMPLE_EVERY) {
    await send(Math.min(SAMPLE_EVERY, requests - done))
    samples.push({ requests: done + SAMPLE_EVERY, rss: await residentMemory() })
    progress(`${runOn}: ${done + SAMPLE_EVERY} requests, ${mb(samples.at(-1)?.rss ?? 0)} MB`)
  }
} finally {
  endProgress()
  await pool.close()
  await upstream?.stop()
}

const settled = samples.filter(sample => sample.requests >= SETTLED_AFTER).map(sample => sample.rss)
const quarter = Math.max(1, Math.floor(settled.length / 4))
// Middle of the first quarter against middle of the last: a single sample may fall before or after a collection.
const first = middle(settled.slice(0, quarter))
const last = middle(settled.slice(-quarter))
for (const sample of samples) console.log(`${String(sample.requests).padStart(9)} requests  ${mb(sample.rss)} MB`)
console.log(
  `\n${runOn}: ${requests} requests, resident memory ${mb(first)} -> ${mb(last)} MB, growth ${mb(last - first)} MB`,
)
if (!(last - first < MAX_GROWTH_BYTES)) {
  console.error(`more than ${mb(MAX_GROWTH_BYTES)} MB`)
  process.exitCode = 1
}

async function send(count: number): Promise<void> {
  let left = count
  async function worker(): Promise<void> {
    while (left > 0) {
      left -= 1
      const { status, body } = await pool.request({ path: url.pathname })
      await body.bytes()
      if (status !== 200) throw new Error(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}

async function residentMemory(): Promise<number> {
  globalThis.gc?.()
  await sleep(10)
  return process.memoryUsage.rss()
}

function middle(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
