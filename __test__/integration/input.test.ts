// Bad input: a typed error that names the field, never shows a header's value, and nothing is sent, not even a connection is made.

import test from 'ava'
import { ConfigError, ForebayError, Pool, type PoolOptions, RequestError, type RequestOptions } from '../../ts/index.js'
import { RUNNERS } from '../support/each-runner.js'
import { startTestkit } from '../support/upstream.js'

const ORIGIN = 'http://127.0.0.1:1'

const CONFIGURATIONS: readonly (readonly [what: string, origin: string, options: unknown, path: string])[] = [
  ['an origin that is no URL', 'not a url', {}, 'origin'],
  ['an origin of another scheme', 'ftp://127.0.0.1', {}, 'origin'],
  ['an origin with a path', 'http://127.0.0.1/path', {}, 'origin'],
  ['an origin with a user', 'http://user@127.0.0.1', {}, 'origin'],
  ['a negative limit', ORIGIN, { limits: { maxConnections: -1 } }, 'limits.maxConnections'],
  ['a limit with a fraction', ORIGIN, { limits: { maxPendingRequests: 1.5 } }, 'limits.maxPendingRequests'],
  ['a limit that is text', ORIGIN, { limits: { maxRequests: '5' } }, 'limits.maxRequests'],
  ['a limit that is NaN', ORIGIN, { limits: { high: { maxRequests: Number.NaN } } }, 'limits.high.maxRequests'],
  ['an unknown option', ORIGIN, { maxConnections: 5 }, 'maxConnections'],
  ['an unknown option within', ORIGIN, { limits: { maxConection: 5 } }, 'limits.maxConection'],
  ['a time-out that is negative', ORIGIN, { headersTimeout: -1 }, 'headersTimeout'],
  ['a time-out past 2^31-1', ORIGIN, { headersTimeout: 2 ** 31 }, 'headersTimeout'],
  ['no connect time-out', ORIGIN, { connection: { connectTimeout: 0 } }, 'connection.connectTimeout'],
  ['another runner', ORIGIN, { runOn: 'worker' }, 'runOn'],
]

for (const [what, origin, options, path] of CONFIGURATIONS) {
  test(`${what} is FB_INVALID_CONFIG at ${path}`, t => {
    const error = t.throws(() => new Pool(origin, options as PoolOptions), { instanceOf: ConfigError })
    t.like(error, { code: 'FB_INVALID_CONFIG', path })
    t.true(error.message.includes(path), error.message)
  })
}

const SECRET = 'secret-value'

const REQUESTS: readonly (readonly [what: string, request: unknown, field: string])[] = [
  ['a header with CR LF', { path: '/', headers: { 'x-a': `${SECRET}\r\nx-b: 1` } }, 'x-a'],
  ['a header with LF alone', { path: '/', headers: { 'x-a': `${SECRET}\n` } }, 'x-a'],
  ['a header with NUL', { path: '/', headers: { 'x-a': `${SECRET}\0` } }, 'x-a'],
  ['a header with a code point above U+00FF', { path: '/', headers: { 'x-a': `${SECRET}\u010a` } }, 'x-a'],
  ['a header name with a space', { path: '/', headers: { 'x a': SECRET } }, 'x a'],
  ['an empty header name', { path: '/', headers: { '': SECRET } }, 'headers'],
  ['a header that frames the body', { path: '/', headers: { 'transfer-encoding': 'chunked' } }, 'transfer-encoding'],
  ['a header of the connection', { path: '/', headers: { connection: 'close' } }, 'connection'],
  ['a Host header', { path: '/', headers: { host: 'other.test' } }, 'host'],
  ['a method with a space', { path: '/', method: 'GET /' }, 'method'],
  ['a method with CR LF', { path: '/', method: 'GET\r\n' }, 'method'],
  ['an empty method', { path: '/', method: '' }, 'method'],
  ['a path with a space', { path: '/a b' }, 'path'],
  ['a path with a control character', { path: '/a\u0001b' }, 'path'],
  ['a path with CR LF', { path: '/a HTTP/1.1\r\nx: y' }, 'path'],
  ['a path beyond ASCII', { path: '/\u00e9' }, 'path'],
  ['a path without a slash', { path: 'http://other.test/' }, 'path'],
  ['an empty path', { path: '' }, 'path'],
  ['no path', {}, 'path'],
]

for (const runOn of RUNNERS) {
  test(`${runOn}: a bad request is FB_INVALID_REQUEST, names its field, and nothing is sent`, async t => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    await using pool = new Pool(upstream.origin, { runOn })
    for (const [what, request, field] of REQUESTS) {
      const error = await t.throwsAsync(
        async () => pool.request(request as RequestOptions),
        { instanceOf: RequestError },
        what,
      )
      t.is(error.code, 'FB_INVALID_REQUEST', what)
      t.true(error.field.includes(field), `${what}: ${error.field}`)
      t.false(error.message.includes(SECRET), what)
    }
    const { connectionsAccepted, requestsBegun } = await upstream.stats()
    t.deepEqual({ connectionsAccepted, requestsBegun }, { connectionsAccepted: 0, requestsBegun: 0 })
    t.is((await pool.request({ path: '/' })).status, 200)
    t.is((await upstream.stats()).requestsBegun, 1)
  })

  test(`${runOn}: a refused request among good ones of the same turn changes none of them`, async t => {
    const upstream = await startTestkit()
    t.teardown(() => upstream.stop())
    await using pool = new Pool(upstream.origin, { runOn })
    const good = () => pool.request({ path: '/inspect', headers: { 'x-n': '1' } })
    const bad = () => pool.request({ path: '/inspect', headers: { 'x-ok': 'ok', 'x-a': 'a\r\nb' } })
    const [first, refused, last] = await Promise.allSettled([good(), bad(), good()])
    t.true(refused.status === 'rejected' && refused.reason instanceof ForebayError)
    for (const settled of [first, last]) {
      if (settled.status !== 'fulfilled') throw settled.reason
      const { path, headers } = await settled.value.body.json<{ path: string; headers: [string, string][] }>()
      t.is(path, '/inspect')
      t.deepEqual(
        headers.map(([name]) => name.toLowerCase()).filter(name => name.startsWith('x-')),
        ['x-n'],
      )
    }
    t.is((await upstream.stats()).requestsBegun, 2)
  })
}
