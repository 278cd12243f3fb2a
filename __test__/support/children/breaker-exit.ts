// Says how long the process lived after its breaker had opened, in ms. The pool is never closed.

import { consecutiveFailures, Pool } from '../../../ts/index.js'

const [origin = '', runOn] = process.argv.slice(2)
const pool = new Pool(origin, {
  runOn: runOn === 'event-loop' ? 'event-loop' : 'thread',
  breaker: consecutiveFailures({ failures: 1 }),
})
let opened = 0
process.on('exit', () => process.stdout.write(JSON.stringify({ lived: performance.now() - opened })))
pool.on('breaker', () => {
  opened = performance.now()
})
const { status } = await pool.request({ path: '/status/503' })
if (status !== 503) throw new Error(`the upstream answers ${status}`)
