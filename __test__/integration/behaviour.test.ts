// What every well-behaved HTTP/1.1 server must see and give, on both runners, with servers of several makers (`FOREBAY_PEERS`).

import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import type { Pool, PoolOptions } from '../../ts/index.js'
import { RUNNERS, TestPool } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { BODY_SIZES, type Peer, peerNames, startPeer, TEXT } from '../support/peers.js'

const peers = new Map<string, Peer>()

test.before(async () => {
  for (const name of peerNames()) peers.set(name, await startPeer(name))
})

test.after.always(async () => {
  for (const peer of peers.values()) await peer.stop()
})

function eachPeer(
  title: string,
  body: (t: ExecutionContext, peer: Peer, pool: Pool) => Promise<void>,
  options: PoolOptions = {},
): void {
  for (const name of peerNames()) {
    for (const runOn of RUNNERS) {
      // One after another: all of a peer's tests share it, and some are long.
      test.serial(`${name}, ${runOn}: ${title}`, async t => {
        const peer = peers.get(name)
        if (peer === undefined) throw new Error(`${name} has not started`)
        await using pool = new TestPool(peer.origin, { runOn, ...options })
        await body(t, peer, pool)
      })
    }
  }
}

eachPeer('a GET gives status, fields and text', async (t, _, pool) => {
  const response = await pool.request({ path: '/' })
  t.is(response.status, 200)
  t.is(response.statusText, 'OK')
  t.is(response.connection.protocol, 'h1')
  t.is(response.connection.remoteAddress, '127.0.0.1')
  t.is(await response.body.text(), TEXT)
})

eachPeer('a body of any size comes whole', async (t, _, pool) => {
  for (const size of BODY_SIZES) {
    const response = await pool.request({ path: `/bytes/${size}` })
    t.is(response.headers.get('content-length'), String(size))
    const bytes = await response.body.bytes()
    t.is(bytes.byteLength, size)
    t.is(mismatch(bytes), -1, `${size} bytes`)
  }
})

eachPeer('a chunked body of any size comes whole', async (t, peer, pool) => {
  for (const size of [0, 1, 16_384, 262_145, 1_048_576]) {
    const bytes = await (await pool.request({ path: peer.chunked(size) })).body.bytes()
    t.is(bytes.byteLength, size)
    t.is(mismatch(bytes), -1, `${size} bytes`)
  }
})

eachPeer('an uploaded body of any size arrives whole', async (t, peer, pool) => {
  for (const size of [0, 1, 3, 4, 1_023, 65_536, 262_145, 1_048_575, 1_048_576, 1_048_577, 8_388_608]) {
    const got = await peer.roundTrip(pool, pattern(size), `${t.title.replaceAll(/\W/g, '')}-${size}`)
    t.is(got.byteLength, size)
    t.is(mismatch(got), -1, `${size} bytes`)
  }
})

eachPeer('text is sent as UTF-8 and comes back as it was', async (t, peer, pool) => {
  const text = 'naïve façade: 水, 🙂'
  const got = await peer.roundTrip(pool, text, `${t.title.replaceAll(/\W/g, '')}-text`)
  t.is(new TextDecoder().decode(got), text)
})

eachPeer('HEAD gives the length of the body and no body', async (t, _, pool) => {
  const response = await pool.request({ method: 'HEAD', path: '/bytes/1024' })
  t.is(response.status, 200)
  t.is(response.headers.get('content-length'), '1024')
  t.is((await response.body.bytes()).byteLength, 0)
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
})

eachPeer('204 and 304 have no body and leave the connection usable', async (t, _, pool) => {
  for (const status of [204, 304]) {
    const response = await pool.request({ path: `/status/${status}` })
    t.is(response.status, status)
    t.is((await response.body.bytes()).byteLength, 0)
  }
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
  t.is(pool.stats.cxTotal, 1)
})

eachPeer('a status is never an error', async (t, _, pool) => {
  for (const status of [201, 400, 404, 500, 503])
    t.is((await pool.request({ path: `/status/${status}` })).status, status)
})

eachPeer('many response fields arrive in order, in lower case', async (t, peer, pool) => {
  const { path, count, value } = peer.manyHeaders
  const { headers } = await pool.request({ path })
  const found = [...headers].filter(([name]) => name.startsWith('x-header-'))
  t.deepEqual(
    found,
    Array.from({ length: count }, (_, n) => [`x-header-${n}`, value(n)]),
  )
})

eachPeer('a request field arrives as it was given, latin1 too', async (t, peer, pool) => {
  for (const value of ['plain', 'a, b;c="d e"', 'caf\u00e9 \u00ff', 'x'.repeat(4_000)]) {
    t.is(await peer.headerAsReceived(pool, value), value)
  }
})

eachPeer('Host is the authority of the origin', async (t, peer, pool) => {
  t.is(await peer.authorityAsReceived(pool), new URL(peer.origin).host)
})

eachPeer('one request after another uses one connection', async (t, _, pool) => {
  const first = await pool.request({ path: '/' })
  await first.body.bytes()
  for (let n = 0; n < 50; n += 1) {
    const response = await pool.request({ path: '/bytes/100' })
    await response.body.bytes()
    t.true(response.connection.reused)
    t.is(response.connection.id, first.connection.id)
  }
  t.is(pool.stats.cxTotal, 1)
})

eachPeer(
  'more requests than connections wait their turn and none is lost',
  async (t, _, pool) => {
    const sizes = Array.from({ length: 400 }, (_, n) => BODY_SIZES[n % 11] ?? 0)
    const bodies = await Promise.all(
      sizes.map(async size => (await pool.request({ path: `/bytes/${size}` })).body.bytes()),
    )
    t.deepEqual(
      bodies.map(bytes => bytes.byteLength),
      sizes,
    )
    t.true(bodies.every(bytes => mismatch(bytes) === -1))
    const { cxTotal, cxActive } = pool.stats
    t.true(cxTotal <= 8, `${cxTotal} connections`)
    t.true(cxActive <= 8)
  },
  { limits: { maxConnections: 8 } },
)

eachPeer(
  'every answer belongs to its request',
  async (t, peer, pool) => {
    const values = Array.from({ length: 300 }, () => randomBytes(12).toString('hex'))
    const echoed = await Promise.all(values.map(value => peer.headerAsReceived(pool, value)))
    t.deepEqual(echoed, values)
  },
  { limits: { maxConnections: 16 } },
)

eachPeer('a connection that the upstream closes after its answer is not used again', async (t, _, pool) => {
  for (let n = 0; n < 5; n += 1) {
    const response = await pool.request({ path: '/close' })
    t.is(await response.body.text(), TEXT)
    t.false(response.connection.reused)
  }
  t.is(pool.stats.cxTotal, 5)
})

for (const runOn of RUNNERS) {
  test.serial(`${runOn}: an upstream that retires each connection after ten requests loses none`, async t => {
    for (const peer of peers.values()) {
      await using pool = new TestPool(peer.retiring.origin, { runOn, limits: { maxConnections: 4 } })
      const { path } = peer.retiring
      const texts = await Promise.all(
        Array.from({ length: 200 }, async () => (await pool.request({ path })).body.text()),
      )
      t.deepEqual(new Set(texts), new Set([TEXT]))
      t.true(pool.stats.cxTotal >= 20, `${peer.name}: ${pool.stats.cxTotal} connections`)
    }
  })
}
