// Hostile HTTP/1.1: heads, bodies, and what comes between. Rows H and B of docs/conformance.md: the code, its class, and that nothing
// crosses from one response into another. Every cut of the bytes is tried in crates/forebay-transport/tests/fault.

import type { ExecutionContext } from 'ava'
import { block, eventually, gone, row, secure } from '../support/cases.js'
import type { MakePool } from '../support/each-runner.js'
import { pattern } from '../support/pattern.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { type Scripted, startScripted, startTestkit } from '../support/upstream.js'

const TEXT = 'hello from the testkit'
const OK = 'HTTP/1.1 200 OK\r\n'

const MALFORMED = { code: 'FB_RESPONSE_MALFORMED', retryable: 'no', flags: ['UPE'], protocol: 'h1' }
const TOO_LARGE = { code: 'FB_HEADERS_TOO_LARGE', retryable: 'no', flags: ['UPE'] }
const FLOOD = { code: 'FB_FLOOD', flags: ['UPE'] }
const INCOMPLETE = { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no', flags: ['UC'] }

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

/** Each of `answers` fails its own request with `told`; the pool goes on after each, and no connection is used again. */
async function fails(
  t: ExecutionContext,
  makePool: MakePool,
  answers: readonly (string | readonly Step[])[],
  told: { readonly code: string; readonly phase?: string; readonly retryable?: string },
): Promise<void> {
  const scripts = answers.map((answer): readonly Step[] =>
    typeof answer === 'string' ? ['request', { send: answer }, 'readToEnd'] : answer,
  )
  const upstream = await scripted(t, ...scripts, WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  for (const [index, answer] of answers.entries()) {
    // What ends at a signal ends when its head was read.
    const request = pool.request({ path: '/' }).then(async response => {
      if (answer.includes('signal')) await upstream.ask(`signal ${index}`)
      return response
    })
    const error = await rejection(request)
    const what = `${index}: ${JSON.stringify(answer).slice(0, 200)}`
    t.like(error, { origin: upstream.origin, endpoint: `127.0.0.1:${upstream.port}`, reused: false, ...told }, what)
  }
  const next = await pool.request({ path: '/' })
  t.is(await next.body.text(), TEXT)
  const connections = await upstream.connections()
  t.deepEqual(
    connections.map(({ requests }) => requests),
    connections.map(() => 1),
    'no connection is used after its error',
  )
  t.is(connections.length, answers.length + 1)
}

/** `answer` is good, and says `text`. */
async function good(
  t: ExecutionContext,
  makePool: MakePool,
  answer: string,
  { text, kept, end = [] }: { text: string; kept: boolean; end?: readonly Step[] },
): Promise<void> {
  const upstream = await scripted(t, ['request', { send: answer }, ...end, ...WELL_BEHAVED], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const first = await pool.request({ path: '/' })
  t.is(await first.body.text(), text)
  if (!kept) await gone(pool)
  const next = await pool.request({ path: '/' })
  t.is(await next.body.text(), TEXT)
  t.is(next.connection.id === first.connection.id, kept)
}

// ---- H: the head ----

const LENGTHS = ['+5', '-1', '0x5', '5 5', '', '18446744073709551616', '9'.repeat(400)]

row('H01', 'unlike or unsound lengths', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      `${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      ...LENGTHS.map(length => `${OK}content-length: ${length}\r\n\r\nhello`),
    ],
    { ...MALFORMED, phase: 'head' },
  ),
)

row('H02', 'two lengths, even alike', (t, makePool) =>
  fails(
    t,
    makePool,
    [`${OK}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`, `${OK}content-length: 5, 5\r\n\r\nhello`],
    MALFORMED,
  ),
)

row('H03', 'a length and chunks', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      `${OK}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ],
    MALFORMED,
  ),
)

row('H04', 'another coding ends with the connection, its bytes as sent', (t, makePool) =>
  good(t, makePool, `${OK}transfer-encoding: gzip\r\n\r\nas sent`, { text: 'as sent', kept: false, end: ['close'] }),
)

row('H05', 'chunked that is not last, not once, not chunked', (t, makePool) =>
  fails(
    t,
    makePool,
    ['chunked, identity', 'chunked, chunked', 'chunked\r\ntransfer-encoding: chunked', 'xchunked'].map(
      coding => `${OK}transfer-encoding: ${coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ),
    MALFORMED,
  ),
)

row('H06', 'unsound fields', (t, makePool) =>
  fails(
    t,
    makePool,
    ['x: a\r\n b', 'x : a', 'no colon', ': empty', 'x\x80: a', 'x\x7f: a', 'x: a\rb', 'x: a\0b'].map(
      field => `${OK}${field}\r\ncontent-length: 0\r\n\r\n`,
    ),
    MALFORMED,
  ),
)

row('H07', 'lines that end in LF alone', (t, makePool) =>
  fails(t, makePool, ['HTTP/1.1 200 OK\ncontent-length: 0\n\n', `${OK}content-length: 0\n\r\n`], MALFORMED),
)

row('H08', 'unsound status lines', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      ...['99', '1000', '-1', '2 0', '1'.repeat(100)].map(status => `HTTP/1.1 ${status} x`),
      ...['HTTP/1.2', 'HTTP/2.0', `HTTP/1.${'1'.repeat(100)}`].map(version => `${version} 200 OK`),
    ].map(line => `${line}\r\ncontent-length: 0\r\n\r\n`),
    MALFORMED,
  ),
)

row('H09', 'status 999 and no reason', async (t, makePool) => {
  const answers = ['HTTP/1.1 999 Odd', 'HTTP/1.1 200', 'HTTP/1.1 200 '].map(
    (line): Step => ({ send: `${line}\r\ncontent-length: 0\r\n\r\n` }),
  )
  const upstream = await scripted(
    t,
    answers.flatMap((answer): Step[] => ['request', answer]),
  )
  const pool = makePool(upstream.origin)
  for (const [status, text] of [
    [999, 'Odd'],
    [200, ''],
    [200, ''],
  ] as const) {
    const response = await pool.request({ path: '/' })
    t.is(response.status, status)
    t.is(response.statusText, text)
  }
  t.is(pool.stats.cxTotal, 1)
})

row('H10', 'a peer that speaks TLS or HTTP/2 is named', async (t, makePool) => {
  const told = { code: 'FB_PROTOCOL_ERROR', retryable: 'no', flags: ['UPE'] }
  const tls: readonly Step[] = ['request', { hex: '15 0303 0002 0246' }, 'readToEnd']
  const settings: readonly Step[] = ['request', { hex: '000000 04 00 00000000' }, 'readToEnd']
  await fails(t, makePool, [tls, settings], told)
  for (const [script, name] of [
    [tls, /TLS/],
    [settings, /HTTP\/2/],
  ] as const) {
    const upstream = await scripted(t, script)
    const error = await rejection(makePool(upstream.origin).request({ path: '/' }))
    t.regex(error.cause instanceof Error ? error.cause.message : '', name)
  }
})

row('H11', 'one empty line may come first, and no more', async (t, makePool) => {
  await good(t, makePool, `\r\n${ANSWER}`, { text: TEXT, kept: true })
  await fails(t, makePool, [`\r\n\r\n${ANSWER}`], MALFORMED)
})

row('H12', 'a long value is taken, a longer one refused', async (t, makePool) => {
  const before = `${OK}content-length: 2\r\nx: `
  await good(t, makePool, `${before}${'y'.repeat(20_000)}\r\n\r\nhi`, { text: 'hi', kept: true })
  const longer: readonly Step[] = [
    'request',
    { send: before },
    { send: 'y'.repeat(1_000), times: 200 },
    { send: '\r\n\r\nhi' },
    'readToEnd',
  ]
  await fails(t, makePool, [longer], { ...TOO_LARGE, phase: 'head' })
})

row('H13', 'too many fields', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      `${OK}${'x: y\r\n'.repeat(101)}\r\n`,
      ['request', { send: OK }, { send: 'x: y\r\n', times: 5_000 }, { send: '\r\n' }, 'readToEnd'],
      ['request', { send: OK }, { send: 'x: y\r\n', times: 1_000_000 }, { send: '\r\n' }, 'readToEnd'],
    ],
    { ...TOO_LARGE, phase: 'head' },
  ),
)

row('H14', 'a head that drips meets headersTimeout', async (t, makePool) => {
  const upstream = await scripted(t, ['request', { send: OK, pieces: 1, every: 50 }, 'readToEnd'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { headersTimeout: 300 })
  const start = performance.now()
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_HEADERS_TIMEOUT', phase: 'head', retryable: 'maybe', flags: ['UT'], timeoutMs: 300 })
  t.true(performance.now() - start >= 299)
  await upstream.until('0.ended>=1')
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('H15', 'an end inside the head', async (t, makePool) => {
  const half: Step = { send: 'HTTP/1.1 200 OK\r\ncontent-le' }
  const told = { phase: 'head', retryable: 'maybe', flags: ['UC'] }
  await fails(t, makePool, [['request', half, 'close']], { ...told, code: 'FB_CONNECTION_CLOSED' })
  await fails(t, makePool, [['request', half, 'reset']], { ...told, code: 'FB_CONNECTION_RESET' })
})

row('H16', 'repeated fields keep their order, and one close wins', async (t, makePool) => {
  const connection = Array.from({ length: 10 }, (_, n) => `connection: ${n === 4 ? 'close' : `x-${n}`}\r\n`).join('')
  const cookies = 'set-cookie: a=1\r\nset-cookie: b=2\r\nset-cookie: a=3\r\n'
  const answer = `${OK}${cookies}${connection}content-length: 0\r\n\r\n`
  const upstream = await scripted(t, ['request', { send: answer }, 'readToEnd'], WELL_BEHAVED)
  const pool = makePool(upstream.origin)
  const { headers } = await pool.request({ path: '/' })
  t.deepEqual(headers.getAll('set-cookie'), ['a=1', 'b=2', 'a=3'])
  t.is(headers.getAll('connection').length, 10)
  await upstream.until('0.ended>=1')
  t.is(pool.stats.cxCloseNotify, 1)
})

row('H17', 'names that mean something to JavaScript are names', async (t, makePool) => {
  const answer = `${OK}__proto__: a\r\nconstructor: b\r\ncontent-length: 0\r\n\r\n`
  const upstream = await scripted(t, ['request', { send: answer }, ...WELL_BEHAVED])
  const pool = makePool(upstream.origin)
  const { headers } = await pool.request({ path: '/' })
  t.is(headers.get('__proto__'), 'a')
  t.is(headers.get('constructor'), 'b')
  t.is(headers.get('toString'), null)
  const plain = headers.toObject()
  t.is(Object.getPrototypeOf(plain), null)
  t.deepEqual(Object.keys(plain), ['__proto__', 'constructor', 'content-length'])
  t.is(Reflect.get({}, 'a'), undefined)
  t.true((await pool.request({ path: '/' })).connection.reused)
})

row('H18', 'content codings are left alone', async (t, makePool) => {
  const codings = `content-encoding: ${Array.from({ length: 5_000 }, () => 'gzip').join(',')}`
  await good(t, makePool, `${OK}${codings}\r\ncontent-length: 7\r\n\r\nno gzip`, { text: 'no gzip', kept: true })
})

// ---- B: the body, and what comes after ----

const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`

row('B01', 'unsound chunk sizes', (t, makePool) =>
  fails(
    t,
    makePool,
    ['Z', '-5', '', '0x5', `1${'0'.repeat(16)}`].map(size => `${CHUNKED}5\r\nhello\r\n${size}\r\nhello\r\n0\r\n\r\n`),
    { ...MALFORMED, phase: 'body' },
  ),
)

row('B02', 'chunks that do not end in CR LF', (t, makePool) =>
  fails(
    t,
    makePool,
    ['5\nhello\r\n0\r\n\r\n', '5\rhello\r\n0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '5\r\nhello0\r\n\r\n'].map(
      body => `${CHUNKED}${body}`,
    ),
    { ...MALFORMED, phase: 'body' },
  ),
)

row('B03', 'extensions without end, or with a line in quotes', async (t, makePool) => {
  await fails(
    t,
    makePool,
    [
      `${CHUNKED}5;a=${'b'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`,
      ['request', { send: `${CHUNKED}5` }, { send: ';a=', times: 30_000 }, 'readToEnd'],
    ],
    { ...FLOOD, phase: 'body', retryable: 'no' },
  )
  await fails(t, makePool, [`${CHUNKED}5;a="b\r\nc"\r\nhello\r\n0\r\n\r\n`], { ...MALFORMED, phase: 'body' })
})

row('B04', 'framing that outweighs its payload', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      [
        'request',
        { send: CHUNKED },
        { send: `1;${'x'.repeat(99)}\r\na\r\n`, times: 1_000_000 },
        { send: '0\r\n\r\n' },
        'readToEnd',
      ],
    ],
    { ...FLOOD, phase: 'body', retryable: 'no' },
  ),
)

row('B05', 'an end before the end of the body is never clean', (t, makePool) => {
  const cut = [`${CHUNKED}5\r\nhello\r\n0\r\n`, `${CHUNKED}5\r\nhello\r\n`, `${OK}content-length: 10\r\n\r\nhello`]
  const ends = (['close', 'reset'] as const).flatMap(end =>
    // The bytes are read before an RST, which would take them along.
    cut.map((answer): readonly Step[] => ['request', { send: answer }, 'signal', end]),
  )
  return fails(t, makePool, ends, INCOMPLETE)
})

row('B06', 'trailers stay apart from the head', async (t, makePool) => {
  const trailers = 'content-length: 1\r\ntransfer-encoding: x\r\nhost: y\r\nset-cookie: a=1\r\nx-kept: 1\r\n'
  const upstream = await scripted(t, [
    'request',
    { send: `${CHUNKED}5\r\nhello\r\n0\r\n${trailers}\r\n` },
    ...WELL_BEHAVED,
  ])
  const pool = makePool(upstream.origin)
  const response = await pool.request({ path: '/' })
  t.is(await response.body.text(), 'hello')
  t.deepEqual([...response.headers], [['transfer-encoding', 'chunked']])
  t.true((await pool.request({ path: '/' })).connection.reused)
})

row('B07', 'what can have no body has none', async (t, makePool) => {
  await good(t, makePool, 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello', { text: '', kept: false })
  const head = 'HTTP/1.1 204 No Content\r\n'
  await fails(
    t,
    makePool,
    [`${head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`, `${head}content-length: 5\r\n\r\nhello`],
    MALFORMED,
  )
})

const UNASKED = `${OK}content-length: 7\r\n\r\nunasked`

row('B08', 'a second response in the same segment answers nobody', (t, makePool) =>
  good(t, makePool, `${OK}content-length: 0\r\n\r\n${UNASKED}`, { text: '', kept: false }),
)

row('B09', 'a second response on the idle connection answers nobody', async (t, makePool) => {
  const upstream = await scripted(
    t,
    ['request', { send: ANSWER }, { wait: 30 }, { send: UNASKED }, 'readToEnd'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin)
  await pool.request({ path: '/' })
  await gone(pool)
  t.is(pool.stats.cxProtocolError, 1)
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
})

/** In ms. Far longer than a server needs to do what it was told. */
const BLOCKED_MS = 500

// The bytes arrive while this thread is blocked: the event loop has not seen them when the next request picks the connection.
row('B10', 'bytes that came before our first write send the request elsewhere', async (t, makePool, runOn) => {
  const upstream = await scripted(
    t,
    ['request', { send: ANSWER }, 'signal', { send: UNASKED }, 'readToEnd'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin)
  await pool.request({ path: '/' })
  const sending = upstream.ask('signal 0')
  block(BLOCKED_MS)
  const next = await pool.request({ path: '/', method: 'POST', body: 'once' })
  t.is(await next.body.text(), TEXT)
  t.false(next.connection.reused)
  t.like(pool.stats, { cxProtocolError: 1, rqRequeued: runOn === 'event-loop' ? 1 : 0, rqReplay: 0 })
  await sending
  t.is((await upstream.connections())[0]?.requests, 1)
})

row('B11', 'a 408 on an idle connection closes it and is no breach', async (t, makePool) => {
  const timeout = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
  const upstream = await scripted(
    t,
    ['request', { send: ANSWER }, { wait: 20 }, { send: timeout }, 'close'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin)
  await pool.request({ path: '/' })
  await gone(pool)
  t.is(pool.stats.cxProtocolError, 0)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B12', 'a FIN that crosses our request: a POST is not sent again', async (t, makePool) => {
  const upstream = await scripted(t, ['request', { send: ANSWER }, 'request', 'drop'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { replay: 'idempotent' })
  await pool.request({ path: '/' })
  const error = await rejection(pool.request({ path: '/', method: 'POST', body: 'once' }))
  t.like(error, { code: 'FB_CONNECTION_CLOSED', phase: 'head', retryable: 'maybe', reused: true })
  t.is((await pool.request({ path: '/' })).status, 200)
  t.false((await upstream.received(1)).includes('POST'))
  t.is(pool.stats.rqReplay, 0)
})

row('B13', 'a hint of one second closes after the response', (t, makePool) =>
  good(t, makePool, `${OK}keep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nhi`, { text: 'hi', kept: false }),
)

row('B14', 'old peers and peers that say close are believed', async (t, makePool) => {
  const old = 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n'
  await good(t, makePool, `${old}\r\nhi`, { text: 'hi', kept: false })
  await good(t, makePool, `${old}connection: Keep-Alive\r\n\r\nhi`, { text: 'hi', kept: true })
  await good(t, makePool, `${OK}proxy-connection: close\r\ncontent-length: 2\r\n\r\nhi`, { text: 'hi', kept: false })
})

row('B15', 'an unasked 100 is skipped', (t, makePool) =>
  good(t, makePool, `HTTP/1.1 100 Continue\r\n\r\n${ANSWER}`, { text: TEXT, kept: true }),
)

row('B16', 'interim responses without end', (t, makePool) =>
  fails(
    t,
    makePool,
    [
      ['request', { send: 'HTTP/1.1 100 Continue\r\n\r\n', times: 10_000 }, { send: ANSWER }, 'readToEnd'],
      ['request', { send: 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', times: 1_000_000 }, 'readToEnd'],
    ],
    { ...FLOOD, phase: 'head', retryable: 'no' },
  ),
)

row('B18', 'an upgrade that nobody asked for', (t, makePool) =>
  fails(t, makePool, ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw bytes'], {
    code: 'FB_UNEXPECTED_UPGRADE',
    phase: 'head',
    retryable: 'no',
  }),
)

const LARGE = 16 * 1_048_576

row('B19', 'a final response ends the upload', async (t, makePool) => {
  const upstream = await scripted(t, ['head', { read: 1_000 }, { send: ANSWER }, 'park'], WELL_BEHAVED)
  const pool = makePool(upstream.origin)
  const response = await pool.request({ path: '/', method: 'POST', body: new Uint8Array(LARGE) })
  t.is(await response.body.text(), TEXT)
  await gone(pool)
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B20', 'an answer before the end of the connection is heard; without one it is lost', async (t, makePool) => {
  const refusal = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n'
  const upstream = await scripted(t, ['head', { send: refusal }, 'signal', 'reset'], ['head', 'reset'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { limits: { maxConnections: 1 } })
  const body = new Uint8Array(LARGE)
  t.is((await pool.request({ path: '/', method: 'POST', body })).status, 413)
  await upstream.ask('signal 0')
  const error = await rejection(pool.request({ path: '/', method: 'POST', body }))
  t.like(error, { code: 'FB_CONNECTION_RESET', retryable: 'maybe', flags: ['UC'] })
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B21', 'a peer that reads nothing meets the limit of a body', async (t, makePool) => {
  const upstream = await scripted(t, ['head', 'park'], WELL_BEHAVED)
  const pool = makePool(upstream.origin, { bodyIdleTimeout: 200 })
  const start = performance.now()
  const error = await rejection(pool.request({ path: '/', method: 'POST', body: new Uint8Array(LARGE) }))
  t.like(error, { code: 'FB_WRITE_TIMEOUT', phase: 'send', retryable: 'maybe', flags: ['UT'], timeoutMs: 200 })
  t.true(performance.now() - start >= 199)
  t.is((await pool.request({ path: '/' })).status, 200)
})

// The request that asked for the connection is taken back while it is made, so that it stands ready without one.
row('B22', 'bytes on a new connection answer nobody', async (t, makePool) => {
  const upstream = await scripted(
    t,
    ['signal', { tls: 'good' }, { send: UNASKED }, 'readToEnd'],
    [{ tls: 'good' }, ...WELL_BEHAVED],
  )
  const { origin, ca } = secure(upstream)
  const pool = makePool(origin, { tls: { ca } })
  const abort = new AbortController()
  const request = pool.request({ path: '/', signal: abort.signal })
  await upstream.until('connections>=1')
  abort.abort(new Error('not wanted'))
  await t.throwsAsync(request, { message: 'not wanted' })
  await eventually('it is taken back', () => pool.stats.rqCancelled === 1)
  await upstream.ask('signal 0')
  await gone(pool)
  t.like(pool.stats, { cxTotal: 1, cxHttp1Total: 1, cxProtocolError: 1, cxConnectFail: 0 })
  t.is(await (await pool.request({ path: '/' })).body.text(), TEXT)
})

row('B23', 'a body that stops meets its limit', async (t, makePool) => {
  const upstream = await scripted(
    t,
    ['request', { send: `${OK}content-length: 10\r\n\r\nh` }, 'readToEnd'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin, { bodyIdleTimeout: 200 })
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_BODY_TIMEOUT', phase: 'body', retryable: 'no', flags: ['UT'], timeoutMs: 200 })
  t.is((await pool.request({ path: '/' })).status, 200)
})

row('B25', 'a body up to the close: FIN ends it, RST does not', async (t, makePool) => {
  await good(t, makePool, `${OK}\r\nhello`, { text: 'hello', kept: false, end: ['close'] })
  await fails(t, makePool, [['request', { send: `${OK}\r\nhello` }, 'signal', 'reset']], INCOMPLETE)
})

row('B26', 'a redirect is returned as it is', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const redirect = 'HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n'
  const server = await scripted(t, ['request', { send: redirect }, ...WELL_BEHAVED])
  const pool = makePool(server.origin)
  const response = await pool.request({ path: '/', headers: { authorization: 'secret' } })
  t.is(response.status, 302)
  t.is(response.headers.get('location'), 'http://127.0.0.1:1/elsewhere')
  t.is((await server.connections()).length, 1)
  await eventually('it is kept', () => pool.stats.cxActive === 1)
})

row(['B05', 'B08'], 'a thousand responses among broken ones: each belongs to its request', async (t, makePool) => {
  const upstream = await scripted(
    t,
    ['request', { send: ANSWER }, 'request', { send: `${OK}content-length: 10\r\n\r\nhello` }, 'close'],
    ['request', { send: `${ANSWER}${UNASKED}` }, 'readToEnd'],
    WELL_BEHAVED,
  )
  const pool = makePool(upstream.origin, { limits: { maxConnections: 8 } })
  const settled = await Promise.allSettled(
    Array.from({ length: 1_000 }, async () => (await pool.request({ path: '/', body: pattern(10) })).body.text()),
  )
  const failed = settled.filter(({ status }) => status === 'rejected')
  t.true(failed.length <= 1, `${failed.length} failed`)
  for (const one of settled) if (one.status === 'fulfilled') t.is(one.value, TEXT)
})
