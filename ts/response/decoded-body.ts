// A body with its content codings undone, to its readers as any other body.
//
// Promise: one reader, as of the raw body; nothing is decoded before somebody reads. Those who collect get at most `maxReadSize` decoded
// bytes, however little came; those who read chunks set the pace. A failure resets the exchange.
// Used by `decoded-response.ts`, `fetch/`. Not here: the steps (`decoded-source.ts`), which codings there are (`codings.ts`).

import type { Readable } from 'node:stream'
import { lastAttempt } from '../errors/attempt.js'
import { codeEntry, type ErrorCode } from '../errors/codes.js'
import type { ForebayError } from '../errors/errors.js'
import { makeError, messageOf } from '../errors/from-native.js'
import type { DiscardOptions, ResponseBody } from './body.js'
import { type Coding, decodeAtOnce } from './codings.js'
import { Collector } from './collect.js'
import { decode, parse, toArrayBuffer, toBlob } from './content.js'
import { DecodedSource } from './decoded-source.js'
import { BodyIterator, nodeStream, webStream } from './readers.js'
import type { ResponseHead } from './response.js'

/** Whose body it is, and how much of it may be collected. */
export interface Decoding {
  readonly origin: string
  readonly head: ResponseHead
  readonly codings: readonly Coding[]
  readonly maxReadSize: number
}

/** A body up to this many bytes, whole when it is read, is decoded at once: a stream costs more than that. A guess. */
const AT_ONCE_BYTES = 16_384
/** What may come of it at once; more is decoded as a stream, which lets others run. A guess. */
const AT_ONCE_RESULT_BYTES = 262_144

/** See above. */
export class DecodedBody implements ResponseBody {
  readonly #raw: ResponseBody
  readonly #decoding: Decoding

  constructor(raw: ResponseBody, decoding: Decoding) {
    this.#raw = raw
    this.#decoding = decoding
  }

  get used(): boolean {
    return this.#raw.used
  }

  async text(): Promise<string> {
    return decode(await this.bytes())
  }

  async json<T = unknown>(): Promise<T> {
    return parse<T>(await this.bytes())
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return toArrayBuffer(await this.bytes())
  }

  async blob(): Promise<Blob> {
    return toBlob(await this.bytes(), this.#decoding.head)
  }

  async bytes(): Promise<Uint8Array> {
    const raw = this.#raw[Symbol.asyncIterator]()
    const begun: Uint8Array[] = []
    for (let step = await raw.next(); step.done !== true; step = await raw.next()) {
      begun.push(step.value)
      // Another part, or a large one: it is worth a stream.
      if (begun.length > 1 || step.value.length > AT_ONCE_BYTES) return this.#collect(this.#source(raw, begun))
    }
    const whole = begun[0]
    if (whole === undefined) return new Uint8Array(0)
    return this.#atOnce(whole) ?? this.#collect(this.#source(raw, begun))
  }

  /** Null where that is too much at once, or does not go: a stream then says why. */
  #atOnce(whole: Uint8Array): Uint8Array | null {
    const { codings, maxReadSize } = this.#decoding
    let bytes = whole
    try {
      for (let i = codings.length - 1; i >= 0; i--) {
        const coding = codings[i] as Coding
        if (coding === 'zstd') return null
        bytes = decodeAtOnce(coding, bytes, Math.max(1, Math.min(AT_ONCE_RESULT_BYTES, maxReadSize)))
      }
    } catch {
      return null
    }
    if (bytes.length > maxReadSize) return null
    // Memory of its own: the reader may hand on `.buffer`.
    return bytes.byteLength === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes)
  }

  async #collect(source: DecodedSource): Promise<Uint8Array> {
    const { maxReadSize } = this.#decoding
    const collector = new Collector(-1)
    for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
      if (collector.length + chunk.length > maxReadSize) {
        source.cancel()
        throw decodingError(this.#decoding, 'FB_BODY_TOO_LARGE', maxReadSize, undefined)
      }
      collector.add(chunk, 0, chunk.length)
    }
    return collector.take()
  }

  stream(): ReadableStream<Uint8Array> {
    return webStream(this.#begin())
  }

  readable(): Readable {
    return nodeStream(this.#begin())
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined, undefined> {
    return new BodyIterator(this.#begin())
  }

  discard(options?: DiscardOptions): Promise<void> {
    return this.#raw.discard(options)
  }

  #begin(): DecodedSource {
    return this.#source(this.#raw[Symbol.asyncIterator](), [])
  }

  #source(raw: AsyncIterator<Uint8Array>, begun: readonly Uint8Array[]): DecodedSource {
    const decoding = this.#decoding
    const malformed = (cause: unknown): unknown => decodingError(decoding, 'FB_RESPONSE_MALFORMED', 0, cause)
    return new DecodedSource(raw, decoding.codings, malformed, begun)
  }
}

/** What is wrong with a response that has to be decoded. */
export function decodingError(
  { origin, head }: Pick<Decoding, 'origin' | 'head'>,
  code: ErrorCode,
  number: number,
  cause: unknown,
): ForebayError {
  const { endpoint, protocol, reused } = head.connection
  const entry = codeEntry(code)
  const message =
    code === 'FB_RESPONSE_MALFORMED'
      ? `the body is not what its content-encoding says: ${origin} at ${endpoint}`
      : messageOf(entry, number, origin, endpoint)
  return makeError(entry, message, number, {
    phase: 'body',
    origin,
    endpoint,
    protocol,
    reused,
    attempts: [lastAttempt(endpoint, code, head.timings.headMs)],
    cause,
  })
}
