// Tunnels: how they are asked for, both directions, half-close, every end. The native side is a fake.

import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import test from 'ava'
import { ClosedError, ConnectError, RequestError } from '../../ts/errors/errors.js'
import { useBinding } from '../../ts/native/environment.js'
import { requestFlag } from '../../ts/native/layout.js'
import type { ConnectOptions } from '../../ts/request/connect.js'
import { bodyText, codeIndex, fakePool, parts, turns } from '../support/fake-pool.js'
import { dataRecord, endRecord, failRecord, peerEndedRecord, responseRecord, takenRecord } from '../support/records.js'

test.after.always(() => useBinding(null))

const BUFFER = 16_384
const TUNNEL: ConnectOptions = { type: 'tunnel', authority: 'A.test:443' }
const UPGRADE: ConnectOptions = { type: 'upgrade', path: '/chat', protocol: 'websocket' }

function connecting(options: ConnectOptions = TUNNEL) {
  const { pool, native } = fakePool({ bodyBuffer: BUFFER })
  const promise = pool.connect(options)
  promise.catch(() => {})
  return { pool, native, promise }
}

async function open(options: ConnectOptions = TUNNEL) {
  const { pool, native, promise } = connecting(options)
  await native.seen('request')
  native.deliver(
    responseRecord(0, { status: options.type === 'tunnel' ? 200 : 101, tunnel: true, fields: [['a', 'b']] }),
  )
  const { socket, head } = await promise
  return { pool, native, socket, head }
}

async function text(socket: Duplex): Promise<string> {
  let all = ''
  for await (const chunk of socket) all += String(chunk)
  return all
}

test.serial('CONNECT names its authority, canonical and with its port, as target and as Host', async t => {
  for (const [authority, sent] of [
    ['A.test:443', 'a.test:443'],
    ['a.test:80', 'a.test:80'],
    ['[0:0::1]:8443', '[::1]:8443'],
  ] as const) {
    const { native } = connecting({ type: 'tunnel', authority, headers: { 'proxy-authorization': 'x' } })
    const [request] = await native.seen('request')
    t.like(request, { method: 'CONNECT', path: sent, bodyTotal: null, idempotent: false })
    t.is(request?.flags, requestFlag.STREAM | requestFlag.TUNNEL)
    t.deepEqual(request?.fields, [
      ['host', sent],
      ['proxy-authorization', 'x'],
    ])
  }
})

test.serial('an upgrade names its protocol first', async t => {
  const { native } = connecting({ ...UPGRADE, headers: { 'sec-websocket-version': '13' } })
  const [request] = await native.seen('request')
  t.like(request, { method: 'GET', path: '/chat', bodyTotal: null })
  t.is(request?.flags, requestFlag.STREAM | requestFlag.UPGRADE)
  t.deepEqual(request?.fields, [
    ['upgrade', 'websocket'],
    ['sec-websocket-version', '13'],
  ])
})

test.serial('what is no tunnel is refused, and nothing is sent', async t => {
  const bad: readonly (readonly [options: unknown, field: string])[] = [
    [null, 'options'],
    [{}, 'type'],
    [{ type: 'x' }, 'type'],
    [{ type: 'tunnel' }, 'authority'],
    [{ type: 'tunnel', authority: 'a.test' }, 'authority'],
    [{ type: 'tunnel', authority: 'a.test:0' }, 'authority'],
    [{ type: 'tunnel', authority: 'user@a.test:1' }, 'authority'],
    [{ type: 'tunnel', authority: 'a.test:1\r\nx: y' }, 'authority'],
    [{ type: 'tunnel', authority: 'a.test:1', path: '/' }, 'path'],
    [{ type: 'upgrade', protocol: 'x' }, 'path'],
    [{ type: 'upgrade', path: 'x', protocol: 'x' }, 'path'],
    [{ type: 'upgrade', path: '/' }, 'protocol'],
    [{ type: 'upgrade', path: '/', protocol: 'a, b' }, 'protocol'],
    [{ type: 'upgrade', path: '/', protocol: 'a\r\nb: c' }, 'protocol'],
    [{ type: 'upgrade', path: '/', protocol: '' }, 'protocol'],
    [{ ...UPGRADE, headers: { connection: 'x' } }, 'connection'],
    [{ ...UPGRADE, headers: { upgrade: 'x' } }, 'upgrade'],
    [{ ...UPGRADE, headers: { 'content-length': 3 } }, 'content-length'],
    [{ ...UPGRADE, signal: 1 }, 'signal'],
  ]
  for (const [options, field] of bad) {
    const { native, promise } = connecting(options as ConnectOptions)
    const error = await t.throwsAsync(promise, { instanceOf: RequestError }, JSON.stringify(options))
    t.is(error.field, field, JSON.stringify(options))
    t.deepEqual(native.submissions, [])
  }
})

test.serial('bytes go both ways, and each side ends for itself', async t => {
  const { native, socket, head } = await open()
  t.is(head.status, 200)
  t.is(head.headers.get('a'), 'b')
  socket.write('to the peer')
  native.deliver(dataRecord(0, Buffer.from('from the peer')))
  const [chunk] = await once(socket, 'data')
  t.is(String(chunk), 'from the peer')
  socket.end(' the end')
  await turns()
  t.is(bodyText(native), 'to the peer the end')
  t.true(parts(native).at(-1)?.ends)
  t.false(socket.destroyed)
  native.deliver(dataRecord(0, Buffer.from('more')))
  t.is(String((await once(socket, 'data'))[0]), 'more')
  native.deliver(peerEndedRecord(0), endRecord(0))
  await once(socket, 'close')
  t.deepEqual(
    native.submissions.filter(one => one.type === 'cancel'),
    [],
  )
})

test.serial('the peer may end first, and our side goes on', async t => {
  const { native, socket } = await open(UPGRADE)
  const reading = text(socket)
  native.deliver(dataRecord(0, Buffer.from('all')), peerEndedRecord(0))
  t.is(await reading.catch(String), 'all')
  const other = await open()
  other.socket.resume()
  other.native.deliver(peerEndedRecord(0))
  await once(other.socket, 'end')
  other.socket.end('still')
  await turns()
  t.is(bodyText(other.native), 'still')
  other.native.deliver(endRecord(0))
  await turns()
  t.true(other.socket.destroyed)
})

test.serial('our side waits for the peer: no more than the window is under way', async t => {
  const { native, socket } = await open()
  let done = 0
  for (let n = 0; n < 10; n += 1) socket.write(Buffer.alloc(5_000, n), () => (done += 1))
  await turns()
  t.is(Buffer.concat(parts(native).map(one => one.bytes)).length, BUFFER)
  t.is(done, 3)
  native.deliver(takenRecord(0, BUFFER))
  await turns()
  t.is(done, 6)
  native.deliver(takenRecord(0, BUFFER), takenRecord(0, BUFFER))
  await turns()
  const all = Buffer.concat(parts(native).map(one => one.bytes))
  t.is(all.length, 50_000)
  t.true(all.every((value, at) => value === Math.floor(at / 5_000)))
  t.is(done, 10)
})

test.serial('the peer waits for our reader: credit is granted as it reads', async t => {
  const { native, socket } = await open()
  const chunk = Buffer.alloc(8_192)
  native.deliver(dataRecord(0, chunk), dataRecord(0, chunk))
  await turns()
  t.deepEqual(
    native.submissions.filter(one => one.type === 'credit'),
    [],
  )
  socket.resume()
  await turns()
  t.like(
    native.submissions.filter(one => one.type === 'credit'),
    { 0: { bytes: 8_192 } },
  )
})

test.serial('to destroy it resets it', async t => {
  for (const error of [undefined, new Error('mine')]) {
    const { native, socket } = await open()
    const closed = once(socket, error === undefined ? 'close' : 'error')
    socket.destroy(error)
    t.deepEqual(await closed, error === undefined ? [] : [error])
    t.is((await native.seen('cancel')).length, 1)
    native.deliver(failRecord(0, { code: codeIndex('FB_ABORTED') }))
    await turns()
    t.is(native.submissions.filter(one => one.type === 'cancel').length, 1)
  }
})

test.serial('to destroy it after the peer has ended resets it, too', async t => {
  const { native, socket } = await open()
  socket.resume()
  native.deliver(peerEndedRecord(0))
  await once(socket, 'end')
  socket.destroy()
  t.is((await native.seen('cancel')).length, 1)
})

test.serial('an abort destroys an open tunnel with its reason, and leaves no listener', async t => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const { native, socket } = await open({ ...TUNNEL, signal: controller.signal })
  const failed = once(socket, 'error')
  controller.abort(reason)
  t.deepEqual(await failed, [reason])
  t.is((await native.seen('cancel')).length, 1)
})

test.serial('an abort before the answer rejects with its reason', async t => {
  const controller = new AbortController()
  const { native, promise } = connecting({ ...TUNNEL, signal: controller.signal })
  await native.seen('request')
  controller.abort('why')
  t.is(await promise.catch((error: unknown) => error), 'why')
  await native.seen('cancel')
  const before = connecting({ ...TUNNEL, signal: AbortSignal.abort('before') })
  t.is(await before.promise.catch((error: unknown) => error), 'before')
  t.deepEqual(before.native.submissions, [])
})

test.serial('a failure of the connection destroys it: whether it reads or writes', async t => {
  for (const peerEnded of [false, true]) {
    const { native, socket } = await open()
    const failed = once(socket, 'error')
    if (peerEnded) native.deliver(peerEndedRecord(0))
    socket.write(Buffer.alloc(100_000))
    await turns()
    native.deliver(failRecord(0, { code: codeIndex('FB_BODY_INCOMPLETE'), phase: 8, connection: 1 }))
    t.like((await failed)[0], { code: 'FB_BODY_INCOMPLETE', endpoint: '127.0.0.1:8080' })
  }
})

test.serial('one that failed before anybody held it says so', async t => {
  const { native, promise } = connecting()
  await native.seen('request')
  const failure = failRecord(0, { code: codeIndex('FB_BODY_INCOMPLETE'), phase: 8, connection: 1 })
  native.deliver(responseRecord(0, { tunnel: true }), failure)
  const { socket } = await promise
  t.like((await once(socket, 'error'))[0], { code: 'FB_BODY_INCOMPLETE' })
})

test.serial('an upstream that refuses is FB_PROXY_FAILED, with the status as last attempt', async t => {
  for (const [status, retryable] of [
    [502, 'yes'],
    [407, 'no'],
  ] as const) {
    const { native, promise } = connecting()
    await native.seen('request')
    native.deliver(responseRecord(0, { status, reason: 'No', body: 'why' }))
    const error = await t.throwsAsync(promise, { instanceOf: ConnectError })
    t.like(error, { code: 'FB_PROXY_FAILED', phase: 'connect', retryable, endpoint: '127.0.0.1:8080' })
    t.like(error.attempts, { 0: { type: 'response', status } })
    t.is((error.cause as Error).message, `${status} No`)
    t.true(error.message.includes('CONNECT a.test:443'))
  }
  const { native, promise } = connecting(UPGRADE)
  await native.seen('request')
  native.deliver(responseRecord(0, { status: 200 }), dataRecord(0, Buffer.from('page')), endRecord(0))
  t.like(await promise.catch((error: unknown) => error), { code: 'FB_PROXY_FAILED' })
})

test.serial('a closed pool opens none', async t => {
  const { pool } = fakePool()
  void pool.close()
  await t.throwsAsync(pool.connect(TUNNEL), { instanceOf: ClosedError })
})
