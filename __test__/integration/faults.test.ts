// Upstreams that fail: each failure has its code and says whether a retry is safe, and the pool can be used afterwards.

import type { ExecutionContext } from 'ava'
import type { ForebayError } from '../../ts/index.js'
import { eachRunner, type MakePool } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { ANSWER, type Step, WELL_BEHAVED } from '../support/script.js'
import { startScripted, startShut } from '../support/upstream.js'

/** One failing request over a first connection that plays `script`; later connections behave. */
async function failure(
  t: ExecutionContext,
  makePool: MakePool,
  script: readonly Step[],
  request: { method?: string; body?: string } = {},
): Promise<ForebayError> {
  const upstream = await startScripted(script, WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { replay: 'none' })
  const error = await rejection(pool.request({ path: '/', ...request }).then(({ body }) => body.bytes()))
  const next = await pool.request({ path: '/' })
  t.is(await next.body.text(), 'hello from the testkit', 'the pool is usable after')
  t.is(error.origin, upstream.origin)
  return error
}

eachRunner('a refused connection is FB_CONNECT_REFUSED, and the next one may succeed', async (t, makePool) => {
  const upstream = await startShut()
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, {
    code: 'FB_CONNECT_REFUSED',
    phase: 'connect',
    retryable: 'yes',
    endpoint: `127.0.0.1:${upstream.port}`,
  })
  await upstream.ask(`script ${JSON.stringify([WELL_BEHAVED])}`)
  await upstream.ask('door open')
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner('an upstream that closes without answering is FB_CONNECTION_CLOSED', async (t, makePool) => {
  t.like(await failure(t, makePool, ['request', 'close']), {
    code: 'FB_CONNECTION_CLOSED',
    retryable: 'maybe',
    reused: false,
  })
})

eachRunner('an upstream that resets without answering is FB_CONNECTION_RESET', async (t, makePool) => {
  t.like(await failure(t, makePool, ['request', 'reset']), { code: 'FB_CONNECTION_RESET', retryable: 'maybe' })
})

eachRunner('garbage instead of a status line is FB_RESPONSE_MALFORMED', async (t, makePool) => {
  const error = await failure(t, makePool, ['request', { send: 'this is not HTTP at all\r\n\r\n' }, 'close'])
  t.like(error, { code: 'FB_RESPONSE_MALFORMED', phase: 'head', retryable: 'no' })
})

eachRunner('half a head is FB_CONNECTION_CLOSED', async (t, makePool) => {
  const error = await failure(t, makePool, ['request', { send: 'HTTP/1.1 200 OK\r\ncontent-le' }, 'close'])
  t.like(error, { code: 'FB_CONNECTION_CLOSED', retryable: 'maybe' })
})

eachRunner('half a body by its length is FB_BODY_INCOMPLETE', async (t, makePool) => {
  const error = await failure(t, makePool, [
    'request',
    { send: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel' },
    'close',
  ])
  t.like(error, { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no' })
})

eachRunner('a chunked body without its end is FB_BODY_INCOMPLETE', async (t, makePool) => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  const error = await failure(t, makePool, ['request', { send: `${head}5\r\nhello\r\n` }, 'close'])
  t.like(error, { code: 'FB_BODY_INCOMPLETE', phase: 'body', retryable: 'no' })
})

eachRunner('a response that is sent byte by byte is whole', async (t, makePool) => {
  const upstream = await startScripted(['request', { send: ANSWER, pieces: 1, every: 1 }], WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const response = await makePool(upstream.origin).request({ path: '/' })
  t.is(await response.body.text(), 'hello from the testkit')
})

eachRunner('an upstream that never answers is FB_HEADERS_TIMEOUT after headersTimeout', async (t, makePool) => {
  const upstream = await startScripted(['request', 'park'])
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { headersTimeout: 60 })
  const start = performance.now()
  const error = await rejection(pool.request({ path: '/' }))
  t.like(error, { code: 'FB_HEADERS_TIMEOUT', retryable: 'maybe', timeoutMs: 60 })
  t.true(performance.now() - start >= 59)
})

eachRunner('a connection that was closed while idle is not used', async (t, makePool) => {
  const upstream = await startScripted(['request', { send: ANSWER }, 'signal', 'close'], WELL_BEHAVED)
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  await (await pool.request({ path: '/' })).body.bytes()
  await upstream.ask('signal 0')
  await upstream.until('0.ended>=1')
  const response = await pool.request({ path: '/', method: 'POST', body: 'not to be sent twice' })
  t.is(response.status, 200)
  t.is(pool.stats.cxTotal, 2)
  t.false((await upstream.received(0)).includes('POST'))
})
