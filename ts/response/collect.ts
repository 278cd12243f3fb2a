// Collects a body that comes in parts.
//
// Promise: never holds much more than has come, whatever length was announced; what is given out is written to by nobody.
// Used by `takers.ts`, `chunk-queue.ts`. Not here: the bound on the whole (`maxReadSize`, in `takers.ts`).

/** An announced length up to this many bytes is believed; a longer body grows as it comes. A guess. */
const BELIEVED_BYTES = 1_048_576
/** What is set aside where no length is announced: one TLS record. */
const FIRST_BYTES = 16_384

/** A rest shorter than this is not worth a place of its own: one TLS record. */
const DIRECT_BYTES = 16_384

/** A body under way. */
export class Collector {
  readonly #announced: number
  #bytes: Uint8Array
  #length = 0

  /** `announced`: the length by `content-length`; negative where there is none. */
  constructor(announced: number) {
    this.#announced = announced
    const first = announced < 0 ? FIRST_BYTES : Math.min(announced, BELIEVED_BYTES)
    this.#bytes = Buffer.allocUnsafeSlow(first)
  }

  get length(): number {
    return this.#length
  }

  /** Copies `from[start, end)`. */
  add(from: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > this.#bytes.length) this.#grow(length)
    this.#bytes.set(from.subarray(start, end), this.#length)
    this.#length = length
  }

  /** The memory for what is to come, where all of it is set aside; null where that is not so. */
  get place(): Uint8Array | null {
    const left = this.#announced - this.#length
    return left < DIRECT_BYTES || this.#bytes.length < this.#announced ? null : this.#bytes.subarray(this.#length)
  }

  /** So many bytes were put into `place`. */
  advance(length: number): void {
    if (length > this.#bytes.length - this.#length) throw new RangeError('more than there is room for')
    this.#length += length
  }

  /** At least twofold, so that copying stays cheap, but not beyond an announced length that still holds. */
  #grow(needed: number): void {
    const twice = this.#bytes.length * 2
    const wanted = this.#announced < needed ? twice : Math.min(twice, this.#announced)
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, wanted))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }

  /** All that came. */
  take(): Uint8Array {
    const { buffer, byteOffset } = this.#bytes
    return new Uint8Array(buffer, byteOffset, this.#length)
  }

  /** All that came, in memory of just this size. */
  takeExact(): Uint8Array {
    const bytes = this.take()
    return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice()
  }
}
