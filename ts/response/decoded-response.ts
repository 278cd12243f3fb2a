// A response with the content codings of its body undone (`decompress: true`).
//
// Promise: its fields stay as received, `content-encoding` and `content-length` among them. More codings than `MAX_CODINGS` refuse it,
// and its connection is closed. Used by `pool/`. Not here: the body (`decoded-body.ts`).

import type { Attempt } from '../errors/attempt.js'
import type { ResponseBody } from './body.js'
import { type Coding, readCodings } from './codings.js'
import type { ConnectionInfo } from './connection.js'
import { DecodedBody, decodingError } from './decoded-body.js'
import type { HeaderMap } from './headers.js'
import type { PoolResponse, Timings } from './response.js'

/** `response` itself where there is nothing to undo. */
export function decodedResponse(
  response: PoolResponse,
  method: string,
  origin: string,
  maxReadSize: number,
): PoolResponse {
  const codings = codingsOf(response, method, origin)
  return codings.length === 0 ? response : new DecodedResponse(response, codings, origin, maxReadSize)
}

/** What is to be undone of a response; none where it has no body. Throws where it is too much. */
export function codingsOf(response: PoolResponse, method: string, origin: string): readonly Coding[] {
  const codings = readCodings(response.headers.get('content-encoding'))
  if (codings === null) {
    void response.body.discard({ maxBytes: 0 })
    const cause = new Error('too many content codings')
    throw decodingError({ origin, head: response }, 'FB_RESPONSE_MALFORMED', 0, cause)
  }
  return method === 'HEAD' || hasNoBody(response.status) ? [] : codings
}

/** Statuses whose responses have no body (Fetch standard: null body status). */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304 || status === 101
}

class DecodedResponse implements PoolResponse {
  readonly #response: PoolResponse
  readonly body: ResponseBody

  constructor(response: PoolResponse, codings: readonly Coding[], origin: string, maxReadSize: number) {
    this.#response = response
    this.body = new DecodedBody(response.body, { origin, head: response, codings, maxReadSize })
  }

  get status(): number {
    return this.#response.status
  }

  get statusText(): string {
    return this.#response.statusText
  }

  get headers(): HeaderMap {
    return this.#response.headers
  }

  get connection(): ConnectionInfo {
    return this.#response.connection
  }

  get timings(): Timings {
    return this.#response.timings
  }

  get attempts(): readonly Attempt[] {
    return this.#response.attempts
  }

  get trailers(): Promise<HeaderMap> {
    return this.#response.trailers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#response[Symbol.asyncDispose]()
  }
}
