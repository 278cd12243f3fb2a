// npm run bench:timeouts: how late time-outs are.
//
//   npm run bench:timeouts -- [--check]
// Each kind of time-out at a short and a long value, several at once at moments spread over the first half second, on both runners, against
// servers that keep silent. Late is what passes between the moment that the option names and the rejection. `--check` ends with 1 where one
// came early, or later than 10 ms or 1 %, whichever is more.

import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool, type PoolOptions, TimeoutError } from 'forebay'
import { spread } from './lib/statistics.js'

const VALUES_MS = [200, 2_000] as const
const AT_ONCE = 20
const SPREAD_MS = 500
const BOUND_MS = 10
const BOUND_RATIO = 0.01
/** A timer of whole milliseconds may be that much early by a clock of microseconds. */
const EARLY_MS = 1

/** The server answers this much of a request, and then nothing. */
const SILENT = ''
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na'

type Kind = readonly [name: string, answer: string, options: (ms: number) => PoolOptions]

const many = { maxConnections: AT_ONCE, maxPendingRequests: AT_ONCE }
const KINDS: readonly Kind[] = [
  ['queueTimeout', SILENT, queueTimeout => ({ queueTimeout, limits: { maxConnections: 1 } })],
  ['headersTimeout', SILENT, headersTimeout => ({ headersTimeout, limits: many })],
  ['bodyIdleTimeout', HEAD, bodyIdleTimeout => ({ bodyIdleTimeout, limits: many })],
  ['perTryTimeout', SILENT, perTryTimeout => ({ perTryTimeout, limits: many })],
  ['perTryIdleTimeout', SILENT, perTryIdleTimeout => ({ perTryIdleTimeout, limits: many })],
  ['maxStreamDuration', SILENT, maxStreamDuration => ({ maxStreamDuration, limits: many })],
  ['totalTimeout', SILENT, totalTimeout => ({ totalTimeout, limits: many })],
]

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })

for (const runOn of ['event-loop', 'thread'] as const) {
  for (const [name, answer, options] of KINDS) {
    for (const ms of VALUES_MS) {
      const late = await lateness(answer, name === 'queueTimeout', ms, { runOn, ...options(ms) })
      const { median, min, max } = spread(late)
      console.log(`${runOn}: ${name} ${ms} ms: late by ${median.toFixed(1)} ms (${min.toFixed(1)}-${max.toFixed(1)})`)
      if (values.check && (min < -EARLY_MS || max > Math.max(BOUND_MS, ms * BOUND_RATIO))) process.exitCode = 1
    }
  }
}

/** In ms, of each request. */
async function lateness(answer: string, busy: boolean, ms: number, options: PoolOptions): Promise<number[]> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const pool = new Pool(`http://127.0.0.1:${address.port}`, options)
  try {
    // A time-out of the request is counted from the call, or from the moment it is on the wire: connections are there before.
    if (busy) {
      void pool.request({ path: '/' }).catch(() => undefined)
      await wait(50)
    }
    const one = async (n: number) => {
      await wait((n * SPREAD_MS) / AT_ONCE)
      const start = performance.now()
      try {
        await (await pool.request({ path: '/' })).body.bytes()
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
      }
      return performance.now() - start - ms
    }
    return await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => one(n)))
  } finally {
    await pool.destroy()
    await new Promise(resolve => server.close(resolve))
  }
}
