// Hostile names, networks and TLS peers: what the caller is told, and that the pool goes on. Rows C and T of docs/conformance.md.

import type { ExecutionContext } from 'ava'
import type { ForebayError, LookupAddress, PoolOptions } from '../../ts/index.js'
import { eventually, gone, row, secure } from '../support/cases.js'
import type { MakePool } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { type Scripted, startBlackHole, startScripted, startShut, startTestkit } from '../support/upstream.js'

const TEXT = 'hello from the testkit'
const GOOD: Step = { tls: 'good' }

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

function addresses(...list: string[]): LookupAddress[] {
  return list.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
}

// ---- C: connect and DNS ----

row('C01', 'a refused connect is told at once, and the pool goes on', async (t, makePool) => {
  const upstream = await startShut()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const endpoint = `127.0.0.1:${upstream.port}`
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_CONNECT_REFUSED', phase: 'connect', retryable: 'yes', flags: ['UF'], endpoint })
  t.like(pool.stats, { cxConnectFail: 1, cxConnectTimeout: 0, rqPendingFailureEject: 1 })
  await upstream.ask(`script ${JSON.stringify([WELL_BEHAVED])}`)
  await upstream.ask('door open')
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('C02', 'a SYN without an answer meets our limit', async (t, makePool) => {
  const upstream = await startBlackHole()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { connection: { connectTimeout: 60 } })
  const start = performance.now()
  const error = await rejection(pool.request({ path: '/' }))
  const waited = performance.now() - start
  t.like(error, { code: 'FB_CONNECT_TIMEOUT', phase: 'connect', retryable: 'yes', flags: ['UF'], timeoutMs: 60 })
  t.true(waited >= 59 && waited < 5_000, `${waited} ms`)
  t.like(pool.stats, { cxConnectFail: 1, cxConnectTimeout: 1, cxActive: 0 })
})

for (const [end, code] of [
  ['close', 'FB_CONNECTION_CLOSED'],
  ['reset', 'FB_CONNECTION_RESET'],
] as const) {
  row('C03', `${end} before any byte of the response`, async (t, makePool) => {
    const upstream = await scripted(t, ['request', end], WELL_BEHAVED)
    const pool = makePool(upstream.origin)
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code, phase: 'head', retryable: 'maybe', flags: ['UC'], reused: false, protocol: 'h1' })
    t.is((await pool.request({ path: '/' })).status, 200)
    t.is(pool.stats.cxDestroyRemoteWithActiveRq, 1)
  })
}

row('C05', 'an idle connection that went black costs headersTimeout', async (t, makePool) => {
  const upstream = await scripted(t, ['request', { send: ANSWER }, 'park'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { headersTimeout: 500 })
  await pool.request({ path: '/' })
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_HEADERS_TIMEOUT', phase: 'head', retryable: 'maybe', flags: ['UT'], reused: true })
  t.false((await pool.request({ path: '/' })).connection.reused)
})

row('C06', 'the second address is tried beside a dead first one', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const dead = await startBlackHole('127.0.0.2', upstream.port)
  t.teardown(() => dead.stop())
  const pool = makePool(`http://upstream.test:${upstream.port}`, {
    limits: { maxConnections: 1 },
    connection: { addressDelay: 40 },
    resolver: { lookup: async () => addresses('127.0.0.2', '127.0.0.1') },
  })
  const start = performance.now()
  const response = await pool.request({ path: '/' })
  const waited = performance.now() - start
  t.is(response.connection.remoteAddress, '127.0.0.1')
  t.true(waited >= 39 && waited < 5_000, `${waited} ms`)
  t.like(pool.stats, { cxActive: 1, cxConnectFail: 0 })
  t.is((await upstream.stats()).connectionsAccepted, 1)
})

row('C07', 'when every address is dead, one error lists each cause', async (t, makePool) => {
  const upstream = await startShut()
  t.teardown(() => upstream.stop())
  const pool = makePool(`http://upstream.test:${upstream.port}`, {
    resolver: { lookup: async () => addresses('127.0.0.1', '127.0.0.2') },
  })
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_CONNECT_FAILED', phase: 'connect', retryable: 'yes', flags: ['UF'] })
  const cause = error.cause instanceof Error ? error.cause.message : ''
  for (const address of ['127.0.0.1', '127.0.0.2']) t.true(cause.includes(`${address}:${upstream.port}`), cause)
  t.is(pool.stats.cxConnectFail, 1)
})

function named(code: string): Error {
  return Object.assign(new Error(`lookup: ${code}`), { code })
}

row('C08', 'a name that does not exist is told, and not asked for again at once', async (t, makePool) => {
  let lookups = 0
  const pool = makePool('http://upstream.test:1', {
    resolver: {
      lookup: () => {
        lookups += 1
        return Promise.reject(named('ENOTFOUND'))
      },
    },
  })
  for (let n = 0; n < 2; n += 1) {
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code: 'FB_DNS_NOT_FOUND', phase: 'dns', retryable: 'no', flags: ['DF'] })
  }
  t.is(lookups, 1)
  t.is(pool.stats.cxTotal, 0)
})

row('C09', 'a lookup that fails or is silent is told; known addresses serve on', async (t, makePool) => {
  const failing = makePool('http://upstream.test:1', { resolver: { lookup: () => Promise.reject(named('EAI_AGAIN')) } })
  const failed = await rejection(failing.request({ path: '/' }))
  t.like(failed, { code: 'FB_DNS_FAILED', phase: 'dns', retryable: 'yes', flags: ['DF'] })

  const silent = makePool('http://upstream.test:1', {
    resolver: { timeout: 50, lookup: () => new Promise<never>(() => {}) },
  })
  const start = performance.now()
  const late = await rejection(silent.request({ path: '/' }))
  t.like(late, { code: 'FB_DNS_TIMEOUT', phase: 'dns', retryable: 'yes', timeoutMs: 50 })
  t.true(performance.now() - start >= 49)

  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  let lookups = 0
  const known = makePool(`http://upstream.test:${upstream.port}`, {
    resolver: {
      refresh: 1_000,
      lookup: async () => {
        lookups += 1
        if (lookups > 1) throw named('EAI_AGAIN')
        return addresses('127.0.0.1')
      },
    },
  })
  await known.request({ path: '/' })
  await eventually('it is looked up again', () => lookups > 1)
  t.true((await known.request({ path: '/' })).connection.reused)
  await known.request({ path: '/close' })
  await gone(known)
  t.is((await known.request({ path: '/' })).status, 200)
})

row('C10', 'an address that leaves the answer gets no new request; what is in flight finishes', async (t, makePool) => {
  const old = await scripted(t, ['request', 'signal', { send: ANSWER }, 'readToEnd'])
  const fresh = await startTestkit({ args: ['--host', '127.0.0.2', '--port', String(old.port)] })
  t.teardown(() => fresh.stop())
  let answer = '127.0.0.1'
  let lookups = 0
  const pool = makePool(`http://upstream.test:${old.port}`, {
    resolver: {
      refresh: 1_000,
      lookup: async () => {
        lookups += 1
        return addresses(answer)
      },
    },
  })
  const inFlight = pool.request({ path: '/' })
  await old.until('0.requests>=1')
  answer = '127.0.0.2'
  await eventually('it is looked up again', () => lookups > 1)
  const moved = await pool.request({ path: '/' })
  t.is(moved.connection.remoteAddress, '127.0.0.2')
  await old.ask('signal 0')
  t.is((await inFlight).connection.remoteAddress, '127.0.0.1')
  await old.until('0.ended>=1')
  t.is((await pool.request({ path: '/' })).connection.remoteAddress, '127.0.0.2')
})

row('C11', 'a set of addresses is capped, and what is no address is dropped', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const bad = [{ address: 'not an address', family: 4 }, { address: '127.0.0.1%1', family: 6 }, null, 5, {}]
  const many = Array.from({ length: 1_000 }, (_, n) => `127.1.${n >> 8}.${n & 255}`)
  const seen: string[] = []
  const pool = makePool(`http://upstream.test:${upstream.port}`, {
    resolver: {
      lookup: async () => [...(bad as LookupAddress[]), ...addresses('127.0.0.1', ...many)],
      filter: address => seen.push(address) > 0,
    },
  })
  t.is((await pool.request({ path: '/' })).connection.remoteAddress, '127.0.0.1')
  t.is(seen.length, 64)

  const none = makePool('http://upstream.test:1', { resolver: { lookup: async () => bad as LookupAddress[] } })
  t.like(await rejection(none.request({ path: '/' })), { code: 'FB_DNS_FAILED', phase: 'dns', retryable: 'yes' })
})

row('C13', 'a forbidden address is never dialled, however it is written', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  for (const [origin, lookup] of [
    [`http://upstream.test:${upstream.port}`, async () => addresses('::ffff:127.0.0.1')],
    [`http://upstream.test:${upstream.port}`, async () => addresses('::ffff:7f00:1', '127.0.0.1')],
    [upstream.origin, undefined],
  ] as const) {
    const asked: string[] = []
    const filter = (address: string) => {
      asked.push(address)
      return false
    }
    const pool = makePool(origin, { resolver: lookup === undefined ? { filter } : { filter, lookup } })
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code: 'FB_ADDRESS_DENIED', phase: 'dns', retryable: 'no', flags: ['UF'] })
    t.deepEqual(asked, ['127.0.0.1'])
    t.is(pool.stats.cxTotal, 0)
  }
  t.is((await upstream.stats()).connectionsAccepted, 0)
})

// ---- T: TLS ----

interface Told {
  readonly code: string
  readonly phase: string
  readonly retryable: string
  readonly flags?: readonly string[]
}

/** A first connection that plays `script` fails a request; later ones behave. No request byte may have left before. */
async function refused(
  t: ExecutionContext,
  makePool: MakePool,
  script: readonly Step[],
  told: Told,
  options: PoolOptions & { readonly sent?: boolean } = {},
): Promise<ForebayError> {
  const { sent = false, ...rest } = options
  const upstream = await scripted(t, script, [GOOD, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  const pool = makePool(origin, { ...rest, tls: { ca, ...rest.tls } })
  const error = await rejection(pool.request({ path: '/', headers: { 'x-secret': 'never on the wire' } }))
  t.like(error, { flags: ['UF'], origin, endpoint: `127.0.0.1:${upstream.port}`, ...told })
  if (!sent) {
    t.false((await upstream.received(0)).includes('never on the wire'))
    t.like(pool.stats, { rqTotal: 0, cxConnectFail: 1, cxActive: 0 })
  }
  if (rest.tls?.servername === undefined) t.is((await pool.request({ path: '/' })).status, 200)
  return error
}

/** The revocation list of the upstream's root. */
function listOf(upstream: Scripted): string {
  if (upstream.crl === null) throw new Error('no TLS')
  return upstream.crl
}

const IDENTITIES: readonly (readonly [row: string, identity: string, code: string, servername?: string])[] = [
  ['T01', 'expired', 'FB_TLS_CERT_EXPIRED'],
  ['T01', 'not-yet-valid', 'FB_TLS_CERT_EXPIRED'],
  ['T02', 'wrong-host', 'FB_TLS_HOST_MISMATCH'],
  ['T02', 'cn-only', 'FB_TLS_HOST_MISMATCH'],
  ['T02', 'wildcard', 'FB_TLS_HOST_MISMATCH', 'x.y.a.test'],
  ['T02', 'nul-name', 'FB_TLS_HOST_MISMATCH', 'good.test'],
  ['T03', 'self-signed', 'FB_TLS_UNTRUSTED'],
  ['T03', 'unknown-root', 'FB_TLS_UNTRUSTED'],
  ['T03', 'missing-intermediate', 'FB_TLS_UNTRUSTED'],
  ['T05', 'client-auth-only', 'FB_TLS_CERT_INVALID'],
  ['T05', 'ca-false-issuer', 'FB_TLS_CERT_INVALID'],
  ['T05', 'name-constraint', 'FB_TLS_CERT_INVALID'],
]

for (const [id, identity, code, servername] of IDENTITIES) {
  row(id, `a certificate that is ${identity} is ${code}`, async (t, makePool) => {
    const tls = servername === undefined ? {} : { servername }
    await refused(t, makePool, [{ tls: identity }, 'request'], { code, phase: 'tls', retryable: 'no' }, { tls })
  })
}

row('T04', 'a chain in reversed order is taken', async (t, makePool) => {
  const upstream = await scripted(t, [{ tls: 'reversed-chain' }, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  t.is((await makePool(origin, { tls: { ca } }).request({ path: '/' })).status, 200)
})

row('T06', 'a certificate with 10,000 names is refused', async (t, makePool) => {
  await refused(t, makePool, [{ tls: 'many-sans' }, 'request'], {
    code: 'FB_TLS_HANDSHAKE',
    phase: 'tls',
    retryable: 'yes',
  })
})

row('T07', 'a certificate that a revocation list names is FB_TLS_CERT_REVOKED', async (t, makePool) => {
  const revoked: readonly Step[] = [{ tls: 'revoked' }, 'request']
  const upstream = await scripted(t, revoked, [GOOD, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  const pool = makePool(origin, { tls: { ca, crl: [listOf(upstream)] } })
  const error = await rejection(pool.request({ path: '/', headers: { 'x-secret': 'never on the wire' } }))
  t.like(error, { code: 'FB_TLS_CERT_REVOKED', phase: 'tls', retryable: 'no' })
  t.false((await upstream.received(0)).includes('never on the wire'))
  t.is((await pool.request({ path: '/' })).status, 200, 'one that the list does not name')
})

row('T07', 'without a list the same certificate is taken', async (t, makePool) => {
  const upstream = await scripted(t, [{ tls: 'revoked' }, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  t.is((await makePool(origin, { tls: { ca } }).request({ path: '/' })).status, 200)
})

row('T07', 'a broken revocation list is FB_INVALID_CONFIG', async (t, makePool) => {
  const upstream = await scripted(t, [GOOD, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  for (const crl of [
    ca,
    listOf(upstream).replace('-----\nM', '-----\nA'),
    '-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----',
  ]) {
    t.throws(() => makePool(origin, { tls: { ca, crl } }), { code: 'FB_INVALID_CONFIG', message: /tls\.crl/ })
  }
  t.deepEqual(await upstream.connections(), [])
})

row('T11', 'plain HTTP in reply to a ClientHello is named', async (t, makePool) => {
  const plain: readonly Step[] = [{ read: 5 }, { send: 'HTTP/1.1 400 Bad Request\r\n\r\n' }, 'close']
  const error = await refused(t, makePool, plain, { code: 'FB_PEER_INCOMPATIBLE', phase: 'tls', retryable: 'no' })
  t.regex(error.cause instanceof Error ? error.cause.message : '', /HTTP|TLS/)
})

for (const [alert, hex] of [
  ['protocol_version', '15 0303 0002 0246'],
  ['handshake_failure', '15 0303 0002 0228'],
  ['unrecognized_name', '15 0303 0002 0270'],
] as const) {
  row('T12', `the alert ${alert} is FB_PEER_INCOMPATIBLE`, async (t, makePool) => {
    await refused(t, makePool, [{ read: 5 }, { hex }], {
      code: 'FB_PEER_INCOMPATIBLE',
      phase: 'tls',
      retryable: 'no',
    })
  })
}

row('T14', 'a server that forgets its tickets costs a full handshake', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls', '--forget-sessions'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { tls: { ca: upstream.ca ?? '' } })
  for (let n = 0; n < 2; n += 1) await pool.request({ path: '/close' })
  t.like(await upstream.stats(), { tlsHandshakes: 2, tlsResumed: 0 })
})

row('T15', 'a session of one name is not offered for another', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const ca = upstream.ca ?? ''
  for (const servername of ['localhost', 'upstream.test']) {
    const pool = makePool(upstream.origin, { tls: { ca, servername } })
    await pool.request({ path: '/close' })
  }
  t.like(await upstream.stats(), { tlsHandshakes: 2, tlsResumed: 0 })
})

for (const [what, step] of [
  ['silence after half a ServerHello', { tls: 'good', cut: 100 }],
  ['a handshake byte by byte', { tls: 'good', pieces: 1, every: 50 }],
] as const) {
  row('T16', `${what} meets connectTimeout`, async (t, makePool) => {
    // Long enough for the good connection that follows.
    const start = performance.now()
    await refused(
      t,
      makePool,
      [step, 'readToEnd'],
      { code: 'FB_CONNECT_TIMEOUT', phase: 'tls', retryable: 'yes' },
      { connection: { connectTimeout: 1_000 } },
    )
    t.true(performance.now() - start >= 999)
  })
}

for (const end of ['close', 'reset'] as const) {
  row('T17', `${end} in the handshake is FB_TLS_CLOSED`, async (t, makePool) => {
    await refused(t, makePool, [{ tls: 'good', cut: 100 }, end], {
      code: 'FB_TLS_CLOSED',
      phase: 'tls',
      retryable: 'yes',
    })
  })
}

for (const [what, flood] of [
  ['empty records', { record: 23, hex: '', times: 100_000 }],
  ['KeyUpdate', { keyUpdates: 100_000 }],
] as const) {
  row('T18', `${what} without end are a flood`, async (t, makePool) => {
    await refused(
      t,
      makePool,
      [GOOD, 'request', flood, 'readToEnd'],
      { code: 'FB_FLOOD', phase: 'head', retryable: 'maybe', flags: ['UPE'] },
      { sent: true },
    )
  })
}

row('T19', 'a body that is whole by its length needs no close_notify', async (t, makePool) => {
  const upstream = await scripted(t, [GOOD, 'request', { send: ANSWER }, 'close'], [GOOD, ...WELL_BEHAVED])
  const { origin, ca } = secure(upstream)
  const pool = makePool(origin, { tls: { ca } })
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
  await gone(pool)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row(
  'T20',
  'a close-delimited body without close_notify is FB_BODY_INCOMPLETE, and whole with it',
  async (t, makePool) => {
    const untilClose = { send: 'HTTP/1.1 200 OK\r\n\r\nhello' }
    const told = { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no', flags: ['UC'] }
    await refused(t, makePool, [GOOD, 'request', untilClose, 'close'], told, { sent: true })
    const upstream = await scripted(t, [GOOD, 'request', untilClose, 'closeNotify', 'close'])
    const { origin, ca } = secure(upstream)
    t.is(await (await makePool(origin, { tls: { ca } }).request({ path: '/' })).body.text(), 'hello')
  },
)

row('T21', 'a fatal alert is the loss of the connection', async (t, makePool) => {
  const alert: Step = { record: 21, hex: '0250' }
  const half = { send: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello' }
  await refused(
    t,
    makePool,
    [GOOD, 'request', alert, 'readToEnd'],
    { code: 'FB_CONNECTION_RESET', phase: 'head', retryable: 'maybe', flags: ['UC'] },
    { sent: true },
  )
  await refused(
    t,
    makePool,
    [GOOD, 'request', half, { wait: 30 }, alert, 'readToEnd'],
    { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no', flags: ['UC'] },
    { sent: true },
  )
})
