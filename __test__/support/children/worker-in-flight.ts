// A worker that always has requests in flight, long and short, until somebody ends it.

import { parentPort, workerData } from 'node:worker_threads'
import { Pool } from '../../../ts/index.js'

interface Start {
  readonly origin: string
  readonly runOn: 'thread' | 'event-loop'
}

const { origin, runOn }: Start = workerData
const pool = new Pool(origin, { runOn, limits: { maxConnections: 8 } })

for (let n = 0; n < 4; n += 1) void pool.request({ path: '/delay/60000/' })

async function again(path: string): Promise<void> {
  for (;;) await (await pool.request({ path })).body.bytes()
}

void again('/')
void again('/bytes/300000')
await (await pool.request({ path: '/' })).body.text()
parentPort?.postMessage('in flight')
