// Tunnels through real servers on both runners: CONNECT and upgrades, both directions, every end.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { ConnectOptions } from '../../ts/index.js'
import { eventually, settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { rejection } from '../support/rejection.js'
import { startTestkit } from '../support/upstream.js'

const TUNNEL: ConnectOptions = { type: 'tunnel', authority: 'far.test:443' }
const UPGRADE: ConnectOptions = { type: 'upgrade', path: '/chat', protocol: 'echo' }
const AGREED = 'HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n'
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\nx-a: b\r\n\r\n'

interface Peer {
  readonly origin: string
  /** Every head that came. */
  readonly heads: string[]
}

/** A server that answers each head with `answer`, and then leaves the socket to `then`. */
async function peer(t: ExecutionContext, answer: string, then: (socket: Socket) => void): Promise<Peer> {
  const heads: string[] = []
  const server: Server = createServer({ allowHalfOpen: true }, socket => {
    let head = ''
    socket.on('error', () => {})
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.off('data', onData)
      socket.pause()
      heads.push(head.slice(0, end))
      const rest = Buffer.from(head.slice(end + 4), 'latin1')
      if (rest.length > 0) socket.unshift(rest)
      socket.write(answer)
      then(socket)
    }
    socket.on('data', onData)
  })
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, heads }
}

const echo = (socket: Socket) => socket.pipe(socket)

async function all(socket: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

for (const [name, options, answer, status] of [
  ['CONNECT', TUNNEL, AGREED, 200],
  ['an upgrade', UPGRADE, SWITCHED, 101],
] as const) {
  eachRunner(`${name}: a million bytes come back, and both sides end`, async (t, makePool) => {
    const { origin, heads } = await peer(t, answer, echo)
    const pool = makePool(origin)
    const { socket, head } = await pool.connect({ ...options, headers: { 'x-mine': '1' } })
    t.is(head.status, status)
    t.is(head.headers.get('x-a'), 'b')
    const reading = all(socket)
    const length = 1_000_003
    socket.write(pattern(length).subarray(0, 500_000))
    socket.end(pattern(length).subarray(500_000))
    const back = await reading
    t.deepEqual([back.length, mismatch(back)], [length, -1])
    await eventually('it is closed', () => socket.destroyed)
    await settles(t, pool, { rqActive: 0 })
    const [first = ''] = heads
    t.true(first.startsWith(status === 200 ? 'CONNECT far.test:443 HTTP/1.1\r\n' : 'GET /chat HTTP/1.1\r\n'), first)
    t.regex(first, status === 200 ? /\r\nhost: far\.test:443/i : /\r\nupgrade: echo/i)
    if (status === 101) t.regex(first, /\r\nconnection: upgrade/i)
    t.regex(first, /\r\nx-mine: 1/i)
  })

  eachRunner(`${name}: bytes that come with the head are the first of the tunnel`, async (t, makePool) => {
    const { origin } = await peer(t, `${answer}early`, echo)
    const { socket } = await makePool(origin).connect(options)
    const reading = all(socket)
    socket.end(' late')
    t.is(String(await reading), 'early late')
  })

  eachRunner(`${name}: the peer may end first, and hears us still`, async (t, makePool) => {
    let heard = ''
    const { origin } = await peer(t, answer, socket => {
      socket.end('bye')
      socket.on('data', chunk => {
        heard += chunk
      })
      socket.resume()
    })
    const { socket } = await makePool(origin).connect(options)
    t.is(String((await once(socket, 'data'))[0]), 'bye')
    await once(socket, 'end')
    socket.end('not yet')
    await once(socket, 'close')
    await eventually('the peer hears it', () => heard === 'not yet')
  })
}

eachRunner('a reader that stops stops the peer; a peer that stops stops the writer', async (t, makePool) => {
  let sent = 0
  const { origin } = await peer(t, AGREED, socket => {
    const more = () => {
      while (socket.writable && socket.write(Buffer.alloc(65_536))) sent += 65_536
    }
    socket.on('drain', more)
    more()
  })
  const pool = makePool(origin)
  const { socket } = await pool.connect(TUNNEL)
  let written = 0
  const write = () => {
    while (socket.write(Buffer.alloc(65_536))) written += 65_536
    written += 65_536
  }
  socket.on('drain', write)
  write()
  let before = [-1, -1]
  while (before[0] !== sent || before[1] !== written) {
    before = [sent, written]
    await wait(150)
  }
  // Socket buffers are the system's: up to 6 MiB for the receiver and 4 for the sender, by Linux's defaults.
  t.true(sent < 20_000_000, `${sent} bytes came`)
  t.true(written < 20_000_000, `${written} bytes went`)
  socket.off('drain', write)
  socket.destroy()
  await settles(t, pool, { rqActive: 0, cxActive: 0 })
})

eachRunner('an abort ends a tunnel with its reason, at the peer too', async (t, makePool) => {
  let ended = false
  const { origin } = await peer(t, AGREED, socket => {
    socket.resume()
    socket.on('close', () => {
      ended = true
    })
    socket.on('end', () => socket.end())
  })
  const controller = new AbortController()
  const pool = makePool(origin)
  const { socket } = await pool.connect({ ...TUNNEL, signal: controller.signal })
  const failed = once(socket, 'error')
  const reason = new Error('enough')
  controller.abort(reason)
  t.deepEqual(await failed, [reason])
  await eventually('the peer sees it', () => ended)
  await settles(t, pool, { rqActive: 0 })
})

eachRunner('an abort before the answer rejects with its reason', async (t, makePool) => {
  const { origin, heads } = await peer(t, '', () => {})
  const pool = makePool(origin)
  const controller = new AbortController()
  const opening = pool.connect({ ...TUNNEL, signal: controller.signal })
  await eventually('it is asked for', () => heads.length === 1)
  controller.abort('why')
  t.is(await opening.catch((error: unknown) => error), 'why')
  await settles(t, pool, { rqTotal: 1, rqActive: 0 })
})

eachRunner('a peer that vanishes is the failure of the stream', async (t, makePool) => {
  const { origin } = await peer(t, AGREED, socket => {
    socket.once('data', () => socket.resetAndDestroy())
    socket.resume()
  })
  const { socket } = await makePool(origin).connect(TUNNEL)
  const failed = once(socket, 'error')
  socket.resume()
  socket.write('hello')
  t.like((await failed)[0], { code: 'FB_BODY_INCOMPLETE', origin })
  t.true(socket.destroyed)
})

eachRunner('an upstream that refuses is FB_PROXY_FAILED, and its connection serves on', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const error = await rejection(pool.connect({ type: 'upgrade', path: '/status/404', protocol: 'nothing' }))
  t.like(error, { code: 'FB_PROXY_FAILED', phase: 'connect', retryable: 'yes' })
  t.like(error.attempts, { 0: { type: 'response', status: 404 } })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner(
  'destroy() ends open tunnels, and a tunnel leaves the other requests their connections',
  async (t, makePool) => {
    const { origin } = await peer(t, AGREED, echo)
    const pool = makePool(origin)
    const first = await pool.connect(TUNNEL)
    const second = await pool.connect(TUNNEL)
    t.not(first.head.connection.id, second.head.connection.id)
    const failed = [once(first.socket, 'error'), once(second.socket, 'error')]
    await pool.destroy()
    for (const [error] of await Promise.all(failed)) t.like(error, { code: 'FB_POOL_CLOSED' })
  },
)
