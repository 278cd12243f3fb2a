// Packs records into the submit buffer.
//
// Promise: a record is whole or not there; its words are written after its bytes. Layout: `layout.ts`.
// Used by `channel.ts`. Not here: when the buffer is handed over (`channel.ts`), what a request's bytes are (`request/`).

import { body as bodyWord, credit, plain, request, requestFlag, special, submitKind, word } from './layout.js'

/** A request that can write its own bytes. Lengths are known after `write`. */
export interface RequestSource {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  readonly body: string | Uint8Array | null
  /** Whether there is a body, be it empty. */
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  /** Writes method, path and fields; gives where they end. May throw. */
  write(bytes: Uint8Array, at: number): number
}

/** Bytes of the submit buffer. A guess, to be measured: some thousand requests of one turn. */
export const SUBMIT_BYTES = 1_048_576

const REQUEST_BYTES: number = request.WORDS * 4
const BODY_BYTES: number = bodyWord.WORDS * 4
const KIND_BITS = 8
/** UTF-8 needs at most this many bytes for a UTF-16 unit. */
const MAX_UTF8_BYTES = 3
/** Less room than this is not worth a `BODY` record of its own. */
const MIN_PART_BYTES = 4096

/** The buffer, and where its next record begins. */
export class SubmitBuffer {
  readonly bytes: Uint8Array
  readonly #buffer: Buffer
  readonly #words: Uint32Array
  #at = 0
  /** What of the last request's body did not fit. */
  rest: Uint8Array | null = null

  constructor() {
    const memory = new ArrayBuffer(SUBMIT_BYTES)
    this.bytes = new Uint8Array(memory)
    this.#buffer = Buffer.from(memory)
    this.#words = new Uint32Array(memory)
  }

  get length(): number {
    return this.#at
  }

  clear(): void {
    this.#at = 0
  }

  /** Whether `size` bytes of a request's head fit, and its body if that is small. */
  fits(size: number, body: string | Uint8Array | null): boolean {
    let needed = REQUEST_BYTES + size
    if (body !== null) needed += Math.min(body.length * (typeof body === 'string' ? MAX_UTF8_BYTES : 1), MIN_PART_BYTES)
    return this.#at + needed <= SUBMIT_BYTES
  }

  /** A request; what of its body does not fit is left in `rest`. Throws what `source.write` throws, and then wrote nothing. */
  request(id: number, pool: number, source: RequestSource, grant: number): void {
    const at = this.#at
    const bytesAt = at + REQUEST_BYTES
    const bodyAt = source.write(this.bytes, bytesAt)
    let here = 0
    let total: number = special.BODY_NONE
    this.rest = null
    if (source.hasBody) {
      const { body } = source
      if (body === null) {
        total = 0
      } else if (typeof body === 'string' && body.length * MAX_UTF8_BYTES <= SUBMIT_BYTES - bodyAt) {
        here = body.length === 0 ? 0 : this.#buffer.write(body, bodyAt, 'utf8')
        total = here
      } else {
        const all = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
        total = all.length
        here = this.#part(all, bodyAt)
      }
    }
    const words = this.#words
    const w = at >>> 2
    const end = aligned(bodyAt + here)
    words[w + word.LENGTH] = end - at
    words[w + word.KIND] =
      submitKind.REQUEST |
      (((source.high ? requestFlag.HIGH : 0) | (source.idempotent ? requestFlag.IDEMPOTENT : 0)) << KIND_BITS)
    words[w + word.SUBJECT] = id
    words[w + request.POOL] = pool
    words[w + request.METHOD_LENGTH] = source.methodLength
    words[w + request.PATH_LENGTH] = source.pathLength
    words[w + request.HEAD_LENGTH] = source.headLength
    words[w + request.BODY_LENGTH] = here
    words[w + request.BODY_TOTAL] = total
    words[w + request.CREDIT] = grant
    this.#at = end
  }

  /** Copies as much of `all` as fits from `at` on; the rest stays in `rest`. */
  #part(all: Uint8Array, at: number): number {
    const here = Math.min(all.length, SUBMIT_BYTES - at)
    this.bytes.set(here === all.length ? all : all.subarray(0, here), at)
    if (here < all.length) this.rest = all.subarray(here)
    return here
  }

  /** A further part of a body, as long as there is room; false where there is none worth it. What is left is in `rest`. */
  body(id: number, rest: Uint8Array): boolean {
    const at = this.#at
    const bytesAt = at + BODY_BYTES
    if (SUBMIT_BYTES - bytesAt < MIN_PART_BYTES) return false
    this.rest = null
    const here = this.#part(rest, bytesAt)
    const words = this.#words
    const w = at >>> 2
    const end = aligned(bytesAt + here)
    words[w + word.LENGTH] = end - at
    words[w + word.KIND] = submitKind.BODY
    words[w + word.SUBJECT] = id
    words[w + bodyWord.LENGTH] = here
    words[w + bodyWord.TRAILERS_LENGTH] = 0
    this.#at = end
    return true
  }

  /** `CANCEL`, `POOL_CLOSE`, `POOL_DESTROY` or `CREDIT` (with `bytes`); false where it does not fit. */
  control(kind: number, subject: number, bytes: number): boolean {
    const isCredit = kind === submitKind.CREDIT
    const length = (isCredit ? credit.WORDS : plain.WORDS) * 4
    const at = this.#at
    if (at + length > SUBMIT_BYTES) return false
    const words = this.#words
    const w = at >>> 2
    words[w + word.LENGTH] = length
    words[w + word.KIND] = kind
    words[w + word.SUBJECT] = subject
    if (isCredit) words[w + credit.BYTES] = bytes
    this.#at = at + length
    return true
  }
}

/** Records begin at multiples of four; the buffer's length is one. */
function aligned(at: number): number {
  return (at + 3) & ~3
}
