// A breaker over real upstreams: what waits in the core fails with it, nothing more is sent, and it closes when the upstream is back.

import test from 'ava'
import { BreakerError, type BreakerPolicy, type BreakerState, consecutiveFailures } from '../../ts/index.js'
import { runChild } from '../support/child.js'
import { eachRunner, RUNNERS } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

const FAILURE = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'

/** Open or closed as the test says, whatever happens. */
class Switch implements BreakerPolicy {
  readonly initial: BreakerState = { type: 'closed' }
  open = false

  admit(state: BreakerState) {
    if (this.open) return [false, state.type === 'open' ? state : FOR_EVER] as const
    return [true, state.type === 'closed' ? state : this.initial] as const
  }

  record(state: BreakerState): BreakerState {
    return this.open ? FOR_EVER : state
  }

  release(state: BreakerState): BreakerState {
    return state
  }
}

const FOR_EVER: BreakerState = { type: 'open', untilMs: Number.POSITIVE_INFINITY }

eachRunner('what waits for a connection fails when the breaker opens, and what runs goes on', async (t, makePool) => {
  const failing = ['request', 'signal', { send: FAILURE }, 'request', 'signal', { send: ANSWER }] as const
  const upstream = await startScripted(failing, ['request', 'signal', { send: ANSWER }])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, {
    breaker: consecutiveFailures({ failures: 1 }),
    limits: { maxConnections: 2 },
  })
  const fails = pool.request({ path: '/' })
  const runs = pool.request({ path: '/' })
  for (const index of [0, 1]) await upstream.until(`${index}.requests>=1`)
  const next = pool.request({ path: '/' })
  const waits = [rejection(pool.request({ path: '/' })), rejection(pool.request({ path: '/' }))]
  await upstream.ask('signal 0')
  t.is((await fails).status, 503)
  for (const error of await Promise.all(waits)) {
    t.true(error instanceof BreakerError)
    t.like(error, { code: 'FB_BREAKER_OPEN', phase: 'queue', retryable: 'yes' })
  }
  // The connection that had failed took the next one in the same turn, before anybody knew.
  for (const index of [0, 1]) await upstream.ask(`signal ${index}`)
  t.is((await next).status, 200)
  t.is((await runs).status, 200)
})

eachRunner('nothing is sent while it is open, and it goes on when it closes', async (t, makePool) => {
  const upstream = await startScripted(WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const breaker = new Switch()
  const pool = makePool(upstream.origin, { breaker })
  t.is((await pool.request({ path: '/' })).status, 200)
  breaker.open = true
  for (let n = 0; n < 20; n += 1) t.is((await rejection(pool.request({ path: '/' }))).code, 'FB_BREAKER_OPEN')
  t.is(pool.stats.rqTotal, 1)
  breaker.open = false
  t.is((await pool.request({ path: '/' })).status, 200)
  t.is(pool.stats.rqTotal, 2)
  const [only] = await upstream.connections()
  t.is(only?.requests, 2)
})

for (const runOn of RUNNERS) {
  test(`${runOn}: a breaker that opens keeps no process alive`, async t => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    const { code, stdout, stderr } = await runChild('breaker-exit', [upstream.origin, runOn])
    t.is(code, 0, stderr)
    t.true(JSON.parse(stdout).lived < ENDED_MS, stdout)
  })
}

/** Far above what a process needs to end, and far below the time-outs that would end it. */
const ENDED_MS = 5_000
