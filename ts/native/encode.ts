// Packs records into the submit buffer.
//
// Promise: a record is whole or not there; its words are written after its bytes. Layout: `layout.ts`.
// Used by `channel.ts`. Not here: when the buffer is handed over (`channel.ts`), what a request's bytes are (`request/`).

import {
  bodyFlag,
  body as bodyWord,
  credit,
  plain,
  request,
  requestFlag,
  requestRetry,
  requestTimeouts,
  special,
  submitKind,
  word,
} from './layout.js'

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
  /** What only some requests have. */
  readonly extras: SourceExtras | null
  /** Writes method, path and fields; gives where they end. May throw. */
  write(bytes: Uint8Array, at: number): number
}

/** What only some requests have. */
export interface SourceExtras {
  /** Whether the body follows by `part`; then `body` is null. */
  readonly isStreamed: boolean
  /** Bytes of a streamed body; -1 where that is not known. */
  readonly streamLength: number
  readonly wantsInformational: boolean
  /** Whether the body waits for 100. */
  readonly waitsForContinue: boolean
  readonly mayHaveTrailers: boolean
  readonly tunnel: 'connect' | 'upgrade' | null
  /** The wait before a retry, in ms; -1: it is none. */
  readonly backoff: number
  /** Null: all are the pool's. */
  readonly timeouts: SourceTimeouts | null
}

/** Time-outs of one request in ms; 0: off, null: the pool's. */
export interface SourceTimeouts {
  readonly queue: number | null
  readonly headers: number | null
  readonly bodyIdle: number | null
  readonly perTry: number | null
  readonly perTryIdle: number | null
  readonly total: number | null
  readonly duration: number | null
  /** How long a body waits for 100. */
  readonly expect: number | null
}

/** Bytes of the submit buffer. A guess, to be measured: some thousand requests of one turn. */
export const SUBMIT_BYTES = 1_048_576

const REQUEST_BYTES: number = request.WORDS * 4
const BODY_BYTES: number = bodyWord.WORDS * 4
const TIMEOUTS_BYTES: number = requestTimeouts.WORDS * 4
const RETRY_BYTES: number = requestRetry.WORDS * 4
const KIND_BITS = 8
/** UTF-8 needs at most this many bytes for a UTF-16 unit. */
const MAX_UTF8_BYTES = 3
/** A body that is longer than this does not go through the buffer, where it would be copied twice more. A guess. */
const GIVEN_BYTES = 65_536

/** The buffer, and where its next record begins. */
export class SubmitBuffer {
  readonly bytes: Uint8Array
  readonly #buffer: Buffer
  readonly #words: Uint32Array
  #at = 0
  /** Where the last record begins if it is a part of a body that may still grow; else -1. */
  #growing = -1
  /** The body of the last request, if it is too long to go through here. */
  given: Uint8Array | null = null

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
    this.#growing = -1
  }

  /** Whether `size` bytes of a request's head fit, and its body if that goes through here. */
  fits(size: number, body: string | Uint8Array | null): boolean {
    let needed = REQUEST_BYTES + TIMEOUTS_BYTES + RETRY_BYTES + size
    if (body !== null) needed += Math.min(body.length * (typeof body === 'string' ? MAX_UTF8_BYTES : 1), GIVEN_BYTES)
    return this.#at + needed <= SUBMIT_BYTES
  }

  /** A request; a long body is left in `given`. Throws what `source.write` throws, and then wrote nothing. */
  request(id: number, pool: number, source: RequestSource, grant: number): void {
    const { extras } = source
    const at = this.#at
    const bytesAt = at + REQUEST_BYTES + (extras === null ? 0 : sectionBytes(extras))
    const bodyAt = source.write(this.bytes, bytesAt)
    let here = 0
    let total: number = special.BODY_NONE
    this.given = null
    if (extras?.isStreamed === true) {
      if (extras.streamLength !== -1) total = extras.streamLength
    } else if (source.hasBody) {
      const { body } = source
      if (body === null) {
        total = 0
      } else if (typeof body === 'string' && body.length * MAX_UTF8_BYTES <= GIVEN_BYTES) {
        here = body.length === 0 ? 0 : this.#buffer.write(body, bodyAt, 'utf8')
        total = here
      } else {
        const all = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
        total = all.length
        if (total > GIVEN_BYTES) {
          this.given = all
        } else {
          here = total
          this.bytes.set(all, bodyAt)
        }
      }
    }
    const words = this.#words
    const w = at >>> 2
    const end = aligned(bodyAt + here)
    words[w + word.LENGTH] = end - at
    let flags =
      (this.given === null ? 0 : requestFlag.GIVEN) |
      (source.high ? requestFlag.HIGH : 0) |
      (source.idempotent ? requestFlag.IDEMPOTENT : 0)
    if (extras !== null) {
      flags |= flagsOf(extras)
      writeSections(words, w + request.WORDS, extras)
    }
    words[w + word.KIND] = submitKind.REQUEST | (flags << KIND_BITS)
    words[w + word.SUBJECT] = id
    words[w + request.POOL] = pool
    words[w + request.METHOD_LENGTH] = source.methodLength
    words[w + request.PATH_LENGTH] = source.pathLength
    words[w + request.HEAD_LENGTH] = source.headLength
    words[w + request.BODY_LENGTH] = here
    words[w + request.BODY_TOTAL] = total
    words[w + request.CREDIT] = grant
    this.#at = end
    this.#growing = -1
  }

  /** Begins or continues a record with a part of a streamed body; gives how many of the bytes found room. */
  part(id: number, bytes: Uint8Array): number {
    const words = this.#words
    let at = this.#growing
    let used = 0
    if (at !== -1 && words[(at >>> 2) + word.SUBJECT] === id) {
      used = words[(at >>> 2) + bodyWord.LENGTH] as number
    } else {
      at = this.#at
    }
    const from = at + BODY_BYTES + used
    const here = Math.min(bytes.length, SUBMIT_BYTES - from)
    if (here <= 0) return 0
    this.bytes.set(here === bytes.length ? bytes : bytes.subarray(0, here), from)
    this.#bodyRecord(at, id, used + here, 0, 0)
    this.#growing = at
    return here
  }

  /** The end of a streamed body; false where it does not fit. */
  finish(id: number, trailers: Uint8Array): boolean {
    const at = this.#at
    if (at + BODY_BYTES + aligned(trailers.length) > SUBMIT_BYTES) return false
    this.bytes.set(trailers, at + BODY_BYTES)
    this.#bodyRecord(at, id, 0, trailers.length, bodyFlag.END)
    return true
  }

  /** A streamed body will never be whole; false where that does not fit. */
  spoil(id: number): boolean {
    const at = this.#at
    if (at + BODY_BYTES > SUBMIT_BYTES) return false
    this.#bodyRecord(at, id, 0, 0, bodyFlag.FAIL)
    return true
  }

  #bodyRecord(at: number, id: number, length: number, trailersLength: number, flags: number): void {
    const words = this.#words
    const w = at >>> 2
    const end = aligned(at + BODY_BYTES + length + trailersLength)
    words[w + word.LENGTH] = end - at
    words[w + word.KIND] = submitKind.BODY | (flags << KIND_BITS)
    words[w + word.SUBJECT] = id
    words[w + bodyWord.LENGTH] = length
    words[w + bodyWord.TRAILERS_LENGTH] = trailersLength
    this.#at = end
    this.#growing = -1
  }

  /** `CANCEL`, `POOL_CLOSE`, `POOL_DESTROY`, `POOL_DRAIN`, `GATE` with its flags, or, with a number, `CREDIT` or `COUNTED`; false where it does not fit. */
  control(kind: number, subject: number, number: number): boolean {
    const hasNumber = kind === submitKind.CREDIT || kind === submitKind.COUNTED
    const length = (hasNumber ? credit.WORDS : plain.WORDS) * 4
    const at = this.#at
    if (at + length > SUBMIT_BYTES) return false
    const words = this.#words
    const w = at >>> 2
    words[w + word.LENGTH] = length
    words[w + word.KIND] = kind
    words[w + word.SUBJECT] = subject
    // Both have it at the same place.
    if (hasNumber) words[w + credit.BYTES] = number
    this.#at = at + length
    this.#growing = -1
    return true
  }
}

function flagsOf(extras: SourceExtras): number {
  let flags = 0
  if (extras.isStreamed) flags |= requestFlag.STREAM
  if (extras.wantsInformational) flags |= requestFlag.INFORMATIONAL
  if (extras.waitsForContinue) flags |= requestFlag.EXPECT
  if (extras.mayHaveTrailers) flags |= requestFlag.TRAILERS
  if (extras.tunnel !== null) flags |= extras.tunnel === 'connect' ? requestFlag.TUNNEL : requestFlag.UPGRADE
  if (extras.timeouts !== null) flags |= requestFlag.TIMEOUTS
  if (extras.backoff !== -1) flags |= requestFlag.RETRY
  return flags
}

/** What stands between the words of a request and its bytes. */
function sectionBytes({ timeouts, backoff }: SourceExtras): number {
  return (timeouts === null ? 0 : TIMEOUTS_BYTES) + (backoff === -1 ? 0 : RETRY_BYTES)
}

function writeSections(words: Uint32Array, from: number, { timeouts, backoff }: SourceExtras): void {
  if (timeouts !== null) writeTimeouts(words, from, timeouts)
  const retryFrom = timeouts === null ? from : from + requestTimeouts.WORDS
  if (backoff !== -1) words[retryFrom + requestRetry.BACKOFF] = backoff
}

function writeTimeouts(words: Uint32Array, w: number, timeouts: SourceTimeouts): void {
  words[w + requestTimeouts.QUEUE] = timeouts.queue ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.HEADERS] = timeouts.headers ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.BODY_IDLE] = timeouts.bodyIdle ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.PER_TRY] = timeouts.perTry ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.PER_TRY_IDLE] = timeouts.perTryIdle ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.TOTAL] = timeouts.total ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.DURATION] = timeouts.duration ?? special.POOL_TIMEOUT
  words[w + requestTimeouts.EXPECT] = timeouts.expect ?? special.POOL_TIMEOUT
}

/** Records begin at multiples of four; the buffer's length is one. */
function aligned(at: number): number {
  return (at + 3) & ~3
}
