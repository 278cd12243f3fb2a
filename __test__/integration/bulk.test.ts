// Volumes that do not fit: more submissions than the submit buffer holds, bodies larger than the slab.

import { eachRunnerSerially, TestPool } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { startTestkit } from '../support/upstream.js'

/** Above what one tick of these tests submits. */
const MANY = 200_000

eachRunnerSerially('100,000 submissions in one tick are answered, each once', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  await using pool = new TestPool(upstream.origin, {
    runOn,
    queueTimeout: 0,
    limits: { maxConnections: 64, maxPendingRequests: MANY, maxRequests: MANY },
  })
  const count = 100_000
  let answered = 0
  const submitted = Array.from({ length: count }, async () => {
    const response = await pool.request({ path: '/' })
    if (response.status === 200) answered += 1
  })
  await Promise.all(submitted)
  t.is(answered, count)
  const { rqTotal, cxTotal } = pool.stats
  t.is(rqTotal, count)
  t.true(cxTotal <= 64)
  await upstream.until(`requestsCompleted>=${count}`)
  t.is((await upstream.stats()).requestsCompleted, count)
})

eachRunnerSerially('a body of 64 MiB comes whole, and one that is larger than maxReadSize fails', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  await using pool = new TestPool(upstream.origin, { runOn })
  const size = 64 * 1_048_576
  const bytes = await (await pool.request({ path: `/bytes/${size}` })).body.bytes()
  t.is(bytes.byteLength, size)
  t.is(mismatch(bytes), -1)
  await t.throwsAsync(async () => (await pool.request({ path: `/bytes/${size + 1}` })).body.bytes(), {
    code: 'FB_BODY_TOO_LARGE',
  })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunnerSerially('many large bodies at once come whole, and small requests pass between them', async (t, runOn) => {
  const upstream = await startTestkit({ args: ['--threads', '2'] })
  t.teardown(() => upstream.stop())
  await using pool = new TestPool(upstream.origin, { runOn, limits: { maxConnections: 40 } })
  const sent = pattern(4_194_304)
  const large = Array.from({ length: 16 }, async (_, n) => {
    const options = n % 2 === 0 ? { path: '/bytes/4194304' } : { method: 'POST', path: '/echo-late', body: sent }
    const bytes = await (await pool.request(options)).body.bytes()
    return bytes.byteLength === 4_194_304 && mismatch(bytes) === -1
  })
  let small = 0
  let busy = true
  const whole = Promise.all(large).finally(() => {
    busy = false
  })
  while (busy) {
    await (await pool.request({ path: '/' })).body.text()
    small += 1
  }
  t.deepEqual(new Set(await whole), new Set([true]))
  // Starved, the first one would end with the large ones.
  t.true(small >= 3, `${small} small requests`)
})
