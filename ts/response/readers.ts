// The readers that take a body chunk by chunk: an iterator, a web stream, a Node stream.
//
// Promise: none reads further than it is read (the Node stream: than its own buffer); each cancels its source when it is left before
// the end. Users' code never runs within a source's call: chunks come by promises.
// Used by `whole-body.ts`, `stream-body.ts`. Not here: where chunks come from (`incoming.ts`).

import { Readable } from 'node:stream'

/** Where a reader takes its chunks from. */
export interface ChunkSource {
  /** The next chunk, never empty; null at the end. Each belongs to who gets it. */
  next(): Promise<Uint8Array | null>
  /** No more is wanted; what is asked for still gives null. Harmless after the end. */
  cancel(): void
}

type Step = IteratorResult<Uint8Array, undefined>

/** For `for await`. Chunks may be asked for ahead of those that came. */
export class BodyIterator implements AsyncIterator<Uint8Array, undefined, undefined> {
  readonly #source: ChunkSource
  #done = false

  constructor(source: ChunkSource) {
    this.#source = source
  }

  async next(): Promise<Step> {
    if (this.#done) return { done: true, value: undefined }
    try {
      const chunk = await this.#source.next()
      if (chunk !== null) return { done: false, value: chunk }
    } catch (error) {
      this.#done = true
      throw error
    }
    this.#done = true
    return { done: true, value: undefined }
  }

  return(): Promise<Step> {
    this.#done = true
    this.#source.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }
}

/** A stream of type `bytes`: it can be read into a buffer of the reader's. */
export function webStream(source: ChunkSource): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const chunk = await source.next()
      if (chunk === null) {
        controller.close()
        // A reader that brought a buffer waits for it.
        controller.byobRequest?.respond(0)
      } else {
        controller.enqueue(chunk)
      }
    },
    cancel() {
      source.cancel()
    },
  })
}

/** A Node stream of buffers. */
export function nodeStream(source: ChunkSource): Readable {
  return new BodyReadable(source)
}

class BodyReadable extends Readable {
  readonly #source: ChunkSource

  constructor(source: ChunkSource) {
    super()
    this.#source = source
  }

  override _read(): void {
    this.#source.next().then(
      chunk => {
        if (!this.destroyed) this.push(chunk)
      },
      (error: Error) => this.destroy(error),
    )
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.cancel()
    callback(error)
  }
}
