// The body of a fetch: every `BodyInit`, and what a `Request` carries.
//
// Promise: what can be sent again says so; a stream is read once. Used by `call.ts`, `request-body.ts`.
// Not here: types that say their own `content-type`, and how a stream is sent (`request/`).

import type { BodyInput } from '../request/body.js'

/** A body as a fetch keeps it. */
export interface FetchBody {
  readonly body: BodyInput
  /** What text says of itself; empty where the request layer knows, or nobody does. */
  readonly contentType: string
  /** Whether it can be sent again, after a redirect. */
  readonly again: boolean
}

/** `value` is neither null nor undefined. `duplex` as given. */
export function readFetchBody(value: unknown, duplex: unknown): FetchBody {
  if (isSent(value)) return { body: value, contentType: '', again: true }
  if (isStream(value)) {
    if (value instanceof ReadableStream && value.locked) throw new TypeError('body: the stream has a reader already')
    if (duplex === undefined) throw new TypeError("body: a stream needs `duplex: 'half'`")
    return { body: value, contentType: '', again: false }
  }
  // Anything else is text, as everywhere on the platform.
  return { body: `${value}`, contentType: 'text/plain;charset=UTF-8', again: true }
}

function isSent(value: unknown): value is ArrayBuffer | ArrayBufferView | URLSearchParams | Blob | FormData {
  return (
    typeof value === 'object' &&
    (ArrayBuffer.isView(value) ||
      value instanceof ArrayBuffer ||
      value instanceof URLSearchParams ||
      value instanceof Blob ||
      value instanceof FormData)
  )
}

function isStream(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
