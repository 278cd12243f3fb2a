// How long to wait before a request is sent again.
//
// Promise: whole ms; chance and the time of day are arguments. Used by `pool/call.ts`. Not here: who waits (the native side).

import type { RetryConfig } from '../config/retry.js'
import type { HeaderMap } from '../response/headers.js'

/** Envoy, `RetryPolicy.RateLimitedRetryBackOff.max_interval`: 300 s. What asks for more is not obeyed. */
const MAX_ASKED_MS = 300_000
/** Envoy: an interval of 1 ms or less is none. */
const MIN_ASKED_MS = 1
/** Larger numbers of seconds are a point in time, since 1970, and no span: that would be 31 years. */
const FIRST_TIME_S = 1_000_000_000
const MS_PER_S = 1_000

/** Before attempt `attempt` + 1: full jitter, below the base doubled with each attempt. `random`: 0 to below 1. */
export function backoffMs({ base, max }: RetryConfig['backoff'], attempt: number, random: number): number {
  return Math.floor(random * Math.min(base * 2 ** (attempt - 1), max))
}

/** What the upstream asks for in a response, and up to half as much again; null where it asks for nothing that is obeyed. */
export function askedMs(headers: HeaderMap, wallMs: number, random: number): number | null {
  for (const read of [retryAfter, rateLimitReset]) {
    const ms = read(headers, wallMs)
    if (ms !== null && ms > MIN_ASKED_MS && ms <= MAX_ASKED_MS) return Math.floor(ms + random * 0.5 * ms)
  }
  return null
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfter(headers: HeaderMap, wallMs: number): number | null {
  const value = headers.get('retry-after')
  if (value === null) return null
  return seconds(value) ?? until(Date.parse(value), wallMs)
}

/** What many APIs send: seconds, or a time in seconds since 1970. */
function rateLimitReset(headers: HeaderMap, wallMs: number): number | null {
  const ms = seconds(headers.get('ratelimit-reset') ?? headers.get('x-ratelimit-reset') ?? '')
  if (ms === null || ms < FIRST_TIME_S * MS_PER_S) return ms
  return until(ms, wallMs)
}

function seconds(value: string): number | null {
  return /^\d{1,10}$/.test(value) ? Number(value) * MS_PER_S : null
}

function until(timeMs: number, wallMs: number): number | null {
  return Number.isNaN(timeMs) ? null : timeMs - wallMs
}
