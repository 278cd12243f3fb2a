// One request under way, from submission to the end of its response.
//
//   waiting --complete--> over               (the usual case: one record)
//   waiting --head--> reading --data*--> end --> over
//   any     --fail / abort / reset by the reader--> over; what still comes is dropped
//
// Promise: the promise is settled once, at the head; from then on failures are the body's. The caller's signal keeps no listener
// afterwards. Credit is granted as a reader takes bytes. Nothing here refers to the response: what callers drop can be collected.
// Used by `native-pool.ts`, which gives it to the channel. Not here: encoding and decoding (`native/`), readers (`response/`).

import { lastAttempt } from '../errors/attempt.js'
import { codeEntry } from '../errors/codes.js'
import { InternalError } from '../errors/errors.js'
import { errorFromNative, makeError, messageOf, type NativeFailure } from '../errors/from-native.js'
import { type ConnectionFacts, endpointOf, protocolOf } from '../response/connection.js'
import { toBytes } from '../response/content.js'
import { type BodyUpstream, IncomingBody } from '../response/incoming.js'
import { type PoolResponse, ReceivedResponse } from '../response/response.js'

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

/** See above. */
export class Exchange implements BodyUpstream {
  id = -1
  /** When it was submitted, in ms of the monotonic clock. */
  startedMs = 0
  /** How long the first lookup of its host took. */
  dnsMs = 0
  readonly high: boolean
  readonly #owner: ExchangeOwner
  #resolve: (response: PoolResponse) => void
  #reject: (error: unknown) => void
  readonly #signal: AbortSignal | null
  readonly #maxReadSize: number
  /** What comes after the head; null before it. */
  #body: IncomingBody | null = null
  /** Bytes taken for which no credit was granted yet. */
  #owed = 0
  #over = false

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

  /** Whether nothing is wanted of it any more. */
  get over(): boolean {
    return this.#over
  }

  /** Begins to watch the caller's signal. */
  watch(): void {
    // It may have ended already: the event loop answers while a long body is handed over.
    if (!this.#over) this.#signal?.addEventListener('abort', this)
  }

  /** The caller's signal fired. */
  handleEvent(): void {
    if (this.#over) return
    const reason: unknown = this.#signal?.reason
    this.#end()
    if (this.#body === null) this.#reject(reason)
    else this.#body.abort(reason)
    this.#cancel()
  }

  /** Ends it without a record, with an error of ours. */
  rejectWith(error: unknown): void {
    if (this.#over) return
    this.#end()
    if (this.#body === null) this.#reject(error)
    else this.#body.fail(error)
  }

  #end(): void {
    this.#over = true
    if (this.#signal !== null) this.#signal.removeEventListener('abort', this)
  }

  #cancel(): void {
    if (this.id !== -1) this.#owner.cancel(this.id)
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
    if (this.#over) return
    const length = bytes === null ? text.length - headLength : bytes.length
    if (length > this.#maxReadSize) {
      // The bound is on those who collect: they are told when they do.
      const body = bytes ?? toBytes(text.slice(headLength))
      this.head(status, text.slice(0, headLength), length, connection, reused, queueMicros, headMicros)
      this.data(body, 0, length)
      this.end()
      return
    }
    this.#end()
    const { dnsMs } = this
    this.#resolve(
      new ReceivedResponse(status, text, headLength, bytes, connection, reused, queueMicros, headMicros, dnsMs, null),
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
    if (this.#over) return
    const { dnsMs } = this
    const length = text.length
    const incoming = new IncomingBody(this, bodyTotal)
    this.#body = incoming
    const tooLarge = (): unknown => this.#tooLarge(connection, reused)
    const streaming = { incoming, maxReadSize: this.#maxReadSize, tooLarge }
    this.#resolve(
      new ReceivedResponse(status, text, length, null, connection, reused, queueMicros, headMicros, dnsMs, streaming),
    )
    // They lead to the promise, and it to the response, which is to be collected where callers drop it.
    this.#resolve = nobody
    this.#reject = nobody
  }

  data(slab: Uint8Array, from: number, to: number): void {
    const body = this.#body
    if (body === null || this.#over) return
    try {
      body.add(slab, from, to)
    } catch (cause) {
      this.rejectWith(new InternalError('FB_INTERNAL', 'the body could not be kept', { cause }))
      this.#cancel()
    }
  }

  end(): void {
    if (this.#over) return
    if (this.#body === null) {
      this.rejectWith(new InternalError('FB_INTERNAL', 'the end of a response without its head'))
      return
    }
    this.#end()
    this.#body.end()
  }

  taken(bytes: number): void {
    if (this.#over) return
    this.#owed += bytes
    // In lumps: a record for each part would cost more than it gives.
    if (this.#owed * 2 < this.#owner.bodyBuffer) return
    this.#owner.credit(this.id, this.#owed)
    this.#owed = 0
  }

  reset(): void {
    if (this.#over) return
    this.#end()
    this.#cancel()
  }

  fail(failure: NativeFailure): void {
    if (this.#over) return
    const owner = this.#owner
    const durationMs = owner.nowMs() - this.startedMs
    this.rejectWith(errorFromNative(failure, { origin: owner.origin, durationMs, closeReason: owner.closeReason }))
  }

  broke(cause: unknown): void {
    this.rejectWith(cause)
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

function nobody(): void {}
