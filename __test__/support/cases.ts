// Tests of the cases that `docs/conformance/cases.json` lists, on both runners.
//
// Promise: a title is `<runner>: inventory <number>: <sentence>` or `<runner>: <row>: <what>`, by which `scripts/conformance.mjs`
// finds it; after each test every pool is destroyed and has given everything back. Not here: the cases.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Pool, PoolOptions, PoolStats } from '../../ts/index.js'
import { type MakePool, RUNNERS, type Runner, TestPool } from './each-runner.js'
import { atRest } from './rest.js'
import type { Program } from './upstream.js'

interface Case {
  readonly id: number | string
  readonly text: string
}

const ROOT = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))
const LIST: { readonly sections: readonly { readonly cases: readonly Case[] }[] } = JSON.parse(
  readFileSync(join(ROOT, 'docs/conformance/cases.json'), 'utf8'),
)
const CASES: ReadonlyMap<number | string, string> = new Map(
  LIST.sections.flatMap(({ cases }) => cases.map(({ id, text }) => [id, text])),
)

/** A test of one case; gets a maker of pools as the inventory assumes them. */
export type CaseBody = (t: ExecutionContext, pool: MakePool, runOn: Runner) => Promise<void>

interface Manner {
  /** What of the sentence the test shows, where it is not the whole. */
  readonly part?: string
}

/** Case `number` of the inventory. */
export function inventory(number: number, body: CaseBody, { part }: Manner = {}): void {
  const sentence = sentenceOf(number)
  const title = part === undefined ? sentence : `${sentence} [in part: ${part}]`
  define(`inventory ${number}: ${title}`, QUIET, body)
}

/** Rows of hostile upstreams, such as `H01` or `B05`, by their ids. */
export function row(ids: string | readonly string[], what: string, body: CaseBody): void {
  const list = typeof ids === 'string' ? [ids] : ids
  for (const id of list) sentenceOf(id)
  define(`${list.join(', ')}: ${what}`, ALONE, body)
}

/** What the inventory assumes unless it says so: no back-off, no jitter, nothing sent again. */
const QUIET: PoolOptions = { replay: 'none', connection: { connectBackoff: { base: 0 }, durationJitter: 0 } }

/** What the rows assume: a failure reaches the caller, and the next connection is made at once. */
const ALONE: PoolOptions = { replay: 'none', connection: { connectBackoff: { base: 0 } } }

/** One after another: some measure time, some block this thread, and each has a server of its own. */
function define(title: string, assumed: PoolOptions, body: CaseBody): void {
  for (const runOn of RUNNERS) test.serial(`${runOn}: ${title}`, t => run(t, assumed, body, runOn))
}

async function run(t: ExecutionContext, assumed: PoolOptions, body: CaseBody, runOn: Runner): Promise<void> {
  const pools: Pool[] = []
  const make: MakePool = (origin, options = {}) => {
    const connection = { ...assumed.connection, ...options.connection }
    const pool = new TestPool(origin, { runOn, ...assumed, ...options, connection })
    pools.push(pool)
    return pool
  }
  try {
    await body(t, make, runOn)
  } finally {
    await Promise.all(pools.map(pool => pool.destroy()))
  }
  for (const pool of pools) atRest(t, pool)
}

function sentenceOf(id: number | string): string {
  const text = CASES.get(id)
  if (text === undefined) throw new Error(`docs/conformance/cases.json has no case ${id}`)
  return text
}

/** Longest wait of `eventually` in ms. */
const PATIENCE_MS = 10_000
const POLL_MS = 1

/** Waits for what the other thread, or the other end, is about to do; fails where it does not. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  if (!(await becomes(holds))) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
}

/** Whether it holds in the end. */
async function becomes(holds: () => boolean): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > end) return false
    await setTimeout(POLL_MS)
  }
  return true
}

/** Any part of it. */
type Part<T> = T extends object ? { readonly [K in keyof T]?: Part<T[K]> } : T

/**
 * Waits until the statistics of a pool are so, all of `expected` at once, and shows the difference where they do not become so.
 *
 * On the thread they are those of a turn, published behind it: exact once an answer of that turn was delivered, but behind what the other
 * end, a timer or a socket of this thread has shown; and ahead of what is still to be delivered. One counter alone may be right in the
 * state before, so whoever waits for a state names what tells it from that.
 */
export async function settles(
  t: ExecutionContext,
  pool: Pool,
  expected: Part<PoolStats>,
  message?: string,
): Promise<void> {
  let { stats } = pool
  await becomes(() => {
    stats = pool.stats
    return has(stats, expected)
  })
  t.like(stats, expected, message)
}

function has(value: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return Object.is(value, expected)
  return Object.entries(expected).every(([key, part]) => has(Reflect.get(Object(value), key), part))
}

/** Waits until a pool that has had a connection has none. */
export function gone(pool: Pool): Promise<void> {
  return eventually('no connection is left', () => {
    const { cxTotal, cxActive } = pool.stats
    return cxTotal > 0 && cxActive === 0
  })
}

/** Blocks this thread, and with it the event loop: what arrives meanwhile is read all at once. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The `https:` origin of a server whose script speaks TLS, with the root to trust. */
export function secure(upstream: Program): { readonly origin: string; readonly ca: string } {
  if (upstream.ca === null) throw new Error('the server has no root')
  return { origin: upstream.origin.replace(/^http:/, 'https:'), ca: upstream.ca }
}
