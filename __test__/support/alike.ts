// Defines a test in which the platform's own fetch is the reference: what it makes of a case, ours must make of it, on both runners.
//
// Promise: both are sent to the same server, one case after another: it is of this process, and hundreds at once would wait for it longer than
// the platform waits. Used by the tests of fetch. Not here: cases where we differ on purpose (`differs`).

import test, { type ExecutionContext } from 'ava'
import { Pool, type PoolOptions } from '../../ts/index.js'
import { RUNNERS } from './each-runner.js'
import { type FetchServer, startFetchServer } from './fetch-server.js'

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export interface Scene {
  readonly fetch: Fetch
  readonly origin: string
  readonly elsewhere: string
}

/** What a case gives, to be compared. */
export type Case = (scene: Scene) => Promise<unknown>

let server: FetchServer | null = null

/** Starts the server of a test file. */
export function useFetchServer(): void {
  test.before(async () => {
    server = await startFetchServer()
  })
  test.after.always(() => server?.stop())
}

function started(): FetchServer {
  if (server === null) throw new Error('useFetchServer() was not called')
  return server
}

/** Both must give the same, which is not to be a failure that the case does not mention. */
export function alike(title: string, body: Case, options: PoolOptions = {}): void {
  for (const runOn of RUNNERS) {
    test.serial(`${runOn}: ${title}`, async t => {
      const { origin, elsewhere } = started()
      const expected = await body({ fetch: globalThis.fetch, origin, elsewhere })
      t.not(expected, undefined, 'a case gives something to compare')
      await withPool(runOn, options, async pool => {
        t.deepEqual(await body({ fetch: pool.fetch, origin, elsewhere }), expected)
      })
    })
  }
}

/** Ours alone, on both runners. */
export function ours(
  title: string,
  body: (t: ExecutionContext, scene: Scene & { readonly pool: Pool }) => Promise<void>,
  options: PoolOptions = {},
): void {
  for (const runOn of RUNNERS) {
    test.serial(`${runOn}: ${title}`, async t => {
      const { origin, elsewhere } = started()
      await withPool(runOn, options, pool => body(t, { fetch: pool.fetch, origin, elsewhere, pool }))
    })
  }
}

async function withPool(
  runOn: (typeof RUNNERS)[number],
  options: PoolOptions,
  use: (pool: Pool) => Promise<void>,
): Promise<void> {
  const pool = new Pool(started().origin, { runOn, ...options })
  try {
    await use(pool)
  } finally {
    await pool.destroy()
  }
}

/** How a promise ends, as plain data: texts of errors differ between makers and versions, those of the standard cases do not. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise }
  } catch (error) {
    if (!(error instanceof Error)) return { thrown: error }
    const isStandard = error.message === 'fetch failed' || error.message === 'terminated'
    return {
      error: error.name,
      message: isStandard ? error.message : '',
      cause: isStandard && error.cause instanceof Error,
    }
  }
}

/** Everything that a response shows without being read. */
export function shown(response: Response, origin: string): unknown {
  const { status, statusText, ok, type, redirected, bodyUsed } = response
  const url = response.url.replace(origin, '')
  const hasBody = response.body !== null
  const headers = [...response.headers].filter(([name]) => !HOP_BY_HOP.has(name))
  return { status, statusText, ok, type, redirected, bodyUsed, url, hasBody, headers }
}

/** They are between a connection's two ends. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding'])
