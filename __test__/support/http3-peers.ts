// The HTTP/3 servers that the behaviour suite runs against: four makers.
//
// Used by __test__/integration/behaviour-http3.test.ts. Not here: what they are asked for (`streams-peer.ts`).

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { startCaddy } from './caddy.js'
import { makeIdentity } from './identity.js'
import { askedPeers } from './peers.js'
import { startSpoken } from './spoken.js'
import { inspected, programmed, RETIRES_AFTER, type StreamsPeer } from './streams-peer.js'
import { startHttp3, startTestkit } from './upstream.js'

/** Names of peers -> what starts them. `testkit` is the server of the h3 crate. */
const STARTERS = {
  testkit: testkitPeer,
  'quic-go': quicGoPeer,
  caddy: caddyPeer,
  aioquic: aioquicPeer,
} as const satisfies Record<string, () => Promise<StreamsPeer>>

export type Http3PeerName = keyof typeof STARTERS

/** Those that `FOREBAY_PEERS` names. */
export function http3PeerNames(): Http3PeerName[] {
  const makers: readonly string[] = askedPeers()
  return (Object.keys(STARTERS) as Http3PeerName[]).filter(name => makers.includes(name))
}

export function startHttp3Peer(name: Http3PeerName): Promise<StreamsPeer> {
  return STARTERS[name]()
}

/** Requests at once that our own server grants; also what quic-go and Caddy do, whom nobody told otherwise. */
const STREAMS = 100

/** What aioquic grants, which cannot be changed. */
const AIOQUIC_STREAMS = 128

const ROOT = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))

async function testkitPeer(): Promise<StreamsPeer> {
  const server = await startHttp3('--max-concurrent-streams', String(STREAMS))
  const retiring = await startHttp3('--max-streams', String(RETIRES_AFTER))
  return {
    // Each of its servers has a root of its own.
    ...inspected(server.origin, `${server.ca}${retiring.ca}`),
    streams: STREAMS,
    retiring: { origin: retiring.origin, path: '/', after: RETIRES_AFTER },
    async stop() {
      await server.stop()
      await retiring.stop()
    },
  }
}

async function quicGoPeer(): Promise<StreamsPeer> {
  const program = join(ROOT, 'target/peers', process.platform === 'win32' ? 'quic-go-peer.exe' : 'quic-go-peer')
  const identity = await makeIdentity()
  const server = await startSpoken(built(program), [identity.certFile, identity.keyFile])
  return { ...programmed(server, identity), streams: STREAMS }
}

async function aioquicPeer(): Promise<StreamsPeer> {
  const python = built(join(ROOT, 'build/aioquic/bin/python'))
  const identity = await makeIdentity()
  const program = join(ROOT, '__test__/peers/aioquic/server.py')
  const server = await startSpoken(python, [program, identity.certFile, identity.keyFile])
  // It has no GOAWAY.
  return { ...programmed(server, identity), streams: AIOQUIC_STREAMS, retiring: null }
}

async function caddyPeer(): Promise<StreamsPeer> {
  const identity = await makeIdentity()
  const upstream = await startTestkit()
  const caddy = await startCaddy({ identity, upstream: `127.0.0.1:${upstream.port}` })
  return {
    ...inspected(caddy.origin, identity.ca),
    streams: STREAMS,
    // The server behind it says nothing of trailers.
    sentTrailer: null,
    async stop() {
      await caddy.stop()
      await upstream.stop()
      await identity.remove()
    },
  }
}

function built(program: string): string {
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run test:peers makes it`)
  return program
}
