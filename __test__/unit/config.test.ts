// Every option: default, edges, unknown keys, and what an error says.

import test from 'ava'
import { type Environment, nativeConfig, parsePool } from '../../ts/config/parse.js'
import type { PoolConfig } from '../../ts/config/parsed.js'
import { ConfigError } from '../../ts/errors/errors.js'

const TWO_CPUS: Environment = { parallelism: 2, eventLoopSupport: null }
const PEM = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n'

function parse(options: unknown, origin: unknown = 'https://a.test', environment = TWO_CPUS): PoolConfig {
  return parsePool(origin, options, environment).config
}

/** `{ a: { b: value } }` for `a.b`. */
function at(path: string, value: unknown): Record<string, unknown> {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>
}

function get(config: PoolConfig, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => Reflect.get(inner as object, key), config)
}

interface Row {
  readonly path: string
  readonly unset: unknown
  /** What may be written, and what it becomes. */
  readonly good: readonly (readonly [given: unknown, parsed: unknown])[]
  readonly bad: readonly unknown[]
}

const MAX_MS = 2_147_483_647
const MAX_COUNT = 4_294_967_294
const NO_NUMBERS = [Number.NaN, Number.NEGATIVE_INFINITY, -1, -0.5, '1', null, true, {}, [], 1n, () => 1]

/** A duration that may be off. */
const ms = (path: string, unset: number): Row => ({
  path,
  unset,
  good: [
    [0, 0],
    [-0, 0],
    [Number.POSITIVE_INFINITY, 0],
    [1, 1],
    [MAX_MS, MAX_MS],
  ],
  bad: [...NO_NUMBERS, 0.5, MAX_MS + 1],
})

/** A duration that may not. */
const msFromOne = (path: string, unset: number): Row => ({
  path,
  unset,
  good: [
    [1, 1],
    [MAX_MS, MAX_MS],
  ],
  bad: [...NO_NUMBERS, 0, -0, 1.5, MAX_MS + 1, Number.POSITIVE_INFINITY],
})

const limit = (path: string, unset: number, unlimited: unknown = Number.POSITIVE_INFINITY): Row => ({
  path,
  unset,
  good: [
    [0, 0],
    [-0, 0],
    [1, 1],
    [MAX_COUNT, MAX_COUNT],
    [Number.POSITIVE_INFINITY, unlimited],
  ],
  bad: [...NO_NUMBERS, 1.5, MAX_COUNT + 1],
})

const whole = (path: string, unset: number, min: number, max: number): Row => ({
  path,
  unset,
  good: [
    [min, min],
    [max, max],
  ],
  bad: [...NO_NUMBERS, min - 1, max + 1, min + 0.5, Number.POSITIVE_INFINITY],
})

const number = (path: string, unset: number, min: number, max: number): Row => ({
  path,
  unset,
  good: [
    [min, min],
    [(min + max) / 2, (min + max) / 2],
    [max, max],
  ],
  bad: [...NO_NUMBERS.filter(value => value !== -0.5), min - 0.001, max + 0.001, Number.POSITIVE_INFINITY],
})

const choice = (path: string, words: readonly string[]): Row => ({
  path,
  unset: words[0],
  good: words.map(word => [word, word] as const),
  bad: ['', 'other', words[0]?.toUpperCase(), null, 0, 1, true, [words[0]], {}],
})

const limitsOf = (path: string): Row[] => [
  limit(`${path}.maxConnections`, 1024),
  limit(`${path}.maxPendingRequests`, 1024),
  limit(`${path}.maxRequests`, 1024),
  choice(`${path}.onMaxRequests`, ['reject', 'queue']),
  limit(`${path}.maxConnectionPools`, Number.POSITIVE_INFINITY),
  { ...limit(`${path}.maxRetries`, 0), unset: null },
  whole(`${path}.retryBudget.percent`, 20, 0, 100),
  limit(`${path}.retryBudget.minConcurrency`, 3),
]

const lookup = () => Promise.resolve([])
const filter = () => true

const ROWS: readonly Row[] = [
  {
    path: 'name',
    unset: 'https://a.test',
    good: [
      ['a', 'a'],
      ['n'.repeat(256), 'n'.repeat(256)],
    ],
    bad: ['', 'n'.repeat(257), 'a\nb', 'a\0', 'a\x7f', 0, null, [], {}],
  },
  {
    path: 'protocols',
    unset: ['h2', 'h1'],
    good: [
      ['auto', ['h2', 'h1']],
      [['h1'], ['h1']],
      [['h2'], ['h2']],
      [['h3'], ['h3']],
      [
        ['h1', 'h2'],
        ['h2', 'h1'],
      ],
    ],
    bad: ['h1', 'h2', [], ['h3', 'h2'], ['h1', 'h1'], ['h2', 'h1', 'h1'], null, 1, {}],
  },
  // Only where HTTP/3 is spoken; its own options have tests below.
  { path: 'http3', unset: null, good: [[null, null]], bad: [{}, { idleTimeout: 1 }, 1, 'x', []] },
  whole('http2.maxConcurrentStreams', 1024, 1, 2 ** 30),
  {
    path: 'http2.preSettingsStreams',
    unset: null,
    good: [
      [null, null],
      [1, 1],
      [2 ** 30, 2 ** 30],
    ],
    bad: [...NO_NUMBERS.filter(value => value !== null), 0, 1.5, 2 ** 30 + 1, Number.POSITIVE_INFINITY],
  },
  { path: 'http2.remember', unset: true, good: [[false, false]], bad: [0, 1, 'false', null] },
  whole('http2.streamWindow', 262_144, 65_535, MAX_MS),
  whole('http2.connectionWindow', 4_194_304, 65_535, MAX_MS),
  {
    path: 'http2.adaptiveWindow',
    unset: null,
    good: [
      [null, null],
      [{}, { maxStreamWindow: 16_777_216, maxConnectionWindow: 25_165_824 }],
      [
        { maxStreamWindow: 262_144, maxConnectionWindow: MAX_MS },
        { maxStreamWindow: 262_144, maxConnectionWindow: MAX_MS },
      ],
    ],
    bad: [0, true, 'auto', []],
  },
  {
    path: 'http2.ping',
    unset: null,
    good: [
      [null, null],
      [{ timeout: 1 }, { timeout: 1, interval: 0, jitter: 0.15, idleInterval: 0 }],
      [
        { timeout: 2_000, interval: 10_000, jitter: 0, idleInterval: Number.POSITIVE_INFINITY },
        { timeout: 2_000, interval: 10_000, jitter: 0, idleInterval: 0 },
      ],
    ],
    bad: [0, 1, 'x', [], true],
  },
  ms('queueTimeout', 15_000),
  ms('headersTimeout', 30_000),
  ms('bodyIdleTimeout', 30_000),
  ms('perTryTimeout', 0),
  ms('perTryIdleTimeout', 0),
  ms('maxStreamDuration', 0),
  ms('totalTimeout', 0),
  ...limitsOf('limits'),
  ...limitsOf('limits.high'),
  limit('limits.perHost.maxConnections', Number.POSITIVE_INFINITY),
  msFromOne('connection.connectTimeout', 5_000),
  ms('connection.addressDelay', 300),
  ms('connection.idleTimeout', 55_000),
  ms('connection.maxConnectionDuration', 0),
  number('connection.durationJitter', 0.1, 0, 1),
  limit('connection.maxRequestsPerConnection', 0, 0),
  ms('connection.drainTimeout', 0),
  ms('connection.tcpUserTimeout', 0),
  choice('connection.pick', ['least-loaded', 'most-recent', 'round-robin']),
  choice('connection.onConnectFailure', ['uncovered', 'all']),
  choice('connection.onCancel', ['keep', 'close-excess']),
  ms('connection.connectBackoff.base', 25),
  {
    ...msFromOne('connection.connectBackoff.max', 250),
    good: [
      [25, 25],
      [MAX_MS, MAX_MS],
    ],
    // Less than the base is refused too.
    bad: [...msFromOne('', 0).bad, 24],
  },
  number('connection.preconnectRatio', 1, 1, 3),
  {
    path: 'connection.localAddress',
    unset: null,
    good: [
      [null, null],
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ],
    bad: ['', 'localhost', '127.0.0.1:80', '256.0.0.1', 'fe80::1%eth0', '[::1]', 0, {}],
  },
  {
    path: 'connection.socketPath',
    unset: null,
    good: [
      [null, null],
      ['/run/a.sock', '/run/a.sock'],
      ['p'.repeat(107), 'p'.repeat(107)],
    ],
    bad: ['', '/a\0b', 'p'.repeat(108), '\u00e9'.repeat(54), 0, {}],
  },
  {
    path: 'tls.servername',
    unset: null,
    good: [['B.Test', 'b.test']],
    bad: ['', 'a b', 'a.test:443', 'a.test.', null, 1],
  },
  choice('tls.minVersion', ['TLSv1.2', 'TLSv1.3']),
  whole('tls.sessionCache', 256, 0, 1_000_000),
  {
    path: 'tls.dangerouslySkipVerification',
    unset: false,
    good: [
      [true, true],
      [false, false],
    ],
    bad: [0, 1, 'true', null, {}],
  },
  { path: 'resolver.lookup', unset: null, good: [[lookup, lookup]], bad: [null, 'dns', {}, 1] },
  { path: 'resolver.filter', unset: null, good: [[filter, filter]], bad: [null, 'dns', {}, 1] },
  {
    path: 'resolver.refresh',
    unset: 5_000,
    good: [
      [0, 0],
      [-0, 0],
      [Number.POSITIVE_INFINITY, 0],
      [1_000, 1_000],
      [MAX_MS, MAX_MS],
    ],
    bad: [...NO_NUMBERS, 1, 999, 1_000.5, MAX_MS + 1],
  },
  msFromOne('resolver.timeout', 5_000),
  {
    path: 'resolver.drainVanished',
    unset: true,
    good: [[false, false]],
    bad: [0, 1, 'false', null],
  },
  whole('bounds.maxHeadSize', 65_536, 1_024, 16_777_216),
  whole('bounds.maxHeadFields', 100, 1, 10_000),
  whole('bounds.maxPathSize', 16_384, 1, 131_072),
  whole('bounds.maxRequestHeadSize', 65_536, 0, 262_144),
  whole('bounds.maxRequestHeadFields', 100, 0, 10_000),
  { path: 'breaker', unset: null, good: [[null, null]], bad: [1, 'x', true, () => null] },
  { path: 'retry', unset: null, good: [[null, null]], bad: [1, 'x', true, [], () => null] },
  choice('replay', ['idempotent', 'unprocessed', 'none']),
  whole('bodyBuffer', 262_144, 16_384, 2_147_483_647),
  limit('maxReadSize', 67_108_864),
]

for (const { path, unset, good, bad } of ROWS) {
  test(`${path}: its default, its edges, and nothing else`, t => {
    t.deepEqual(get(parse({}), path), unset)
    t.deepEqual(get(parse(undefined), path), unset)
    t.deepEqual(get(parse(at(path, undefined)), path), unset)
    for (const [given, parsed] of good) {
      const found = get(parse(at(path, given)), path)
      t.deepEqual(found, parsed, `${path} ${String(given)}`)
      t.false(Object.is(found, -0))
    }
    for (const value of bad) {
      const error = t.throws(() => parse(at(path, value)), { instanceOf: ConfigError }, `${path} ${String(value)}`)
      t.like(error, { path, code: 'FB_INVALID_CONFIG', kind: 'config', phase: 'setup' })
      t.true(error.message.startsWith(`${path}: `), error.message)
    }
  })
}

test('in clear one version is known, or HTTP/1.1 is spoken', t => {
  const clear = (protocols: unknown) => parse({ protocols }, 'http://a.test').protocols
  t.deepEqual(clear(undefined), ['h1'])
  t.deepEqual(clear('auto'), ['h1'])
  t.deepEqual(clear(['h2']), ['h2'])
  t.like(
    t.throws(() => clear(['h2', 'h1']), { instanceOf: ConfigError }),
    { path: 'protocols' },
  )
})

test('HTTP/3 is for https: alone, without a Unix socket, and has options of its own', t => {
  const path = (options: object, origin?: string) =>
    t.throws(() => parse({ protocols: ['h3'], ...options }, origin), { instanceOf: ConfigError }).path
  t.is(path({}, 'http://a.test'), 'protocols')
  t.is(path({ connection: { socketPath: '/tmp/a' } }), 'connection.socketPath')
  t.is(path({ http3: null }), 'http3')
  t.is(path({ http3: { other: 1 } }), 'http3.other')
  t.is(path({ http3: { maxConcurrentStreams: 0 } }), 'http3.maxConcurrentStreams')
  t.is(path({ http3: { maxConcurrentStreams: 65_537 } }), 'http3.maxConcurrentStreams')
  t.is(path({ http3: { idleTimeout: -1 } }), 'http3.idleTimeout')
  t.is(path({ http3: { pingInterval: 0.5 } }), 'http3.pingInterval')
  t.is(path({ http3: { streamWindow: 65_534 } }), 'http3.streamWindow')
  t.is(path({ http3: { connectionWindow: 2 ** 31 } }), 'http3.connectionWindow')
  t.is(path({ http3: { congestion: 'vegas' } }), 'http3.congestion')
  const defaults = {
    maxConcurrentStreams: 100,
    idleTimeout: 600_000,
    pingInterval: 15_000,
    streamWindow: 262_144,
    connectionWindow: 4_194_304,
    congestion: 'cubic',
  } as const
  t.deepEqual(parse({ protocols: ['h3'] }).http3, defaults)
  const given = { ...defaults, maxConcurrentStreams: 5, idleTimeout: 0, pingInterval: 1, congestion: 'bbr' } as const
  t.deepEqual(parse({ protocols: ['h3'], http3: given }).http3, given)
  const crossing = nativeConfig(parsePool('https://a.test', { protocols: ['h3'] }, TWO_CPUS), [], () =>
    Uint8Array.of(1),
  )
  t.deepEqual(crossing.http3, defaults)
})

test('windows follow the buffer, within what HTTP/2 allows', t => {
  const windows = (bodyBuffer: number) => {
    const { streamWindow, connectionWindow } = parse({ bodyBuffer }).http2
    return [streamWindow, connectionWindow]
  }
  t.deepEqual(windows(1_000_000), [1_000_000, 16_000_000])
  t.deepEqual(windows(16_384), [65_535, 1_048_560])
  t.deepEqual(windows(MAX_MS), [MAX_MS, MAX_MS])
})

test('windows that grow are bounded by no less than where they begin', t => {
  const parsed = (http2: object) => parse({ http2 }).http2.adaptiveWindow
  const path = (http2: object) => t.throws(() => parse({ http2 }), { instanceOf: ConfigError }).path
  const wide = { streamWindow: 20_000_000, connectionWindow: 30_000_000, adaptiveWindow: {} }
  t.deepEqual(parsed(wide), { maxStreamWindow: 20_000_000, maxConnectionWindow: 30_000_000 })
  t.is(path({ adaptiveWindow: { maxStreamWindow: 262_143 } }), 'http2.adaptiveWindow.maxStreamWindow')
  t.is(path({ adaptiveWindow: { maxConnectionWindow: 4_194_303 } }), 'http2.adaptiveWindow.maxConnectionWindow')
  t.is(path({ adaptiveWindow: { maxStreamWindow: 2 ** 31 } }), 'http2.adaptiveWindow.maxStreamWindow')
})

test('a ping needs a timeout, and each of its numbers is checked', t => {
  const path = (ping: object) => t.throws(() => parse({ http2: { ping } }), { instanceOf: ConfigError }).path
  t.is(path({}), 'http2.ping.timeout')
  t.is(path({ timeout: 0 }), 'http2.ping.timeout')
  t.is(path({ timeout: 1, interval: -1 }), 'http2.ping.interval')
  t.is(path({ timeout: 1, jitter: 2 }), 'http2.ping.jitter')
  t.is(path({ timeout: 1, idleInterval: 0.5 }), 'http2.ping.idleInterval')
})

test('every option that is parsed has a row above', t => {
  const seen = new Set(ROWS.map(row => row.path))
  const walk = (value: object, path: string): string[] =>
    Object.entries(value).flatMap(([key, inner]) => {
      const joined = path === '' ? key : `${path}.${key}`
      return typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? walk(inner, joined) : [joined]
    })
  const missing = walk(parse({}), '').filter(path => !seen.has(path))
  // Not options of their own: the origin, what follows from tls.ca, tls.crl and tls.cert, and runOn, which has tests below.
  t.deepEqual(missing.sort(), ['origin', 'runOn', 'tls.clientCertificate', 'tls.revocation', 'tls.roots'])
})

for (const group of [
  '',
  'limits',
  'limits.high',
  'limits.perHost',
  'connection',
  'connection.connectBackoff',
  'tls',
  'resolver',
  'bounds',
  'http2',
]) {
  test(`${group || 'the top'}: an unknown key is refused by its path, and so is what is no object`, t => {
    for (const key of ['maxConection', 'toString', 'constructor', '']) {
      const path = group === '' ? key : `${group}.${key}`
      const options = group === '' ? { [key]: 1 } : at(group, { [key]: 1 })
      t.like(
        t.throws(() => parse(options), { instanceOf: ConfigError }),
        { path },
      )
    }
    const proto: unknown = JSON.parse('{"__proto__": 1}')
    t.throws(() => parse(group === '' ? proto : at(group, proto)), { instanceOf: ConfigError })
    for (const value of [null, 1, 'x', [], () => ({})]) {
      t.throws(() => parse(group === '' ? value : at(group, value)), { instanceOf: ConfigError }, String(value))
    }
  })
}

test('options that do not work yet are unknown', t => {
  for (const key of ['proxy', 'scope', 'replayBuffer']) {
    t.throws(() => parse({ [key]: undefined }), { instanceOf: ConfigError, message: /unknown option/ }, key)
  }
})

test('a number of retries stands in for the budget, unless that is set', t => {
  const limits = (given: object) => {
    const parsed = parsePool('https://a.test', { limits: given }, TWO_CPUS)
    const { maxRetries, retryBudget } = nativeConfig(parsed, [], () => Uint8Array.of()).limits.default
    return [maxRetries, retryBudget]
  }
  t.deepEqual(limits({ maxRetries: 7 }), [7, null])
  t.deepEqual(limits({ maxRetries: Number.POSITIVE_INFINITY }), [4_294_967_295, null])
  t.deepEqual(limits({ maxRetries: 7, retryBudget: {} }), [0, { percent: 20, minConcurrency: 3 }])
  t.deepEqual(limits({ retryBudget: { percent: 0, minConcurrency: Number.POSITIVE_INFINITY } }), [
    0,
    { percent: 0, minConcurrency: 4_294_967_295 },
  ])
})

test('a polluted prototype changes nothing', t => {
  const options = Object.create({ queueTimeout: 1, limits: { maxRequests: 1 } })
  t.is(parse(options).queueTimeout, 15_000)
  t.is(parse(options).limits.maxRequests, 1024)
})

test('each option is read once', t => {
  let reads = 0
  const options = {
    get queueTimeout() {
      reads += 1
      return reads === 1 ? 5 : Number.NaN
    },
  }
  t.is(parse(options).queueTimeout, 5)
  t.is(reads, 1)
})

test('the parsed form is frozen in all its depth and keeps nothing of the options', t => {
  const options = { limits: { high: { maxRequests: 3 } }, connection: { connectBackoff: { base: 1 } } }
  const config = parse(options)
  options.limits.high.maxRequests = 9
  t.is(config.limits.high.maxRequests, 3)
  const walk = (value: object): void => {
    t.true(Object.isFrozen(value))
    for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) walk(inner)
  }
  walk(config)
})

test('an error shows the value in short and never a long or secret one', t => {
  t.regex(t.throws(() => parse({ queueTimeout: 'x'.repeat(1_000) })).message, /got "x{64}"\.\.\.$/)
  t.regex(t.throws(() => parse({ queueTimeout: -0.5 })).message, /got -0\.5$/)
  t.regex(t.throws(() => parse({ connection: { connectTimeout: -0 } })).message, /got -0$/)
  const secret = t.throws(() => parse({ tls: { cert: PEM, key: 'hunter2' } }), { instanceOf: ConfigError })
  t.is(secret.path, 'tls.key')
  t.false(secret.message.includes('hunter2'))
})

test('limits of priority high are the defaults, not the values beside them', t => {
  t.is(parse({ limits: { maxRequests: 5 } }).limits.high.maxRequests, 1024)
})

test('the back-off grows its maximum with its base, unless that is set', t => {
  t.deepEqual(parse({ connection: { connectBackoff: { base: 1_000 } } }).connection.connectBackoff, {
    base: 1_000,
    max: 1_000,
  })
  t.throws(() => parse({ connection: { connectBackoff: { base: 300, max: 250 } } }), { message: /connectBackoff\.max/ })
})

test('a local address beside a Unix socket is refused', t => {
  t.throws(() => parse({ connection: { socketPath: '/a', localAddress: '127.0.0.1' } }), { message: /localAddress/ })
})

test('tls has no effect on http and is refused there', t => {
  t.throws(() => parse({ tls: {} }, 'http://a.test'), { instanceOf: ConfigError, message: /^tls: / })
  t.is(parse({}, 'http://a.test').tls, null)
})

test('certificate and key belong together and are not shown', t => {
  t.like(
    t.throws(() => parse({ tls: { cert: PEM } })),
    { path: 'tls.key' },
  )
  t.like(
    t.throws(() => parse({ tls: { key: PEM } })),
    { path: 'tls.cert' },
  )
  const parsed = parsePool(
    'https://a.test',
    { tls: { cert: PEM, key: Buffer.from(PEM), ca: [PEM, Buffer.from(PEM)] } },
    TWO_CPUS,
  )
  t.is(Buffer.from(parsed.tlsFiles.key ?? []).toString(), PEM)
  t.is(Buffer.from(parsed.tlsFiles.ca ?? []).toString(), `${PEM}\n${PEM}\n`)
  t.deepEqual([parsed.config.tls?.roots, parsed.config.tls?.clientCertificate], ['own', true])
  t.false(JSON.stringify(parsed.config).includes('BEGIN'))
  for (const ca of ['', 'no pem', [], [1], 1, null, {}, ['-----BEGIN X', '']]) {
    t.throws(() => parse({ tls: { ca } }), { instanceOf: ConfigError, message: /^tls\.ca/ }, String(ca))
  }
})

test('runOn auto is the loop on one CPU where that is possible, else the thread', t => {
  const runner = (runOn: unknown, parallelism: number, eventLoopSupport: string | null) =>
    parse({ runOn }, 'http://a.test', { parallelism, eventLoopSupport }).runOn
  t.is(runner('auto', 1, null), 'event-loop')
  t.is(runner(undefined, 1, null), 'event-loop')
  t.is(runner('auto', 2, null), 'thread')
  t.is(runner('auto', 1, 'no uv_poll_t'), 'thread')
  t.is(runner('thread', 1, null), 'thread')
  t.is(runner('event-loop', 8, null), 'event-loop')
  const oneCpu = { parallelism: 1, eventLoopSupport: null }
  t.is(parse({ protocols: ['h3'] }, 'https://a.test', oneCpu).runOn, 'thread', 'HTTP/3 does not wait for JavaScript')
  t.is(parse({ protocols: ['h3'], runOn: 'event-loop' }, 'https://a.test', oneCpu).runOn, 'event-loop')
  t.throws(() => runner('event-loop', 1, 'no uv_poll_t here'), {
    instanceOf: ConfigError,
    message: /^runOn: .*no uv_poll_t here/,
  })
  for (const bad of ['loop', '', null, 1, true]) t.throws(() => runner(bad, 1, null), { instanceOf: ConfigError })
})

test('what crosses has every field, and a number for unlimited', t => {
  const parsed = parsePool('https://A.test:8443/', { limits: { maxRequests: Number.POSITIVE_INFINITY } }, TWO_CPUS)
  const roots = Uint8Array.of(1, 2, 3)
  const native = nativeConfig(parsed, [{ address: '10.0.0.1', port: 8443 }], () => roots)
  const limits = {
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    onMaxRequests: 'reject',
    maxConnectionPools: 4_294_967_295,
    maxRetries: 0,
    retryBudget: { percent: 20, minConcurrency: 3 },
  } as const
  t.deepEqual(native, {
    name: 'https://a.test:8443',
    origin: { scheme: 'https', host: 'a.test', port: 8443, authority: 'a.test:8443' },
    protocols: ['h2', 'h1'],
    addresses: [{ address: '10.0.0.1', port: 8443 }],
    limits: {
      default: { ...limits, maxRequests: 4_294_967_295 },
      high: limits,
      perHostMaxConnections: 4_294_967_295,
    },
    connection: {
      connectTimeout: 5_000,
      addressDelay: 300,
      idleTimeout: 55_000,
      maxConnectionDuration: 0,
      durationJitter: 0.1,
      maxRequestsPerConnection: 0,
      drainTimeout: 0,
      pick: 'least-loaded',
      onConnectFailure: 'uncovered',
      onCancel: 'keep',
      connectBackoffBase: 25,
      connectBackoffMax: 250,
      preconnectRatio: 1,
      tcpUserTimeout: 0,
      localAddress: null,
      socketPath: null,
    },
    timeouts: {
      queueTimeout: 15_000,
      headersTimeout: 30_000,
      bodyIdleTimeout: 30_000,
      perTryTimeout: 0,
      perTryIdleTimeout: 0,
      totalTimeout: 0,
      maxStreamDuration: 0,
    },
    bounds: {
      maxHeadSize: 65_536,
      maxHeadFields: 100,
      maxPathSize: 16_384,
      maxRequestHeadSize: 65_536,
      maxRequestHeadFields: 100,
    },
    tls: {
      ca: roots,
      crl: null,
      cert: null,
      key: null,
      servername: null,
      minVersion: 'TLSv1.2',
      sessionCache: 256,
      dangerouslySkipVerification: false,
    },
    replay: 'idempotent',
    bodyBuffer: 262_144,
    drainVanished: true,
    http2: {
      maxConcurrentStreams: 1024,
      preSettingsStreams: null,
      remember: true,
      streamWindow: 262_144,
      connectionWindow: 4_194_304,
      adaptiveWindow: null,
      ping: null,
    },
    http3: null,
  })
  const plain = nativeConfig(parsePool('http://a.test', {}, TWO_CPUS), [], () => t.fail() as never)
  t.is(plain.tls, null)
})
