// The diagnostics channels: what the events say, also where nobody listens to the pool itself.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ExecutionContext } from 'ava'
import { Agent, consecutiveFailures, OverflowError, type PoolEvents } from '../../ts/index.js'
import { startAnswering } from '../support/answering.js'
import { eventually, settles } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { startTestkit } from '../support/upstream.js'

const NAMES: { readonly [E in keyof PoolEvents]: string } = {
  connection: 'forebay:connection:ready',
  drain: 'forebay:connection:draining',
  close: 'forebay:connection:closed',
  overflow: 'forebay:request:overflow',
  repeat: 'forebay:request:repeat',
  breaker: 'forebay:breaker:changed',
}
const EVENTS = Object.keys(NAMES) as (keyof PoolEvents)[]

interface Message {
  readonly event: keyof PoolEvents
  readonly told: PoolEvents[keyof PoolEvents][0]
}

/** All messages of the pool `name`: the channels are of the whole process, which runs other tests. */
function overhear(t: ExecutionContext, name: string): Message[] {
  const messages: Message[] = []
  for (const event of EVENTS) {
    const hear = (message: unknown) => {
      const told = message as Message['told']
      if (told.pool === name) messages.push({ event, told })
    }
    subscribe(NAMES[event], hear)
    t.teardown(() => unsubscribe(NAMES[event], hear))
  }
  return messages
}

eachRunner('a message is the event, the same object, in the same order', async (t, makePool, runOn) => {
  const upstream = await startAnswering(t, (request, response, count) => {
    response.statusCode = request.url === '/twice' && count === 1 ? 503 : 200
    response.end()
  })
  const name = `channels ${runOn}`
  const messages = overhear(t, name)
  const pool = makePool(upstream.origin, {
    name,
    limits: { maxConnections: 1, maxPendingRequests: 1 },
    breaker: consecutiveFailures({ failures: 1, openFor: 1 }),
    retry: { on: ['5xx'], backoff: { base: 0 }, when: () => true },
  })
  const events: Message[] = []
  for (const event of EVENTS) {
    pool.on(event, (told: Message['told']) => events.push({ event, told }))
  }
  const held = pool.request({ path: '/hold' })
  await settles(t, pool, { rqActive: 1 })
  const waits = pool.request({ path: '/' })
  t.true((await rejection(pool.request({ path: '/' }))) instanceof OverflowError)
  await eventually('it is held', () => upstream.held.length === 1)
  upstream.held[0]?.end()
  await held
  await waits
  await pool.request({ path: '/twice' }).catch(() => {})
  pool.drain()
  await pool.close()
  await eventually('all is told', () => events.some(({ event }) => event === 'close'))
  t.deepEqual(
    messages.map(({ event }) => event),
    events.map(({ event }) => event),
  )
  t.true(messages.every(({ told }, n) => told === events[n]?.told))
  const told = new Set(messages.map(({ event }) => event))
  for (const event of ['connection', 'overflow', 'breaker', 'close'] as const) t.true(told.has(event), event)
})

eachRunner('they are told where nobody listens to the pool', async (t, makePool, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const name = `unheard ${runOn}`
  const messages = overhear(t, name)
  const pool = makePool(upstream.origin, { name })
  await pool.request({ path: '/' })
  await pool.close()
  await eventually('both are told', () => messages.length === 2)
  t.deepEqual(
    messages.map(({ event }) => event),
    ['connection', 'close'],
  )
})

eachRunner('a request that is repeated, and what an agent refuses', async (t, _makePool, runOn) => {
  const upstream = await startAnswering(t, (_request, response, count) => {
    response.statusCode = count === 1 ? 503 : 200
    response.end()
  })
  const repeats = overhear(t, upstream.origin)
  const other = `http://other-${runOn}.test`
  const refusals = overhear(t, other)
  const agent = new Agent({ runOn, maxOrigins: 1, retry: { on: ['5xx'], backoff: { base: 0 } } })
  t.teardown(() => agent.destroy())
  t.is((await agent.request({ url: `${upstream.origin}/a` })).status, 200)
  const held = agent.request({ url: `${upstream.origin}/hold` })
  await eventually('it is held', () => upstream.held.length === 1)
  await rejection(agent.request({ url: other }))
  await eventually('it is told', () => refusals.length === 1)
  t.like(refusals[0], { event: 'overflow', told: { limit: 'maxOrigins', count: 1 } })
  t.like(
    repeats.find(({ event }) => event === 'repeat'),
    { told: { type: 'retry', attempt: { type: 'response', status: 503 } } },
  )
  upstream.held[0]?.end()
  t.is((await held).status, 200)
})
