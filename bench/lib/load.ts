// A closed loop: so many requests in flight, the next one as soon as one ends. Measures what they cost.
//
// Promise: a failed request fails the measurement; every body has the expected length. Used by `measure.ts`.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Client } from './clients.js'
import { cpuTime, since } from './cpu.js'
import { quantile } from './statistics.js'

/** What a loop costs and gives. Times in microseconds. */
export interface Measurement {
  readonly requests: number
  readonly perSecond: number
  /** CPU time of the process for a request: user and system. */
  readonly processCpu: number
  /** CPU time of the JavaScript thread for a request; `null` where the platform does not tell. */
  readonly threadCpu: number | null
  /** These are `null` where the client is no program for Node. */
  readonly p50: number | null
  readonly p99: number | null
  /** How late the event loop's timers were, 99 of 100. */
  readonly loopDelayP99: number | null
  readonly connections: number
}

export interface LoadOptions {
  readonly inFlight: number
  /** Ends after so many requests or so many milliseconds, whichever comes first. */
  readonly requests: number
  readonly milliseconds: number
  /** Called now and then with the number of requests that have ended. */
  readonly onProgress?: (done: number) => void
}

/** Interval of the timer that observes the loop, in ms; what a timer is late by is counted on top of it. */
const LOOP_TIMER_MS = 10

/** Requests between two calls of `onProgress`. */
const PROGRESS_EVERY = 512

/**
 * Room for latencies at first; it doubles. All the room of a long loop at once would be 32 MB that the garbage collector counts, and
 * it would run more often for a client whose bodies are large.
 */
const FIRST_SAMPLES = 16_384

export async function load(client: Client, options: LoadOptions): Promise<Measurement> {
  let latencies = new Float64Array(FIRST_SAMPLES)
  const delay = monitorEventLoopDelay({ resolution: LOOP_TIMER_MS })
  const expected = await client.send()
  const start = performance.now()
  const deadline = start + options.milliseconds
  let started = 0
  let done = 0

  async function worker(): Promise<void> {
    while (started < options.requests && performance.now() < deadline) {
      started += 1
      const sent = performance.now()
      const bytes = await client.send()
      if (bytes !== expected) throw new Error(`a body of ${bytes} bytes instead of ${expected}`)
      if (done === latencies.length) latencies = doubled(latencies)
      latencies[done] = performance.now() - sent
      done += 1
      if (done % PROGRESS_EVERY === 0) options.onProgress?.(done)
    }
  }

  const before = cpuTime()
  delay.enable()
  await Promise.all(Array.from({ length: options.inFlight }, worker))
  delay.disable()
  const cpu = since(before)
  const seconds = (performance.now() - start) / 1_000
  const sorted = latencies.subarray(0, done).sort()
  return {
    requests: done,
    perSecond: done / seconds,
    processCpu: cpu.process / done,
    threadCpu: cpu.thread === null ? null : cpu.thread / done,
    p50: quantile(sorted, 0.5) * 1_000,
    p99: quantile(sorted, 0.99) * 1_000,
    loopDelayP99: Math.max(0, delay.percentile(99) / 1_000 - LOOP_TIMER_MS * 1_000),
    connections: client.opened(),
  }
}

function doubled(samples: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(samples.length * 2)
  larger.set(samples)
  return larger
}
