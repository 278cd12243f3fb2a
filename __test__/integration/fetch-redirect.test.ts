// fetch and redirects. The platform's own is the reference, but for those that lead out of the pool.

import test from 'ava'
import { type FetchUpstreams, fetchThrough } from '../../ts/fetch/fetch.js'
import { Pool, RequestError, type RequestOptions } from '../../ts/index.js'
import { alike, ours, outcome, shown, useFetchServer } from '../support/alike.js'
import { startFetchServer } from '../support/fetch-server.js'

useFetchServer()

const STATUSES = [301, 302, 303, 307, 308]
const to = encodeURIComponent('/echo?x=1#y')

for (const status of STATUSES) {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
    const hasBody = method === 'POST' || method === 'PUT'
    alike(`${status} after ${method}`, async ({ fetch, origin }) => {
      const headers = { 'x-a': '1', 'content-language': 'de', authorization: 'Bearer x' }
      const response = await fetch(`${origin}/redirect/${status}?to=${to}#own`, {
        method,
        headers,
        body: hasBody ? 'text' : null,
      })
      return [shown(response, origin), await response.text()]
    })
  }
  alike(`${status} with redirect: manual`, async ({ fetch, origin }) => {
    const response = await fetch(`${origin}/redirect/${status}?to=${to}`, { redirect: 'manual' })
    return [shown(response, origin), await response.text()]
  })
  alike(`${status} with redirect: error`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/redirect/${status}?to=${to}`, { redirect: 'error' })),
  )
  alike(`${status} without a place`, async ({ fetch, origin }) => {
    const response = await fetch(`${origin}/redirect/${status}`)
    return [shown(response, origin), await response.text()]
  })
  alike(`${status} without a place, with redirect: error`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/redirect/${status}`, { redirect: 'error' })),
  )
  alike(`${status} after a POST of a stream`, ({ fetch, origin }) => {
    const body = new Blob(['streamed']).stream()
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    return outcome(
      (async () => {
        const response = await fetch(`${origin}/redirect/${status}?to=${to}`, init)
        return response.json()
      })(),
    )
  })
}

for (const status of [300, 304, 305, 306]) {
  alike(`${status} is no redirect`, async ({ fetch, origin }) =>
    shown(await fetch(`${origin}/redirect/${status}?to=/echo`), origin),
  )
}

for (const body of ['text', new URLSearchParams('a=b'), new Blob(['x'], { type: 'a/b' })]) {
  alike(`307 sends ${body.constructor.name} again`, async ({ fetch, origin }) =>
    (await fetch(`${origin}/redirect/307?to=/echo`, { method: 'POST', body })).json(),
  )
}

ours('307 sends bytes again', async (t, { fetch }) => {
  const response = await fetch('/redirect/307?to=/echo', { method: 'POST', body: new Uint8Array([97, 98]) })
  t.like(await response.json(), { method: 'POST', body: 'ab' })
})

alike('307 sends FormData again', async ({ fetch, origin }) => {
  const body = new FormData()
  body.set('a', '1')
  const response = await fetch(`${origin}/redirect/307?to=/echo`, { method: 'POST', body })
  return ((await response.json()) as { body: string }).body.replaceAll(/[-\w]*formdata[-\w]*/g, 'B')
})

alike('307 sends the body of a Request again', async ({ fetch, origin }) =>
  (await fetch(new Request(`${origin}/redirect/307?to=/echo`, { method: 'POST', body: 'text' }))).json(),
)

alike('twenty redirects are followed', async ({ fetch, origin }) => {
  const response = await fetch(`${origin}/hops/20`)
  return [shown(response, origin), await response.text()]
})
alike('twenty-one are not', ({ fetch, origin }) => outcome(fetch(`${origin}/hops/21`)))

for (const place of ['relative', '../echo', '?only=query', '//HOST/echo', 'http://HOST/echo#new', '/echo?a b', '']) {
  alike(`the place '${place}'`, async ({ fetch, origin }) => {
    const where = encodeURIComponent(place.replace('HOST', new URL(origin).host))
    const response = await fetch(`${origin}/redirect/302?to=${where}`, { redirect: 'follow' }).catch(() => null)
    return response === null ? 'fails' : [response.status, response.url.replace(origin, '')]
  })
}
for (const place of [
  'http://',
  'ftp://example.com/',
  'mailto:x@example.com',
  'data:,x',
  'http://user:pass@HOST/echo',
]) {
  alike(`the place '${place}' fails`, async ({ fetch, origin }) => {
    const where = encodeURIComponent(place.replace('HOST', new URL(origin).host))
    const result = await outcome(fetch(`${origin}/redirect/302?to=${where}`))
    return 'error' in (result as object) ? result : 'does not'
  })
}

alike('a place in UTF-8', async ({ fetch, origin }) => (await (await fetch(`${origin}/utf8`)).json()) as object)

ours(
  'B26: a redirect to another origin is refused, and its connection is kept [in part: a pool of one origin]',
  async (t, scene) => {
    const { fetch, origin, elsewhere, pool } = scene
    const place = encodeURIComponent(`${elsewhere}/echo`)
    const error = await t.throwsAsync(fetch(`${origin}/redirect/302?to=${place}`), { message: 'fetch failed' })
    t.true(error.cause instanceof RequestError)
    t.like(error.cause, { code: 'FB_INVALID_REQUEST', field: 'redirect', phase: 'head' })
    const manual = await fetch(`${origin}/redirect/302?to=${place}`, { redirect: 'manual' })
    t.is(manual.headers.get('location'), `${elsewhere}/echo`)
    t.is(pool.stats.cxTotal, 1)
  },
)

ours('the connection of a redirect is used again', async (t, { fetch, pool }) => {
  await (await fetch('/hops/10')).text()
  t.is(pool.stats.rqTotal, 11)
  t.is(pool.stats.cxTotal, 1)
})

test('credentials do not leave their origin (fetch over pools of two origins)', async t => {
  const server = await startFetchServer()
  const pools = [server.origin, server.elsewhere].map(origin => new Pool(origin))
  t.teardown(() => Promise.all(pools.map(pool => pool.destroy())).then(() => server.stop()))
  const upstreams: FetchUpstreams = {
    base: null,
    at(origin) {
      const pool = pools.find(({ config }) => config.origin === origin)
      const request = (options: RequestOptions) => (pool as Pool).request(options)
      return pool === undefined ? null : { request, maxReadSize: 1000 }
    },
  }
  const headers = { authorization: 'a', 'Proxy-Authorization': 'b', Cookie: 'c', 'x-a': '1' }
  const go = (place: string) =>
    fetchThrough(upstreams, `${server.origin}/redirect/307?to=${encodeURIComponent(place)}`, {
      method: 'POST',
      body: 'text',
      headers,
    })
  const away = await go(`${server.elsewhere}/echo`)
  const left = (await away.json()) as { fields: [string, string][]; body: string }
  t.is(away.url, `${server.elsewhere}/echo`)
  t.is(left.body, 'text')
  t.deepEqual(
    left.fields.map(([name]) => name),
    ['accept-encoding', 'content-length', 'content-type', 'x-a'],
  )
  const same = (await (await go('/echo')).json()) as { fields: [string, string][] }
  t.like(Object.fromEntries(same.fields), { authorization: 'a', 'proxy-authorization': 'b', cookie: 'c' })
  await t.throwsAsync(fetchThrough(upstreams, '/path', undefined), { instanceOf: TypeError })
})
