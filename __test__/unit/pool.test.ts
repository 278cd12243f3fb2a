// The pool's own doings: settling, aborting, closing, credit, events. The native side is a fake.

import test, { type ExecutionContext } from 'ava'
import type { PoolOptions } from '../../ts/config/options.js'
import { CODES, PHASES } from '../../ts/errors/codes.js'
import {
  BodyError,
  ClosedError,
  ConfigError,
  ConnectError,
  InternalError,
  OverflowError,
  RequestError,
} from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import type { RequestOptions } from '../../ts/request/request.js'
import type { PoolResponse } from '../../ts/response/response.js'
import { type FakeChannel, useFake } from '../support/fake-native.js'
import {
  connectedRecord,
  dataRecord,
  disconnectedRecord,
  drainingRecord,
  endRecord,
  failRecord,
  overflowRecord,
  responseRecord,
} from '../support/records.js'

const code = (name: string): number => CODES.findIndex(entry => entry.code === name)
const turn = () => new Promise(resolve => setImmediate(resolve))

/** A pool on a fresh fake, with a connection. Tests here are serial: the binding is the environment's. */
function scene(options: PoolOptions = {}, origin = 'http://127.0.0.1:8080'): { pool: Pool; native: FakeChannel } {
  const binding = useFake()
  const pool = new Pool(origin, { runOn: 'thread', ...options })
  const native = binding.channel
  native.deliver(connectedRecord(1, 1, '127.0.0.1', 8080))
  return { pool, native }
}

test.after.always(() => useBinding(null))

test.serial('a request is answered', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/x', headers: { a: 'b' } })
  const [sent] = await native.seen('request')
  t.like(sent, { path: '/x', pool: 1, grant: 262_144, idempotent: true })
  native.deliver(responseRecord(0, { status: 404, reason: 'Not Found', fields: [['A', 'b']], body: 'gone' }))
  const response = await promise
  t.is(response.status, 404)
  t.is(response.statusText, 'Not Found')
  t.is(response.headers.get('a'), 'b')
  t.is(response.connection.endpoint, '127.0.0.1:8080')
  t.is(await response.body.text(), 'gone')
})

test.serial('a body in parts is collected and credit granted in lumps', async t => {
  const { pool, native } = scene({ bodyBuffer: 20_000 })
  const promise = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(responseRecord(0, { bodyTotal: 25_000 }))
  const { body } = await promise
  const bytes = body.bytes()
  const part = Buffer.alloc(5_000, 'x')
  for (let n = 0; n < 5; n++) native.deliver(dataRecord(0, part))
  await turn()
  t.deepEqual(native.submissions.slice(1), [
    { type: 'credit', id: 0, bytes: 10_000 },
    { type: 'credit', id: 0, bytes: 10_000 },
  ])
  native.deliver(endRecord(0))
  t.is((await bytes).length, 25_000)
})

test.serial('a refused request rejects, names the field and sends nothing', async t => {
  const { pool, native } = scene()
  const bad: readonly RequestOptions[] = [
    { path: 'x' },
    { path: '/', method: 'A B' },
    { path: '/', headers: { 'x-a': 'a\r\nb' } },
    { path: '/', headers: { 'x-a': '\u010a' } },
  ]
  for (const options of bad) await t.throwsAsync(pool.request(options), { instanceOf: RequestError })
  await turn()
  t.deepEqual(native.submissions, [])
})

test.serial('a failure rejects with its class, origin and attempt', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(
    failRecord(0, {
      code: code('FB_CONNECT_REFUSED'),
      retryable: 2,
      phase: PHASES.indexOf('connect'),
      text: 'Connection refused (os error 111)',
      endpoint: '127.0.0.1:8080',
    }),
  )
  const error = await t.throwsAsync(promise, { instanceOf: ConnectError })
  t.like(error, {
    code: 'FB_CONNECT_REFUSED',
    origin: 'http://127.0.0.1:8080',
    endpoint: '127.0.0.1:8080',
    retryable: 'yes',
  })
  t.is(error.attempts.length, 1)
  t.true((error.attempts[0]?.durationMs ?? -1) >= 0)
})

for (const [title, answer] of [
  ['in one record', (id: number) => [responseRecord(id, { body: 'x'.repeat(11) })]],
  ['in one record of bytes', (id: number) => [responseRecord(id, { body: 'x'.repeat(5_000) })]],
  ['announced', (id: number) => [responseRecord(id, { bodyTotal: 11 })]],
  [
    'in parts',
    (id: number) => [responseRecord(id, {}), dataRecord(id, Buffer.alloc(6)), dataRecord(id, Buffer.alloc(5))],
  ],
] as const) {
  test.serial(`a body above maxReadSize, ${title}, fails who collects it, and what still comes is dropped`, async t => {
    const { pool, native } = scene({ maxReadSize: 10 })
    const promise = pool.request({ path: '/' })
    await native.seen('request')
    native.deliver(...answer(0))
    const { status, body } = await promise
    t.is(status, 200)
    const error = await t.throwsAsync(body.text(), { instanceOf: BodyError })
    t.like(error, { code: 'FB_BODY_TOO_LARGE', phase: 'body', endpoint: '127.0.0.1:8080' })
    t.regex(error.message, /maxReadSize: 10/)
    if (title.startsWith('in one record')) return
    t.like(await native.seen('cancel'), { 0: { id: 0 } })
    native.deliver(dataRecord(0, Buffer.alloc(100)), endRecord(0))
    t.is(await text(pool.request({ path: '/' }), native), 'again')
  })
}

test.serial('maxReadSize is nothing to who reads chunk by chunk', async t => {
  const { pool, native } = scene({ maxReadSize: 10 })
  const promise = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(responseRecord(0, { body: 'x'.repeat(5_000) }))
  let length = 0
  for await (const chunk of (await promise).body) length += chunk.length
  t.is(length, 5_000)
})

/** The text of the next response, `again`. */
async function text(promise: Promise<PoolResponse>, native: FakeChannel): Promise<string> {
  const { length } = await native.seen('request')
  if (length < 2) await native.seen('request', 2)
  native.deliver(responseRecord(0, { body: 'again' }))
  return (await promise).body.text()
}

test.serial('a body of exactly maxReadSize is read, also by a bound of the request', async t => {
  const { pool, native } = scene({ maxReadSize: 1 })
  const promise = pool.request({ path: '/', maxReadSize: 4 })
  await native.seen('request')
  native.deliver(responseRecord(0, { bodyTotal: 4 }), dataRecord(0, Buffer.from('abcd')), endRecord(0))
  t.is(await (await promise).body.text(), 'abcd')
})

/** A signal that knows its listeners. */
function countingSignal(): { signal: AbortSignal; abort: (reason?: unknown) => void; listeners: () => number } {
  const controller = new AbortController()
  const listening: Set<unknown> = new Set()
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening.add(args[1])
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening.delete(args[1])
    remove(...args)
  }
  return { signal, abort: reason => controller.abort(reason), listeners: () => listening.size }
}

test.serial('an aborted signal rejects with its reason unchanged; what comes later is dropped', async t => {
  const { pool, native } = scene()
  const { signal, abort, listeners } = countingSignal()
  const promise = pool.request({ path: '/', signal })
  await native.seen('request')
  t.is(listeners(), 1)
  const reason = { any: 'thing' }
  abort(reason)
  t.is(await promise.catch(error => error), reason)
  t.is(listeners(), 0)
  t.like(await native.seen('cancel'), { 0: { id: 0 } })
  native.deliver(responseRecord(0, { body: 'late' }))
  t.is(await text(pool.request({ path: '/' }), native), 'again')
})

test.serial('a signal keeps no listener, however its request ends', async t => {
  const { pool, native } = scene({ maxReadSize: 100 })
  const ends: readonly ((id: number) => readonly Uint8Array[])[] = [
    id => [responseRecord(id, { body: '' })],
    id => [responseRecord(id, {}), dataRecord(id, Buffer.from('x')), endRecord(id)],
    id => [failRecord(id, { code: 6 })],
    id => [responseRecord(id, { bodyTotal: 1_000 }), endRecord(id)],
  ]
  for (const end of ends) {
    const { signal, listeners } = countingSignal()
    const before = native.submissions.length
    const settled = pool
      .request({ path: '/', signal })
      .then(response => response.body.text())
      .then(
        () => true,
        () => true,
      )
    await turn()
    const sent = native.submissions.slice(before)[0]
    t.is(listeners(), 1)
    native.deliver(...end(sent?.id ?? -1))
    t.true(await settled)
    t.is(listeners(), 0)
  }
  const { signal, listeners } = countingSignal()
  await t.throwsAsync(pool.request({ path: 'bad', signal }))
  t.is(listeners(), 0)
})

test.serial('a signal that is aborted already sends nothing', async t => {
  const { pool, native } = scene()
  t.is(await pool.request({ path: '/', signal: AbortSignal.abort('no') }).catch(error => error), 'no')
  await turn()
  t.deepEqual(native.submissions, [])
})

test.serial('abort while the body comes cancels once and drops the rest', async t => {
  const { pool, native } = scene()
  const { signal, abort } = countingSignal()
  const promise = pool.request({ path: '/', signal })
  await native.seen('request')
  native.deliver(responseRecord(0, {}), dataRecord(0, Buffer.from('a')))
  const text = (await promise).body.text()
  abort(new Error('enough'))
  await t.throwsAsync(text, { message: 'enough' })
  native.deliver(dataRecord(0, Buffer.alloc(500_000)), failRecord(0, { code: code('FB_ABORTED') }))
  await turn()
  t.deepEqual(
    native.submissions.slice(1).map(one => one.type),
    ['cancel'],
  )
})

test.serial('a request that is refused while its body is handed over leaves no listener', async t => {
  const { pool, native } = scene()
  native.answer = one =>
    one.type === 'request' ? [failRecord(one.id, { code: code('FB_PENDING_OVERFLOW'), number: 3 })] : []
  const { signal, listeners } = countingSignal()
  const error = await t.throwsAsync(pool.request({ path: '/', body: new Uint8Array(3_000_000), signal }), {
    instanceOf: OverflowError,
  })
  t.like(error, { limit: 'maxPendingRequests', max: 3 })
  t.is(listeners(), 0)
})

test.serial('close() refuses new requests, lets the others finish and then resolves', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/' })
  const closing = pool.close()
  t.true(pool.closed)
  t.false(pool.destroyed)
  t.is(pool.close(), closing)
  const refused = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: ClosedError })
  t.like(refused, { code: 'FB_POOL_CLOSED', phase: 'admit', retryable: 'yes' })
  await native.seen('pool-close')
  t.deepEqual(
    native.submissions.map(one => one.type),
    ['request', 'pool-close'],
  )
  native.deliver(responseRecord(0, { body: 'done' }))
  t.is(await (await promise).body.text(), 'done')
  native.row = [0, 5]
  native.closed()
  await closing
  t.true(pool.destroyed)
  t.deepEqual(native.forgotten, [1])
  t.is(pool.stats.rqTotal, 5, 'the last word stays readable')
})

test.serial('drain() takes its turn among the requests, and nothing after close()', async t => {
  const { pool, native } = scene()
  const first = pool.request({ path: '/' })
  pool.drain()
  const second = pool.request({ path: '/' })
  await native.seen('pool-drain')
  t.deepEqual(
    native.submissions.map(one => one.type),
    ['request', 'pool-drain', 'request'],
  )
  native.deliver(responseRecord(0, { body: 'one' }))
  native.deliver(responseRecord(1, { body: 'two' }))
  await Promise.all([first, second])
  void pool.close()
  pool.drain()
  await native.seen('pool-close')
  t.is(native.submissions.filter(one => one.type === 'pool-drain').length, 1)
})

test.serial('destroy() fails what is under way with its error as cause; both are idempotent', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/' })
  const reason = new Error('shutting down')
  const closing = pool.close()
  const destroying = pool.destroy(reason)
  t.true(pool.destroyed)
  await native.seen('pool-destroy')
  native.deliver(failRecord(0, { code: code('FB_POOL_CLOSED'), retryable: 1, phase: PHASES.indexOf('head') }))
  const error = await t.throwsAsync(promise, { instanceOf: ClosedError })
  t.is(error.cause, reason)
  t.is(error.retryable, 'maybe')
  native.closed()
  await Promise.all([closing, destroying, pool.destroy(), pool.close(), pool[Symbol.asyncDispose]()])
  t.is(native.submissions.filter(one => one.type === 'pool-destroy').length, 1)
  const late = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: ClosedError })
  t.is(late.cause, reason)
})

test.serial('a close that takes too long becomes a destroy', async t => {
  const { pool, native } = scene()
  // The wait itself keeps no process alive; what is still under way does, and that is the native side's.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const closing = pool.close({ timeout: 1 })
  const [destroyed] = await native.seen('pool-destroy')
  t.is(destroyed?.id, 1)
  t.true(pool.destroyed)
  native.closed()
  await closing
})

test.serial('a bad timeout of close() rejects', async t => {
  const { pool } = scene()
  for (const timeout of [-1, 0.5, Number.NaN, null]) {
    await t.throwsAsync(pool.close({ timeout: timeout as number }), {
      instanceOf: ConfigError,
      message: /^close\.timeout/,
    })
  }
  t.false(pool.closed)
})

test.serial('stats have the shape of their names, fresh and frozen', t => {
  const { pool, native } = scene()
  native.row = [3, 17, 1, 0, 0, Number.POSITIVE_INFINITY, 4, 2, 31]
  const { stats } = pool
  t.is(stats.cxActive, 3)
  t.is(stats.rqTotal, 17)
  t.deepEqual(stats.circuitBreakers.default.cx, { open: true, remaining: 0 })
  t.deepEqual(stats.circuitBreakers.high.rqPending, { open: false, remaining: Number.POSITIVE_INFINITY })
  t.deepEqual(stats.histograms.rqQueueMs, { bounds: [5, Number.POSITIVE_INFINITY], counts: [4, 2], sum: 31 })
  t.true(
    Object.isFrozen(stats) &&
      Object.isFrozen(stats.circuitBreakers.default.cx) &&
      Object.isFrozen(stats.histograms.rqQueueMs.counts),
  )
  t.deepEqual(stats.rqByStatus, {})
  native.row = [3, 17, 1, 0, 0, Number.POSITIVE_INFINITY, 4, 2, 31, 2, 200, 16, 503, 1]
  t.deepEqual(pool.stats.rqByStatus, { 200: 16, 503: 1 })
  native.row = [0, 18, 0, 0, 0, 0, 0, 0, 0, 0]
  t.is(pool.stats.rqTotal, 18)
  t.is(stats.rqTotal, 17)
})

test.serial('events come after the delivery, with the name of the pool', async t => {
  const { pool, native } = scene({ name: 'orders' })
  const seen: unknown[] = []
  pool.on('connection', event => seen.push(['connection', event.pool, event.connection.endpoint]))
  pool.on('drain', event => seen.push(['drain', event.reason]))
  pool.on('overflow', event => seen.push(['overflow', event.priority, event.limit, event.count]))
  pool.on('close', event => seen.push(['close', event.connection.id, event.error?.code ?? null]))
  native.deliver(
    connectedRecord(2, 1, '10.0.0.2', 81),
    drainingRecord(2, 1, 0),
    overflowRecord(1, 1, 1, 9),
    disconnectedRecord(2, 1, 0),
    connectedRecord(3, 1),
    disconnectedRecord(3, 1, code('FB_CONNECTION_RESET') + 1),
  )
  t.deepEqual(seen, [])
  await turn()
  t.deepEqual(seen, [
    ['connection', 'orders', '10.0.0.2:81'],
    ['drain', 'goaway'],
    ['overflow', 'high', 'maxPendingRequests', 9],
    ['close', 2, null],
    ['connection', 'orders', '127.0.0.1:80'],
    ['close', 3, 'FB_CONNECTION_RESET'],
  ])
})

test.serial('a broken channel rejects what is under way and ends its pools', async t => {
  const { pool, native } = scene()
  const promise = pool.request({ path: '/' })
  await native.seen('request')
  native.deliver(endRecord(55))
  await t.throwsAsync(promise, { instanceOf: InternalError })
  t.true(pool.closed)
  await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: ClosedError })
  await pool.close()
  await pool.destroy()
})

test.serial('what native code refuses at creation is a ConfigError, and so is what the process cannot do', t => {
  const binding = useFake('no uv_poll_t on this platform')
  t.throws(() => new Pool('http://127.0.0.1', { runOn: 'event-loop' }), {
    instanceOf: ConfigError,
    message: /^runOn: .*no uv_poll_t on this platform/,
  })
  t.is(binding.channels.length, 0)
  new Pool('http://127.0.0.1', { runOn: 'thread' })
  binding.channel.failure = new Error('FB_INVALID_CONFIG|tls.ca|no certificate in it')
  const error = t.throws(() => new Pool('https://127.0.0.1', { runOn: 'thread' }), { instanceOf: ConfigError })
  t.is(error.path, 'tls.ca')
})

test.serial('pools of one runner share a channel, and each runner has its own', t => {
  const binding = useFake()
  const made = ['thread', 'thread', 'event-loop', 'event-loop'] as const
  const pools = made.map(runOn => new Pool('http://127.0.0.1', { runOn }))
  t.deepEqual(
    pools.map(pool => pool.config.runOn),
    [...made],
  )
  t.deepEqual(
    binding.channels.map(channel => channel.runner),
    ['thread', 'event-loop'],
  )
})

test.serial('the options that cross are the parsed ones', t => {
  const { pool, native } = scene({ queueTimeout: Number.POSITIVE_INFINITY, bodyBuffer: 16_384 })
  t.is(pool.config.queueTimeout, 0)
  t.like(native.configs[0], {
    timeouts: { queueTimeout: 0 },
    bodyBuffer: 16_384,
    addresses: [{ address: '127.0.0.1', port: 8080 }],
  })
})

test.serial("Node's roots cross for https, and a skipped verification warns", async t => {
  const warning = new Promise<Error>(resolve => process.once('warning', resolve))
  const { native } = scene({ name: 'loud', tls: { dangerouslySkipVerification: true } }, 'https://127.0.0.1')
  t.true((native.configs[0]?.tls?.ca.length ?? 0) > 10_000)
  t.regex(Buffer.from(native.configs[0]?.tls?.ca ?? []).toString(), /^-----BEGIN CERTIFICATE-----/)
  const { name, message } = await warning
  t.is(name, 'SecurityWarning')
  t.regex(message, /loud.*dangerouslySkipVerification/)
})

test.serial('a literal address that the filter refuses fails the requests, not the pool', async t => {
  const asked: string[] = []
  const filter = (address: string): boolean => asked.push(address) < 0
  const { pool, native } = scene({ resolver: { filter } }, 'http://[::ffff:7f00:1]')
  const error = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: ConnectError })
  t.is(error.code, 'FB_ADDRESS_DENIED')
  t.deepEqual(asked, ['127.0.0.1'])
  await turn()
  t.deepEqual(native.submissions, [])
})

test.serial('a Unix socket needs no addresses', async t => {
  const { pool, native } = scene({ connection: { socketPath: '/run/a.sock' } }, 'http://no.such.host.test')
  void pool.request({ path: '/' })
  await native.seen('request')
  t.like(native.configs[0], { addresses: [], connection: { socketPath: '/run/a.sock' } })
  t.deepEqual(native.addresses, [])
})

/** A pool whose host is looked up by the test. */
function named(t: ExecutionContext, options: PoolOptions = {}) {
  const answers: ((addresses: readonly string[] | Error) => void)[] = []
  const lookup = (hostname: string) => {
    t.is(hostname, 'a.test')
    return new Promise<{ address: string; family: 4 | 6 }[]>((resolve, reject) => {
      answers.push(given => {
        if (given instanceof Error) reject(given)
        else resolve(given.map(address => ({ address, family: 4 })))
      })
    })
  }
  const binding = useFake()
  const pool = new Pool('http://a.test:81', { runOn: 'thread', ...options, resolver: { lookup, ...options.resolver } })
  return { pool, native: binding.channel, answers }
}

test.serial('requests wait for the first lookup and then go in order', async t => {
  const { pool, native, answers } = named(t)
  t.is(answers.length, 0, 'nothing is looked up before it is needed')
  const body = Uint8Array.of(1, 2, 3)
  const promises = [
    pool.request({ path: '/1' }),
    pool.request({ path: '/2', method: 'POST', body }),
    pool.request({ path: '/3' }),
  ]
  body.fill(9)
  await turn()
  t.is(answers.length, 1)
  t.deepEqual(native.submissions, [])
  answers[0]?.(['10.0.0.1', '10.0.0.2'])
  const sent = await native.seen('request', 3)
  t.deepEqual(
    sent.map(one => one.path),
    ['/1', '/2', '/3'],
  )
  t.deepEqual(sent[1]?.body, Uint8Array.of(1, 2, 3))
  t.deepEqual(native.addresses, [
    [
      { address: '10.0.0.1', port: 81 },
      { address: '10.0.0.2', port: 81 },
    ],
  ])
  native.deliver(connectedRecord(1, 1), ...[0, 1, 2].map(id => responseRecord(id, { body: String(id) })))
  const responses = await Promise.all(promises)
  t.true((responses[0]?.timings.dial?.dnsMs ?? -1) >= 0)
  void pool.request({ path: '/4' })
  await native.seen('request', 4)
  t.is(answers.length, 1)
})

test.serial('a failed lookup fails what waits for it', async t => {
  const { pool, native, answers } = named(t)
  const promises = [pool.request({ path: '/' }), pool.request({ path: '/' })]
  answers[0]?.(Object.assign(new Error('getaddrinfo ENOTFOUND a.test'), { code: 'ENOTFOUND' }))
  for (const promise of promises) {
    const error = await t.throwsAsync(promise, { instanceOf: ConnectError })
    t.like(error, { code: 'FB_DNS_NOT_FOUND', phase: 'dns', retryable: 'no', origin: 'http://a.test:81', attempts: [] })
  }
  const again = await t.throwsAsync(pool.request({ path: '/' }), { instanceOf: ConnectError })
  t.is(again.code, 'FB_DNS_NOT_FOUND')
  t.is(answers.length, 1, 'not asked again at once')
  t.deepEqual(native.submissions, [])
})

test.serial('what waits for a lookup is bounded as what is pending, each priority for itself', async t => {
  const { pool } = named(t, { limits: { maxPendingRequests: 2, high: { maxPendingRequests: 1 } } })
  const overflows: unknown[] = []
  pool.on('overflow', ({ priority, limit }) => overflows.push([priority, limit]))
  const controller = new AbortController()
  const waiting = [
    pool.request({ path: '/', signal: controller.signal }),
    pool.request({ path: '/' }),
    pool.request({ path: '/', priority: 'high' }),
  ]
  for (const priority of ['default', 'high'] as const) {
    const error = await t.throwsAsync(pool.request({ path: '/', priority }), { instanceOf: OverflowError })
    t.like(error, { code: 'FB_PENDING_OVERFLOW', limit: 'maxPendingRequests', max: priority === 'high' ? 1 : 2 })
  }
  await turn()
  t.deepEqual(overflows, [
    ['default', 'maxPendingRequests'],
    ['high', 'maxPendingRequests'],
  ])
  controller.abort('gone')
  t.is(await waiting[0]?.catch(error => error), 'gone')
  // Its place is free again.
  waiting.push(pool.request({ path: '/' }))
  void pool.destroy()
  for (const promise of waiting.slice(1)) await t.throwsAsync(promise, { code: 'FB_POOL_CLOSED' })
})

test.serial('an aborted request that waits for a lookup is never sent', async t => {
  const { pool, native, answers } = named(t)
  const controller = new AbortController()
  const aborted = pool.request({ path: '/aborted', signal: controller.signal })
  void pool.request({ path: '/kept' })
  controller.abort('no')
  t.is(await aborted.catch(error => error), 'no')
  answers[0]?.(['10.0.0.1'])
  const sent = await native.seen('request')
  t.deepEqual(
    sent.map(one => one.path),
    ['/kept'],
  )
  t.is(native.submissions.filter(one => one.type === 'cancel').length, 0)
})

test.serial('close() lets through what waits for a lookup; destroy() does not', async t => {
  const closing = named(t)
  void closing.pool.request({ path: '/kept' })
  void closing.pool.close()
  await turn()
  t.deepEqual(closing.native.submissions, [])
  closing.answers[0]?.(['10.0.0.1'])
  await closing.native.seen('pool-close')
  t.deepEqual(
    closing.native.submissions.map(one => one.type),
    ['request', 'pool-close'],
  )

  const destroying = named(t)
  const lost = destroying.pool.request({ path: '/lost' })
  void destroying.pool.destroy(new Error('why'))
  const error = await t.throwsAsync(lost, { instanceOf: ClosedError })
  t.like(error.cause, { message: 'why' })
  destroying.answers[0]?.(['10.0.0.1'])
  await turn()
  t.deepEqual(
    destroying.native.submissions.map(one => one.type),
    ['pool-destroy'],
  )
})

test.serial('a bad request is refused at once, lookup or not', async t => {
  const { pool, answers } = named(t)
  await t.throwsAsync(pool.request({ path: 'x' }), { instanceOf: RequestError })
  t.is(answers.length, 0)
})
