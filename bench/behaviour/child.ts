// A client at work, in a process of its own: `child.js JSON` does one `Task` and says its `Outcome` to the parent.

import { setTimeout as sleep } from 'node:timers/promises'
import { spread } from '../lib/statistics.js'
import { type Client, type ClientName, createClient, type Target } from './clients.js'
import type { Outcome, Work } from './scenarios.js'

export interface Task {
  readonly client: ClientName
  readonly target: Target
  /** The module that exports the peers. */
  readonly door: string
  readonly work: Work
}

/** How long a request may be without an answer once no further one begins, in ms: longer than any client's own time-outs before a head. */
const PATIENCE_MS = 20_000

/** Odd, so that one of them is the median. */
const ROUNDS = 5

let succeeded = 0
let failed = 0
let begun = 0
let uncaught = 0
const errors: Record<string, number> = {}

function note(error: unknown): void {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error)
  errors[code] = (errors[code] ?? 0) + 1
}

// Some throw where nobody can catch it. That is told, and the others go on.
process.on('uncaughtException', error => {
  uncaught += 1
  note(error)
})
process.on('unhandledRejection', error => {
  uncaught += 1
  note(error)
})

async function get(client: Client, path: string): Promise<void> {
  begun += 1
  try {
    await client.get(path)
    succeeded += 1
  } catch (error) {
    failed += 1
    note(error)
  }
}

/** Runs loops for so long; gives requests per second. */
async function loops(client: Client, count: number, seconds: number, path: string): Promise<number> {
  const before = succeeded
  const end = performance.now() + seconds * 1_000
  async function loop(): Promise<void> {
    while (performance.now() < end) await get(client, path)
  }
  await patiently(Promise.all(Array.from({ length: count }, loop)), seconds * 1_000)
  return (succeeded - before) / seconds
}

/** Waits for the work, but not for ever after its time: what hangs is told as unanswered. */
async function patiently(work: Promise<unknown>, ms: number): Promise<void> {
  const giveUp = new AbortController()
  const patience = sleep(ms + PATIENCE_MS, undefined, { signal: giveUp.signal }).catch(() => {})
  await Promise.race([work, patience])
  giveUp.abort()
}

async function perform(client: Client, work: Work): Promise<Outcome['throughput']> {
  switch (work.type) {
    case 'burst':
      await patiently(Promise.all(Array.from({ length: work.count }, () => get(client, work.path))), 0)
      return null
    case 'loops':
      await loops(client, work.count, work.seconds, work.path)
      return null
    case 'stalled':
      return beside(client, work)
  }
}

/** In turns, so that whatever else the machine does hits both. */
async function beside(client: Client, work: Extract<Work, { type: 'stalled' }>): Promise<Outcome['throughput']> {
  const seconds = work.seconds / ROUNDS / 2
  const rounds = []
  await loops(client, work.loops, seconds, work.path)
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await loops(client, work.loops, seconds, work.path)
    const end = await client.stall(work.stalled)
    rounds.push({ alone, beside: await loops(client, work.loops, seconds, work.path) })
    end()
  }
  return {
    alone: spread(rounds.map(({ alone }) => alone)).median,
    beside: spread(rounds.map(({ beside }) => beside)).median,
    kept: spread(rounds.map(({ alone, beside }) => beside / alone)).median,
  }
}

const task: Task = JSON.parse(process.argv[2] ?? '')
const client = await createClient(task.client, task.target, task.door)
const start = performance.now()
const throughput = await perform(client, task.work)
const milliseconds = performance.now() - start
const unanswered = begun - succeeded - failed
const outcome: Outcome = { succeeded, failed, unanswered, uncaught, milliseconds, errors, throughput }
await new Promise<void>(resolve => process.send?.(outcome, () => resolve()))
client.close()
process.exit()
