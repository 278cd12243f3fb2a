// A body between its exchange, which puts in what comes, and its one reader.
//
//   open --end()--> ended        what is queued is still read
//   open --fail(error)--> failed what is queued is still read, then the error
//   open --abort(reason)--> failed, cancel()--> ended   what is queued is dropped
//
// Promise: bytes count as taken, and are told to the upstream, when a reader has them: an unread body stops its upstream and nobody
// else. Chunks are copied out of the slab. No promise is made before a reader asks, so an unread failure is nobody's unhandled rejection.
// Used by `pool/exchange.ts` (input) and `stream-body.ts` (readers). Not here: credit (`pool/exchange.ts`).

import { ClosedError } from '../errors/errors.js'
import { ChunkQueue } from './chunk-queue.js'
import { type DroppedBody, unwatch } from './dropped.js'
import type { ChunkSource } from './readers.js'
import { Collecting, Discarding, type Taker } from './takers.js'

/** The exchange, as its body sees it. */
export interface BodyUpstream {
  /** A reader has so many more bytes. */
  taken(bytes: number): void
  /** What comes from now on is wanted there, as long as it fits. */
  directInto(into: Uint8Array): void
  /** The rest is not wanted. */
  reset(): void
}

/** A reader that waits for a chunk. */
interface Waiting {
  readonly resolve: (chunk: Uint8Array | null) => void
  readonly reject: (error: unknown) => void
}

/** See above. */
export class IncomingBody implements ChunkSource, DroppedBody {
  readonly #upstream: BodyUpstream
  /** By `content-length`; -1 where there is none. */
  readonly #announced: number
  readonly #chunks: ChunkQueue = new ChunkQueue()
  #state: 'open' | 'ended' | 'failed' = 'open'
  #error: unknown = undefined
  #isCancelled = false
  #waiting: Waiting[] = []
  #trailers = ''
  /** Who waits for the trailers. */
  #behind: (() => void)[] = []
  #taker: Taker | null = null

  constructor(upstream: BodyUpstream, announced: number) {
    this.#upstream = upstream
    this.#announced = announced
  }

  /** A part came. It is only there during the call. */
  add(slab: Uint8Array, from: number, to: number): void {
    if (this.#state !== 'open' || from === to) return
    if (this.#taker !== null) {
      this.#give(this.#taker, slab, from, to)
      return
    }
    const waiting = this.#waiting.shift()
    if (waiting === undefined) {
      this.#chunks.add(slab, from, to)
      return
    }
    waiting.resolve(slab.slice(from, to))
    this.#upstream.taken(to - from)
  }

  /** So many bytes came, and are where the taker wanted them. */
  direct(length: number): void {
    const taker = this.#taker
    if (this.#state !== 'open' || taker === null) return
    this.#goOn(taker.advance(length), length)
  }

  /** `trailers`: `name NUL value NUL` for each. */
  end(trailers: string): void {
    if (this.#state !== 'open') return
    this.#trailers = trailers
    this.#over('ended', undefined)
  }

  fail(error: unknown): void {
    if (this.#state === 'open') this.#over('failed', error)
  }

  /** The caller does not want it any more, and that is to be told at once. */
  abort(reason: unknown): void {
    this.#chunks.clear()
    this.fail(reason)
  }

  #over(state: 'ended' | 'failed', error: unknown): void {
    this.#state = state
    this.#error = error
    unwatch(this)
    const taker = this.#taker
    const waiting = this.#waiting
    this.#taker = null
    const behind = this.#behind
    this.#waiting = []
    this.#behind = []
    for (const tell of behind) tell()
    if (taker !== null) this.#tell(taker)
    for (const one of waiting) {
      if (state === 'ended') one.resolve(null)
      else one.reject(error)
    }
  }

  #tell(taker: Taker): void {
    if (this.#state === 'ended') taker.end()
    else taker.fail(this.#error)
  }

  /** False where the taker has had enough. */
  #give(taker: Taker, bytes: Uint8Array, from: number, to: number): boolean {
    return this.#goOn(taker.take(bytes, from, to), to - from)
  }

  #goOn(goesOn: boolean, length: number): boolean {
    if (goesOn) {
      this.#upstream.taken(length)
      return true
    }
    this.#taker = null
    this.cancel()
    return false
  }

  next(): Promise<Uint8Array | null> {
    const chunk = this.#chunks.shift()
    if (chunk !== null) {
      this.#upstream.taken(chunk.length)
      return Promise.resolve(chunk)
    }
    if (this.#state === 'ended') return Promise.resolve(null)
    if (this.#state === 'failed') return Promise.reject(this.#error)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** The fields behind it, once it has ended. */
  trailers(): Promise<string> {
    return new Promise((resolve, reject) => {
      const tell = (): void => {
        if (this.#state === 'failed') reject(this.#error)
        else if (this.#isCancelled) reject(new ClosedError('FB_ABORTED', 'the body was not read to its end'))
        else resolve(this.#trailers)
      }
      if (this.#state === 'open') this.#behind.push(tell)
      else tell()
    })
  }

  cancel(): void {
    this.#chunks.clear()
    if (this.#state !== 'open') return
    this.#isCancelled = true
    this.#over('ended', undefined)
    this.#upstream.reset()
  }

  /** For a body that nobody holds any more: whether there was something to reset. */
  dropped(): boolean {
    const wasOpen = this.#state === 'open'
    this.cancel()
    return wasOpen
  }

  /** All of it, of at most `max` bytes; else `tooLarge()`. */
  collect(max: number, tooLarge: () => unknown): Promise<Uint8Array> {
    const { single } = this.#chunks
    if (this.#state === 'ended' && single !== null && single.length <= max) {
      // Already in memory of its own.
      this.#chunks.clear()
      return Promise.resolve(single)
    }
    if (this.#announced > max) {
      this.cancel()
      return Promise.reject(tooLarge())
    }
    return new Promise((resolve, reject) => {
      this.#feed(new Collecting(this.#announced, max, resolve, reject, tooLarge))
    })
  }

  /** Drops all of it, if that takes no more than `max` bytes; else resets. */
  discard(max: number): Promise<void> {
    if (max === 0 || this.#announced > max) this.cancel()
    return new Promise(resolve => this.#feed(new Discarding(max, resolve)))
  }

  #feed(taker: Taker): void {
    for (let chunk = this.#chunks.shift(); chunk !== null; chunk = this.#chunks.shift()) {
      if (!this.#give(taker, chunk, 0, chunk.length)) return
    }
    if (this.#state !== 'open') {
      this.#tell(taker)
      return
    }
    this.#taker = taker
    const { place } = taker
    if (place !== null) this.#upstream.directInto(place)
  }
}
