// Sends a large body in a process of its own, where memory is its own too. Prints by how much the process grew.

import { Pool } from '../../../ts/index.js'
import type { Runner } from '../each-runner.js'
import { pattern } from '../pattern.js'

const [, , origin = '', runOn = 'thread', warmUp = '0', length = '0'] = process.argv
const pool = new Pool(origin, { runOn: runOn as Runner })

/** A whole number of periods of the pattern, so that each chunk is the same. */
const chunk = pattern(251 * 256)

async function* produced(left: number): AsyncGenerator<Uint8Array> {
  let rest = left
  for (; rest > chunk.length; rest -= chunk.length) yield chunk
  yield chunk.subarray(0, rest)
}

const send = async (bytes: number) => {
  const response = await pool.request({ method: 'POST', path: '/inspect', body: produced(bytes) })
  return response.body.json<{ bodyLength: number; bodyIsPattern: boolean }>()
}
await send(Number(warmUp))
const before = process.memoryUsage.rss()
const { bodyLength, bodyIsPattern } = await send(Number(length))
console.log(JSON.stringify({ growth: process.memoryUsage.rss() - before, seen: { bodyLength, bodyIsPattern } }))
await pool.close()
