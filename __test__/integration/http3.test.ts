// HTTP/3 with prior knowledge: many requests on one QUIC connection, against the testkit.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { ConnectError, PoolOptions } from '../../ts/index.js'
import { eachRunner, type MakePool } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { startHttp3, startUdp } from '../support/upstream.js'

async function scene(t: ExecutionContext, makePool: MakePool, args: readonly string[] = [], options: PoolOptions = {}) {
  const server = await startHttp3(...args)
  t.teardown(() => server.stop())
  if (server.ca === null) throw new Error('no certificate')
  const pool = makePool(server.origin, { protocols: ['h3'], tls: { ca: server.ca }, ...options })
  return { server, pool }
}

/** Bodies that begin at once and end when they are told to, so that their requests are open until then. */
function hold(): { parts: () => AsyncIterable<Uint8Array>; release: () => void } {
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  async function* parts() {
    yield Buffer.from('beginning')
    await released
    yield Buffer.from(' and end')
  }
  return { parts, release: () => release() }
}

eachRunner('a hundred cold requests share one connection, and say so', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool)
  const all = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => {
      const response = await pool.request({ path: `/delay/20/bytes/${n * 500}` })
      t.is(response.connection.protocol, 'h3')
      return response.body.bytes()
    }),
  )
  for (const [n, bytes] of all.entries()) {
    t.is(bytes.byteLength, n * 500)
    t.is(mismatch(bytes), -1)
  }
  t.like(await server.stats(), { connectionsAccepted: 1, streamsBegun: 100 })
  t.like(pool.stats, { cxTotal: 1, cxHttp3Total: 1, rqTotal: 100 })
})

eachRunner('bodies larger than every window go both ways', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool, ['--stream-window', '65535'])
  const body = pattern(3_000_000)
  const responses = await Promise.all([
    pool.request({ method: 'POST', path: '/echo', body }),
    pool.request({ method: 'POST', path: '/echo-late', body }),
    pool.request({ path: '/bytes/3000000' }),
  ])
  for (const response of responses) {
    const bytes = await response.body.bytes()
    t.is(bytes.byteLength, 3_000_000)
    t.is(mismatch(bytes), -1)
  }
  t.is((await server.stats()).connectionsAccepted, 1)
})

eachRunner('a produced body meets its answer part by part', async (t, makePool) => {
  const { pool } = await scene(t, makePool)
  const heard: (() => void)[] = []
  async function* parts() {
    for (const part of ['one', 'two', 'three']) {
      const answered = new Promise<void>(resolve => heard.push(resolve))
      yield Buffer.from(part)
      await answered
    }
  }
  const response = await pool.request({ method: 'POST', path: '/echo', body: parts() })
  let text = ''
  for await (const chunk of response.body) {
    text += Buffer.from(chunk).toString()
    heard.shift()?.()
  }
  t.is(text, 'onetwothree')
})

eachRunner('an early answer stops the upload, and the connection goes on', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool)
  const body = (async function* () {
    for (;;) yield new Uint8Array(65_536)
  })()
  const response = await pool.request({ method: 'POST', path: '/early/413/3', body })
  t.is(response.status, 413)
  t.is((await response.body.bytes()).byteLength, 3)
  const next = await pool.request({ path: '/bytes/7' })
  t.is((await next.body.bytes()).byteLength, 7)
  t.is((await server.stats()).connectionsAccepted, 1)
})

eachRunner('trailers, interim heads and heads without a body come as they are', async (t, makePool) => {
  const { pool } = await scene(t, makePool)
  const trailing = await pool.request({ path: '/trailers/10/2' })
  await trailing.body.bytes()
  t.is([...(await trailing.trailers)].length, 2)
  const seen: number[] = []
  const early = await pool.request({ path: '/interim/2', onInformational: ({ status }) => seen.push(status) })
  await early.body.bytes()
  t.is(seen.length, 2)
  const head = await pool.request({ method: 'HEAD', path: '/bytes/1000' })
  t.is((await head.body.bytes()).byteLength, 0)
  t.is(head.headers.get('content-length'), '1000')
})

eachRunner('what is aborted costs its stream only', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool)
  const abort = new AbortController()
  const waiting = pool.request({ path: '/delay/60000', signal: abort.signal })
  const body = await pool.request({ path: '/bytes/100000000' })
  await server.until('streamsBegun=2')
  abort.abort()
  await t.throwsAsync(waiting, { any: true })
  for await (const _ of body.body) break
  const next = await pool.request({ path: '/bytes/5' })
  t.is((await next.body.bytes()).byteLength, 5)
  t.is((await server.stats()).connectionsAccepted, 1)
})

eachRunner('what one connection may not carry goes over further ones', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool, ['--max-concurrent-streams', '10'])
  const held = hold()
  const all = Array.from({ length: 30 }, async () => {
    const response = await pool.request({ method: 'POST', path: '/echo', body: held.parts })
    return response.body.text()
  })
  await server.until('streamsBegun=30')
  held.release()
  t.deepEqual(new Set(await Promise.all(all)), new Set(['beginning and end']))
  t.like(await server.stats(), { connectionsAccepted: 3, maxStreamsPerConnection: 10 })
})

eachRunner('a connection at its limit serves what waits as streams end', async (t, makePool) => {
  const options = { limits: { maxConnections: 1 } }
  const { server, pool } = await scene(t, makePool, ['--max-concurrent-streams', '2'], options)
  await Promise.all(Array.from({ length: 20 }, async () => (await pool.request({ path: '/delay/2' })).body.text()))
  t.like(await server.stats(), { connectionsAccepted: 1, maxStreamsPerConnection: 2 })
})

eachRunner('after GOAWAY the open request finishes and the next goes elsewhere', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool)
  const held = hold()
  const open = pool.request({ method: 'POST', path: '/echo', body: held.parts })
  await server.until('streamsBegun=1')
  await server.ask('goaway')
  while (pool.stats.cxCloseNotify === 0) await sleep(5)
  const next = await pool.request({ path: '/bytes/8' })
  t.is((await next.body.bytes()).byteLength, 8)
  held.release()
  t.is(await (await open).body.text(), 'beginning and end')
  t.is((await server.stats()).connectionsAccepted, 2)
})

eachRunner('a connection serves no more requests than it may', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool, [], { connection: { maxRequestsPerConnection: 2 } })
  for (let n = 0; n < 6; n++) await (await pool.request({ path: '/bytes/1' })).body.bytes()
  t.is((await server.stats()).connectionsAccepted, 3)
})

eachRunner('close() lets the open request finish and tells the upstream', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool)
  const held = hold()
  const open = pool.request({ method: 'POST', path: '/echo', body: held.parts })
  await server.until('streamsBegun=1')
  const closed = pool.close()
  held.release()
  t.is(await (await open).body.text(), 'beginning and end')
  await closed
  await server.until('connectionsOpen=0')
  t.pass()
})

eachRunner('Q02: a port that never answers costs the connect limit', async (t, makePool) => {
  const hole = await startUdp('silent')
  t.teardown(() => hole.stop())
  const pool = makePool(hole.origin, { protocols: ['h3'], connection: { connectTimeout: 300 } })
  const error = await t.throwsAsync<ConnectError>(pool.request({ path: '/' }), { code: 'FB_CONNECT_TIMEOUT' })
  t.is(error?.retryable, 'yes')
})

eachRunner('an upstream that dies fails what is open; what comes next dials anew', async (t, makePool) => {
  const { server, pool } = await scene(t, makePool, [], { replay: 'none' })
  const open = pool.request({ path: '/delay/60000' })
  const failed = t.throwsAsync(open, { code: 'FB_CONNECTION_CLOSED' })
  await server.until('streamsBegun=1')
  await server.ask('close 258')
  await failed
  const next = await pool.request({ path: '/bytes/4' })
  t.is((await next.body.bytes()).byteLength, 4)
})

eachRunner('Q23: an upstream without HTTP/3 on its port is not spoken to otherwise', async (t, makePool) => {
  const { server } = await scene(t, makePool, ['--alpn', 'hq-interop'])
  if (server.ca === null) throw new Error('no certificate')
  const pool = makePool(server.origin, { protocols: ['h3'], tls: { ca: server.ca } })
  await t.throwsAsync(pool.request({ path: '/' }), { code: 'FB_TLS_ALPN' })
})
