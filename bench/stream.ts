// npm run bench:stream: one long body down and one up through a pool; resident memory must stay within a bound.
//
//   npm run bench:stream -- [--gib 4] [--run-on thread|event-loop]
// Ends with 1 when memory grew by more than 16 MB over what it was once the first hundredth had passed.

import { setImmediate as immediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool } from 'forebay'
import { endProgress, progress } from './lib/progress.js'
import { startUpstream } from './lib/upstream.js'

/** Growth that fails the run. */
const MAX_GROWTH_BYTES = 16_000_000

const GIB = 2 ** 30

/** Bytes of a part of the body that is sent. */
const PART_BYTES = 65_536

const { values } = parseArgs({
  options: { gib: { type: 'string', default: '4' }, 'run-on': { type: 'string', default: 'thread' } },
})
const total = Number(values.gib) * GIB
const runOn = values['run-on'] === 'event-loop' ? 'event-loop' : 'thread'

const upstream = await startUpstream([22], 'testkit')
const pool = new Pool(new URL(upstream.sink).origin, { runOn })

try {
  await run('down', async moved => {
    const { body } = await pool.request({ path: new URL(upstream.url(total)).pathname })
    for await (const part of body) await moved(part.byteLength)
  })
  await run('up', async moved => {
    const part = Buffer.alloc(PART_BYTES, 'forebay')
    const parts = async function* () {
      for (let left = total; left > 0; left -= PART_BYTES) {
        yield part
        await moved(PART_BYTES)
      }
    }
    const response = await pool.request({ method: 'POST', path: new URL(upstream.sink).pathname, body: parts() })
    await response.body.text()
    if (response.status !== 200) throw new Error(`status ${response.status}`)
  })
} finally {
  endProgress()
  await pool.close()
  await upstream.stop()
}

/** Watches memory while `move` says how many bytes went by. */
async function run(
  way: 'down' | 'up',
  move: (moved: (bytes: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  let bytes = 0
  let next = total / 100
  let settled = 0
  let highest = 0
  const start = performance.now()
  await move(async moved => {
    bytes += moved
    if (bytes < next) return
    next += total / 100
    // What a stream leaves behind is collected between two turns of the loop.
    await immediate()
    const rss = process.memoryUsage.rss()
    if (settled === 0) settled = rss
    highest = Math.max(highest, rss)
    progress(`${way}: ${Math.round((100 * bytes) / total)} %, ${mb(rss)} MB resident`)
  })
  if (bytes !== total) throw new Error(`${way}: ${bytes} bytes instead of ${total}`)
  const seconds = (performance.now() - start) / 1_000
  const growth = highest - settled
  console.log(
    `${runOn}, ${way}: ${values.gib} GiB in ${seconds.toFixed(1)} s, resident memory ${mb(settled)} MB, at most ${mb(growth)} MB more`,
  )
  if (growth > MAX_GROWTH_BYTES) process.exitCode = 1
}

function mb(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}
