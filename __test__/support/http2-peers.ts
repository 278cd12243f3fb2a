// The HTTP/2 servers that the behaviour suite runs against: five makers, in clear and over TLS where they can.
//
// Used by __test__/integration/behaviour-http2.test.ts. Not here: what they are asked for (`streams-peer.ts`), HTTP/1.1 (`peers.ts`),
// HTTP/3 (`http3-peers.ts`).

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Identity, makeIdentity } from './identity.js'
import { NGHTTPD_STREAMS, startNghttpd } from './nghttpd.js'
import { NGINX_RETIRES_AFTER, NGINX_STREAMS, startNginx } from './nginx.js'
import { askedPeers, BODY_SIZES, TEXT } from './peers.js'
import { startSpoken } from './spoken.js'
import { asked, echoing, inspected, programmed, RETIRES_AFTER, STATUSES, type StreamsPeer } from './streams-peer.js'
import { startHttp2 } from './upstream.js'

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
} as const satisfies Record<string, () => Promise<StreamsPeer>>

export type Http2PeerName = keyof typeof STARTERS

/** Those of the makers that `FOREBAY_PEERS` names. */
export function http2PeerNames(): Http2PeerName[] {
  const makers: readonly string[] = askedPeers()
  return (Object.keys(STARTERS) as Http2PeerName[]).filter(name => makers.includes(name.replace('-tls', '')))
}

export function startHttp2Peer(name: Http2PeerName): Promise<StreamsPeer> {
  return STARTERS[name]()
}

/** Streams at once on a connection that our own servers allow. */
const STREAMS = 100

/** Go's own, which its standard library lets nobody change before Go 1.24. */
const GO_STREAMS = 250

async function testkitPeer(tls: boolean): Promise<StreamsPeer> {
  const how = tls ? ['--tls'] : []
  const server = await startHttp2(...how, '--max-concurrent-streams', String(STREAMS))
  // Each of its servers has a root of its own, so the retiring one speaks in clear.
  const retiring = tls ? null : await startHttp2('--max-streams', String(RETIRES_AFTER))
  return {
    ...inspected(server.origin, server.ca),
    streams: STREAMS,
    retiring: retiring === null ? null : { origin: retiring.origin, path: '/', after: RETIRES_AFTER },
    async stop() {
      await server.stop()
      await retiring?.stop()
    },
  }
}

/** In a process of its own: the suite's thread would else be both ends. */
async function nodePeer(identity: Identity | null): Promise<StreamsPeer> {
  const file = fileURLToPath(new URL('./children/http2-server.js', import.meta.url))
  const files = identity === null ? [] : [identity.certFile, identity.keyFile]
  const server = await startSpoken(process.execPath, [file, String(STREAMS), ...files])
  return { ...programmed(server, identity), streams: STREAMS }
}

async function goPeer(identity: Identity): Promise<StreamsPeer> {
  const root = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))
  const program = join(root, 'target/peers', process.platform === 'win32' ? 'go-peer.exe' : 'go-peer')
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run test:peers builds it`)
  const server = await startSpoken(program, [identity.certFile, identity.keyFile])
  return { ...programmed(server, identity), streams: GO_STREAMS }
}

async function nginxPeer(identity: Identity | null): Promise<StreamsPeer> {
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

async function nghttpdPeer(identity: Identity | null): Promise<StreamsPeer> {
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
