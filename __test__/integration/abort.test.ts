// An aborted request rejects with the caller's reason, gives back what it held, and leaves nothing behind.

import { settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { WELL_BEHAVED } from '../support/script.js'
import { startScripted, startTestkit } from '../support/upstream.js'

class Reason extends Error {}

eachRunner('a signal that is aborted already sends nothing', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  await t.throwsAsync(pool.request({ path: '/', signal: AbortSignal.abort(new Reason()) }), { instanceOf: Reason })
  t.is((await upstream.stats()).connectionsAccepted, 0)
})

eachRunner('an abort in the same turn rejects with the reason', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const abort = new AbortController()
  const request = pool.request({ path: '/', signal: abort.signal })
  abort.abort(new Reason())
  await t.throwsAsync(request, { instanceOf: Reason })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner('an abort before the answer closes the connection and frees its place', async (t, makePool) => {
  const upstream = await startScripted(['request', 'readToEnd'], WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const abort = new AbortController()
  const request = pool.request({ path: '/', signal: abort.signal })
  await upstream.until('0.requests>=1')
  abort.abort(new Reason())
  await t.throwsAsync(request, { instanceOf: Reason })
  t.is((await pool.request({ path: '/' })).status, 200)
  await upstream.until('0.ended>=1')
  t.is(pool.stats.rqActive, 0)
})

eachRunner('an abort while waiting for a connection leaves the queue to the others', async (t, makePool) => {
  const upstream = await startScripted([
    'request',
    'signal',
    { send: 'HTTP/1.1 204 No Content\r\n\r\n' },
    ...WELL_BEHAVED,
  ])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const first = pool.request({ path: '/first' })
  await upstream.until('0.requests>=1')
  const abort = new AbortController()
  const second = pool.request({ path: '/second', signal: abort.signal })
  const third = pool.request({ path: '/third' })
  abort.abort(new Reason())
  await t.throwsAsync(second, { instanceOf: Reason })
  await upstream.ask('signal 0')
  t.is((await first).status, 204)
  t.is((await third).status, 200)
  t.false((await upstream.received(0)).includes('/second'))
})

eachRunner('an abort in the middle of a body rejects with the reason and frees the connection', async (t, makePool) => {
  const part = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'
  const upstream = await startScripted(['request', { send: part }, 'readToEnd'], WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const abort = new AbortController()
  const request = (async () => (await pool.request({ path: '/', signal: abort.signal })).body.text())()
  await upstream.until('0.sent>=40')
  abort.abort(new Reason())
  await t.throwsAsync(request, { instanceOf: Reason })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner('no listener stays on a signal', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const { signal } = new AbortController()
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  for (let n = 0; n < 20; n += 1) await (await pool.request({ path: '/', signal })).body.text()
  t.is(listeners, 0)
})

eachRunner('a thousand aborts at random moments lose no other request', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, {
    limits: { maxConnections: 8, maxPendingRequests: 4_096, maxRequests: 4_096 },
  })
  const settled = await Promise.all(
    Array.from({ length: 2_000 }, async (_, n) => {
      const abort = new AbortController()
      const request = pool.request({ path: '/bytes/1000', signal: abort.signal })
      if (n % 2 === 1) setTimeout(() => abort.abort(new Reason()), n % 7)
      const outcome = await request.then(
        async response => (await response.body.bytes()).byteLength,
        (error: unknown) => error,
      )
      return outcome === 1_000 || (n % 2 === 1 && outcome instanceof Reason)
    }),
  )
  t.deepEqual(settled.indexOf(false), -1)
  // An abort is told at once, and done by the thread in its next turn.
  await settles(t, pool, { rqActive: 0, rqPendingActive: 0 })
})
