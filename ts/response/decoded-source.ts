// A body of which the content codings are undone as it is read.
//
//   raw body --part--> undo --part--> undo ... --> chunks
//
// Promise: nothing is decoded before it is asked for, and little ahead: each step has a stream's buffer. A body that ends too early, or
// is not what its field says, fails its reader; so does what the raw body fails with, unchanged. An empty body stays empty.
// Used by `decoded-body.ts`. Not here: bounds on the whole (`decoded-body.ts`).

import { pipeline, Readable } from 'node:stream'
import { type Coding, decoder } from './codings.js'
import type { ChunkSource } from './readers.js'

/** See above. `begun` is what was read of the raw body already. */
export class DecodedSource implements ChunkSource {
  readonly #raw: AsyncIterator<Uint8Array>
  readonly #codings: readonly Coding[]
  readonly #malformed: (cause: unknown) => unknown
  #begun: readonly Uint8Array[]
  #parts: AsyncIterator<Uint8Array> | null = null
  #failure: { readonly error: unknown } | null = null
  #over = false

  constructor(
    raw: AsyncIterator<Uint8Array>,
    codings: readonly Coding[],
    malformed: (cause: unknown) => unknown,
    begun: readonly Uint8Array[] = [],
  ) {
    this.#raw = raw
    this.#codings = codings
    this.#malformed = malformed
    this.#begun = begun
  }

  async next(): Promise<Uint8Array | null> {
    if (this.#over) return null
    this.#parts ??= this.#start()
    try {
      const step = await this.#parts.next()
      // A copy: zlib gives out views of buffers that it goes on to fill, and a reader may take the whole buffer away.
      if (step.done !== true) return new Uint8Array(step.value)
      this.#over = true
      return null
    } catch (error) {
      if (this.#over) return null
      this.#over = true
      void this.#raw.return?.()
      throw this.#failure === null ? this.#malformed(error) : this.#failure.error
    }
  }

  cancel(): void {
    this.#over = true
    // What waits for the raw body finds its end, and unwinds.
    void this.#raw.return?.()
    void this.#parts?.return?.()
  }

  #start(): AsyncIterator<Uint8Array> {
    let parts: AsyncIterable<Uint8Array> = this.#rawParts()
    for (let i = this.#codings.length - 1; i >= 0; i--) parts = undo(parts, this.#codings[i] as Coding)
    return parts[Symbol.asyncIterator]()
  }

  async *#rawParts(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#begun
    this.#begun = []
    try {
      for (let step = await this.#raw.next(); step.done !== true; step = await this.#raw.next()) yield step.value
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }
}

async function* undo(input: AsyncIterable<Uint8Array>, coding: Coding): AsyncGenerator<Uint8Array, void, undefined> {
  const parts = input[Symbol.asyncIterator]()
  let first = await parts.next()
  while (first.done !== true && first.value.length === 0) first = await parts.next()
  if (first.done === true) return
  const decoded = decoder(coding, first.value)
  // Failures of either come out of `decoded`.
  pipeline(Readable.from(rest(first.value, parts), { objectMode: true }), decoded, () => {})
  yield* decoded
}

async function* rest(first: Uint8Array, parts: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield first
  for (let step = await parts.next(); step.done !== true; step = await parts.next()) yield step.value
}
