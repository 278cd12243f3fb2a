// What every well-behaved HTTP/2 server must see and give, on both runners, with servers of several makers (`FOREBAY_PEERS`).

import { Pool } from '../../ts/index.js'
import { behavesWell, eachPeerOf, type Suite } from '../support/behaviour-of-streams.js'
import { type Http2PeerName, http2PeerNames, startHttp2Peer } from '../support/http2-peers.js'
import { mismatch } from '../support/pattern.js'

/** Files and uploads are all that it knows. */
const FILE_SERVER = ['nghttpd', 'nghttpd-tls'] as const

const SUITE: Suite<Http2PeerName> = {
  protocol: 'h2',
  names: http2PeerNames(),
  start: startHttp2Peer,
  // In clear HTTP/2 must be known; over TLS it is agreed on.
  options: peer => (peer.ca === null ? { protocols: ['h2'] } : { tls: { ca: peer.ca } }),
  streams: limit => ({ http2: { maxConcurrentStreams: limit } }),
  lack: {
    chunked: FILE_SERVER,
    fields: FILE_SERVER,
    sentTrailers: [...FILE_SERVER, 'nginx', 'nginx-tls'],
    farewell: [...FILE_SERVER, 'testkit-tls'],
  },
}

const eachPeer = eachPeerOf(SUITE)
behavesWell(SUITE, eachPeer)

eachPeer(
  'a peer of both versions is spoken to in the one that we ask for',
  async (t, peer, { config }) => {
    for (const protocol of ['h1', 'h2'] as const) {
      await using pool = new Pool(peer.origin, { runOn: config.runOn, ...SUITE.options(peer), protocols: [protocol] })
      const response = await pool.request({ path: '/bytes/262145' })
      t.is(response.connection.protocol, protocol)
      t.is(mismatch(await response.body.bytes()), -1)
    }
  },
  { except: [...FILE_SERVER, 'testkit', 'testkit-tls', 'node', 'node-tls', 'nginx'] },
)
