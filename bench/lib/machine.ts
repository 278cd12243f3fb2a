// Where and when a report was made.

import { availableParallelism, cpus } from 'node:os'

export interface Machine {
  readonly date: string
  readonly node: string
  readonly platform: string
  readonly cpu: string
  readonly processors: number
}

export function describeMachine(): Machine {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown processor'
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: process.platform,
    cpu,
    processors: availableParallelism(),
  }
}
