// fetch, through pools: the platform's function, with a pool where the platform has its own connections.
//
// Promise: resolves at the head with a `Response`; redirects are followed through `FetchUpstreams`, which say who serves an origin.
// Used by `pool/`. Not here: arguments (`call.ts`), redirects (`redirect.ts`), the response (`response.ts`).

import { RequestError } from '../errors/errors.js'
import type { RequestOptions } from '../request/request.js'
import { DecodedBody } from '../response/decoded-body.js'
import { codingsOf, hasNoBody } from '../response/decoded-response.js'
import type { PoolResponse, ResponseHead } from '../response/response.js'
import { type FetchCall, type FetchInit, readCall, requestOf } from './call.js'
import { fetchFailed } from './failures.js'
import { follow, isRedirect } from './redirect.js'
import { asResponse, FetchedResponse } from './response.js'

/** Who serves one origin. */
export interface FetchTarget {
  request(options: RequestOptions): Promise<PoolResponse>
  /** Of a request that does not say its own. */
  readonly maxReadSize: number
}

/** Who serves which origin. */
export interface FetchUpstreams {
  /** The origin that paths are relative to; null where a fetch needs a whole URL. */
  readonly base: string | null
  /** Null where nobody serves it. */
  at(origin: string): FetchTarget | null
}

/** The platform's `fetch`, through `upstreams`. */
export async function fetchThrough(
  upstreams: FetchUpstreams,
  input: string | URL | Request,
  init: FetchInit | undefined,
): Promise<Response> {
  let signal: AbortSignal | null = null
  try {
    const read = readCall(input, init, upstreams.base)
    const call = read instanceof Promise ? await read : read
    signal = call.signal
    if (signal?.aborted === true) throw signal.reason
    for (let redirects = 0; ; redirects++) {
      const target = targetOf(upstreams, call, redirects)
      const response = await target.request(requestOf(call))
      if (isRedirect(response.status) && call.redirect !== 'manual' && redirected(call, response, redirects)) continue
      return fetched(call, response, target, redirects > 0)
    }
  } catch (error) {
    throw fetchFailed(error, signal)
  }
}

function targetOf(upstreams: FetchUpstreams, { location }: FetchCall, redirects: number): FetchTarget {
  const target = upstreams.at(location.origin)
  if (target !== null) return target
  const which = upstreams.base === null ? 'nobody here' : `a pool of ${upstreams.base}`
  if (redirects === 0) throw new RequestError('input', `${location.origin} is not served by ${which}`)
  throw new RequestError('redirect', `leads to ${location.origin}, which is not served by ${which}`, { phase: 'head' })
}

/** Whether `response` was a redirect to follow; its body is dropped then. */
function redirected(call: FetchCall, response: PoolResponse, count: number): boolean {
  let isFollowed: boolean
  try {
    if (call.redirect === 'error') throw new Error('unexpected redirect')
    isFollowed = follow(call, response, count)
  } catch (cause) {
    void response.body.discard()
    throw new TypeError('fetch failed', { cause })
  }
  if (isFollowed) void response.body.discard()
  return isFollowed
}

function fetched(call: FetchCall, response: PoolResponse, target: FetchTarget, wasRedirected: boolean): Response {
  const { location, method, signal, request, extra } = call
  const url = location.origin + location.path
  const codings = codingsOf(response, method, location.origin)
  let body = method === 'HEAD' || hasNoBody(response.status) ? null : response.body
  if (body === null) void response.body.discard()
  if (body !== null && codings.length > 0) {
    const maxReadSize = extra.maxReadSize ?? target.maxReadSize
    body = new DecodedBody(body, { origin: location.origin, head: response, codings, maxReadSize })
  }
  return asResponse(new FetchedResponse({ response, body, url, redirected: wasRedirected, signal, request }, null))
}

/** What the pool knows of a response that its `fetch` gave: connection, timings, attempts. Null of any other. */
export function exchangeOf(response: Response): ResponseHead | null {
  return FetchedResponse.headOf(response)
}
