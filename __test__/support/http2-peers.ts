// The HTTP/2 servers that the behaviour suite runs against: five makers, in clear and over TLS where they can.
//
// A peer says how it is asked for what the suite needs, and null stands for what it cannot do. Used by
// __test__/integration/behaviour-http2.test.ts. Not here: HTTP/1.1 (`peers.ts`).

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BodyInput, Pool } from '../../ts/index.js'
import { type Identity, makeIdentity } from './identity.js'
import { NGHTTPD_STREAMS, startNghttpd } from './nghttpd.js'
import { NGINX_RETIRES_AFTER, NGINX_STREAMS, startNginx } from './nginx.js'
import { askedPeers, BODY_SIZES, TEXT } from './peers.js'
import { type Spoken, startSpoken } from './spoken.js'
import { startHttp2 } from './upstream.js'

export interface Http2Peer {
  readonly origin: string
  /** The root of its certificate, PEM; null in clear. */
  readonly ca: string | null
  /** Streams at once on a connection, as its SETTINGS say. */
  readonly streams: number
  /** What `/status/N` can answer. */
  readonly statuses: readonly number[]
  /** A body of the pattern without a length. */
  readonly chunked: ((length: number) => string) | null
  /** A body of the pattern and after it the trailer `x-end: yes`. */
  trailers(length: number): string
  /** Sends the trailer `x-sum` and gives what arrived. */
  readonly sentTrailer: ((pool: Pool, value: string) => Promise<string>) | null
  /** Sends `x-sent` and gives what arrived. */
  readonly headerAsReceived: ((pool: Pool, value: string) => Promise<string>) | null
  readonly authorityAsReceived: ((pool: Pool) => Promise<string>) | null
  /** A request that is answered with 2xx once its body is whole, not before. */
  upload(id: string): { readonly method: string; readonly path: string }
  /** Uploads a body and gives what the peer then has of it. */
  roundTrip(pool: Pool, body: BodyInput, id: string): Promise<Uint8Array>
  /** Where a connection says farewell after so many requests. */
  readonly retiring: { readonly origin: string; readonly path: string; readonly after: number } | null
  stop(): Promise<void>
}

/** Names of peers -> what starts them. `-tls`: ALPN; else in clear with prior knowledge. */
const STARTERS = {
  testkit: () => testkitPeer(false),
  'testkit-tls': () => testkitPeer(true),
  node: () => nodePeer(null),
  'node-tls': async () => nodePeer(await makeIdentity()),
  nginx: () => nginxPeer(null),
  'nginx-tls': async () => nginxPeer(await makeIdentity()),
  nghttpd: () => nghttpdPeer(null),
  'nghttpd-tls': async () => nghttpdPeer(await makeIdentity()),
  'go-tls': async () => goPeer(await makeIdentity()),
} as const satisfies Record<string, () => Promise<Http2Peer>>

export type Http2PeerName = keyof typeof STARTERS

/** Those of the makers that `FOREBAY_PEERS` names. */
export function http2PeerNames(): Http2PeerName[] {
  const makers: readonly string[] = askedPeers()
  return (Object.keys(STARTERS) as Http2PeerName[]).filter(name => makers.includes(name.replace('-tls', '')))
}

export function startHttp2Peer(name: Http2PeerName): Promise<Http2Peer> {
  return STARTERS[name]()
}

const STATUSES = [201, 204, 304, 400, 404, 500, 503]

/** Streams at once on a connection that our own servers allow. */
const STREAMS = 100

/** Go's own, which its standard library lets nobody change before Go 1.24. */
const GO_STREAMS = 250

const RETIRES_AFTER = 20

async function testkitPeer(tls: boolean): Promise<Http2Peer> {
  const how = tls ? ['--tls'] : []
  const server = await startHttp2(...how, '--max-concurrent-streams', String(STREAMS))
  // Each of its servers has a root of its own, so the retiring one speaks in clear.
  const retiring = tls ? null : await startHttp2('--max-streams', String(RETIRES_AFTER))
  const inspect = async (pool: Pool, headers: Record<string, string>) =>
    (await pool.request({ path: '/inspect', headers })).body.json<Inspected>()
  return {
    origin: server.origin,
    ca: server.ca,
    streams: STREAMS,
    statuses: STATUSES,
    chunked: length => `/chunked/${length}/1000`,
    trailers: length => `/trailers/${length}/1000`,
    async sentTrailer(pool, value) {
      const response = await pool.request({ ...sending(value), path: '/inspect' })
      return field((await response.body.json<Inspected>()).trailers, 'x-sum')
    },
    headerAsReceived: async (pool, value) => field((await inspect(pool, { 'x-sent': value })).headers, 'x-sent'),
    authorityAsReceived: async pool => (await inspect(pool, {})).authority,
    ...echoing(),
    retiring: retiring === null ? null : { origin: retiring.origin, path: '/', after: RETIRES_AFTER },
    async stop() {
      await server.stop()
      await retiring?.stop()
    },
  }
}

type Fields = readonly (readonly [name: string, value: string])[]

interface Inspected {
  readonly authority: string
  readonly headers: Fields
  readonly trailers: Fields
}

function field(fields: Fields, name: string): string {
  return fields.find(([found]) => found === name)?.[1] ?? ''
}

/** In a process of its own: the suite's thread would else be both ends. */
async function nodePeer(identity: Identity | null): Promise<Http2Peer> {
  const file = fileURLToPath(new URL('./children/http2-server.js', import.meta.url))
  const files = identity === null ? [] : [identity.certFile, identity.keyFile]
  const server = await startSpoken(process.execPath, [file, String(STREAMS), ...files])
  return { ...programmed(server, identity), streams: STREAMS }
}

async function goPeer(identity: Identity): Promise<Http2Peer> {
  const root = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))
  const program = join(root, 'target/peers', process.platform === 'win32' ? 'go-peer.exe' : 'go-peer')
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run test:peers builds it`)
  const server = await startSpoken(program, [identity.certFile, identity.keyFile])
  return { ...programmed(server, identity), streams: GO_STREAMS }
}

/** What the programs of children/http2-server.ts and peers/go/main.go have in common. */
function programmed(server: Spoken, identity: Identity | null): Omit<Http2Peer, 'streams'> {
  const origin = `${identity === null ? 'http' : 'https'}://127.0.0.1:${server.port}`
  return {
    origin,
    ca: identity?.ca ?? null,
    statuses: STATUSES,
    chunked: length => `/chunked/${length}`,
    trailers: length => `/trailers/${length}`,
    sentTrailer: async (pool, value) => (await pool.request({ ...sending(value), path: '/sent-trailer' })).body.text(),
    ...asked(),
    ...echoing(),
    retiring: { origin, path: `/retire/${RETIRES_AFTER}`, after: RETIRES_AFTER },
    async stop() {
      await server.stop()
      await identity?.remove()
    },
  }
}

async function nginxPeer(identity: Identity | null): Promise<Http2Peer> {
  const nginx = await startNginx({ sizes: BODY_SIZES, http2: { identity } })
  const upload = (id: string) => ({ method: 'PUT', path: `/stored/${id}` })
  return {
    origin: nginx.origin,
    ca: identity?.ca ?? null,
    streams: NGINX_STREAMS,
    statuses: STATUSES,
    chunked: length => `/chunked/${length}`,
    trailers: length => `/trailers/${length}`,
    // Its configuration has no word for them.
    sentTrailer: null,
    ...asked(),
    upload,
    // nginx does not echo: it stores, and gives back what it stored.
    async roundTrip(pool, body, id) {
      await (await pool.request({ ...upload(id), body })).body.bytes()
      return (await pool.request({ path: upload(id).path })).body.bytes()
    },
    retiring: { origin: nginx.retiring, path: '/', after: NGINX_RETIRES_AFTER },
    async stop() {
      await nginx.stop()
      await identity?.remove()
    },
  }
}

async function nghttpdPeer(identity: Identity | null): Promise<Http2Peer> {
  const nghttpd = await startNghttpd({ text: TEXT, sizes: BODY_SIZES, identity, trailer: 'x-end: yes' })
  return {
    origin: nghttpd.origin,
    ca: identity?.ca ?? null,
    streams: NGHTTPD_STREAMS,
    // Files and uploads are all that it knows.
    statuses: [404],
    chunked: null,
    trailers: length => `/bytes/${length}`,
    sentTrailer: null,
    headerAsReceived: null,
    authorityAsReceived: null,
    ...echoing(),
    retiring: null,
    async stop() {
      await nghttpd.stop()
      await identity?.remove()
    },
  }
}

/** A body and after it the trailer `x-sum`. Go gives its handlers only those that the head names. */
function sending(value: string) {
  return { method: 'POST', headers: { trailer: 'x-sum' }, body: 'a body', trailers: () => ({ 'x-sum': value }) }
}

function asked(): Pick<Http2Peer, 'headerAsReceived' | 'authorityAsReceived'> {
  return {
    headerAsReceived: async (pool, value) =>
      (await pool.request({ path: '/header', headers: { 'x-sent': value } })).body.text(),
    authorityAsReceived: async pool => (await pool.request({ path: '/authority' })).body.text(),
  }
}

function echoing(): Pick<Http2Peer, 'upload' | 'roundTrip'> {
  const upload = () => ({ method: 'POST', path: '/echo-late' })
  return { upload, roundTrip: async (pool, body) => (await pool.request({ ...upload(), body })).body.bytes() }
}
