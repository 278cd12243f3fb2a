// The typed events of a pool, and when a refusal is told.

import { setImmediate as immediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { ConnectionInfo, DrainReason, ForebayError, Pool, PoolEvents, PoolOptions } from '../../ts/index.js'
import { OverflowError } from '../../ts/index.js'
import { eventually, gone, settles } from '../support/cases.js'
import { runChild } from '../support/child.js'
import { eachRunner, type MakePool, RUNNERS, type Runner, TestPool } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { type Scripted, startScripted, startShut, startTestkit } from '../support/upstream.js'

interface Heard {
  /** Whose events these were: one name. */
  readonly names: Set<string>
  readonly connection: ConnectionInfo[]
  readonly close: { readonly connection: ConnectionInfo; readonly error: ForebayError | null }[]
  readonly drain: { readonly connection: ConnectionInfo; readonly reason: DrainReason }[]
  readonly overflow: PoolEvents['overflow'][0][]
}

/** All that a pool tells. */
function listen(pool: Pool): Heard {
  const heard: Heard = { names: new Set(), connection: [], close: [], drain: [], overflow: [] }
  pool.on('connection', event => {
    heard.names.add(event.pool)
    heard.connection.push(event.connection)
  })
  pool.on('close', event => {
    heard.names.add(event.pool)
    heard.close.push(event)
  })
  pool.on('drain', event => {
    heard.names.add(event.pool)
    heard.drain.push(event)
  })
  pool.on('overflow', event => {
    heard.names.add(event.pool)
    heard.overflow.push(event)
  })
  return heard
}

async function scripted(t: ExecutionContext, ...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const upstream = await startScripted(...scripts)
  t.teardown(() => upstream.stop())
  return upstream
}

const OK = 'HTTP/1.1 200 OK\r\n'

eachRunner('each connection is told once when it is ready and once when it is gone', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { name: 'orders', limits: { maxConnections: 4 } })
  const heard = listen(pool)
  const paths = ['/', '/close', '/bytes/1000', '/1.0']
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => pool.request({ path: paths[n % 4] ?? '/' })))
  await pool.close()
  // One that was still under way when the pool closed was never ready, and is not told.
  await eventually('all are told', () => heard.close.length === pool.stats.cxHttp1Total)
  const ids = (list: readonly ConnectionInfo[]) => list.map(({ id }) => id).sort((a, b) => a - b)
  t.is(heard.connection.length, pool.stats.cxHttp1Total)
  t.is(new Set(ids(heard.connection)).size, heard.connection.length)
  t.deepEqual(ids(heard.close.map(({ connection }) => connection)), ids(heard.connection))
  const known = new Set(ids(heard.connection))
  t.true(
    answers.every(({ connection }) => known.has(connection.id)),
    'the connections that answered were told',
  )
  t.deepEqual([...heard.names], ['orders'])
  t.true(heard.close.every(({ error }) => error === null))
  t.like(heard.connection[0], { protocol: 'h1', remoteAddress: '127.0.0.1', remotePort: upstream.port, reused: false })
  t.is(heard.connection[0]?.endpoint, `127.0.0.1:${upstream.port}`)
})

eachRunner('a connection that could not be made is no connection', async (t, makePool) => {
  const upstream = await startShut()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const heard = listen(pool)
  await rejection(pool.request({ path: '/' }))
  await pool.close()
  await immediate()
  t.deepEqual(heard, { names: new Set<string>(), connection: [], close: [], drain: [], overflow: [] })
})

const ENDS: readonly (readonly [what: string, script: readonly Step[], codes: readonly (string | null)[]])[] = [
  ['the peer closes an idle connection', ['request', { send: ANSWER }, 'signal', 'close'], [null]],
  ['the peer resets an idle connection', ['request', { send: ANSWER }, 'signal', 'reset'], ['FB_CONNECTION_RESET']],
  ['bytes that nobody asked for', ['request', { send: ANSWER }, 'signal', { send: 'x' }], ['FB_PROTOCOL_ERROR']],
  ['the peer closes under a request', ['request', 'close'], ['FB_CONNECTION_CLOSED']],
  ['the peer resets under a request', ['request', 'reset'], ['FB_CONNECTION_RESET']],
  ['garbage', ['request', { send: 'garbage\r\n\r\n' }], ['FB_RESPONSE_MALFORMED', 'FB_PROTOCOL_ERROR']],
]

for (const [what, script, codes] of ENDS) {
  eachRunner(`close tells how it ended: ${what}`, async (t, makePool) => {
    const upstream = await scripted(t, [...script, 'readToEnd'])
    const pool = makePool(upstream.origin, { replay: 'none' })
    const heard = listen(pool)
    const idle = script.includes('signal')
    if (idle) await pool.request({ path: '/' })
    else await rejection(pool.request({ path: '/' }))
    if (idle) await upstream.ask('signal 0')
    await eventually('it is told', () => heard.close.length === 1)
    const code = heard.close[0]?.error?.code ?? null
    t.true(codes.includes(code), `${code}`)
    t.is(heard.close[0]?.connection.id, heard.connection[0]?.id)
    t.is(pool.stats.cxActive, 0)
  })
}

const HALF = 'content-length: 10\r\n\r\nhello'
const REST: readonly Step[] = ['signal', { send: 'hello' }, 'readToEnd']

const DRAINS: readonly (readonly [reason: DrainReason, script: readonly Step[], options: PoolOptions])[] = [
  ['close-header', ['request', { send: `${OK}connection: close\r\n${HALF}` }, ...REST], {}],
  ['close-header', ['request', { send: `HTTP/1.0 200 OK\r\n${HALF}` }, ...REST], {}],
  ['keep-alive-hint', ['request', { send: `${OK}keep-alive: timeout=1\r\n${HALF}` }, ...REST], {}],
  ['max-requests', ['request', { send: `${OK}${HALF}` }, ...REST], { connection: { maxRequestsPerConnection: 1 } }],
  [
    'max-duration',
    ['request', { send: `${OK}${HALF}` }, ...REST],
    { connection: { maxConnectionDuration: 50, durationJitter: 0 } },
  ],
]

for (const [n, [reason, script, options]] of DRAINS.entries()) {
  eachRunner(`drain tells why, while the request goes on: ${reason} (${n})`, async (t, makePool) => {
    const upstream = await scripted(t, script, WELL_BEHAVED)
    const pool = makePool(upstream.origin, { ...options, limits: { maxConnections: 1 } })
    const heard = listen(pool)
    const request = pool.request({ path: '/' })
    await eventually('it is told', () => heard.drain.length === 1)
    t.is(heard.drain[0]?.reason, reason)
    t.is(heard.drain[0]?.connection.id, heard.connection[0]?.id)
    t.is(heard.close.length, 0)
    await upstream.ask('signal 0')
    const response = await request
    t.is(await response.body.text(), 'hellohello')
    t.is(response.connection.id, heard.drain[0]?.connection.id ?? -1)
    await eventually('it is closed', () => heard.close.length === 1)
    t.is(heard.close[0]?.error, null)
    t.is(heard.drain.length, 1)
    t.deepEqual([...heard.names], [pool.config.name])
  })
}

/** A pool whose only connection is busy, and whose queue is full. */
async function full(
  t: ExecutionContext,
  makePool: MakePool,
  waiting: number,
): Promise<{ pool: Pool; heard: Heard; end: () => Promise<void> }> {
  const upstream = await scripted(t, ['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
  const pool = makePool(upstream.origin, {
    limits: { maxConnections: 1, maxPendingRequests: waiting, high: { maxPendingRequests: 0 } },
  })
  const heard = listen(pool)
  const requests = [pool.request({ path: '/' })]
  await upstream.until('0.requests>=1')
  for (let n = 0; n < waiting; n += 1) requests.push(pool.request({ path: '/' }))
  await settles(t, pool, { rqPendingActive: waiting, rqActive: 1 }, 'the queue is full')
  const end = async () => {
    await upstream.ask('signal 0')
    for (const { status } of await Promise.all(requests)) t.is(status, 200)
  }
  return { pool, heard, end }
}

eachRunner('overflow tells limit, priority and how often; the counts add up', async (t, makePool) => {
  const { pool, heard, end } = await full(t, makePool, 2)
  const refused = Array.from({ length: 7 }, () => rejection(pool.request({ path: '/' })))
  refused.push(...Array.from({ length: 3 }, () => rejection(pool.request({ path: '/', priority: 'high' }))))
  await Promise.all(refused)
  refused.push(...Array.from({ length: 2 }, () => rejection(pool.request({ path: '/' }))))
  for (const error of await Promise.all(refused)) t.true(error instanceof OverflowError)
  await end()
  await eventually('all is told', () => counted(heard, 'maxPendingRequests', 'default') === 9)
  await eventually('all is told', () => counted(heard, 'maxPendingRequests', 'high') === 3)
  t.is(pool.stats.rqOverflowPending, 12)
  t.is(counted(heard, 'maxConnections', 'default'), pool.stats.cxOverflow)
  t.true(heard.overflow.every(({ count }) => count > 0))
  const told = heard.overflow.filter(({ limit }) => limit === 'maxPendingRequests').map(({ count }) => count)
  t.deepEqual(told, [7, 3, 2], 'those of one turn come together')
  t.deepEqual([...heard.names], [pool.config.name])
})

eachRunner('a connection that a limit forbids is an overflow of maxConnections', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { limits: { maxConnections: 2 } })
  const heard = listen(pool)
  await Promise.all(Array.from({ length: 20 }, () => pool.request({ path: '/delay/2/' })))
  await pool.close()
  await eventually('all is told', () => counted(heard, 'maxConnections', 'default') === pool.stats.cxOverflow)
  t.true(pool.stats.cxOverflow > 0)
})

eachRunner('a request beyond maxRequests is an overflow of maxRequests', async (t, makePool) => {
  const upstream = await scripted(t, ['request', 'signal', { send: ANSWER }, ...WELL_BEHAVED])
  const pool = makePool(upstream.origin, { limits: { maxRequests: 1 } })
  const heard = listen(pool)
  const first = pool.request({ path: '/' })
  await upstream.until('0.requests>=1')
  t.like(await rejection(pool.request({ path: '/' })), { code: 'FB_REQUEST_OVERFLOW' })
  await eventually('it is told', () => counted(heard, 'maxRequests', 'default') === 1)
  await upstream.ask('signal 0')
  t.is((await first).status, 200)
  t.is(pool.stats.rqOverflowRequests, 1)
})

function maker(t: ExecutionContext, runOn: Runner): MakePool {
  return (origin, options = {}) => {
    const pool = new TestPool(origin, { runOn, ...options })
    t.teardown(() => pool.destroy())
    return pool
  }
}

function counted(heard: Heard, limit: string, priority: string): number {
  const found = heard.overflow.filter(event => event.limit === limit && event.priority === priority)
  return found.reduce((sum, { count }) => sum + count, 0)
}

test('event-loop: the request after maxPendingRequests is refused in the same tick', async t => {
  const { pool, end } = await full(t, maker(t, 'event-loop'), 1)
  let fired = false
  setImmediate(() => {
    fired = true
  })
  const error = await rejection(pool.request({ path: '/' }))
  t.false(fired, 'before an immediate that was set before it')
  t.like(error, { code: 'FB_PENDING_OVERFLOW', limit: 'maxPendingRequests', max: 1, phase: 'admit', retryable: 'yes' })
  t.like(pool.stats, { rqPendingActive: 1, rqActive: 1, rqPendingTotal: 2 }, 'nothing of it is stored')
  await end()
})

test('thread: the requests after maxPendingRequests are refused in the next delivery', async t => {
  const { pool, end } = await full(t, maker(t, 'thread'), 1)
  // One delivery settles them all: no turn of the loop lies between the first and the last.
  let turns = 0
  let counting = true
  const count = () => {
    turns += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  const refused = Array.from({ length: 10 }, async () => {
    const error = await rejection(pool.request({ path: '/' }))
    t.like(error, { code: 'FB_PENDING_OVERFLOW', limit: 'maxPendingRequests', max: 1, phase: 'admit' })
    return turns
  })
  const settledIn = await Promise.all(refused)
  counting = false
  t.is(new Set(settledIn).size, 1, settledIn.join())
  t.like(pool.stats, { rqPendingActive: 1, rqActive: 1, rqPendingTotal: 2, rqOverflowPending: 10 })
  await end()
})

eachRunner('listeners that come and go change nothing', async (t, makePool) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  let told = 0
  const listener = () => {
    told += 1
  }
  pool.on('close', listener)
  await pool.request({ path: '/close' })
  await gone(pool)
  await eventually('it is told', () => told === 1)
  pool.off('close', listener)
  await pool.request({ path: '/close' })
  await gone(pool)
  await immediate()
  t.is(told, 1)
})

for (const runOn of RUNNERS) {
  test(`${runOn}: a listener that throws is the process's to know, and the pool goes on`, async t => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    const ended = await runChild('throwing-listener', [upstream.origin, runOn])
    t.is(ended.code, 0, ended.stderr)
    t.deepEqual(JSON.parse(ended.stdout), { thrown: 4, statuses: [200, 200, 200, 200], cxTotal: 2 })
  })
}
