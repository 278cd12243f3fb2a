// HTTPS: identity is proven before a request leaves.

import { eachRunner } from '../support/each-runner.js'
import { mismatch, pattern } from '../support/pattern.js'
import { startTestkit, type Testkit } from '../support/upstream.js'

/** What `ca` an upstream's certificates are signed with. */
function roots(upstream: Testkit): string {
  if (upstream.ca === null) throw new Error('no TLS')
  return upstream.ca
}

eachRunner('an https origin is reached with the given root, and its connections are reused', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { tls: { ca: roots(upstream) } })
  for (const size of [0, 1, 16_384, 65_537, 1_048_576]) {
    const bytes = await (await pool.request({ path: `/bytes/${size}` })).body.bytes()
    t.is(bytes.byteLength, size)
    t.is(mismatch(bytes), -1)
  }
  const echoed = await pool.request({ method: 'POST', path: '/echo-late', body: pattern(1_048_577) })
  t.is(mismatch(await echoed.body.bytes()), -1)
  t.is((await upstream.stats()).tlsHandshakes, 1)
})

eachRunner('a name of the certificate is reached by its address when servername says so', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { tls: { ca: roots(upstream), servername: 'upstream.test' } })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner('an unknown root is FB_TLS_UNTRUSTED and no request leaves', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin)
  await t.throwsAsync(pool.request({ path: '/' }), { code: 'FB_TLS_UNTRUSTED' })
  t.is((await upstream.stats()).requestsBegun, 0)
})

for (const [identity, code] of [
  ['expired', 'FB_TLS_CERT_EXPIRED'],
  ['wrong-host', 'FB_TLS_HOST_MISMATCH'],
  ['self-signed', 'FB_TLS_UNTRUSTED'],
] as const) {
  eachRunner(`a certificate that is ${identity} is ${code}`, async (t, makePool) => {
    const upstream = await startTestkit({ args: ['--tls', identity] })
    t.teardown(() => upstream.stop())
    const pool = makePool(upstream.origin, { tls: { ca: roots(upstream) } })
    await t.throwsAsync(pool.request({ path: '/' }), { code })
    t.is((await upstream.stats()).requestsBegun, 0)
  })
}

eachRunner('dangerouslySkipVerification reaches an unknown root', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls', 'self-signed'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { tls: { dangerouslySkipVerification: true } })
  t.is((await pool.request({ path: '/' })).status, 200)
})

eachRunner('a closed connection is followed by one that resumes the session', async (t, makePool) => {
  const upstream = await startTestkit({ args: ['--tls'] })
  t.teardown(() => upstream.stop())
  const pool = makePool(upstream.origin, { tls: { ca: roots(upstream) } })
  await (await pool.request({ path: '/close' })).body.text()
  await (await pool.request({ path: '/close' })).body.text()
  t.like(await upstream.stats(), { tlsHandshakes: 2, tlsResumed: 1 })
})
