// The examples run, and print what they promise.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { ROOT } from '../support/packed.js'
import { startTestkit } from '../support/upstream.js'

const exec = promisify(execFile)

async function run(name: string, origin: string): Promise<string> {
  const { stdout } = await exec(process.execPath, [join(ROOT, `build/examples/${name}.js`), origin])
  return stdout
}

test('first-request', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  t.is(await run('first-request', upstream.origin), `200 127.0.0.1:${upstream.port} 22\n`)
})

test('limits-and-errors', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const expected = [
    'answered 200',
    'answered 200',
    'refused maxPendingRequests 2',
    'connections 1 requests 2 refused 1',
    '',
  ]
  t.deepEqual((await run('limits-and-errors', upstream.origin)).split('\n'), expected)
})

test('fetch', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const expected = ['bytes 1000', 'true 200 true', 'terminated FB_BODY_TOO_LARGE', '']
  t.deepEqual((await run('fetch', upstream.origin)).split('\n'), expected)
})

test('upload-file', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  t.is(await run('upload-file', upstream.origin), '200 true\nFB_REQUEST_BODY_FAILED ENOENT\n')
})

test('tunnel', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const expected = ['200 hello, far away', '101 hello', 'FB_PROXY_FAILED [ 403 ]', '']
  t.deepEqual((await run('tunnel', upstream.origin)).split('\n'), expected)
})

test('retries-and-breaker', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const again = ['again after 503', 'answered 503 after 2 attempts']
  const expected = [...again, ...again, ...again, 'breaker: closed to open', 'refused FB_BREAKER_OPEN', '']
  t.deepEqual((await run('retries-and-breaker', upstream.origin)).split('\n').sort(), expected.sort())
})
