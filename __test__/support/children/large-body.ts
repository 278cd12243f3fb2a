// Reads a large body in a process of its own, where memory is its own too. `stop`: reads one chunk and then rests for a
// second; `stream`: reads all of it. Prints by how much the process grew.

import { createHash } from 'node:crypto'
import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'

const [, , origin = '', runOn = 'thread', how = 'stream', warmUp = '/', path = '/'] = process.argv
const pool = new Pool(origin, { runOn: runOn as Runner })

const digest = async (of: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of (await pool.request({ path: of })).body) hash.update(chunk)
  return hash.digest('hex')
}
// Buffers, code, and as much garbage as the collector lets lie.
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
