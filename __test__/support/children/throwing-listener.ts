// Listeners throw on every event; the requests must be answered all the same. Says how often one threw.

import { Pool } from '../../../ts/index.js'

const [origin = '', runOn = ''] = process.argv.slice(2)
let thrown = 0
process.on('uncaughtException', () => {
  thrown += 1
})

const pool = new Pool(origin, { runOn: runOn === 'thread' ? 'thread' : 'event-loop', limits: { maxConnections: 1 } })
for (const event of ['connection', 'close'] as const) {
  pool.on(event, () => {
    throw new Error(event)
  })
}
const statuses: number[] = []
for (const path of ['/', '/close', '/', '/']) statuses.push((await pool.request({ path })).status)
await pool.close()
// The last event runs after the promise.
await new Promise(resolve => setImmediate(resolve))
console.log(JSON.stringify({ thrown, statuses, cxTotal: pool.stats.cxTotal }))
