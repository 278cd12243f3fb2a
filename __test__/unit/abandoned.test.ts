// A pool that nobody holds any more.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { useBinding } from '../../ts/native/environment.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import { type FakeBinding, useFake } from '../support/fake-native.js'
import { connectedRecord, responseRecord } from '../support/records.js'

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

test.after.always(() => useBinding(null))

/** Collects until `done`, or gives up: a collector promises no time. */
async function collected(done: () => boolean): Promise<boolean> {
  for (let round = 0; round < 200 && !done(); round++) {
    if (typeof collectGarbage === 'function') collectGarbage()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return done()
}

/** In a function of its own, so that no variable keeps the pool. */
function requestAndForget(binding: FakeBinding): Promise<string> {
  const pool = new Pool('http://127.0.0.1', { runOn: 'thread' })
  binding.channel.deliver(connectedRecord(1, 1))
  return pool.request({ path: '/' }).then(response => response.body.text())
}

test.serial('it closes itself, and what is under way is still answered', async t => {
  const binding = useFake()
  const answer = requestAndForget(binding)
  await binding.channel.seen('request')
  t.true(await collected(() => binding.channel.submissions.some(one => one.type === 'pool-close')))
  binding.channel.deliver(responseRecord(0, { body: 'still here' }))
  t.is(await answer, 'still here')
  binding.channel.closed()
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(binding.channel.forgotten, [1])
})

test.serial('one that is held stays open', async t => {
  const binding = useFake()
  const pool = new Pool('http://127.0.0.1', { runOn: 'thread' })
  t.false(await collected(() => binding.channel.submissions.length > 0))
  t.false(pool.closed)
})
