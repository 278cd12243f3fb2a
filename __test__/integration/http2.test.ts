// HTTP/2: many requests on one connection, against the testkit and Node's own server.

import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { ForebayError } from '../../ts/index.js'
import { eachRunner } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { startHttp2, startTestkit } from '../support/upstream.js'

async function upstream(t: ExecutionContext, ...args: readonly string[]) {
  const server = await startHttp2(...args)
  t.teardown(() => server.stop())
  return server
}

/** Node's own server, in clear. */
async function nodeServer(t: ExecutionContext, answer: (stream: ServerHttp2Stream, path: string) => void) {
  const server: Http2Server = createServer({ settings: { maxConcurrentStreams: 10 } })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    answer(stream, String(headers[':path']))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sessions }
}

eachRunner('fifty cold requests share one connection, and say so', async (t, makePool) => {
  const server = await upstream(t)
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const all = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const response = await pool.request({ path: `/delay/20/bytes/${n * 1_000}` })
      t.is(response.connection.protocol, 'h2')
      return response.body.bytes()
    }),
  )
  for (const [n, bytes] of all.entries()) {
    t.is(bytes.byteLength, n * 1_000)
    t.is(mismatch(bytes), -1)
  }
  t.like(await server.stats(), { connectionsAccepted: 1, streamsBegun: 50 })
  t.like(pool.stats, { cxTotal: 1, cxHttp2Total: 1, rqTotal: 50 })
})

for (const [count, limit, connections] of [
  [100, 10, 10],
  [300, 100, 3],
] as const) {
  eachRunner(`${count} cold requests at limit ${limit} open ${connections} connections`, async (t, makePool) => {
    const server = await upstream(t, '--max-concurrent-streams', String(limit))
    const pool = makePool(server.origin, { protocols: ['h2'] })
    const statuses = await Promise.all(
      Array.from({ length: count }, async () => {
        const response = await pool.request({ path: '/delay/100' })
        await response.body.text()
        return response.status
      }),
    )
    t.true(statuses.every(status => status === 200))
    const stats = await server.stats()
    t.is(stats.connectionsAccepted, connections)
    t.true(stats.maxStreamsPerConnection <= limit)
  })
}

eachRunner('bodies larger than every window go both ways', async (t, makePool) => {
  const server = await upstream(t, '--stream-window', '65535')
  const pool = makePool(server.origin, { protocols: ['h2'] })
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

eachRunner('an https origin is spoken to in the version that it chooses', async (t, makePool) => {
  const two = await upstream(t, '--tls')
  const one = await startTestkit({ args: ['--tls'] })
  t.teardown(() => one.stop())
  for (const [server, protocol] of [
    [two, 'h2'],
    [one, 'h1'],
  ] as const) {
    if (server.ca === null) throw new Error('no TLS')
    const pool = makePool(server.origin, { tls: { ca: server.ca } })
    const responses = await Promise.all(Array.from({ length: 10 }, () => pool.request({ path: '/bytes/100' })))
    for (const response of responses) {
      t.is(response.connection.protocol, protocol)
      t.is((await response.body.bytes()).byteLength, 100)
    }
  }
  t.is((await two.stats()).connectionsAccepted, 1)
})

eachRunner('HTTP/2 alone is not given up for an upstream without it', async (t, makePool) => {
  const server = await startTestkit({ args: ['--tls'] })
  t.teardown(() => server.stop())
  if (server.ca === null) throw new Error('no TLS')
  const pool = makePool(server.origin, { tls: { ca: server.ca }, protocols: ['h2'] })
  await t.throwsAsync(pool.request({ path: '/' }), { code: 'FB_TLS_ALPN' })
})

eachRunner('a connection that goes away loses nothing', async (t, makePool) => {
  const server = await upstream(t, '--max-streams', '20')
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const bodies = await Promise.all(
    Array.from({ length: 100 }, async () => (await pool.request({ path: '/delay/5/bytes/100' })).body.bytes()),
  )
  t.true(bodies.every(bytes => bytes.byteLength === 100))
  const stats = await server.stats()
  t.true(stats.connectionsAccepted <= 2 * Math.max(1, stats.goawaysSent), JSON.stringify(stats))
})

eachRunner('a reset is an error of its request alone', async (t, makePool) => {
  const server = await upstream(t)
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const other = pool.request({ path: '/delay/100' })
  const error: ForebayError = await t.throwsAsync(pool.request({ path: '/reset/8' }))
  t.like(error, { code: 'FB_STREAM_RESET', retryable: 'maybe', protocol: 'h2' })
  const aborted = pool.request({ path: '/delay/10000', signal: AbortSignal.timeout(50) })
  const reason = await t.throwsAsync(aborted, { any: true })
  t.is((reason as Error).name, 'TimeoutError')
  t.is((await other).status, 200)
  t.is((await server.stats()).connectionsAccepted, 1)
})

eachRunner('the server of Node: requests, bodies, its limit, its farewell', async (t, makePool) => {
  const server = await nodeServer(t, (stream, path) => {
    stream.respond({ ':status': 200, 'x-path': path })
    if (path === '/echo') stream.pipe(stream)
    else setTimeout(() => stream.end(`you asked for ${path}`), 20)
  })
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const texts = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const response = await pool.request({ path: `/${n}` })
      t.is(response.headers.get('x-path'), `/${n}`)
      return response.body.text()
    }),
  )
  t.deepEqual(
    texts,
    Array.from({ length: 40 }, (_, n) => `you asked for /${n}`),
  )
  t.is(pool.stats.cxTotal, 4, 'ten at once on each')
  const echoed = await pool.request({ method: 'POST', path: '/echo', body: pattern(500_000) })
  t.is(mismatch(await echoed.body.bytes()), -1)
  const late = pool.request({ path: '/late' })
  for (const session of server.sessions) session.close()
  t.is((await late).status, 200)
  t.is((await pool.request({ path: '/next' })).status, 200)
})
