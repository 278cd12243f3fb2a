// The trailers of a request: what its caller's function gives once the body was handed over, as bytes.
//
// Promise: they pass the same check as fields of the head, with bounds of their own. Framing, routing and hop-by-hop fields are refused
// (RFC 9110 section 6.5.1). Used by `extras.ts`. Not here: when they are asked for (`upload.ts`).

import { RequestError } from '../errors/errors.js'
import { type HeadersInput, HeaderWriter, readHeaders } from './headers.js'

/** Bytes and fields of all trailers: the bounds that hold for those of responses. */
const MAX_SIZE_BYTES = 16_384
const MAX_FIELDS = 100

/** What the `trailers` option is. */
export type TrailersOption = () => HeadersInput | Promise<HeadersInput>

/** Asks for them, checks them, and gives `name NUL value NUL` for each. */
export async function trailersOf(option: TrailersOption): Promise<Uint8Array> {
  const headers = readHeaders(await option())
  if (headers === null) return new Uint8Array(0)
  const bytes = new Uint8Array(MAX_SIZE_BYTES)
  const writer = new HeaderWriter()
  writer.start(bytes, 0, MAX_SIZE_BYTES, MAX_FIELDS)
  writer.writeAll(headers)
  if (writer.contentLength !== -1) throw new RequestError('content-length', 'cannot be a trailer')
  return bytes.subarray(0, writer.at)
}
