// What happens at a limit, and what an error says: node build/examples/limits-and-errors.js http://127.0.0.1:8080

import { ForebayError, OverflowError, Pool } from 'forebay'

// One connection, and two requests may wait for it, which on a cold pool all do: the third is refused at once, nothing is sent for it.
const pool = new Pool(process.argv[2] ?? 'http://127.0.0.1:8080', {
  limits: { maxConnections: 1, maxPendingRequests: 2 },
  headersTimeout: 2_000,
})

const settled = await Promise.allSettled([
  pool.request({ path: '/a' }),
  pool.request({ path: '/b' }),
  pool.request({ path: '/c' }),
])

for (const one of settled) {
  if (one.status === 'fulfilled') console.log('answered', one.value.status)
  else if (one.reason instanceof OverflowError) console.log('refused', one.reason.limit, one.reason.max)
  else if (one.reason instanceof ForebayError)
    console.log('failed', one.reason.code, one.reason.phase, one.reason.retryable)
  else throw one.reason
}

const { cxTotal, rqTotal, rqPendingOverflow } = pool.stats
console.log('connections', cxTotal, 'requests', rqTotal, 'refused', rqPendingOverflow)

await pool.close()
