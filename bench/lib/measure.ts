// One measurement in a process of its own, so that no client warms or disturbs another. `measure` starts it, `worker.ts` is it.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ClientName } from './clients.js'
import type { Measurement } from './load.js'
import { pinned } from './pin.js'

/** What the child is told. */
export interface Task {
  readonly client: ClientName
  readonly url: string
  /** The root to trust, PEM, over HTTP/2 and TLS; null: HTTP/1.1 in clear. */
  readonly ca: string | null
  /** Bytes of each request's body; 0: none, a GET. */
  readonly uploadBytes: number
  readonly inFlight: number
  readonly requests: number
  readonly milliseconds: number
  readonly warmRequests: number
  readonly warmMilliseconds: number
}

/** What the child says. */
export type Report =
  | { readonly type: 'progress'; readonly done: number }
  | { readonly type: 'result'; readonly measurement: Measurement }
  | { readonly type: 'failure'; readonly text: string }

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

/** `cpu`: the processor that the child may use, where the platform lets us choose. */
export function measure(task: Task, cpu: number | null, onProgress?: (done: number) => void): Promise<Measurement> {
  const [command, args] = pinned(cpu, process.execPath, [WORKER, JSON.stringify(task)])
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return new Promise((resolve, reject) => {
    let result: Measurement | null = null
    let text = 'no result'
    child.on('error', reject)
    child.on('message', (report: Report) => {
      if (report.type === 'progress') onProgress?.(report.done)
      else if (report.type === 'result') result = report.measurement
      else text = report.text
    })
    child.on('close', code => {
      if (result !== null) resolve(result)
      else reject(new Error(`${task.client} against ${task.url} ended with ${code}: ${text}`))
    })
  })
}
