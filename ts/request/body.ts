// The body of a request.
//
// Promise: its length is known before a byte is written; bytes are copied when the request is submitted, text is UTF-8.
// Used by `request.ts`. Not here: how it is cut into records (`native/channel.ts`).

import { RequestError } from '../errors/errors.js'

/** A body: text, bytes, or none. */
export type BodyInput = string | Uint8Array

/** Lengths cross as 32 bits, and the last value means that there is no body. */
const MAX_BODY_BYTES: number = 2 ** 32 - 2

/** The body to send; null where there is none. */
export function readBody(value: unknown): BodyInput | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return value
  if (!(value instanceof Uint8Array)) throw new RequestError('body', 'expected a string, a Uint8Array or null')
  if (value.byteLength > MAX_BODY_BYTES) throw new RequestError('body', `longer than ${MAX_BODY_BYTES} bytes`)
  return value
}

/** Holds a Content-Length of the caller against the body: they must agree. -1: none was given. */
export function checkLength(contentLength: number, body: BodyInput | null): void {
  if (contentLength === -1) return
  const length = body === null ? 0 : Buffer.byteLength(body)
  if (contentLength !== length) throw new RequestError('content-length', 'is not the length of the body')
}
