// What must hold of the statistics of a pool that is over: every gauge is 0, every place is returned, the sums agree.

import type { ExecutionContext } from 'ava'
import type { Histogram, Pool } from '../../ts/index.js'

/** How many values a histogram holds. */
export function total({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

export function atRest(t: ExecutionContext, { stats, config }: Pool): void {
  t.like(stats, { cxActive: 0, rqActive: 0, rqPendingActive: 0 }, 'gauges at the end')
  t.is(stats.cxDestroy, stats.cxTotal, 'every connection that was made is gone')
  t.is(stats.cxDestroyLocal + stats.cxDestroyRemote, stats.cxDestroy)
  t.is(total(stats.histograms.rqPerCx), total(stats.histograms.cxConnectMs), 'every life that began has ended')
  t.is(total(stats.histograms.cxLengthMs), total(stats.histograms.rqPerCx))
  t.is(stats.histograms.rqPerCx.sum, stats.rqTotal, 'every attached request was on some connection')
  for (const [priority, limits] of [
    ['default', config.limits],
    ['high', config.limits.high],
  ] as const) {
    const { cx, rq, rqPending, cxPool } = stats.circuitBreakers[priority]
    t.deepEqual(
      { cx, rq, rqPending, cxPool },
      {
        cx: free(limits.maxConnections),
        rq: free(limits.maxRequests),
        rqPending: free(limits.maxPendingRequests),
        cxPool: free(limits.maxConnectionPools),
      },
      `limits of ${priority} at the end`,
    )
  }
}

function free(max: number): { open: boolean; remaining: number } {
  return { open: max === 0, remaining: max }
}
