// Which processor a process runs on. With `taskset` only (Linux); elsewhere the system chooses.

import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Two processors and `taskset`: the clients get the first, the upstream the second. Else nobody is pinned. */
export const canPin: boolean = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

export const CLIENT_CPU: number | null = canPin ? 0 : null
export const UPSTREAM_CPU: number | null = canPin ? 1 : null

export function pinned(
  cpu: number | null,
  command: string,
  args: readonly string[],
): [command: string, args: string[]] {
  return cpu === null ? [command, [...args]] : ['taskset', ['-c', String(cpu), command, ...args]]
}
