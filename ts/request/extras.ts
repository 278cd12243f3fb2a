// What only some requests have: a body that is produced while it is sent, trailers, 1xx, time-outs of its own.
//
// Promise: a request without any of it costs nothing for it. Used by `request.ts`, `connect.ts`, `pool/exchange.ts`.
// Not here: how a body is sent (`upload.ts`), records (`native/encode.ts`, which reads the first fields).

import { parseRetry, type RetryConfig } from '../config/retry.js'
import { ConfigError, RequestError } from '../errors/errors.js'
import { DerivedBody, MAX_BODY_BYTES, type SentBody } from './body.js'
import { repeatable, StreamSource } from './stream-source.js'
import { noTimeouts, readTimeout, type TimeoutsMs, timeoutField } from './timeouts.js'
import { type TrailersOption, trailersOf } from './trailers.js'
import type { StreamedBody } from './upload.js'

/** See above. Filled while options are read; the time to read it is after the request was written. */
export class RequestExtras {
  streamLength = -1
  waitsForContinue = false
  tunnel: 'connect' | 'upgrade' | null = null
  timeouts: TimeoutsMs | null = null
  /** What the request says of retries; undefined: nothing. */
  retry: RetryConfig | null | undefined = undefined
  /** The wait before it, in ms, where it is not the first attempt; else -1. */
  backoff = -1
  /** The caller's function, unchecked but for being one. */
  onInformational: ((head: unknown) => unknown) | null = null
  #source: StreamSource | null = null
  #trailers: TrailersOption | null = null

  get isStreamed(): boolean {
    return this.#source !== null || this.tunnel !== null
  }

  /** Whether what it uploads can be produced again. */
  get isRepeatable(): boolean {
    return this.tunnel === null && (this.#source === null || this.#source.isRepeatable)
  }

  get wantsInformational(): boolean {
    return this.onInformational !== null
  }

  get mayHaveTrailers(): boolean {
    return this.#trailers !== null
  }

  /** What there is to upload; null where the body is in memory, or goes through a tunnel. */
  get streamedBody(): StreamedBody | null {
    const source = this.#source
    const option = this.#trailers
    if (source === null) return null
    const trailers = option === null ? null : () => trailersOf(option)
    // Its length is known once the fields were written.
    const length = (): number => this.streamLength
    return { source, length, trailers }
  }

  /** Reads an option; false where it is not one of these. */
  read(option: string, value: unknown): boolean {
    const field = timeoutField(option)
    if (field !== undefined) {
      if (value !== undefined) this.#timeouts()[field] = readTimeout(option, value)
      return true
    }
    switch (option) {
      case 'retry':
        if (value !== undefined) this.retry = readRetry(value)
        return true
      case 'trailers':
        if (value !== undefined) this.#trailers = readFunction<TrailersOption>(option, value)
        return true
      case 'onInformational':
        if (value !== undefined) this.onInformational = readFunction<(head: unknown) => unknown>(option, value)
        return true
      default:
        return false
    }
  }

  #timeouts(): TimeoutsMs {
    this.timeouts ??= noTimeouts()
    return this.timeouts
  }

  /** Takes over a body that cannot stay in memory; gives what of it stays there. */
  takeBody(body: SentBody | DerivedBody | StreamSource | null): SentBody | DerivedBody | null {
    const { timeouts } = this
    if (timeouts !== null && timeouts.expect !== null) {
      // Without a body there is nothing that could wait (RFC 9110 section 10.1.1).
      if (timeouts.expect > 0 && body !== null) this.waitsForContinue = true
      else timeouts.expect = null
    }
    if (body instanceof StreamSource) {
      this.#source = body
      return null
    }
    if (body instanceof DerivedBody && body.stream !== null) {
      this.#source = body.stream
      this.streamLength = this.#trailers === null ? body.streamLength : -1
      return body
    }
    if (this.#trailers === null) return body
    this.#source = sourceOf(body)
    return body instanceof DerivedBody ? new DerivedBody(body.contentType, null, null) : null
  }

  /** Holds the caller's Content-Length (-1: none) against the rest. */
  checkLength(contentLength: number): void {
    if (contentLength === -1) return
    if (this.#trailers !== null) {
      throw new RequestError('trailers', 'need a body without content-length: leave that out')
    }
    if (this.streamLength !== -1 && this.streamLength !== contentLength) {
      throw new RequestError('content-length', 'is not the length of the body')
    }
    if (contentLength > MAX_BODY_BYTES) {
      throw new RequestError('content-length', `above ${MAX_BODY_BYTES}: leave it out, and the body is sent in chunks`)
    }
    this.streamLength = contentLength
  }

  /** It will not be sent. */
  drop(): void {
    this.#source?.drop()
  }
}

/** A body in memory as a stream, for what only a stream can have behind it. Copied: what its caller changes later has no effect. */
function sourceOf(body: SentBody | DerivedBody | null): StreamSource {
  const derived = body instanceof DerivedBody ? body : null
  const content = body instanceof DerivedBody ? body.content : body
  const kept = content instanceof Uint8Array ? Uint8Array.from(content) : content
  return repeatable(async function* () {
    if (kept !== null) yield kept
    else if (derived?.read) yield new Uint8Array(await derived.read())
  })
}

function readRetry(value: unknown): RetryConfig | null {
  try {
    return parseRetry(value)
  } catch (error) {
    // The same words, as an error of the request.
    if (!(error instanceof ConfigError)) throw error
    throw new RequestError(error.path, error.message.slice(error.path.length + 2))
  }
}

function readFunction<T>(option: string, value: unknown): T {
  if (typeof value === 'function') return value as T
  throw new RequestError(option, 'expected a function')
}
