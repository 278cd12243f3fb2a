// What the clients are sent into: a server that behaves so, and the work that they do there.
//
// Each stands for a promise of the pool, and says how much of it a client has kept. Used by `bench/behaviour.ts`. Not here: the server
// (`__test__/support/http2-scene.ts`), how the work is done (`child.ts`).

import type { Scene } from '../../__test__/support/http2-scene.js'

/** What a client does. */
export type Work =
  /** So many requests at once, cold. */
  | { readonly type: 'burst'; readonly count: number; readonly path: string }
  /** So many loops, each with the next request as soon as one ends. */
  | { readonly type: 'loops'; readonly count: number; readonly seconds: number; readonly path: string }
  /** Loops for so long: half of it alone, half beside a request whose body nobody reads. */
  | {
      readonly type: 'stalled'
      readonly loops: number
      readonly seconds: number
      readonly path: string
      readonly stalled: string
    }

export interface Scenario {
  readonly id: string
  readonly title: string
  /** What is right, in words. */
  readonly bar: string
  /** Null: nginx, with a handler that takes two seconds. */
  readonly scene: Scene | null
  readonly work: Work
  /** Whether a client has met the bar. */
  readonly isMet: (found: Found) => boolean
}

/** How the work of one client ended. */
export interface Outcome {
  readonly succeeded: number
  readonly failed: number
  /** Neither answered nor failed within the patience of the run. */
  readonly unanswered: number
  /** Exceptions that nobody could catch: without a handler for them the process would have ended. */
  readonly uncaught: number
  readonly milliseconds: number
  /** Error codes, with how often each came. */
  readonly errors: Readonly<Record<string, number>>
  /** Requests per second without the stalled reader and beside it, and the ratio of both: medians over rounds. */
  readonly throughput: { readonly alone: number; readonly beside: number; readonly kept: number } | null
}

/** And what the server saw of it. `null`: it does not tell. */
export interface Found extends Outcome {
  readonly connections: number
  readonly goaways: number | null
}

/** An answer that takes long enough that a whole burst is in flight, in ms. */
const SLOW_MS = 200

/** Work of one rotating client, in ms for an answer. */
const SHORT_MS = 5

const ROTATE_MS = 300

/** A body that no window takes whole. */
const ENDLESS = '/bytes/1000000000'

export function scenarios(seconds: number): readonly Scenario[] {
  return [
    ...[
      [50, 100, 1],
      [100, 10, 10],
      [300, 100, 3],
    ].map(([count = 0, limit = 0, connections = 0]) => cold(count, limit, connections)),
    {
      id: 'cold-300-nginx',
      title: '300 cold requests to nginx, which allows 100 streams and takes two seconds',
      bar: '3 connections, no failure',
      scene: null,
      work: { type: 'burst', count: 300, path: '/slow' },
      isMet: found => unharmed(found) && found.connections === 3,
    },
    {
      id: 'goaway',
      title: '100 in flight; each connection says GOAWAY at its 20th stream and processes none above',
      bar: 'all 100 answered, at most 2 connections for each GOAWAY',
      scene: { maxConcurrentStreams: 100, delayMs: SLOW_MS, manner: { type: 'goaway', at: 20 } },
      work: { type: 'burst', count: 100, path: '/' },
      isMet: found => unharmed(found) && found.connections <= 2 * Math.max(1, found.goaways ?? 0),
    },
    rotating(1, seconds),
    rotating(2, seconds),
    {
      id: 'stalled',
      title: '99 loops beside a request whose body nobody reads',
      bar: 'no failure, at least 0.8 of the throughput without it',
      scene: { maxConcurrentStreams: 100, delayMs: 0, manner: { type: 'steady' } },
      work: { type: 'stalled', loops: 99, seconds: 8, path: '/bytes/16384', stalled: ENDLESS },
      isMet: found => unharmed(found) && found.throughput !== null && found.throughput.kept >= 0.8,
    },
  ]
}

function cold(count: number, limit: number, connections: number): Scenario {
  return {
    id: `cold-${count}-${limit}`,
    title: `${count} cold requests at a limit of ${limit} streams`,
    bar: `${connections} connection${connections === 1 ? '' : 's'}, no failure`,
    scene: { maxConcurrentStreams: limit, delayMs: SLOW_MS, manner: { type: 'steady' } },
    work: { type: 'burst', count, path: '/' },
    isMet: found => unharmed(found) && found.connections === connections,
  }
}

function rotating(steps: 1 | 2, seconds: number): Scenario {
  const how = steps === 1 ? 'at once' : 'after a notice'
  return {
    id: `rotate-${steps}`,
    title: `20 loops for ${seconds} s; each connection is retired at ${ROTATE_MS} ms, ${how}`,
    bar: 'no failure, at most 2 connections for each retirement',
    scene: { maxConcurrentStreams: 100, delayMs: SHORT_MS, manner: { type: 'rotate', afterMs: ROTATE_MS, steps } },
    work: { type: 'loops', count: 20, seconds, path: '/' },
    isMet: found => unharmed(found) && found.connections <= 2 * Math.max(1, found.goaways ?? 0),
  }
}

function unharmed({ failed, unanswered, uncaught, succeeded }: Outcome): boolean {
  return failed + unanswered + uncaught === 0 && succeeded > 0
}
