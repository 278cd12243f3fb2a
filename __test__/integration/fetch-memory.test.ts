// What a fetch holds on to, and what it does not.

import test from 'ava'
import { runChild } from '../support/child.js'
import { RUNNERS } from '../support/each-runner.js'

for (const runOn of RUNNERS) {
  test(`${runOn}: responses that are dropped let go of their connections, and a Request is kept for its signal`, async t => {
    const child = await runChild('dropped-fetches', [runOn], ['--expose-gc'])
    t.is(child.code, 0, child.stderr)
    t.deepEqual(JSON.parse(child.stdout), { rqActive: 0, kept: 4_000_000, aborted: ['enough', 'enough'] })
  })
}
