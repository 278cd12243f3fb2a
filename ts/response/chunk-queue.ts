// Chunks of a body that nobody has asked for yet.
//
// Promise: first in, first out; each chunk is a copy of its own and is not written to after it was given out; however small the parts
// are that come, they take about as much memory as their bytes. Used by `incoming.ts`, which bounds the bytes.

import { Collector } from './collect.js'

/** Smaller parts than this are put together, in bytes: a view and its buffer cost some 200 bytes. A guess. */
const SMALL_BYTES = 4096
/** Size at which a chunk made of small parts is closed, in bytes: one TLS record. */
const MERGED_BYTES = 16_384

/** See above. */
export class ChunkQueue {
  #chunks: Uint8Array[] = []
  #next = 0
  /** Small parts that came last; behind all of `#chunks`. */
  #tail: Collector | null = null

  get isEmpty(): boolean {
    return this.#next === this.#chunks.length && this.#tail === null
  }

  /** Takes a copy of `from[start, end)`. */
  add(from: Uint8Array, start: number, end: number): void {
    const isFirst = this.isEmpty
    if (isFirst || end - start >= SMALL_BYTES) {
      this.#closeTail()
      this.#chunks.push(from.slice(start, end))
      return
    }
    this.#tail ??= new Collector(SMALL_BYTES)
    this.#tail.add(from, start, end)
    if (this.#tail.length >= MERGED_BYTES) this.#closeTail()
  }

  #closeTail(): void {
    if (this.#tail !== null) this.#chunks.push(this.#tail.takeExact())
    this.#tail = null
  }

  /** The oldest; null where there is none. */
  shift(): Uint8Array | null {
    if (this.#next === this.#chunks.length) {
      this.#chunks = []
      this.#next = 0
      this.#closeTail()
    }
    const chunk = this.#chunks[this.#next]
    if (chunk === undefined) return null
    this.#next += 1
    return chunk
  }

  /** The only chunk, where there is just one; it stays. */
  get single(): Uint8Array | null {
    return this.#tail === null && this.#next === this.#chunks.length - 1 ? (this.#chunks[this.#next] ?? null) : null
  }

  clear(): void {
    this.#chunks = []
    this.#next = 0
    this.#tail = null
  }
}
