// The body of a response, as callers see it: one reader, then it is used.
//
// Used by callers; made by `whole-body.ts`, `stream-body.ts`. Not here: how bytes arrive (`incoming.ts`).

import type { Readable } from 'node:stream'

/** How patient `discard` is. */
export interface DiscardOptions {
  /**
   * Bytes that are read on for, so that the connection of an h1 response can be used again; beyond them the exchange is reset.
   * `0`: reset at once. `Infinity`: read to the end.
   * @default 131_072
   */
  readonly maxBytes?: number | undefined
}

/**
 * The body of a response. It has one reader; a second gets a TypeError. A failure after the head, and an abort, reject the reader.
 *
 * What nobody reads stays with the upstream, apart from `bodyBuffer` bytes, and holds its connection: read it, discard it, or let
 * `await using response` do so.
 */
export interface ResponseBody extends AsyncIterable<Uint8Array> {
  /** Whether it has, or had, a reader. */
  readonly used: boolean
  /** All of it as text: UTF-8, a byte order mark dropped, bad bytes replaced. At most `maxReadSize` bytes. */
  text(): Promise<string>
  /** All of it, parsed. At most `maxReadSize` bytes. */
  json<T = unknown>(): Promise<T>
  /** All of it. At most `maxReadSize` bytes. */
  bytes(): Promise<Uint8Array>
  /** All of it. At most `maxReadSize` bytes. */
  arrayBuffer(): Promise<ArrayBuffer>
  /** All of it, with the type that the response says. At most `maxReadSize` bytes. */
  blob(): Promise<Blob>
  /** A stream of type `bytes` that reads no further than it is read. Its `cancel()` resets the exchange. */
  stream(): ReadableStream<Uint8Array>
  /** A Node stream. To destroy it before its end resets the exchange. */
  readable(): Readable
  /** Chunk by chunk; each is its reader's own. To leave the loop early resets the exchange. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined, undefined>
  /** Drops it, and resolves when it is gone; however the rest of it ended is no failure then. */
  discard(options?: DiscardOptions): Promise<void>
}

/** For a second reader. */
export function alreadyUsed(): TypeError {
  return new TypeError('the body of this response has a reader already')
}
