// npm run bench:refusal: what a request costs that a limit refuses.
//
//   npm run bench:refusal -- [--check]
// One connection and one place to wait, both taken for good; then bursts of requests, each refused with FB_PENDING_OVERFLOW. Process CPU
// for each, the promise and its rejection included, on both runners. `--check` ends with 1 where the median is over the bound.

import { setImmediate as immediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { OverflowError, Pool } from 'forebay'
import { cpuTime, since } from './lib/cpu.js'
import { spread } from './lib/statistics.js'
import { startUpstream } from './lib/upstream.js'

const BOUND_MICROS = 2
const ROUNDS = 9
const BURSTS = 100
const BURST = 1_000

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const upstream = await startUpstream([22], 'testkit')
const { origin } = new URL(upstream.url(22))

try {
  for (const runOn of ['event-loop', 'thread'] as const) {
    const pool = new Pool(origin, { runOn, limits: { maxConnections: 1, maxPendingRequests: 1 } })
    const hold = () => pool.request({ path: '/delay/600000' }).catch(() => undefined)
    const active = hold()
    while (pool.stats.rqActive < 1) await immediate()
    const pending = hold()
    while (pool.stats.rqPendingActive < 1) await immediate()
    await round(pool)
    const rounds: number[] = []
    while (rounds.length < ROUNDS) rounds.push(await round(pool))
    await pool.destroy()
    await Promise.all([active, pending])
    const { median, min, max } = spread(rounds)
    console.log(
      `${runOn}: ${median.toFixed(2)} us of CPU for a refusal (${min.toFixed(2)}-${max.toFixed(2)}), bound ${BOUND_MICROS}`,
    )
    if (values.check && median > BOUND_MICROS) process.exitCode = 1
  }
} finally {
  await upstream.stop()
}

/** Microseconds of process CPU for each refusal. */
async function round(pool: Pool): Promise<number> {
  const before = cpuTime()
  for (let burst = 0; burst < BURSTS; burst += 1) {
    const refused: Promise<unknown>[] = []
    for (let n = 0; n < BURST; n += 1) refused.push(pool.request({ path: '/' }).then(accepted, isRefusal))
    await Promise.all(refused)
  }
  return since(before).process / (BURSTS * BURST)
}

function accepted(): void {
  throw new Error('a request was not refused')
}

function isRefusal(error: unknown): void {
  if (!(error instanceof OverflowError)) throw error
}
