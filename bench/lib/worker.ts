// The child of `measure.ts`: warms one client up, measures it, says the result and ends.

import { createClient } from './clients.js'
import { load } from './load.js'
import type { Report, Task } from './measure.js'

const task: Task = JSON.parse(process.argv[2] ?? '')

function say(report: Report): Promise<void> {
  return new Promise(resolve => {
    process.send?.(report, () => resolve())
  })
}

try {
  const upload = task.uploadBytes === 0 ? null : Buffer.alloc(task.uploadBytes, 'forebay')
  const client = createClient(task.client, { url: new URL(task.url), ca: task.ca }, task.inFlight, upload)
  const { inFlight } = task
  await load(client, { inFlight, requests: task.warmRequests, milliseconds: task.warmMilliseconds })
  let shown = 0
  const measurement = await load(client, {
    inFlight,
    requests: task.requests,
    milliseconds: task.milliseconds,
    onProgress(done) {
      // A message costs CPU time of the process that is measured: a few in all.
      if (done - shown < task.requests / 8) return
      shown = done
      void say({ type: 'progress', done })
    },
  })
  await say({ type: 'result', measurement })
  await client.close()
} catch (error) {
  await say({ type: 'failure', text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
  process.exitCode = 1
}
process.exit()
