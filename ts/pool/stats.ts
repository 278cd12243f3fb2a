// A pool's counters in the shape that users see.
//
// Promise: which counters there are is the native side's word: names come from it once, numbers with each snapshot.
// Native names are Envoy's: `cx_active`; `circuit_breakers.high.rq_open`; `rq_queue_ms.le.5`, `rq_queue_ms.le.inf`, `rq_queue_ms.sum`.
// Used by `native-pool.ts`. Not here: counting (the core).

import type { Priority } from '../errors/attempt.js'

/** One limit: whether it is met, and how much is left (`Infinity`: unlimited). */
export interface LimitGauge {
  readonly open: boolean
  readonly remaining: number
}

/** The limits that have gauges. */
export type GaugeName = 'cx' | 'cxPool' | 'rqPending' | 'rq' | 'rqRetry'

/** Counts of values up to each bound; the last bound is `Infinity`. */
export interface Histogram {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

export type HistogramName = 'rqQueueMs' | 'cxConnectMs' | 'cxLengthMs' | 'rqPerCx'

/**
 * A counter or gauge that is a plain number. Source: the statistics of Envoy's clusters, in camel case.
 *
 * `http2Rx...` and `http2Tx...` are our own: what came and left over connections of HTTP/2. `Bytes` are those of the frames with what goes
 * around them, before encryption; `Frames` counts all types, `Data`, `Headers`, `Reset` and so on those of one.
 */
export type StatName =
  | 'cxActive'
  | 'rqActive'
  | 'rqPendingActive'
  | 'cxTotal'
  | 'cxHttp1Total'
  | 'cxHttp2Total'
  | 'cxHttp3Total'
  | 'cxConnectFail'
  | 'cxConnectTimeout'
  | 'cxConnectWith0Rtt'
  | 'cxIdleTimeout'
  | 'cxMaxDurationReached'
  | 'cxMaxRequests'
  | 'cxOverflow'
  | 'cxPoolOverflow'
  | 'cxNoneHealthy'
  | 'cxCloseNotify'
  | 'cxProtocolError'
  | 'cxDestroy'
  | 'cxDestroyLocal'
  | 'cxDestroyRemote'
  | 'cxDestroyWithActiveRq'
  | 'cxDestroyLocalWithActiveRq'
  | 'cxDestroyRemoteWithActiveRq'
  | 'rqTotal'
  | 'rq0Rtt'
  | 'rqPendingTotal'
  | 'rqPendingOverflow'
  | 'rqOverflowPending'
  | 'rqOverflowRequests'
  | 'rqPendingFailureEject'
  | 'rqCancelled'
  | 'rqPendingTimeout'
  | 'rqRequeued'
  | 'rqReplay'
  | 'rqRxReset'
  | 'rqTxReset'
  | 'rqRetry'
  | 'rqRetryOverflow'
  | 'rqRetrySuccess'
  | 'rqRetryLimitExceeded'
  | 'rqTimeout'
  | 'rqPerTryTimeout'
  | 'rqPerTryIdleTimeout'
  | 'rqMaxDurationReached'
  | 'rqCompleted'
  | 'http3Broken'
  | 'http2KeepaliveTimeout'
  | 'rq1xx'
  | 'rq2xx'
  | 'rq3xx'
  | 'rq4xx'
  | 'rq5xx'
  | 'http2RxBytes'
  | 'http2RxFrames'
  | 'http2RxData'
  | 'http2RxHeaders'
  | 'http2RxReset'
  | 'http2RxSettings'
  | 'http2RxPing'
  | 'http2RxGoaway'
  | 'http2RxWindowUpdate'
  | 'http2TxBytes'
  | 'http2TxFrames'
  | 'http2TxData'
  | 'http2TxHeaders'
  | 'http2TxReset'
  | 'http2TxSettings'
  | 'http2TxPing'
  | 'http2TxGoaway'
  | 'http2TxWindowUpdate'

/** A snapshot of a pool's counters. */
export type PoolStats = Readonly<Record<StatName, number>> & {
  readonly circuitBreakers: Readonly<Record<Priority, Readonly<Record<GaugeName, LimitGauge>>>>
  readonly histograms: Readonly<Record<HistogramName, Histogram>>
  /** Final responses by status; a status that did not come has no entry. */
  readonly rqByStatus: Readonly<Record<number, number>>
}

/** 100 to 999: what HTTP/1.1 can write in three digits. Source: RFC 9112 section 4. */
const MAX_STATUSES = 900

/** Puts one number where it belongs. */
type Place = (into: Draft, value: number) => void

interface Draft {
  readonly counters: Record<string, number>
  readonly gauges: Record<string, Record<string, { open: boolean; remaining: number }>>
  readonly histograms: Record<string, { bounds: number[]; counts: number[]; sum: number }>
}

/** Turns rows of numbers into snapshots. One per channel. */
export class StatsReader {
  readonly #places: readonly Place[]
  readonly #row: Float64Array
  /** Where requests that run or wait are counted. */
  readonly #work: readonly number[]

  constructor(names: readonly string[]) {
    this.#places = names.map(placeOf)
    this.#row = new Float64Array(names.length + 1 + 2 * MAX_STATUSES)
    this.#work = ['rqActive', 'rqPendingActive'].map(name => names.findIndex(one => camel(one) === name))
  }

  /** A snapshot of what `fill` writes. */
  read(fill: (row: Float64Array) => void): PoolStats {
    fill(this.#row)
    const draft: Draft = { counters: {}, gauges: {}, histograms: {} }
    for (const [index, place] of this.#places.entries()) place(draft, this.#row[index] ?? 0)
    const rqByStatus = this.#statuses()
    const snapshot = { ...draft.counters, circuitBreakers: draft.gauges, histograms: draft.histograms, rqByStatus }
    // The names are checked against `StatName` by a test on the real binding: the compiler cannot.
    return deepFrozen(snapshot) as unknown as PoolStats
  }

  /** Whether what `fill` writes tells of requests that run or wait. */
  hasWork(fill: (row: Float64Array) => void): boolean {
    fill(this.#row)
    return this.#work.some(index => (this.#row[index] ?? 0) > 0)
  }

  /** Behind the numbers that have names: how many statuses, then status and count of each. */
  #statuses(): Record<number, number> {
    const row = this.#row
    const from = this.#places.length + 1
    const statuses: Record<number, number> = {}
    const end = from + 2 * (row[from - 1] ?? 0)
    for (let at = from; at < end; at += 2) statuses[row[at] ?? 0] = row[at + 1] ?? 0
    return statuses
  }
}

function placeOf(name: string): Place {
  const parts = name.split('.')
  if (parts[0] === 'circuit_breakers') return gaugePlace(parts[1] ?? '', parts[2] ?? '')
  if (parts.length > 1) return histogramPlace(camel(parts[0] ?? ''), parts.slice(1))
  const key = camel(name)
  return (into, value) => {
    into.counters[key] = value
  }
}

/** `cx_open`, `remaining_cx`; the pairs have different words for some: `remaining_pending`, `remaining_retries`. */
const GAUGES: Readonly<Record<string, readonly [GaugeName, 'open' | 'remaining']>> = {
  cx_open: ['cx', 'open'],
  remaining_cx: ['cx', 'remaining'],
  cx_pool_open: ['cxPool', 'open'],
  remaining_cx_pools: ['cxPool', 'remaining'],
  rq_pending_open: ['rqPending', 'open'],
  remaining_pending: ['rqPending', 'remaining'],
  rq_open: ['rq', 'open'],
  remaining_rq: ['rq', 'remaining'],
  rq_retry_open: ['rqRetry', 'open'],
  remaining_retries: ['rqRetry', 'remaining'],
}

function gaugePlace(priority: string, name: string): Place {
  const [gauge, field] = GAUGES[name] ?? [camel(name) as GaugeName, 'remaining']
  return (into, value) => {
    into.gauges[priority] ??= {}
    into.gauges[priority][gauge] ??= { open: false, remaining: 0 }
    const entry = into.gauges[priority][gauge]
    if (field === 'open') entry.open = value !== 0
    else entry.remaining = value
  }
}

function histogramPlace(histogram: string, [part, bound]: readonly string[]): Place {
  return (into, value) => {
    into.histograms[histogram] ??= { bounds: [], counts: [], sum: 0 }
    const entry = into.histograms[histogram]
    if (part === 'sum') {
      entry.sum = value
      return
    }
    entry.bounds.push(bound === 'inf' ? Number.POSITIVE_INFINITY : Number(bound))
    entry.counts.push(value)
  }
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function deepFrozen<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFrozen(inner)
  return Object.freeze(value)
}
