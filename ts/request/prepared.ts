// A request that has to wait before it can be submitted: checked, written and copied already.
//
// Promise: what the caller changes meanwhile has no effect, and a bad request was refused at once.
// Used by `pool/native-pool.ts`. Not here: why it waits (`pool/resolver.ts`, or for its body).

import { checkLength, checkSize, type SentBody } from './body.js'
import { RequestExtras } from './extras.js'
import { noTimeouts } from './timeouts.js'

/** A request that can be written. */
export interface WritableRequest {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  readonly body: SentBody | null
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  readonly extras: RequestExtras | null
  readonly contentLength: number
  readonly readBody: (() => Promise<ArrayBuffer>) | null
  write(bytes: Uint8Array, at: number): number
}

/** The written form of a request. */
export class PreparedRequest {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  /** Null also as long as it was not read. */
  body: SentBody | null
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  extras: RequestExtras | null
  readonly #bytes: Uint8Array
  readonly #readBody: (() => Promise<ArrayBuffer>) | null
  readonly #contentLength: number

  /** `room`: most bytes that it can write. */
  constructor(request: WritableRequest, room: number) {
    this.#bytes = written(request, room)
    this.methodLength = request.methodLength
    this.pathLength = request.pathLength
    this.headLength = request.headLength
    this.body = request.body instanceof Uint8Array ? new Uint8Array(request.body) : request.body
    this.hasBody = request.hasBody
    this.high = request.high
    this.idempotent = request.idempotent
    this.extras = request.extras
    this.#readBody = request.readBody
    this.#contentLength = request.contentLength
  }

  /** What is left of its total time, in ms, from 1. */
  limitTotal(ms: number): void {
    this.extras ??= new RequestExtras()
    this.extras.timeouts = { ...(this.extras.timeouts ?? noTimeouts()), total: Math.max(1, Math.round(ms)) }
  }

  /** Whether it can be sent a second time. */
  get isRepeatable(): boolean {
    return this.extras === null || this.extras.isRepeatable
  }

  /** It is another attempt: after a wait of `backoff` ms, with `totalMs` left of its total time (`Infinity`: no bound). */
  again(backoff: number, totalMs: number): void {
    if (totalMs !== Number.POSITIVE_INFINITY) this.limitTotal(totalMs)
    this.extras ??= new RequestExtras()
    this.extras.backoff = backoff
  }

  /** Whether its body must be read before it can be sent. */
  get mustRead(): boolean {
    return this.#readBody !== null
  }

  /** Reads a body that is not bytes yet. Rejects with what its source rejects with, or where it has a wrong length. */
  async readBody(): Promise<void> {
    if (this.#readBody === null) return
    const body = new Uint8Array(await this.#readBody())
    checkSize(body.length)
    checkLength(this.#contentLength, body)
    this.body = body
  }

  /** Copies method, path and fields to `at`; gives where they end. */
  write(bytes: Uint8Array, at: number): number {
    bytes.set(this.#bytes, at)
    return at + this.#bytes.length
  }
}

/** Where heads are written first. Null while one is: a caller's getter may make another request. */
let desk: Uint8Array | null = new Uint8Array(0)

function written(request: WritableRequest, room: number): Uint8Array {
  const bytes = desk !== null && desk.length >= room ? desk : new Uint8Array(room)
  desk = null
  try {
    return bytes.slice(0, request.write(bytes, 0))
  } finally {
    desk = bytes
  }
}
