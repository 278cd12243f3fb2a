// What is sent again, and what stops it: node build/examples/retries-and-breaker.js http://127.0.0.1:8080

import { BreakerError, consecutiveFailures, Pool } from 'forebay'

const pool = new Pool(process.argv[2] ?? 'http://127.0.0.1:8080', {
  // Another attempt after a 5xx or no answer at all, for idempotent requests; at most a fifth of the requests under way.
  retry: { on: ['5xx'], attempts: 1 },
  // After six failures one after another nothing is sent for 30 s; then one request tries the upstream.
  breaker: consecutiveFailures({ failures: 6, openFor: 30_000 }),
})

pool.on('repeat', ({ attempt }) =>
  console.log('again after', attempt.type === 'response' ? attempt.status : attempt.code),
)
pool.on('breaker', ({ from, to }) => console.log('breaker:', from.type, 'to', to.type))

for (let n = 0; n < 4; n += 1) {
  try {
    const { status, attempts } = await pool.request({ path: '/status/503' })
    console.log('answered', status, 'after', attempts.length, 'attempts')
  } catch (error) {
    if (!(error instanceof BreakerError)) throw error
    console.log('refused', error.code)
  }
}

await pool.close()
