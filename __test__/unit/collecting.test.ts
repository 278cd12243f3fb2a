// Bodies that are read whole: where the native side puts what comes.

import test from 'ava'
import { useBinding } from '../../ts/native/environment.js'
import { begun } from '../support/body-scene.js'
import { mismatch, pattern } from '../support/pattern.js'
import { dataRecord, directRecord, endRecord } from '../support/records.js'

const TOTAL = 200_000

test.after.always(() => useBinding(null))

test.serial('a body of an announced length goes straight to the memory of who collects it', async t => {
  const { native, body } = await begun({ total: TOTAL })
  const whole = pattern(TOTAL)
  native.deliver(dataRecord(0, whole.subarray(0, 1_000)))
  const reading = body.arrayBuffer()
  const target = native.targets.get(0)
  t.is(target?.length, TOTAL - 1_000, 'what came before is there already')
  target?.set(whole.subarray(1_000))
  native.deliver(directRecord(0, 150_000))
  native.deliver(directRecord(0, TOTAL - 151_000), endRecord(0))
  const bytes = new Uint8Array(await reading)
  t.is(bytes.length, TOTAL)
  t.is(mismatch(bytes), -1)
  t.true(bytes.buffer === target?.buffer, 'no copy was made of it')
})

test.serial('a body that outgrows its announced length goes on by way of the slab', async t => {
  const { native, body } = await begun({ total: TOTAL })
  const whole = pattern(TOTAL + 10)
  const reading = body.bytes()
  native.targets.get(0)?.set(whole.subarray(0, TOTAL))
  native.deliver(directRecord(0, TOTAL), dataRecord(0, whole.subarray(TOTAL)), endRecord(0))
  const bytes = await reading
  t.is(bytes.length, TOTAL + 10)
  t.is(mismatch(bytes), -1)
})

test.serial('direct parts count for credit and for maxReadSize', async t => {
  const { native, body } = await begun({ total: TOTAL, pool: { bodyBuffer: 65_536 } })
  const reading = body.bytes()
  native.deliver(directRecord(0, 40_000))
  const [credit] = await native.seen('credit')
  t.is(credit?.bytes, 40_000)
  native.deliver(directRecord(0, 160_000), endRecord(0))
  t.is((await reading).length, TOTAL)

  const bounded = await begun({ request: { maxReadSize: 10 } })
  const refused = bounded.body.bytes()
  t.is(bounded.native.targets.size, 0, 'no length is announced: no memory is set aside')
  bounded.native.deliver(dataRecord(0, pattern(11)))
  await t.throwsAsync(refused, { code: 'FB_BODY_TOO_LARGE' })
})

test.serial('short bodies and streams have no memory of their own', async t => {
  const short = await begun({ total: 1_000 })
  void short.body.bytes().catch(() => undefined)
  t.is(short.native.targets.size, 0)
  const stream = await begun({ total: TOTAL })
  stream.body.stream()
  t.is(stream.native.targets.size, 0)
})
