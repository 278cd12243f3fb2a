// Sends one request and lets go: the process must live until it is answered, and no longer. The pool is never closed.

import { Pool } from '../../../ts/index.js'

const [origin = '', runOn, path = '/'] = process.argv.slice(2)
const pool = new Pool(origin, { runOn: runOn === 'event-loop' ? 'event-loop' : 'thread' })

pool.request({ path }).then(async ({ status, body }) => {
  process.stdout.write(`${status} ${(await body.text()).length}`)
})
