// A response: what came, unpacked only as far as somebody looks.
//
// Promise: making one costs an object; head, connection, timings and a body that is here are unpacked on first access, then kept.
// Used by `pool/`. Not here: how records become a response (`pool/exchange.ts`).

import type { Attempt } from '../errors/attempt.js'
import type { ResponseBody } from './body.js'
import { type ConnectionFacts, type ConnectionInfo, connectionInfo, endpointOf } from './connection.js'
import { type HeaderMap, LazyHeaderMap } from './headers.js'
import { StreamBody, type Streaming } from './stream-body.js'
import { WholeBody } from './whole-body.js'

/** How long the parts took, in ms with fractions. */
export interface Timings {
  /** Until a connection was bound. */
  readonly queueMs: number
  /** Making the connection; null where it had answered before. */
  readonly dial: { readonly dnsMs: number; readonly connectMs: number; readonly tlsMs: number } | null
  /** From then until the head was there. */
  readonly headMs: number
}

/** What comes before the body. */
export interface ResponseHead {
  /** A status is never an error. */
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderMap
  readonly connection: ConnectionInfo
  readonly timings: Timings
  /** Every try; the last one is this response. */
  readonly attempts: readonly Attempt[]
}

/** A response: its head is there, its body perhaps still to come. Its disposal discards a body that has no reader. */
export interface PoolResponse extends ResponseHead, AsyncDisposable {
  readonly body: ResponseBody
  /**
   * Fields behind the body: none where there were none. They come when the body has been read, and fail as it does; with
   * `FB_ABORTED` where its reader left before the end.
   */
  readonly trailers: Promise<HeaderMap>
}

const MICROS_PER_MS = 1000

/** A response, of which the body is here or `streaming`. */
export class ReceivedResponse implements PoolResponse {
  readonly status: number
  /** Reason NUL, then `name NUL value NUL` for each field; behind `#headLength` the body, where it is no bytes. */
  readonly #text: string
  readonly #headLength: number
  readonly #bytes: Uint8Array | null
  readonly #connection: ConnectionFacts
  readonly #reused: boolean
  readonly #queueMicros: number
  readonly #headMicros: number
  readonly #dnsMs: number
  /** Attempts that failed before this one. */
  earlier: readonly Attempt[] | null = null
  #headers: HeaderMap | null = null
  #body: ResponseBody | null
  readonly #streaming: Streaming | null
  #trailers: Promise<HeaderMap> | null = null

  constructor(
    status: number,
    text: string,
    headLength: number,
    bytes: Uint8Array | null,
    connection: ConnectionFacts,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
    dnsMs: number,
    streaming: Streaming | null,
  ) {
    this.status = status
    this.#text = text
    this.#headLength = headLength
    this.#bytes = bytes
    this.#connection = connection
    this.#reused = reused
    this.#queueMicros = queueMicros
    this.#headMicros = headMicros
    this.#dnsMs = dnsMs
    this.#streaming = streaming
    this.#body = streaming === null ? null : new StreamBody(streaming, this)
  }

  get statusText(): string {
    return this.#text.slice(0, this.#text.indexOf('\0'))
  }

  get headers(): HeaderMap {
    this.#headers ??= new LazyHeaderMap(this.#text.slice(this.#text.indexOf('\0') + 1, this.#headLength))
    return this.#headers
  }

  get body(): ResponseBody {
    this.#body ??= new WholeBody(this.#bytes ?? this.#text.slice(this.#headLength), this)
    return this.#body
  }

  get trailers(): Promise<HeaderMap> {
    this.#trailers ??= trailersOf(this.#streaming)
    return this.#trailers
  }

  get connection(): ConnectionInfo {
    return connectionInfo(this.#connection, this.#reused)
  }

  get timings(): Timings {
    const { connectMicros, tlsMicros } = this.#connection
    const dial = this.#reused
      ? null
      : { dnsMs: this.#dnsMs, connectMs: connectMicros / MICROS_PER_MS, tlsMs: tlsMicros / MICROS_PER_MS }
    return { queueMs: this.#queueMicros / MICROS_PER_MS, dial, headMs: this.#headMicros / MICROS_PER_MS }
  }

  get attempts(): readonly Attempt[] {
    const endpoint = endpointOf(this.#connection)
    const { earlier, status } = this
    const last: Attempt = { type: 'response', endpoint, status, durationMs: this.#headMicros / MICROS_PER_MS }
    return earlier === null ? [last] : [...earlier, last]
  }

  [Symbol.asyncDispose](): Promise<void> {
    const { body } = this
    return body.used ? Promise.resolve() : body.discard()
  }
}

function trailersOf(streaming: Streaming | null): Promise<HeaderMap> {
  if (streaming === null) return Promise.resolve(new LazyHeaderMap(''))
  const trailers = streaming.incoming.trailers().then(text => new LazyHeaderMap(text))
  // Who does not wait for them hears of a failure from the body.
  trailers.catch(() => {})
  return trailers
}
