// What every well-behaved server must see and give whose connections carry many streams, on both runners: the cases that HTTP/2 and
// HTTP/3 have in common.
//
// Used by __test__/integration/behaviour-http2.test.ts and behaviour-http3.test.ts. Not here: the servers (`http2-peers.ts`,
// `http3-peers.ts`), what only one of the two has.

import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import type { Pool, PoolOptions } from '../../ts/index.js'
import { eventually } from './cases.js'
import { RUNNERS, TestPool } from './each-runner.js'
import { mismatch, pattern } from './pattern.js'
import { BODY_SIZES, TEXT } from './peers.js'
import type { StreamsPeer } from './streams-peer.js'

/** What a suite is about. */
export interface Suite<Name extends string> {
  readonly protocol: 'h2' | 'h3'
  readonly names: readonly Name[]
  start(name: Name): Promise<StreamsPeer>
  /** Options that a pool needs to speak this protocol with the peer. */
  options(peer: StreamsPeer): PoolOptions
  /** Options that lower our own limit of streams. */
  streams(limit: number): PoolOptions
  /** Peers that have no means to show something. */
  readonly lack: {
    readonly chunked?: readonly Name[]
    readonly fields?: readonly Name[]
    readonly sentTrailers?: readonly Name[]
    readonly farewell?: readonly Name[]
  }
}

type Body = (t: ExecutionContext, peer: StreamsPeer, pool: Pool, id: string) => Promise<void>

export interface Manner<Name extends string> {
  /** Options of the pool besides those that the peer needs. */
  readonly with?: PoolOptions
  /** Peers that have no means to show it. */
  readonly except?: readonly Name[] | undefined
}

export type EachPeer<Name extends string> = (title: string, body: Body, manner?: Manner<Name>) => void

/** Defines a test once for each peer and runner. */
export function eachPeerOf<Name extends string>({ names, start, options }: Suite<Name>): EachPeer<Name> {
  const peers = new Map<string, StreamsPeer>()
  test.before(async () => {
    for (const name of names) peers.set(name, await start(name))
  })
  test.after.always(async () => {
    for (const peer of peers.values()) await peer.stop()
  })
  return (title, body, { with: more = {}, except = [] } = {}) => {
    for (const name of names.filter(name => !except.includes(name))) {
      for (const runOn of RUNNERS) {
        // One after another: bursts on one thread with all its peers would measure patience.
        test.serial(`${name}, ${runOn}: ${title}`, async t => {
          const peer = peers.get(name)
          if (peer === undefined) throw new Error(`${name} has not started`)
          // Not `await using`: a failure among held uploads would wait for them.
          const pool = new TestPool(peer.origin, { runOn, ...options(peer), ...more })
          t.teardown(() => pool.destroy())
          await body(t, peer, pool, t.title.replaceAll(/\W/g, ''))
        })
      }
    }
  }
}

/** What the peer must be able to do, where the test does not except it. */
function able<T>(means: T | null): T {
  if (means === null) throw new Error('the peer has no means to show this')
  return means
}

/** A body that is begun, and goes on when `release` is called. */
function heldBody() {
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  async function* body() {
    yield 'begun, '
    await released
    yield 'ended'
  }
  return { body, release: () => release() }
}

const COUNTERS = { h2: 'cxHttp2Total', h3: 'cxHttp3Total' } as const

/** Defines the tests of every case. */
export function behavesWell<Name extends string>(suite: Suite<Name>, eachPeer: EachPeer<Name>): void {
  const { protocol, options, streams, lack } = suite

  eachPeer('a GET gives status, fields and text, over the protocol', async (t, _, pool) => {
    const response = await pool.request({ path: '/' })
    t.is(response.status, 200)
    t.is(response.statusText, '')
    t.is(response.connection.protocol, protocol)
    t.is(response.connection.remoteAddress, '127.0.0.1')
    t.is(await response.body.text(), TEXT)
    t.like(pool.stats, { cxTotal: 1, [COUNTERS[protocol]]: 1 })
  })

  eachPeer('a body of any size comes whole', async (t, _, pool) => {
    for (const size of BODY_SIZES) {
      const response = await pool.request({ path: `/bytes/${size}` })
      t.is(response.headers.get('content-length'), String(size))
      const bytes = await response.body.bytes()
      t.is(bytes.byteLength, size)
      t.is(mismatch(bytes), -1, `${size} bytes`)
    }
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer(
    'a body without a length comes whole',
    async (t, peer, pool) => {
      const chunked = able(peer.chunked)
      for (const size of [0, 1, 16_384, 262_145, 1_048_576]) {
        const bytes = await (await pool.request({ path: chunked(size) })).body.bytes()
        t.is(bytes.byteLength, size)
        t.is(mismatch(bytes), -1, `${size} bytes`)
      }
    },
    { except: lack.chunked },
  )

  eachPeer('an uploaded body of any size arrives whole', async (t, peer, pool, id) => {
    for (const size of [0, 1, 3, 4, 1_023, 65_535, 65_536, 262_145, 1_048_577, 8_388_608]) {
      const got = await peer.roundTrip(pool, pattern(size), `${id}-${size}`)
      t.is(got.byteLength, size)
      t.is(mismatch(got), -1, `${size} bytes`)
    }
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer('a body that is produced while it is sent arrives whole', async (t, peer, pool, id) => {
    const bytes = pattern(3_000_000)
    async function* parts() {
      for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
    }
    const got = await peer.roundTrip(pool, parts, id)
    t.is(got.byteLength, bytes.length)
    t.is(mismatch(got), -1)
  })

  eachPeer('trailers come after the body', async (t, peer, pool) => {
    for (const size of [1, 100, 262_145]) {
      const response = await pool.request({ path: peer.trailers(size) })
      t.is((await response.body.bytes()).byteLength, size)
      t.is((await response.trailers).get('x-end'), 'yes')
    }
  })

  eachPeer('HEAD has no body, and gives its length', async (t, _, pool) => {
    const response = await pool.request({ method: 'HEAD', path: '/bytes/1024' })
    t.is(response.status, 200)
    t.is(response.headers.get('content-length'), '1024')
    t.is((await response.body.bytes()).byteLength, 0)
    t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
  })

  eachPeer('a status is never an error', async (t, peer, pool) => {
    for (const status of peer.statuses) {
      const response = await pool.request({ path: `/status/${status}` })
      t.is(response.status, status)
      await response.body.bytes()
    }
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer('fifty cold requests share one connection', async (t, _, pool) => {
    const sizes = Array.from({ length: 50 }, (_, n) => BODY_SIZES[n % 16] ?? 0)
    const bodies = await Promise.all(
      sizes.map(async size => (await pool.request({ path: `/bytes/${size}` })).body.bytes()),
    )
    t.deepEqual(
      bodies.map(bytes => bytes.byteLength),
      sizes,
    )
    t.true(bodies.every(bytes => mismatch(bytes) === -1))
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer('300 cold requests open as many connections as the limit of the peer needs', async (t, peer, pool, id) => {
    const expected = Math.ceil(300 / peer.streams)
    t.is(await burst(t, peer, pool, id, 300), expected)
    t.is(pool.stats.cxTotal, expected)
  })

  eachPeer(
    '100 cold requests at our limit of 10 open 10 connections',
    async (t, peer, pool, id) => {
      t.is(await burst(t, peer, pool, id, 100), 10)
      t.is(pool.stats.cxTotal, 10)
    },
    { with: streams(10) },
  )

  eachPeer('a stream that is aborted leaves the others alive', async (t, peer, pool, id) => {
    const held = heldBody()
    const upload = pool.request({ ...peer.upload(`${id}-held`), body: held.body })
    const large = await pool.request({ path: '/bytes/8388608' })
    const abandoned = heldBody()
    for (let n = 0; n < 10; n += 1) {
      const controller = new AbortController()
      const { signal } = controller
      const { body } = await pool.request({ path: '/bytes/8388608', signal })
      const aborted = pool.request({ ...peer.upload(`${id}-${n}`), body: abandoned.body, signal })
      const reader = body[Symbol.asyncIterator]()
      await reader.next()
      controller.abort()
      t.is(await failureOf(reader), signal.reason)
      t.is(await aborted.catch((error: unknown) => error), signal.reason)
    }
    abandoned.release()
    t.is(mismatch(await large.body.bytes()), -1)
    held.release()
    const { status, body } = await upload
    t.true(status >= 200 && status <= 299)
    await body.bytes()
    t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer('a reader that stalls stalls itself only', async (t, _, pool) => {
    const stalled = await Promise.all(Array.from({ length: 3 }, () => pool.request({ path: '/bytes/8388608' })))
    for (let round = 0; round < 2; round += 1) {
      const others = Array.from({ length: 10 }, async () =>
        (await pool.request({ path: '/bytes/1048576' })).body.bytes(),
      )
      for (const bytes of await Promise.all(others)) t.is(mismatch(bytes), -1)
    }
    t.is(pool.stats.rqActive, 3)
    for (const { body } of stalled) {
      const bytes = await body.bytes()
      t.is(bytes.byteLength, 8_388_608)
      t.is(mismatch(bytes), -1)
    }
    t.is(pool.stats.cxTotal, 1)
  })

  eachPeer(
    'request fields and the authority arrive as they were given, each with its request',
    async (t, peer, pool) => {
      const headerAsReceived = able(peer.headerAsReceived)
      for (const value of ['plain', 'a, b;c="d e"', 'x'.repeat(4_000)]) t.is(await headerAsReceived(pool, value), value)
      const values = Array.from({ length: 300 }, () => randomBytes(12).toString('hex'))
      t.deepEqual(await Promise.all(values.map(value => headerAsReceived(pool, value))), values)
      t.is(await able(peer.authorityAsReceived)(pool), new URL(peer.origin).host)
    },
    { except: lack.fields },
  )

  eachPeer(
    'request trailers arrive',
    async (t, peer, pool) => {
      t.is(await able(peer.sentTrailer)(pool, '1234'), '1234')
    },
    { except: lack.sentTrailers },
  )

  eachPeer(
    'a farewell after some requests on each connection loses none',
    async (t, peer, { config }) => {
      const { origin, path, after } = able(peer.retiring)
      await using pool = new TestPool(origin, { runOn: config.runOn, ...options(peer) })
      const texts = await Promise.all(
        Array.from({ length: 200 }, async () => (await pool.request({ path })).body.text()),
      )
      t.deepEqual(new Set(texts), new Set([TEXT]))
      const before = pool.stats.cxTotal
      for (let n = 0; n < 3 * after; n += 1) t.is(await (await pool.request({ path })).body.text(), TEXT)
      t.true(pool.stats.cxTotal >= before + 2, `${before}, then ${pool.stats.cxTotal} connections`)
    },
    { except: lack.farewell },
  )
}

/** So many requests at once, none of which ends before all have begun. */
async function burst(t: ExecutionContext, peer: StreamsPeer, pool: Pool, id: string, count: number) {
  const { body, release } = heldBody()
  const requests = Array.from({ length: count }, async (_, n) => {
    const { status, body: answer, connection } = await pool.request({ ...peer.upload(`${id}-${n}`), body })
    await answer.bytes()
    t.true(status >= 200 && status <= 299, `${status}`)
    return connection.id
  })
  const all = Promise.all(requests)
  try {
    await Promise.race([
      eventually('every request has a stream', () => pool.stats.rqTotal === count && pool.stats.rqPendingActive === 0),
      all,
    ])
  } finally {
    release()
  }
  return new Set(await all).size
}

/** How the reading ends, however much was delivered before. */
async function failureOf(reader: AsyncIterator<Uint8Array>): Promise<unknown> {
  try {
    while ((await reader.next()).done !== true);
  } catch (error) {
    return error
  }
  return null
}
