// An agent over real upstreams: the pool of each origin, its bound, its options, its events, its end, and redirects between origins.

import test, { type ExecutionContext } from 'ava'
import {
  Agent,
  type AgentOptions,
  ClosedError,
  ConfigError,
  consecutiveFailures,
  OverflowError,
  type PoolOptions,
  RequestError,
} from '../../ts/index.js'
import { startAnswering } from '../support/answering.js'
import { eventually } from '../support/cases.js'
import { RUNNERS, type Runner } from '../support/each-runner.js'

type MakeAgent = (options?: AgentOptions) => Agent

function eachRunner(title: string, body: (t: ExecutionContext, make: MakeAgent, runOn: Runner) => Promise<void>): void {
  for (const runOn of RUNNERS) {
    test.serial(`${runOn}: ${title}`, t => {
      const make: MakeAgent = options => {
        const agent = new Agent({ runOn, ...options })
        t.teardown(() => agent.destroy())
        return agent
      }
      return body(t, make, runOn)
    })
  }
}

/** Every name is this machine. */
const resolver: PoolOptions['resolver'] = { lookup: async () => [{ address: '127.0.0.1', family: 4 }] }

eachRunner('a request finds the pool of its origin, which is made once', async (t, make) => {
  const first = await startAnswering(t, ({ headers, url }, response) => response.end(`${headers.host}${url}`))
  const second = await startAnswering(t, (_request, response) => response.end('second'))
  const agent = make()
  t.deepEqual(Object.keys(agent.stats), [])
  const text = async (url: string | URL) => (await agent.request({ url })).body.text()
  const host = first.origin.slice('http://'.length)
  t.is(await text(`${first.origin}/a?b=c#d`), `${host}/a?b=c`)
  t.is(await text(new URL('/x', first.origin)), `${host}/x`)
  t.is(await text(second.origin), 'second')
  t.deepEqual(Object.keys(agent.stats).sort(), [first.origin, second.origin].sort())
  t.like(agent.stats[first.origin], { rqTotal: 2, cxTotal: 1 })
  t.is(agent.pool(first.origin), agent.pool(new URL(first.origin)))
  t.is((await agent.pool(first.origin).request({ path: '/' })).status, 200)
})

eachRunner("options are the agent's, and over them those of an origin", async (t, make) => {
  const upstream = await startAnswering(t, (_request, response) => response.writeHead(503).end())
  const agent = make({
    limits: { maxConnections: 7 },
    retry: { on: ['5xx'], backoff: { base: 0 } },
    tls: { minVersion: 'TLSv1.3' },
    perOrigin: origin => (origin === upstream.origin ? { retry: null, breaker: consecutiveFailures() } : null),
  })
  t.is((await agent.request({ url: upstream.origin })).attempts.length, 1)
  const { config } = agent.pool(upstream.origin)
  t.is(config.limits.maxConnections, 7)
  t.not(config.breaker, null)
  t.is(config.tls, null)
  t.is(agent.pool('https://other.test').config.retry?.on[0], '5xx')
  t.is(agent.pool('https://other.test').config.tls?.minVersion, 'TLSv1.3')
})

test('bad options are refused by the constructor, with their path', t => {
  const path = (options: unknown) =>
    t.throws(() => new Agent(options as AgentOptions), { instanceOf: ConfigError }).path
  t.is(path({ limits: { maxRequests: -1 } }), 'limits.maxRequests')
  t.is(path({ typo: 1 }), 'typo')
  t.is(path({ perOrigin: 1 }), 'perOrigin')
  for (const maxOrigins of [-1, 1.5, Number.NaN, '1', null]) t.is(path({ maxOrigins }), 'maxOrigins')
  for (const options of [null, 1, [], 'x']) t.is(path(options), 'options')
})

test('an origin with bad options of its own refuses its requests alone', async t => {
  const agent = new Agent({ perOrigin: () => ({ queueTimeout: -1 }) })
  t.throws(() => agent.pool('http://a.test'), { instanceOf: ConfigError })
  const error = await t.throwsAsync(agent.request({ url: 'http://a.test' }), { instanceOf: ConfigError })
  t.is(error.path, 'queueTimeout')
  await agent.destroy()
})

test('options are copied', async t => {
  const limits = { maxConnections: 3 }
  const agent = new Agent({ limits })
  limits.maxConnections = -1
  t.is(agent.pool('http://a.test').config.limits.maxConnections, 3)
  await agent.destroy()
})

test('what is no URL of an upstream is refused, without repeating it', async t => {
  const agent = new Agent()
  for (const url of ['/path', 'a.test', 'ftp://a.test', 'http://user:secret@a.test', '', null, 1, {}]) {
    const error = await t.throwsAsync(agent.request({ url: url as string }), { instanceOf: RequestError })
    t.is(error.field, 'url')
    t.notRegex(error.message, /secret/)
  }
  await t.throwsAsync(agent.request(null as never), { instanceOf: RequestError })
  await t.throwsAsync(agent.fetch('/path'), { instanceOf: TypeError })
  t.deepEqual(Object.keys(agent.stats), [])
  await agent.destroy()
})

eachRunner(
  'at maxOrigins a pool without work makes room, and a request is refused where all have work',
  async (t, make) => {
    const upstream = await startAnswering(t, (_request, response) => response.end('ok'))
    const port = upstream.origin.split(':').at(-1)
    const agent = make({ resolver, maxOrigins: 2 })
    const limits: unknown[] = []
    agent.on('overflow', ({ limit, pool }) => limits.push([limit, pool]))
    const to = (name: string) => `http://${name}.test:${port}`
    const held = [1, 2].map(n => agent.request({ url: `${to(`held${n}`)}/hold` }))
    await eventually('both are held', () => upstream.held.length === 2)
    const error = await t.throwsAsync(agent.request({ url: to('more') }), { instanceOf: OverflowError })
    t.like(error, { code: 'FB_POOL_OVERFLOW', limit: 'maxOrigins', max: 2, retryable: 'yes', origin: to('more') })
    await eventually('it is told', () => limits.length === 1)
    t.deepEqual(limits, [['maxOrigins', to('more')]])
    upstream.held[0]?.end()
    t.is((await Promise.race(held)).status, 200)
    await eventually(
      'there is room',
      () => agent.stats[to('held1')]?.rqActive === 0 || agent.stats[to('held2')]?.rqActive === 0,
    )
    t.is((await agent.request({ url: to('more') })).status, 200)
    t.is(Object.keys(agent.stats).length, 2)
    upstream.held[1]?.end()
    for (const { status } of await Promise.all(held)) t.is(status, 200)
  },
)

eachRunner("events of pools are the agent's, also of those that were there before", async (t, make) => {
  const upstream = await startAnswering(t, (_request, response) => response.end())
  const agent = make({ resolver })
  const port = upstream.origin.split(':').at(-1)
  const early = agent.pool(`http://early.test:${port}`)
  const seen: string[] = []
  agent.on('connection', ({ pool }) => seen.push(pool))
  await early.request({ path: '/' })
  await agent.request({ url: `http://late.test:${port}` })
  await eventually('both are told', () => seen.length === 2)
  t.deepEqual(seen, [`http://early.test:${port}`, `http://late.test:${port}`])
})

eachRunner('close lets requests finish, destroy ends them; then nothing is taken', async (t, make) => {
  const upstream = await startAnswering(t, (_request, response) => response.end('ok'))
  const agent = make()
  const held = agent.request({ url: `${upstream.origin}/hold` })
  await eventually('it is held', () => upstream.held.length === 1)
  const closed = agent.close()
  t.true(agent.closed)
  await t.throwsAsync(agent.request({ url: upstream.origin }), { instanceOf: ClosedError })
  t.throws(() => agent.pool(upstream.origin), { instanceOf: ClosedError })
  upstream.held[0]?.end('late')
  t.is(await (await held).body.text(), 'late')
  await closed
  t.true(agent.destroyed)

  const other = make()
  const lost = t.throwsAsync(other.request({ url: `${upstream.origin}/hold` }), { instanceOf: ClosedError })
  await eventually('it is held', () => upstream.held.length === 2)
  await other.destroy(new Error('over'))
  t.is((await lost)?.cause instanceof Error && (await lost)?.code, 'FB_POOL_CLOSED')
})

for (const runOn of RUNNERS) {
  test.serial(
    `${runOn}: B26: a redirect to another origin is returned as it is; fetch follows without credentials`,
    async t => {
      const elsewhere = await startAnswering(t, ({ headers }, response) => response.end(JSON.stringify(headers)))
      const upstream = await startAnswering(t, ({ url }, response) => {
        const to = url === '/away' ? `${elsewhere.origin}/there` : '/back'
        if (url === '/back') response.end('back')
        else response.writeHead(302, { location: to }).end()
      })
      const agent = new Agent({ runOn })
      t.teardown(() => agent.destroy())
      const plain = await agent.request({ url: `${upstream.origin}/away` })
      t.is(plain.status, 302)
      t.is(plain.headers.get('location'), `${elsewhere.origin}/there`)

      const secrets = { authorization: 'Bearer x', cookie: 'a=b', 'proxy-authorization': 'y', 'x-kept': '1' }
      const forebay = { authority: 'named.test' }
      const response = await agent.fetch(`${upstream.origin}/away`, { headers: secrets, forebay })
      t.is(response.status, 200)
      t.true(response.redirected)
      t.is(response.url, `${elsewhere.origin}/there`)
      const arrived = (await response.json()) as Record<string, string>
      t.like(arrived, { 'x-kept': '1', host: elsewhere.origin.slice('http://'.length) })
      for (const name of ['authorization', 'cookie', 'proxy-authorization']) t.is(arrived[name], undefined, name)

      const { fetch } = agent
      t.is(await (await fetch(`${upstream.origin}/home`, { headers: secrets })).text(), 'back')
      t.is((await fetch(`${upstream.origin}/away`, { redirect: 'manual' })).status, 302)
    },
  )

  test.serial(
    `${runOn}: P21: 10,000 origins: pools without work go oldest first, and their number is bounded`,
    async t => {
      const ORIGINS = 10_000
      const MAX = 100
      const AT_A_TIME = 20
      const upstream = await startAnswering(t, (_request, response) => response.end())
      const port = upstream.origin.split(':').at(-1)
      const agent = new Agent({ runOn, resolver, maxOrigins: MAX })
      t.teardown(() => agent.destroy())
      const name = (n: number) => `http://o${n}.test:${port}`
      let next = 0
      let most = 0
      const worker = async (): Promise<void> => {
        while (next < ORIGINS) {
          const n = next
          next += 1
          const response = await agent.request({ url: name(n) })
          if (response.status !== 200) throw new Error(`${n}: ${response.status}`)
          if (n % 500 === 0) most = Math.max(most, Object.keys(agent.stats).length)
        }
      }
      await Promise.all(Array.from({ length: AT_A_TIME }, worker))
      t.is(upstream.total, ORIGINS)
      t.is(most, MAX)
      const kept = Object.keys(agent.stats)
      t.is(kept.length, MAX)
      // The last ones, but for the order in which those that ran at the same time ended.
      const expected = new Set(Array.from({ length: MAX + AT_A_TIME }, (_, n) => name(ORIGINS - 1 - n)))
      t.true(kept.every(origin => expected.has(origin)))
    },
  )
}
