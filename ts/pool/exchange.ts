// One request under way, from submission to the end of its response.
//
//   waiting --complete--> over               (the usual case: one record)
//   waiting --head--> reading --data*--> end --> over
//   any     --fail / abort / reset by the reader--> over; what still comes is dropped
//
// Promise: the promise is settled once, at the head; from then on failures are the body's. The caller's signal keeps no listener
// afterwards, and what it uploads is let go. Credit is granted as a reader takes bytes. Nothing here refers to the response: what
// callers drop can be collected. Used by `native-pool.ts`, which gives it to the channel.
// Not here: encoding and decoding (`native/`), readers (`response/`), how a body is sent (`request/upload.ts`).

import { type Attempt, lastAttempt, replayedAttempt } from '../errors/attempt.js'
import { CODES, codeEntry, type ErrorCode } from '../errors/codes.js'
import { InternalError } from '../errors/errors.js'
import { errorFromNative, makeError, messageOf, type NativeFailure } from '../errors/from-native.js'
import type { RequestExtras } from '../request/extras.js'
import { Upload } from '../request/upload.js'
import type { UploadLink } from '../request/upload-window.js'
import { type ConnectionFacts, endpointOf, protocolOf } from '../response/connection.js'
import { toBytes } from '../response/content.js'
import { LazyHeaderMap } from '../response/headers.js'
import { type BodyUpstream, IncomingBody } from '../response/incoming.js'
import { type PoolResponse, ReceivedResponse } from '../response/response.js'
import { bodyFailed } from './failures.js'

/** What an exchange needs of its pool. */
export interface ExchangeOwner {
  readonly origin: string
  /** What `destroy()` was given. */
  readonly closeReason: unknown
  /** Bytes that may come before more credit is granted. */
  readonly bodyBuffer: number
  /** False while no part of a body may be sent. */
  readonly canSend: boolean
  nowMs(): number
  cancel(id: number): void
  credit(id: number, bytes: number): void
  /** The rest of the body is wanted there, as long as it fits. */
  directInto(id: number, into: Uint8Array): void
  sendBody(id: number, bytes: Uint8Array): void
  endBody(id: number, trailers: Uint8Array): void
  failBody(id: number): void
  /** The request was sent again after this attempt. */
  repeated(type: 'replay' | 'retry', attempt: Attempt): void
}

/** Who sends what goes up. */
export interface Uploading {
  /** It has a number now. */
  start(): void
  /** So many bytes were passed on. */
  taken(bytes: number): void
  /** Nothing more is wanted; `error` is why, if the exchange failed. */
  stop(error?: unknown): void
}

/** See above. */
export class Exchange implements BodyUpstream, UploadLink {
  id = -1
  /** When it was submitted, in ms of the monotonic clock. */
  startedMs = 0
  /** How long the first lookup of its host took. */
  dnsMs = 0
  readonly high: boolean
  readonly #owner: ExchangeOwner
  #resolve: (response: PoolResponse | Promise<PoolResponse>) => void
  #reject: (error: unknown) => void
  readonly #signal: AbortSignal | null
  readonly #maxReadSize: number
  /** What comes after the head; null before it. */
  #body: IncomingBody | null = null
  /** Bytes taken for which no credit was granted yet. */
  #owed = 0
  #upload: Uploading | null = null
  #onInformational: ((head: unknown) => unknown) | null = null
  /** When all 1xx that came are told. */
  #told: Promise<void> | null = null
  /** Attempts that failed before the one under way. */
  #earlier: Attempt[] | null = null
  #onGrant: ((granted: boolean) => void) | null = null
  /** Whether a tunnel is open. */
  isTunnel = false
  #over = false

  constructor(
    owner: ExchangeOwner,
    resolve: (response: PoolResponse | Promise<PoolResponse>) => void,
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

  /** What only some requests have. Before it is submitted. */
  extend(extras: RequestExtras): void {
    this.#onInformational = extras.onInformational
    const { streamedBody } = extras
    if (streamedBody === null) return
    this.#upload = new Upload(streamedBody, this, this.#owner.bodyBuffer, cause => this.#uploadFailed(cause))
  }

  /** It is an attempt after `earlier` ones; `onGrant` hears whether it may be. Before it is submitted. */
  after(earlier: readonly Attempt[], onGrant: (granted: boolean) => void): void {
    if (earlier.length > 0) this.#earlier = [...earlier]
    this.#onGrant = onGrant
  }

  /** Whether the caller was told of a 1xx. */
  get hasInformed(): boolean {
    return this.#told !== null
  }

  /** It was submitted. */
  submitted(): void {
    this.#upload?.start()
  }

  /** A tunnel is open, and this is what goes up. */
  uploadBy(upload: Uploading): void {
    if (this.#over) upload.stop()
    else this.#upload = upload
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
    this.#end(reason)
    if (this.#body === null) this.#reject(reason)
    else this.#body.abort(reason)
    this.#cancel()
  }

  /** Ends it without a record, with an error of ours. */
  rejectWith(error: unknown): void {
    if (this.#over) return
    this.#end(error)
    if (this.#body === null) this.#reject(error)
    else this.#body.fail(error)
  }

  #end(error?: unknown): void {
    this.#over = true
    if (this.#signal !== null) this.#signal.removeEventListener('abort', this)
    if (this.#upload !== null) this.#upload.stop(error)
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
      this.head(status, text.slice(0, headLength), length, connection, reused, queueMicros, headMicros, false)
      this.data(body, 0, length)
      this.end('')
      return
    }
    this.#end()
    const { dnsMs } = this
    const response = new ReceivedResponse(
      status,
      text,
      headLength,
      bytes,
      connection,
      reused,
      queueMicros,
      headMicros,
      dnsMs,
      null,
    )
    this.#answer(response)
  }

  head(
    status: number,
    text: string,
    bodyTotal: number,
    connection: ConnectionFacts,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
    isTunnel: boolean,
  ): void {
    if (this.#over) return
    this.isTunnel = isTunnel
    const { dnsMs } = this
    const length = text.length
    const incoming = new IncomingBody(this, bodyTotal)
    this.#body = incoming
    const tooLarge = (): unknown => this.#tooLarge(connection, reused)
    const streaming = { incoming, maxReadSize: this.#maxReadSize, tooLarge }
    const response = new ReceivedResponse(
      status,
      text,
      length,
      null,
      connection,
      reused,
      queueMicros,
      headMicros,
      dnsMs,
      streaming,
    )
    this.#answer(response)
    // They lead to the promise, and it to the response, which is to be collected where callers drop it.
    this.#resolve = nobody
    this.#reject = nobody
  }

  #answer(response: ReceivedResponse): void {
    response.earlier = this.#earlier
    this.#resolve(this.#told === null ? response : this.#told.then(() => response))
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

  direct(length: number): void {
    if (!this.#over) this.#body?.direct(length)
  }

  end(trailers: string): void {
    if (this.#over) return
    if (this.#body === null) {
      this.rejectWith(new InternalError('FB_INTERNAL', 'the end of a response without its head'))
      return
    }
    this.#end()
    this.#body.end(trailers)
  }

  peerEnded(): void {
    if (!this.#over) this.#body?.end('')
  }

  stopped(): void {
    this.#upload?.stop()
  }

  passedOn(bytes: number): void {
    this.#upload?.taken(bytes)
  }

  replayed(code: number, connection: ConnectionFacts | null, micros: number): void {
    this.#earlier ??= []
    const endpoint = connection === null ? null : endpointOf(connection)
    const attempt = replayedAttempt(endpoint, (CODES[code] ?? codeEntry('FB_INTERNAL')).code, micros / 1000)
    this.#earlier.push(attempt)
    this.#owner.repeated('replay', attempt)
  }

  retry(granted: boolean): void {
    if (this.#over) return
    if (!granted) this.#end()
    this.#onGrant?.(granted)
  }

  informational(status: number, text: string): void {
    const listener = this.#onInformational
    if (listener === null || this.#over) return
    const headers = new LazyHeaderMap(text.slice(text.indexOf('\0') + 1))
    // The caller's code runs after the decoding; what it throws fails the request, also where the head came in the same delivery.
    const told = (this.#told ?? Promise.resolve()).then(() => {
      if (this.#signal?.aborted !== true) listener({ status, headers })
    })
    told.catch((error: unknown) => {
      this.rejectWith(error)
      this.#cancel()
    })
    this.#told = told
  }

  get canSend(): boolean {
    return this.#owner.canSend
  }

  sendBody(bytes: Uint8Array): void {
    if (this.id !== -1) this.#owner.sendBody(this.id, bytes)
  }

  endBody(trailers: Uint8Array): void {
    if (this.id !== -1) this.#owner.endBody(this.id, trailers)
  }

  failBody(): void {
    if (this.id !== -1) this.#owner.failBody(this.id)
  }

  #uploadFailed(cause: unknown): void {
    this.rejectWith(bodyFailed(this.#owner.origin, cause, this.#attempts('FB_REQUEST_BODY_FAILED', null)))
  }

  /** Every attempt, the last of which failed now. */
  #attempts(code: ErrorCode, endpoint: string | null): readonly Attempt[] {
    return [...(this.#earlier ?? []), lastAttempt(endpoint, code, this.#owner.nowMs() - this.startedMs)]
  }

  taken(bytes: number): void {
    if (this.#over) return
    this.#owed += bytes
    // In lumps: a record for each part would cost more than it gives.
    if (this.#owed * 2 < this.#owner.bodyBuffer) return
    this.#owner.credit(this.id, this.#owed)
    this.#owed = 0
  }

  directInto(into: Uint8Array): void {
    if (!this.#over && this.id !== -1) this.#owner.directInto(this.id, into)
  }

  reset(): void {
    if (this.#over) return
    this.#end()
    this.#cancel()
  }

  fail(failure: NativeFailure): void {
    if (this.#over) return
    const owner = this.#owner
    const { origin, closeReason } = owner
    const durationMs = owner.nowMs() - this.startedMs
    this.rejectWith(errorFromNative(failure, { origin, durationMs, closeReason, earlier: this.#earlier }))
  }

  broke(cause: unknown): void {
    this.rejectWith(cause)
  }

  #tooLarge(connection: ConnectionFacts, reused: boolean): unknown {
    const { origin } = this.#owner
    const entry = codeEntry('FB_BODY_TOO_LARGE')
    const endpoint = endpointOf(connection)
    return makeError(entry, messageOf(entry, this.#maxReadSize, origin, endpoint), this.#maxReadSize, {
      phase: 'body',
      origin,
      endpoint,
      protocol: protocolOf(connection),
      reused,
      attempts: this.#attempts(entry.code, endpoint),
    })
  }
}

function nobody(): void {}
