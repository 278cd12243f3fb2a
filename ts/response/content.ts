// What a body's bytes are turned into for those who read it as a whole.
//
// Promise: text is decoded as `Response.text()` does (UTF-8, a byte order mark dropped, bad bytes replaced). A string's characters are
// the bytes (latin1). Used by `whole-body.ts`, `stream-body.ts`.

import type { HeaderMap } from './headers.js'

/** A whole body. */
export type Content = Uint8Array | string

/** Who knows the fields of a body. */
export interface Described {
  readonly headers: HeaderMap
}

const UTF8 = new TextDecoder()

export function decode(content: Content): string {
  if (typeof content !== 'string') return UTF8.decode(content)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII, in which latin1 and UTF-8 agree.
  return /^[\x00-\x7f]*$/.test(content) ? content : UTF8.decode(Buffer.from(content, 'latin1'))
}

export function parse<T>(content: Content): T {
  const value: T = JSON.parse(decode(content))
  return value
}

/** Never a view on a pooled buffer: the reader may hand on `.buffer`. */
export function toBytes(content: Content): Uint8Array {
  if (typeof content !== 'string') return content
  const bytes = new Uint8Array(content.length)
  for (let i = 0; i < content.length; i++) bytes[i] = content.charCodeAt(i)
  return bytes
}

export function toArrayBuffer(content: Content): ArrayBuffer {
  const bytes = toBytes(content)
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) return buffer
  const exact = new ArrayBuffer(bytes.byteLength)
  new Uint8Array(exact).set(bytes)
  return exact
}

export function toBlob(content: Content, { headers }: Described): Blob {
  return new Blob([toArrayBuffer(content)], { type: headers.get('content-type') ?? '' })
}
