// How processes and workers end: an idle pool keeps nobody alive, a request in flight does, a worker may be terminated at any moment.

import { runChild } from '../support/child.js'
import { eachRunner, eachRunnerSerially } from '../support/each-runner.js'
import { startTestkit } from '../support/upstream.js'

eachRunner('a process ends although a pool is open, once its request is answered', async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const ended = await runChild('one-request', [upstream.origin, runOn, '/'])
  t.deepEqual(ended, { code: 0, signal: null, stdout: '200 22', stderr: '' })
})

eachRunner('a request in flight keeps the process alive', async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const ended = await runChild('one-request', [upstream.origin, runOn, '/delay/400/bytes/500000'])
  t.deepEqual(ended, { code: 0, signal: null, stdout: '200 500000', stderr: '' })
})

eachRunner('a process with unused pools ends at once', async (t, _, runOn) => {
  const ended = await runChild('unused-pool', ['http://127.0.0.1:1', runOn])
  t.deepEqual(ended, { code: 0, signal: null, stdout: 'made', stderr: '' })
})

eachRunner('process.exit() with requests in flight ends with its code', async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const { code, signal, stderr } = await runChild('exit-in-flight', [upstream.origin, runOn, 'exit'])
  t.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' })
})

eachRunner('an error that nobody catches ends the process as always, with requests in flight', async (t, _, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const { code, signal, stderr } = await runChild('exit-in-flight', [upstream.origin, runOn, 'throw'])
  t.deepEqual({ code, signal }, { code: 1, signal: null })
  t.true(stderr.includes('nobody catches this'), stderr)
})

/** Files and threads that the process itself may open late, or be closing still: far fewer than 200 workers would leave, were it one each. */
const OWN = 8

eachRunnerSerially('200 workers terminated with requests in flight neither crash nor leak', async (t, runOn) => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const { code, signal, stdout, stderr } = await runChild('terminated-workers', [upstream.origin, runOn, '200'])
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  const { status, before, after, grown } = JSON.parse(stdout)
  t.is(status, 200)
  t.is(after === null, before === null)
  for (const what of ['files', 'threads'] as const) {
    t.true(
      (after?.[what] ?? 0) <= (before?.[what] ?? 0) + OWN,
      `${what}: ${before?.[what]} before, ${after?.[what]} after`,
    )
  }
  // 200 environments of Node cost some memory for good on some versions; buffers of ours (1 MiB and more each) would show.
  t.true(grown < 100_000_000, `${Math.round(grown / 1e6)} MB more`)
  await upstream.until('connectionsOpen=0')
})
