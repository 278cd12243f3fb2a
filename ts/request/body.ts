// The body of a request.
//
// Promise: the length of a body in memory is known before a byte is written; bytes are copied when the request is submitted, text is
// UTF-8. What says its own type gives a Content-Type where the caller gave none. Used by `request.ts`, `prepared.ts`.
// Not here: how it is cut into records (`native/channel.ts`), how a stream is sent (`upload.ts`).

import { RequestError } from '../errors/errors.js'
import { type BodyStream, repeatable, type StreamSource, streamSource } from './stream-source.js'

/** A body: in memory, a stream, or a function that gives a stream and can give it again. */
export type BodyInput =
  | string
  | Uint8Array
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | Blob
  | FormData
  | BodyStream
  | (() => BodyStream)

/** A body as it is sent. */
export type SentBody = string | Uint8Array

/** A body that says more than its bytes, or has to be read first. */
export class DerivedBody {
  /** Empty: it has none. */
  readonly contentType: string
  /** Null: `read` gives it. */
  readonly content: SentBody | null
  readonly read: (() => Promise<ArrayBuffer>) | null
  /** Not null: it is sent as it is read. */
  readonly stream: StreamSource | null
  /** Its length in bytes; -1 where that is not known, or no length that can be announced. */
  readonly streamLength: number

  constructor(
    contentType: string,
    content: SentBody | null,
    read: (() => Promise<ArrayBuffer>) | null,
    stream: StreamSource | null = null,
    streamLength = -1,
  ) {
    this.contentType = contentType
    this.content = content
    this.read = read
    this.stream = stream
    this.streamLength = streamLength
  }
}

/** Lengths cross as 32 bits, and the last value means that there is no body. */
export const MAX_BODY_BYTES: number = 2 ** 32 - 2
/** A Blob above this many bytes is sent as it is read. A guess: below it reading it at once is cheaper. */
const STREAMED_BLOB_BYTES = 131_072

/** The body to send; null where there is none. */
export function readBody(value: unknown): SentBody | DerivedBody | StreamSource | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return bounded(value)
  if (value instanceof ArrayBuffer) return bounded(new Uint8Array(value))
  if (ArrayBuffer.isView(value)) return bounded(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (value instanceof URLSearchParams) {
    return new DerivedBody('application/x-www-form-urlencoded;charset=UTF-8', value.toString(), null)
  }
  if (value instanceof Blob) {
    const { size } = value
    if (size > STREAMED_BLOB_BYTES) {
      const source = repeatable(() => value.stream())
      return new DerivedBody(value.type, null, null, source, size > MAX_BODY_BYTES ? -1 : size)
    }
    return new DerivedBody(value.type, null, () => value.arrayBuffer())
  }
  if (typeof value === 'object' && value instanceof FormData) {
    // The platform's own encoding: the boundary is in the type.
    const encoded = new Response(value)
    return new DerivedBody(encoded.headers.get('content-type') ?? '', null, () => encoded.arrayBuffer())
  }
  if (typeof value === 'function') return repeatable(value as () => unknown)
  const source = streamSource(value)
  if (source !== null) return source
  throw new RequestError(
    'body',
    'expected a string, bytes (ArrayBuffer or a view), URLSearchParams, Blob, FormData, a stream, an async iterable, a function that ' +
      'gives one of the last two, or null',
  )
}

function bounded(bytes: Uint8Array): Uint8Array {
  checkSize(bytes.byteLength)
  return bytes
}

/** Refuses a length that cannot cross. */
export function checkSize(length: number): void {
  if (length > MAX_BODY_BYTES) throw new RequestError('body', `longer than ${MAX_BODY_BYTES} bytes`)
}

/** Holds a Content-Length of the caller against the body: they must agree. -1: none was given. */
export function checkLength(contentLength: number, body: SentBody | null): void {
  if (contentLength === -1) return
  const length = body === null ? 0 : Buffer.byteLength(body)
  if (contentLength !== length) throw new RequestError('content-length', 'is not the length of the body')
}
