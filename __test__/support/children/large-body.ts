// Reads a large body in a process of its own, where memory is its own too. `stop`: reads one chunk and then rests for a
// second; `stream`: reads all of it. Prints by how much the process grew, chunks that were read and let go apart (`--expose-gc`).

import { createHash } from 'node:crypto'
import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'

const [, , origin = '', runOn = 'thread', how = 'stream', warmUp = '/', path = '/'] = process.argv
const pool = new Pool(origin, { runOn: runOn as Runner })

/** Bytes between two collections: versions of Node differ in how much garbage they let lie, which is not what is measured. */
const COLLECT_EVERY = 8_000_000

const collect: unknown = Reflect.get(globalThis, 'gc')
if (typeof collect !== 'function') throw new Error('needs --expose-gc')

const digest = async (of: string): Promise<string> => {
  const hash = createHash('sha256')
  let uncollected = 0
  for await (const chunk of (await pool.request({ path: of })).body) {
    hash.update(chunk)
    uncollected += chunk.length
    if (uncollected < COLLECT_EVERY) continue
    uncollected = 0
    collect()
  }
  return hash.digest('hex')
}
// Buffers and code.
await digest(warmUp)
const before = process.memoryUsage.rss()

if (how === 'stream') {
  const seen = await digest(path)
  console.log(JSON.stringify({ growth: process.memoryUsage.rss() - before, digest: seen }))
} else {
  const { body } = await pool.request({ path })
  const iterator = body[Symbol.asyncIterator]()
  await iterator.next()
  const STILL_MS = 1_000
  await new Promise(resolve => setTimeout(resolve, STILL_MS))
  console.log(JSON.stringify({ growth: process.memoryUsage.rss() - before }))
  await iterator.return?.()
}
await pool.close()
