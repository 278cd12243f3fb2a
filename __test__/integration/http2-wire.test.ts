// HTTP/2 on the wire: what is counted of it, windows that grow, extended CONNECT, names. Every frame passes a relay that reads along.

import { once } from 'node:events'
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { PoolStats, StatName } from '../../ts/index.js'
import { eventually } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'

/** Types of frames that have counters of their own. Source: RFC 9113 section 6. */
const COUNTED = [
  ['Data', 0],
  ['Headers', 1],
  ['Reset', 3],
  ['Settings', 4],
  ['Ping', 6],
  ['Goaway', 7],
  ['WindowUpdate', 8],
] as const

const PREFACE_BYTES = 24
const HEAD_BYTES = 9
const INITIAL_WINDOW_SIZE = 4

/** What went one way. */
class Way {
  readonly chunks: Buffer[] = []

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  frames(preface: number): { type: number; flags: number; payload: Buffer }[] {
    const { bytes } = this
    const found = []
    let at = preface
    while (at + HEAD_BYTES <= bytes.length) {
      const length = bytes.readUIntBE(at, 3)
      const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)
      found.push({ type: bytes.readUInt8(at + 3), flags: bytes.readUInt8(at + 4), payload })
      at += HEAD_BYTES + length
    }
    return found
  }
}

/** A relay to `port` for one connection, which keeps what passes. */
async function relay(t: ExecutionContext, port: number) {
  const [toServer, toClient] = [new Way(), new Way()]
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket, way: Way) => {
    sockets.add(from)
    from.on('data', chunk => {
      way.chunks.push(chunk)
      to.write(chunk)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
  }
  const server = createRelay(client => {
    const upstream = connect(port, '127.0.0.1')
    pass(client, upstream, toServer)
    pass(upstream, client, toClient)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, toServer, toClient }
}

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void

/** Node's server behind a relay. */
async function upstream(t: ExecutionContext, answer: Answer) {
  const server: Http2Server = createServer({ settings: { enableConnectProtocol: true } })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => sessions.add(session))
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
    stream.on('error', () => {})
    answer(stream, headers, raw ?? [])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return relay(t, (server.address() as AddressInfo).port)
}

/** Every counter of the traffic, as the relay saw it. */
function seen(ways: { toServer: Way; toClient: Way }): Partial<Record<StatName, number>> {
  const counts: Partial<Record<StatName, number>> = {}
  for (const [prefix, way, preface] of [
    ['http2Tx', ways.toServer, PREFACE_BYTES],
    ['http2Rx', ways.toClient, 0],
  ] as const) {
    const frames = way.frames(preface)
    counts[`${prefix}Bytes`] = way.bytes.length
    counts[`${prefix}Frames`] = frames.length
    for (const [name, type] of COUNTED) {
      counts[`${prefix}${name}`] = frames.filter(frame => frame.type === type).length
    }
  }
  return counts
}

function counted(stats: PoolStats): Partial<Record<StatName, number>> {
  const traffic = Object.entries(stats).filter(([name]) => /^http2[RT]x/.test(name))
  return Object.fromEntries(traffic) as Partial<Record<StatName, number>>
}

eachRunner('bytes and frames of HTTP/2 are counted, each of them once', async (t, makePool) => {
  const server = await upstream(t, (stream, headers) => {
    if (headers[':path'] === '/reset') return stream.close(8)
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
    return undefined
  })
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const bodies = await Promise.all(
    Array.from({ length: 5 }, async (_, n) => {
      const response = await pool.request({ method: 'POST', path: '/', body: Buffer.alloc(n * 40_000) })
      return (await response.body.bytes()).byteLength
    }),
  )
  t.deepEqual(bodies, [0, 40_000, 80_000, 120_000, 160_000])
  await t.throwsAsync(pool.request({ path: '/reset' }), { code: 'FB_STREAM_RESET' })
  // What is still under way after the last answer, an acknowledgement of SETTINGS for one, is counted as it comes.
  let [ours, theirs] = [counted(pool.stats), seen(server)]
  await eventually('both count alike', () => {
    ours = counted(pool.stats)
    theirs = seen(server)
    return isDeepStrictEqual(ours, theirs)
  })
  t.deepEqual(ours, theirs)
  const { http2TxHeaders, http2RxReset, http2RxBytes, cxTotal } = pool.stats
  t.deepEqual([http2TxHeaders, http2RxReset, cxTotal], [6, 1, 1])
  t.true(http2RxBytes > 400_000)
  await pool.close()
  t.true(pool.stats.http2TxGoaway <= 1)
})

/** The windows of streams that a pool announced, in order. */
function announced(toServer: Way): number[] {
  const settings = toServer.frames(PREFACE_BYTES).filter(frame => frame.type === 4)
  const pairs = settings.flatMap(({ payload }) =>
    Array.from({ length: payload.length / 6 }, (_, at) => ({
      name: payload.readUInt16BE(at * 6),
      value: payload.readUInt32BE(at * 6 + 2),
    })),
  )
  return pairs.filter(({ name }) => name === INITIAL_WINDOW_SIZE).map(({ value }) => value)
}

eachRunner('windows grow only where that is wanted, and no further than they may', async (t, makePool) => {
  const most = 200_000
  for (const adaptiveWindow of [null, { maxStreamWindow: most, maxConnectionWindow: 2_000_000 }]) {
    const server = await upstream(t, stream => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.alloc(1_000_000, 'x'))
    })
    const http2 = { streamWindow: 65_535, connectionWindow: 1_000_000, adaptiveWindow }
    const pool = makePool(server.origin, { protocols: ['h2'], http2 })
    // How much comes in one round trip is the machine's to say: more than once.
    for (let n = 0; n < 100 && (n < 3 || (adaptiveWindow !== null && announced(server.toServer).length < 2)); n++) {
      const response = await pool.request({ path: '/' })
      t.is((await response.body.bytes()).byteLength, 1_000_000)
    }
    const windows = announced(server.toServer)
    t.is(windows[0], 65_535)
    t.is(windows.length > 1, adaptiveWindow !== null)
    t.deepEqual(
      windows,
      [...windows].sort((a, b) => a - b),
    )
    t.true(windows.every(window => window <= most))
    await pool.close()
  }
})

eachRunner('an upgrade over HTTP/2 is an extended CONNECT', async (t, makePool) => {
  const server = await upstream(t, (stream, headers) => {
    t.is(headers[':method'], 'CONNECT')
    t.is(headers[':protocol'], 'websocket')
    t.is(headers[':path'], '/chat?room=1')
    t.is(headers[':scheme'], 'http')
    t.is(headers['sec-websocket-version'], '13')
    t.false('upgrade' in headers || 'connection' in headers)
    stream.respond({ ':status': 200, 'x-mine': '1' })
    stream.pipe(stream)
  })
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const headers = { 'sec-websocket-version': '13' }
  const options = { type: 'upgrade', path: '/chat?room=1', protocol: 'websocket', headers } as const
  const { socket, head } = await pool.connect(options)
  t.is(head.status, 200)
  t.is(head.headers.get('x-mine'), '1')
  t.is(head.connection.protocol, 'h2')
  const echoed: Buffer[] = []
  socket.on('data', (chunk: Buffer) => echoed.push(chunk))
  socket.write('hello ')
  // Beside it the connection serves on.
  const beside = await pool.connect(options)
  beside.socket.end()
  beside.socket.resume()
  await once(beside.socket, 'close')
  socket.end('again')
  await once(socket, 'close')
  t.is(Buffer.concat(echoed).toString(), 'hello again')
  t.is(pool.stats.cxTotal, 1)
})

eachRunner('R06: names are sent in lower case', async (t, makePool) => {
  const names: string[] = []
  const server = await upstream(t, (stream, _headers, raw) => {
    names.push(...raw.filter((_, at) => at % 2 === 0))
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const pool = makePool(server.origin, { protocols: ['h2'] })
  const response = await pool.request({ path: '/', headers: { 'X-UPPER-Case': 'Kept' } })
  t.is(response.status, 204)
  t.true(names.includes('x-upper-case'), names.join())
  t.deepEqual(
    names.filter(name => name !== name.toLowerCase()),
    [],
  )
})
