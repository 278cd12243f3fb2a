// JavaScript gets its turns, timers among them, while a pool is busy.

import { OverflowError, Pool } from '../../ts/index.js'
import { eachRunnerSerially } from '../support/each-runner.js'
import { startTestkit } from '../support/upstream.js'

/** Refusals of one round of the loop at most: 1 ms is far more than a round is given, 1 us far less than a refusal takes. */
const MANY = 1_000_000

eachRunnerSerially('timers fire while refusals lead to requests that are refused at once', async (t, runOn) => {
  const upstream = await startTestkit()
  const pool = new Pool(upstream.origin, { runOn, limits: { maxConnections: 1, maxPendingRequests: 1 } })
  t.teardown(async () => {
    await pool.destroy()
    await upstream.stop()
  })
  const busy = new AbortController()
  const hold = () => pool.request({ path: '/delay/60000', signal: busy.signal }).catch((reason: unknown) => reason)
  const active = hold()
  await upstream.until('requestsActive=1')
  const pending = hold()
  let fired = false
  setTimeout(() => {
    fired = true
  }, 20)
  let refusals = 0
  while (!fired && refusals < MANY) {
    const refused: unknown = await pool.request({ path: '/' }).catch(error => error)
    if (!(refused instanceof OverflowError)) throw refused
    refusals += 1
  }
  t.true(fired, `${refusals} refusals`)
  busy.abort()
  for (const reason of await Promise.all([active, pending])) t.is(reason, busy.signal.reason)
})
