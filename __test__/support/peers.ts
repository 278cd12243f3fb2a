// The upstreams that the behaviour suite runs against: the same promises, kept by servers of different makers.
//
// A peer says how it is asked for what the suite needs, because nginx is configured, not programmed. Used by the suites in
// __test__/integration. Not here: HTTP/2 (`http2-peers.ts`), HTTP/3 (`http3-peers.ts`), upstreams that misbehave (`upstream.ts`).

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Pool } from '../../ts/index.js'
import { startNginx } from './nginx.js'
import { pattern } from './pattern.js'
import { startTestkit } from './upstream.js'

/** The body of `/`: 22 bytes. */
export const TEXT = 'hello from the testkit'

export interface Peer {
  readonly name: PeerName
  readonly origin: string
  /** How many fields `manyHeaders` answers, each `x-header-N`. */
  readonly manyHeaders: { readonly path: string; readonly count: number; readonly value: (n: number) => string }
  /** Answers a body of the pattern in chunks, without a length. */
  chunked(length: number): string
  /** Sends `x-sent` and gives what arrived, in latin1. */
  headerAsReceived(pool: Pool, value: string): Promise<string>
  /** The `Host` that arrives. */
  authorityAsReceived(pool: Pool): Promise<string>
  /** Uploads a body and gives what the peer then has of it. */
  roundTrip(pool: Pool, body: string | Uint8Array, id: string): Promise<Uint8Array>
  /** Where the tenth answer on a connection says that it is the last. */
  readonly retiring: { readonly origin: string; readonly path: string }
  stop(): Promise<void>
}

export const PEER_NAMES = ['testkit', 'node', 'nginx'] as const
export type PeerName = (typeof PEER_NAMES)[number]

/** Every size that the suite asks for under `/bytes/`. The edges lie around one record, the slab's end and the body's window. */
export const BODY_SIZES: readonly number[] = [
  0, 1, 2, 3, 4, 5, 100, 1_023, 1_024, 16_383, 16_384, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 1_048_576,
  8_388_608,
]

/** Makers of servers. Those that must be installed or built are only started where `FOREBAY_PEERS` names them. */
const MAKERS = ['testkit', 'node', 'nginx', 'nghttpd', 'go', 'caddy', 'quic-go', 'aioquic'] as const
export type Maker = (typeof MAKERS)[number]

/** `FOREBAY_PEERS=nginx,go` picks makers; else those that need only Node and this repository. */
export function askedPeers(): Maker[] {
  const asked = process.env['FOREBAY_PEERS']
  if (asked === undefined) return ['testkit', 'node']
  return asked.split(',').map(name => {
    const found = MAKERS.find(known => known === name)
    if (found === undefined) throw new Error(`FOREBAY_PEERS: ${name} is none of ${MAKERS.join(', ')}`)
    return found
  })
}

/** Those of them that speak HTTP/1.1 here. */
export function peerNames(): PeerName[] {
  const makers: readonly string[] = askedPeers()
  return PEER_NAMES.filter(name => makers.includes(name))
}

export function startPeer(name: PeerName): Promise<Peer> {
  switch (name) {
    case 'testkit':
      return testkitPeer()
    case 'node':
      return nodePeer()
    case 'nginx':
      return nginxPeer()
  }
}

async function testkitPeer(): Promise<Peer> {
  const upstream = await startTestkit()
  const retiring = await startTestkit({ args: ['--max-requests', '10'] })
  return {
    name: 'testkit',
    origin: upstream.origin,
    manyHeaders: { path: '/headers/60', count: 60, value: () => 'vvvvvvvv' },
    chunked: length => `/chunked/${length}/1000`,
    headerAsReceived: async (pool, value) => field(await inspect(pool, { 'x-sent': value }), 'x-sent'),
    authorityAsReceived: async pool => field(await inspect(pool, {}), 'host'),
    roundTrip: (pool, body) => echo(pool, '/echo-late', body),
    retiring: { origin: retiring.origin, path: '/' },
    async stop() {
      await upstream.stop()
      await retiring.stop()
    },
  }
}

interface Inspected {
  readonly headers: readonly (readonly [name: string, value: string])[]
}

async function inspect(pool: Pool, headers: Record<string, string>): Promise<Inspected> {
  const response = await pool.request({ path: '/inspect', headers })
  return response.body.json<Inspected>()
}

function field(inspected: Inspected, name: string): string {
  return inspected.headers.find(([found]) => found.toLowerCase() === name)?.[1] ?? ''
}

async function echo(pool: Pool, path: string, body: string | Uint8Array): Promise<Uint8Array> {
  const response = await pool.request({ method: 'POST', path, body })
  return response.body.bytes()
}

async function nodePeer(): Promise<Peer> {
  const server = createServer((request, response) => void answer(request, response))
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const ask = async (pool: Pool, path: string, headers: Record<string, string>) =>
    latin1(await (await pool.request({ path, headers })).body.bytes())
  return {
    name: 'node',
    origin: `http://127.0.0.1:${address.port}`,
    manyHeaders: { path: '/headers', count: 60, value: n => `value-${n}` },
    chunked: length => `/chunked/${length}`,
    headerAsReceived: (pool, value) => ask(pool, '/header', { 'x-sent': value }),
    authorityAsReceived: pool => ask(pool, '/authority', {}),
    roundTrip: (pool, body) => echo(pool, '/echo', body),
    retiring: { origin: `http://127.0.0.1:${address.port}`, path: '/retire/1' },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, name = '', argument = ''] = (request.url ?? '').split('/')
  switch (name) {
    case 'bytes':
      response.setHeader('content-length', argument)
      response.end(pattern(Number(argument)))
      return
    case 'chunked': {
      const bytes = pattern(Number(argument))
      for (let at = 0; at < bytes.length; at += 1_000) {
        if (!response.write(bytes.subarray(at, at + 1_000))) await once(response, 'drain')
      }
      response.end()
      return
    }
    case 'status':
      response.statusCode = Number(argument)
      response.end()
      return
    case 'headers':
      for (let n = 0; n < 60; n += 1) response.setHeader(`X-Header-${n}`, `value-${n}`)
      response.end(TEXT)
      return
    case 'header':
      response.end(request.headers['x-sent'], 'latin1')
      return
    case 'authority':
      response.end(request.headers.host)
      return
    case 'echo':
      response.end(await collect(request))
      return
    case 'close':
      response.setHeader('connection', 'close')
      response.end(TEXT)
      return
    case 'retire':
      // As nginx's keepalive_requests: the tenth answer on a connection says that it is the last.
      if (countOf(request) % 10 === 0) response.setHeader('connection', 'close')
      response.end(TEXT)
      return
    default:
      response.end(TEXT)
  }
}

async function collect(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

const requestsOf = new WeakMap<object, number>()

function countOf(request: IncomingMessage): number {
  const count = (requestsOf.get(request.socket) ?? 0) + 1
  requestsOf.set(request.socket, count)
  return count
}

async function nginxPeer(): Promise<Peer> {
  const nginx = await startNginx({ sizes: BODY_SIZES })
  const ask = async (pool: Pool, path: string, headers: Record<string, string>) =>
    latin1(await (await pool.request({ path, headers })).body.bytes())
  return {
    name: 'nginx',
    origin: nginx.origin,
    manyHeaders: { path: '/headers', count: 60, value: n => `value-${n}` },
    chunked: length => `/chunked/${length}`,
    headerAsReceived: (pool, value) => ask(pool, '/header', { 'x-sent': value }),
    authorityAsReceived: pool => ask(pool, '/authority', {}),
    // nginx does not echo: it stores, and gives back what it stored.
    async roundTrip(pool, body, id) {
      const path = `/stored/${id}`
      await (await pool.request({ method: 'PUT', path, body })).body.bytes()
      return (await pool.request({ path })).body.bytes()
    },
    retiring: { origin: nginx.origin, path: '/retire/1' },
    stop: () => nginx.stop(),
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
