// Ends the process while requests are in flight: by process.exit(), or by an error that nobody catches.

import { Pool } from '../../../ts/index.js'

const [origin = '', runOn, how] = process.argv.slice(2)
const pool = new Pool(origin, { runOn: runOn === 'event-loop' ? 'event-loop' : 'thread' })

for (let n = 0; n < 20; n += 1) void pool.request({ path: '/delay/60000/' })
const first = await pool.request({ path: '/bytes/100000' })
await first.body.bytes()
if (how === 'exit') process.exit(7)
setImmediate(() => {
  throw new Error('nobody catches this')
})
