// The options of `ResponseBody.discard`.
//
// Used by `whole-body.ts`, `stream-body.ts`.

import { fieldsOf, readLimit } from '../config/read.js'

/** Source: undici, `BodyReadable.dump`. */
export const DISCARD_BYTES = 131_072

/** How many bytes are read on for. */
export function readMaxBytes(options: unknown): number {
  return readLimit('discard.maxBytes', fieldsOf('discard', options, ['maxBytes'])['maxBytes'], DISCARD_BYTES)
}
