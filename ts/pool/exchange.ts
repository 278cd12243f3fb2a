// One request under way, from submission to its one outcome.
//
//   waiting --complete--> settled            (the usual case: one record)
//   waiting --head--> collecting --data*--> end --> settled
//   any     --fail / abort / too large--> settled; what still comes is dropped
//
// Promise: the promise is settled once; the caller's signal keeps no listener; credit is granted as bytes are taken.
// Used by `native-pool.ts`, which gives it to the channel. Not here: encoding and decoding (`native/`).

import { lastAttempt } from '../errors/attempt.js'
import { codeEntry } from '../errors/codes.js'
import { InternalError } from '../errors/errors.js'
import { errorFromNative, makeError, messageOf, type NativeFailure } from '../errors/from-native.js'
import { Collector } from '../response/collect.js'
import { type ConnectionFacts, endpointOf, protocolOf } from '../response/connection.js'
import { type PoolResponse, WholeResponse } from '../response/response.js'

/** What an exchange needs of its pool. */
export interface ExchangeOwner {
  readonly origin: string
  /** What `destroy()` was given. */
  readonly closeReason: unknown
  /** Bytes that may come before more credit is granted. */
  readonly bodyBuffer: number
  nowMs(): number
  cancel(id: number): void
  credit(id: number, bytes: number): void
}

/** A response whose body is still coming. */
interface Partial {
  readonly status: number
  readonly text: string
  readonly connection: ConnectionFacts
  readonly reused: boolean
  readonly queueMicros: number
  readonly headMicros: number
  readonly collector: Collector
  /** Bytes taken for which no credit was granted yet. */
  owed: number
}

/** See above. */
export class Exchange {
  id = -1
  /** When it was submitted, in ms of the monotonic clock. */
  startedMs = 0
  /** How long the first lookup of its host took. */
  dnsMs = 0
  readonly high: boolean
  readonly #owner: ExchangeOwner
  readonly #resolve: (response: PoolResponse) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | null
  readonly #maxReadSize: number
  #partial: Partial | null = null
  #settled = false

  constructor(
    owner: ExchangeOwner,
    resolve: (response: PoolResponse) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | null,
    maxReadSize: number,
    high: boolean,
  ) {
    this.#owner = owner
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = signal
    this.#maxReadSize = maxReadSize
    this.high = high
  }

  get settled(): boolean {
    return this.#settled
  }

  /** Begins to watch the caller's signal. */
  watch(): void {
    // It may have ended already: the event loop answers while a long body is handed over.
    if (!this.#settled) this.#signal?.addEventListener('abort', this)
  }

  /** The caller's signal fired. */
  handleEvent(): void {
    if (this.#settled) return
    this.rejectWith(this.#signal?.reason)
    if (this.id !== -1) this.#owner.cancel(this.id)
  }

  /** Ends it without a record, with an error of ours. */
  rejectWith(error: unknown): void {
    if (this.#settled) return
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#settled = true
    this.#partial = null
    if (this.#signal !== null) this.#signal.removeEventListener('abort', this)
  }

  complete(
    status: number,
    text: string,
    headLength: number,
    bytes: Uint8Array | null,
    connection: ConnectionFacts,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
  ): void {
    if (this.#settled) return
    const length = bytes === null ? text.length - headLength : bytes.length
    if (length > this.#maxReadSize) {
      this.rejectWith(this.#tooLarge(connection, reused))
      return
    }
    this.#settle()
    const { dnsMs } = this
    this.#resolve(
      new WholeResponse(status, text, headLength, bytes, connection, reused, queueMicros, headMicros, dnsMs),
    )
  }

  head(
    status: number,
    text: string,
    bodyTotal: number,
    connection: ConnectionFacts,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
  ): void {
    if (this.#settled) return
    if (bodyTotal > this.#maxReadSize) {
      this.#giveUp(this.#tooLarge(connection, reused))
      return
    }
    const collector = new Collector(bodyTotal)
    this.#partial = { status, text, connection, reused, queueMicros, headMicros, collector, owed: 0 }
  }

  data(slab: Uint8Array, from: number, to: number): void {
    const partial = this.#partial
    if (partial === null) return
    if (partial.collector.length + to - from > this.#maxReadSize) {
      this.#giveUp(this.#tooLarge(partial.connection, partial.reused))
      return
    }
    try {
      partial.collector.add(slab, from, to)
    } catch (cause) {
      // No memory for it, where the bound allowed more than there is.
      this.#giveUp(new InternalError('FB_INTERNAL', 'the body could not be kept', { cause }))
      return
    }
    partial.owed += to - from
    // In lumps: a record for each part would cost more than it gives.
    if (partial.owed * 2 >= this.#owner.bodyBuffer) {
      this.#owner.credit(this.id, partial.owed)
      partial.owed = 0
    }
  }

  end(): void {
    const partial = this.#partial
    if (partial === null) return
    this.#settle()
    const { status, text, connection, reused, queueMicros, headMicros, collector } = partial
    const bytes = collector.take()
    this.#resolve(
      new WholeResponse(status, text, text.length, bytes, connection, reused, queueMicros, headMicros, this.dnsMs),
    )
  }

  fail(failure: NativeFailure): void {
    if (this.#settled) return
    const owner = this.#owner
    const durationMs = owner.nowMs() - this.startedMs
    this.rejectWith(errorFromNative(failure, { origin: owner.origin, durationMs, closeReason: owner.closeReason }))
  }

  broke(cause: unknown): void {
    this.rejectWith(cause)
  }

  /** The rest of the response is not wanted. */
  #giveUp(error: unknown): void {
    this.rejectWith(error)
    this.#owner.cancel(this.id)
  }

  #tooLarge(connection: ConnectionFacts, reused: boolean): unknown {
    const { origin } = this.#owner
    const entry = codeEntry('FB_BODY_TOO_LARGE')
    const endpoint = endpointOf(connection)
    const durationMs = this.#owner.nowMs() - this.startedMs
    return makeError(entry, messageOf(entry, this.#maxReadSize, origin, endpoint), this.#maxReadSize, {
      phase: 'body',
      origin,
      endpoint,
      protocol: protocolOf(connection),
      reused,
      attempts: [lastAttempt(endpoint, entry.code, durationMs)],
    })
  }
}
