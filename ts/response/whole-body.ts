// A body that is wholly here when its response is: the usual case, and the cheap one.
//
// Promise: nothing is made of it before somebody reads; a short one stays one latin1 string with the head until then.
// Used by `response.ts`. Not here: a body that is still coming (`stream-body.ts`).

import type { Readable } from 'node:stream'
import { alreadyUsed, type DiscardOptions, type ResponseBody } from './body.js'
import { type Content, type Described, decode, parse, toArrayBuffer, toBlob, toBytes } from './content.js'
import { readMaxBytes } from './discard.js'
import { BodyIterator, type ChunkSource, nodeStream, webStream } from './readers.js'

/** Bytes, or a string whose characters are the bytes. */
export class WholeBody implements ResponseBody {
  readonly #head: Described
  #content: Content | null

  constructor(content: Content, head: Described) {
    this.#content = content
    this.#head = head
  }

  get used(): boolean {
    return this.#content === null
  }

  text(): Promise<string> {
    return this.#read(decode)
  }

  json<T = unknown>(): Promise<T> {
    return this.#read<T>(parse)
  }

  bytes(): Promise<Uint8Array> {
    return this.#read(toBytes)
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#read(toArrayBuffer)
  }

  blob(): Promise<Blob> {
    return this.#read(content => toBlob(content, this.#head))
  }

  stream(): ReadableStream<Uint8Array> {
    return webStream(this.#source())
  }

  readable(): Readable {
    return nodeStream(this.#source())
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined, undefined> {
    return new BodyIterator(this.#source())
  }

  discard(options?: DiscardOptions): Promise<void> {
    return this.#read(() => {
      readMaxBytes(options)
    })
  }

  /** A promise of what `make` gives, or throws. */
  #read<T>(make: (content: Content) => T): Promise<T> {
    const content = this.#content
    if (content === null) return Promise.reject(alreadyUsed())
    this.#content = null
    try {
      return Promise.resolve(make(content))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #source(): ChunkSource {
    const content = this.#content
    if (content === null) throw alreadyUsed()
    this.#content = null
    return new OneChunk(content)
  }
}

/** The whole as the only chunk, and none where it is empty. */
class OneChunk implements ChunkSource {
  #content: Content | null

  constructor(content: Content) {
    this.#content = content.length === 0 ? null : content
  }

  next(): Promise<Uint8Array | null> {
    const content = this.#content
    this.#content = null
    return Promise.resolve(content === null ? null : toBytes(content))
  }

  cancel(): void {
    this.#content = null
  }
}
