// How much of a body may be under way natively: what was handed over and has not been passed on yet.
//
// Promise: never more than `size` bytes; what does not fit waits here, by reference, and goes when room comes. Room that comes is used
// in the loop's next turn, never within a delivery: on Node's own loop producer and upstream would otherwise feed each other without
// a turn of the loop between them. Used by `upload.ts` and `pool/tunnel.ts`. Not here: where bytes come from.

/** The way of a body to the native side. After the exchange has ended every call is ignored. */
export interface UploadLink {
  /** False while nothing may be written: a caller's code runs within the writing of another request. */
  readonly canSend: boolean
  /** Copies the bytes. */
  sendBody(bytes: Uint8Array): void
  /** The body is whole; `trailers` is `name NUL value NUL` for each. */
  endBody(trailers: Uint8Array): void
  /** The body will never be whole. */
  failBody(): void
}

/** See above. */
export class UploadWindow {
  readonly #link: UploadLink
  #room: number
  #rest: Uint8Array = NOTHING
  #done: (() => void) | null = null
  #isScheduled = false
  #isClosed = false

  constructor(link: UploadLink, size: number) {
    this.#link = link
    this.#room = size
  }

  /** Hands over `bytes`; gives whether all are. If not, `done` is called when they are, and nothing else may be sent before. */
  send(bytes: Uint8Array, done: () => void): boolean {
    if (this.#isClosed) return false
    this.#rest = bytes
    if (this.#handOver()) return true
    this.#done = done
    return false
  }

  /** So many bytes were passed on. */
  taken(bytes: number): void {
    this.#room += bytes
    if (this.#done !== null) this.#schedule()
  }

  /** Nothing more is wanted: what waits is dropped, and `done` is not called any more. */
  close(): void {
    this.#isClosed = true
    this.#rest = NOTHING
    this.#done = null
  }

  #handOver(): boolean {
    const rest = this.#rest
    if (rest.length === 0) return true
    if (!this.#link.canSend) {
      this.#schedule()
      return false
    }
    const now = Math.min(rest.length, this.#room)
    if (now === 0) return false
    this.#room -= now
    const isAll = now === rest.length
    this.#rest = isAll ? NOTHING : rest.subarray(now)
    this.#link.sendBody(isAll ? rest : rest.subarray(0, now))
    return isAll
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const done = this.#done
      if (done === null || !this.#handOver()) return
      this.#done = null
      done()
    })
  }
}

const NOTHING: Uint8Array = new Uint8Array(0)
