// CPU time: of the process by getrusage, of the JavaScript thread by the thread's own clock.

import { readFileSync } from 'node:fs'

/** CPU time so far, in microseconds. `thread` is `null` where the platform does not tell. */
export interface CpuTime {
  readonly process: number
  readonly thread: number | null
}

/** Called on the main thread: on Linux its thread id is the process id. */
export function cpuTime(): CpuTime {
  const { user, system } = process.cpuUsage()
  return { process: user + system, thread: threadTime() }
}

export function since(before: CpuTime): CpuTime {
  const now = cpuTime()
  const known = now.thread !== null && before.thread !== null
  return { process: now.process - before.process, thread: known ? now.thread - before.thread : null }
}

function threadTime(): number | null {
  return scheduledTime() ?? usageOfThread()
}

/** Nanoseconds on a processor, exact: first number of the scheduler's statistics. Linux only. */
function scheduledTime(): number | null {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')
    return Number(nanoseconds) / 1_000
  } catch {
    return null
  }
}

/** `process.threadCpuUsage` came with Node 23.9. */
function usageOfThread(): number | null {
  const read: unknown = Reflect.get(process, 'threadCpuUsage')
  if (typeof read !== 'function') return null
  const usage: { user: number; system: number } = read.call(process)
  return usage.user + usage.system
}
