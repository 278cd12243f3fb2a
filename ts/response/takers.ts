// Readers that take a body as it comes, without asking: those who want it whole, and those who do not want it.
//
// Promise: each settles its promise once; what it is given is copied out of the slab, once.
// Used by `incoming.ts`. Not here: who may read, and what a taken byte means for the upstream.

import { InternalError } from '../errors/errors.js'
import { Collector } from './collect.js'

/** Takes what comes. */
export interface Taker {
  /** `from[start, end)` came. False: it has settled and wants no more. */
  take(from: Uint8Array, start: number, end: number): boolean
  /** As `take`, of bytes that are in `place` already. */
  advance(length: number): boolean
  /** Where what comes may be put without asking, first to last; null where nowhere. */
  readonly place: Uint8Array | null
  end(): void
  fail(error: unknown): void
}

/** Collects a whole body of at most `max` bytes. */
export class Collecting implements Taker {
  readonly #collector: Collector
  readonly #max: number
  readonly #resolve: (bytes: Uint8Array) => void
  readonly #reject: (error: unknown) => void
  readonly #tooLarge: () => unknown

  constructor(
    announced: number,
    max: number,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: unknown) => void,
    tooLarge: () => unknown,
  ) {
    this.#collector = new Collector(announced)
    this.#max = max
    this.#resolve = resolve
    this.#reject = reject
    this.#tooLarge = tooLarge
  }

  take(from: Uint8Array, start: number, end: number): boolean {
    if (this.#collector.length + end - start > this.#max) {
      this.#reject(this.#tooLarge())
      return false
    }
    try {
      this.#collector.add(from, start, end)
    } catch (cause) {
      // No memory for it, where the bound allowed more than there is.
      this.#reject(new InternalError('FB_INTERNAL', 'the body could not be kept', { cause }))
      return false
    }
    return true
  }

  advance(length: number): boolean {
    if (this.#collector.length + length > this.#max) {
      this.#reject(this.#tooLarge())
      return false
    }
    this.#collector.advance(length)
    return true
  }

  get place(): Uint8Array | null {
    return this.#collector.place
  }

  end(): void {
    this.#resolve(this.#collector.take())
  }

  fail(error: unknown): void {
    this.#reject(error)
  }
}

/** Drops up to `max` bytes. */
export class Discarding implements Taker {
  #left: number
  readonly #resolve: () => void

  constructor(max: number, resolve: () => void) {
    this.#left = max
    this.#resolve = resolve
  }

  take(_from: Uint8Array, start: number, end: number): boolean {
    return this.advance(end - start)
  }

  /** Nothing is kept of it. */
  get place(): null {
    return null
  }

  advance(length: number): boolean {
    this.#left -= length
    if (this.#left >= 0) return true
    this.#resolve()
    return false
  }

  end(): void {
    this.#resolve()
  }

  fail(): void {
    this.#resolve()
  }
}
