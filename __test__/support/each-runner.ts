// Defines a test once for each runner, because everything above the reactor must behave alike on both.

import test, { type ExecutionContext } from 'ava'
import { Pool, type PoolOptions, type PoolResponse, type RequestOptions } from '../../ts/index.js'

export const RUNNERS = ['thread', 'event-loop'] as const
export type Runner = (typeof RUNNERS)[number]

/** In ms. Hundreds that wait for few connections of a loaded machine take longer than callers want to wait. */
const QUEUE_TIMEOUT_MS = 60_000

/** In ms. A server that waits for a processor accepts late. */
const CONNECT_TIMEOUT_MS = 30_000

/**
 * A pool that has patience, unless a test says otherwise. Its requests end unheard where an assertion has failed before somebody awaits
 * them: the assertion is what is told.
 */
export class TestPool extends Pool {
  constructor(origin: string, options: PoolOptions = {}) {
    const connection = { connectTimeout: CONNECT_TIMEOUT_MS, ...options.connection }
    super(origin, { queueTimeout: QUEUE_TIMEOUT_MS, ...options, connection })
  }

  override request(options: RequestOptions): Promise<PoolResponse> {
    const response = super.request(options)
    response.catch(() => {})
    return response
  }
}

export type MakePool = (origin: string, options?: PoolOptions) => Pool

/** `body` gets a maker of pools that run on the runner and are destroyed with the test. */
export function eachRunner(
  title: string,
  body: (t: ExecutionContext, pool: MakePool, runOn: Runner) => Promise<void>,
): void {
  for (const runOn of RUNNERS) {
    test(`${runOn}: ${title}`, t => {
      const make: MakePool = (origin, options = {}) => {
        const pool = new TestPool(origin, { runOn, ...options })
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
