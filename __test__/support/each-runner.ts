// Defines a test once for each runner, because everything above the reactor must behave alike on both.

import test, { type ExecutionContext } from 'ava'
import { Pool, type PoolOptions } from '../../ts/index.js'

export const RUNNERS = ['thread', 'event-loop'] as const
export type Runner = (typeof RUNNERS)[number]

export type MakePool = (origin: string, options?: PoolOptions) => Pool

/** `body` gets a maker of pools that run on the runner and are destroyed with the test. */
export function eachRunner(
  title: string,
  body: (t: ExecutionContext, pool: MakePool, runOn: Runner) => Promise<void>,
): void {
  for (const runOn of RUNNERS) {
    test(`${runOn}: ${title}`, t => {
      const make: MakePool = (origin, options = {}) => {
        const pool = new Pool(origin, { runOn, ...options })
        t.teardown(() => pool.destroy())
        return pool
      }
      return body(t, make, runOn)
    })
  }
}

/** As `eachRunner`, one after another: for tests that load the machine. */
export function eachRunnerSerially(title: string, body: (t: ExecutionContext, runOn: Runner) => Promise<void>): void {
  for (const runOn of RUNNERS) test.serial(`${runOn}: ${title}`, t => body(t, runOn))
}
