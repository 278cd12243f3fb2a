// A body that is still coming when its response is there.
//
// Promise: the first reader gets it, chunks that came before included. Only callers hold this object, so that a dropped one is found.
// Used by `response.ts`. Not here: the way from exchange to reader (`incoming.ts`), the readers (`readers.ts`).

import type { Readable } from 'node:stream'
import { alreadyUsed, type DiscardOptions, type ResponseBody } from './body.js'
import { type Described, decode, parse, toArrayBuffer, toBlob } from './content.js'
import { readMaxBytes } from './discard.js'
import { unwatch, watch } from './dropped.js'
import type { IncomingBody } from './incoming.js'
import { BodyIterator, nodeStream, webStream } from './readers.js'

/** What an exchange gives to the response whose body is still coming. */
export interface Streaming {
  readonly incoming: IncomingBody
  readonly maxReadSize: number
  /** The error for a body above it. */
  readonly tooLarge: () => unknown
}

/** See above. */
export class StreamBody implements ResponseBody {
  readonly #streaming: Streaming
  readonly #head: Described
  #used = false

  constructor(streaming: Streaming, head: Described) {
    this.#streaming = streaming
    this.#head = head
    watch(this, streaming.incoming)
  }

  get used(): boolean {
    return this.#used
  }

  async text(): Promise<string> {
    return decode(await this.bytes())
  }

  async json<T = unknown>(): Promise<T> {
    return parse<T>(await this.bytes())
  }

  bytes(): Promise<Uint8Array> {
    if (this.#used) return Promise.reject(alreadyUsed())
    const { maxReadSize, tooLarge } = this.#streaming
    return this.#take().collect(maxReadSize, tooLarge)
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return toArrayBuffer(await this.bytes())
  }

  async blob(): Promise<Blob> {
    return toBlob(await this.bytes(), this.#head)
  }

  stream(): ReadableStream<Uint8Array> {
    return this.#readBy(webStream)
  }

  readable(): Readable {
    return this.#readBy(nodeStream)
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined, undefined> {
    return this.#readBy(incoming => new BodyIterator(incoming))
  }

  async discard(options?: DiscardOptions): Promise<void> {
    if (this.#used) throw alreadyUsed()
    const max = readMaxBytes(options)
    await this.#take().discard(max)
  }

  #take(): IncomingBody {
    if (this.#used) throw alreadyUsed()
    this.#used = true
    const { incoming } = this.#streaming
    // From here on it goes by itself, or its reader is what callers hold.
    unwatch(incoming)
    return incoming
  }

  #readBy<T extends object>(make: (incoming: IncomingBody) => T): T {
    const incoming = this.#take()
    const reader = make(incoming)
    watch(reader, incoming)
    return reader
  }
}
