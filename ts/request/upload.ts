// Sends a body while it is produced.
//
//   idle --start()--> running --source ends--> ended
//   running --source, length or trailers are wrong--> failed
//   any --stop()--> stopped
//
// Promise: the source is asked for a chunk only when the one before was handed over, so that it may use its memory again; at most the
// window is under way. The source is let go exactly once, unless it ended by itself. A body with an announced length never looks whole
// to the upstream before its source has ended: its last byte is kept back until then.
// Used by `pool/exchange.ts`. Not here: the window (`upload-window.ts`), sources (`stream-source.ts`), records (`native/`).

import type { Producer, StreamSource } from './stream-source.js'
import { type UploadLink, UploadWindow } from './upload-window.js'

/** What is sent. */
export interface StreamedBody {
  readonly source: StreamSource
  /** Bytes by Content-Length; -1 where it is not known. Asked once it was submitted. */
  readonly length: () => number
  /** Gives the trailers once the last byte was handed over: `name NUL value NUL` for each. Null: none. */
  readonly trailers: (() => Promise<Uint8Array>) | null
}

/** See above. */
export class Upload {
  readonly #body: StreamedBody
  readonly #link: UploadLink
  readonly #window: UploadWindow
  readonly #onFail: (cause: unknown) => void
  #producer: Producer | null = null
  #state: 'idle' | 'running' | 'ended' | 'failed' | 'stopped' = 'idle'
  #announced = -1
  /** Bytes that came from the source. */
  #length = 0
  /** The last byte of an announced length. */
  #last = 0

  /** `onFail` is called at most once, after the upstream's side was told. */
  constructor(body: StreamedBody, link: UploadLink, size: number, onFail: (cause: unknown) => void) {
    this.#body = body
    this.#link = link
    this.#window = new UploadWindow(link, size)
    this.#onFail = onFail
  }

  start(): void {
    if (this.#state !== 'idle') return
    this.#state = 'running'
    this.#announced = this.#body.length()
    void this.#run()
  }

  /** So many bytes were passed on. */
  taken(bytes: number): void {
    this.#window.taken(bytes)
  }

  /** Nothing more is wanted. */
  stop(): void {
    const before = this.#state
    if (before !== 'idle' && before !== 'running') return
    this.#state = 'stopped'
    this.#window.close()
    // Later: it is the caller's code, and this may be called while a delivery is decoded.
    queueMicrotask(() => {
      if (before === 'idle') this.#drop()
      else this.#letGo()
    })
  }

  #drop(): void {
    try {
      this.#body.source.drop()
    } catch {
      // The caller's code; nobody is left to tell.
    }
  }

  #letGo(): void {
    const producer = this.#producer
    this.#producer = null
    if (producer === null) return
    try {
      producer.stop()
    } catch {
      // The caller's code; nobody is left to tell.
    }
  }

  async #run(): Promise<void> {
    try {
      const producer = this.#body.source.begin()
      // What begins a source is the caller's code, and may have aborted.
      if (this.#state === 'running') this.#producer = producer
      else producer.stop()
      while (this.#state === 'running') {
        const step = await this.#step(producer)
        if (this.#state !== 'running') return
        if (step.done === true) {
          this.#producer = null
          await this.#finish()
          return
        }
        const sent = this.#send(bytesOf(step.value))
        if (sent !== null) await sent
      }
    } catch (cause) {
      this.#fail(cause)
    }
  }

  async #step(producer: Producer): ReturnType<Producer['next']> {
    try {
      return await producer.next()
    } catch (cause) {
      // It has ended by itself.
      this.#producer = null
      throw cause
    }
  }

  /** Null: all was handed over at once. */
  #send(bytes: Uint8Array): Promise<void> | null {
    this.#length += bytes.length
    const length = this.#announced
    if (length === -1) return this.#handOver(bytes)
    if (this.#length > length) throw new RangeError(`the body is longer than its content-length, ${length}`)
    if (this.#length < length || bytes.length === 0) return this.#handOver(bytes)
    this.#last = bytes[bytes.length - 1] as number
    return this.#handOver(bytes.subarray(0, -1))
  }

  #handOver(bytes: Uint8Array): Promise<void> | null {
    let done: () => void = nothing
    if (this.#window.send(bytes, () => done())) return null
    return new Promise(resolve => {
      done = resolve
    })
  }

  async #finish(): Promise<void> {
    const length = this.#announced
    if (length > 0) {
      if (this.#length < length) {
        throw new RangeError(`the body has ${this.#length} bytes, its content-length is ${length}`)
      }
      const sent = this.#handOver(Uint8Array.of(this.#last))
      if (sent !== null) await sent
    }
    const { trailers } = this.#body
    const fields = trailers === null ? NO_TRAILERS : await trailers()
    if (this.#state !== 'running') return
    this.#state = 'ended'
    this.#link.endBody(fields)
  }

  #fail(cause: unknown): void {
    if (this.#state !== 'running') return
    this.#state = 'failed'
    this.#window.close()
    this.#letGo()
    this.#link.failBody()
    this.#onFail(cause)
  }
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk, 'utf8')
  throw new TypeError('a body gives Uint8Array or strings; this one gave something else')
}

function nothing(): void {}

const NO_TRAILERS: Uint8Array = new Uint8Array(0)
