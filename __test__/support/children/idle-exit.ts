// Says how long the process lived after its only request was answered, in ms. The pool is never closed.

import { Pool } from '../../../ts/index.js'

const [origin = '', runOn, path = '/'] = process.argv.slice(2)
const pool = new Pool(origin, { runOn: runOn === 'event-loop' ? 'event-loop' : 'thread' })
let answered = 0
process.on('exit', () => process.stdout.write(JSON.stringify({ lived: performance.now() - answered })))
pool.request({ path }).then(() => {
  answered = performance.now()
})
