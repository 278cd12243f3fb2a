// Retries over real upstreams: what is let go, what is sent again, and ends while a retry waits.

import { ForebayError } from '../../ts/index.js'
import { startAnswering } from '../support/answering.js'
import { eventually } from '../support/cases.js'
import { eachRunner } from '../support/each-runner.js'
import { rejection } from '../support/rejection.js'
import { atRest } from '../support/rest.js'

const LARGE = 1_000_000

eachRunner('a long response that is repeated is let go, and the next one is whole', async (t, makePool) => {
  const upstream = await startAnswering(t, (_request, response, count) => {
    response.writeHead(count === 1 ? 503 : 200).end(Buffer.alloc(LARGE, count))
  })
  const pool = makePool(upstream.origin, { retry: { on: ['5xx'] } })
  const response = await pool.request({ path: '/' })
  t.is(response.status, 200)
  t.true(Buffer.alloc(LARGE, 2).equals(await response.body.bytes()))
  await pool.close()
  atRest(t, pool)
})

eachRunner('an upload from a function is produced again', async (t, makePool) => {
  const received: string[] = []
  const upstream = await startAnswering(t, (request, response, count) => {
    let text = ''
    request.on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      received.push(text)
      if (count === 1) request.socket.destroy()
      else response.end()
    })
  })
  const pool = makePool(upstream.origin, { retry: { on: ['reset'] }, replay: 'none' })
  let made = 0
  async function* lines() {
    made += 1
    for (let n = 0; n < 100; n += 1) yield `${made}: line ${n}\n`
  }
  const response = await pool.request({ path: '/', method: 'PUT', body: () => lines() })
  t.is(response.status, 200)
  const expected = [1, 2].map(time => Array.from({ length: 100 }, (_, n) => `${time}: line ${n}\n`).join(''))
  t.deepEqual(received, expected)
})

eachRunner('while a retry waits it can be aborted, run out of time or be destroyed', async (t, makePool) => {
  const upstream = await startAnswering(t, (_request, response) =>
    response.writeHead(503, { 'retry-after': '60' }).end(),
  )
  const pool = makePool(upstream.origin, { retry: { on: ['5xx'] } })
  const waiting = async (count: number): Promise<void> =>
    eventually(`retry ${count} waits`, () => pool.stats.rqRetry === count && pool.stats.rqActive === 0)

  const abort = new AbortController()
  const aborted = t.throwsAsync(pool.request({ path: '/', signal: abort.signal }))
  await waiting(1)
  const reason = new Error('enough')
  abort.abort(reason)
  t.is(await aborted, reason)

  // The wait would be longer than the time that is left: it is not begun.
  t.is((await pool.request({ path: '/', totalTimeout: 5_000 })).status, 503)
  t.is(pool.stats.rqRetry, 1)

  const destroyed = rejection(pool.request({ path: '/' }))
  await waiting(2)
  await pool.destroy()
  const error = await destroyed
  t.true(error instanceof ForebayError)
  t.like(error, { code: 'FB_POOL_CLOSED', retryable: 'maybe' })
  atRest(t, pool)
})

eachRunner('a pool that closes waits for retries that wait', async (t, makePool) => {
  const upstream = await startAnswering(t, (_request, response, count) => {
    if (count === 1) response.writeHead(503, { 'retry-after': '1' }).end()
    else response.end('at last')
  })
  const pool = makePool(upstream.origin, { retry: { on: ['5xx'] } })
  const promise = pool.request({ path: '/' })
  await eventually('the retry waits', () => pool.stats.rqRetry === 1)
  const closed = pool.close()
  t.is(await (await promise).body.text(), 'at last')
  await closed
  atRest(t, pool)
})
