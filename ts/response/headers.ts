// The fields of a response: one string until somebody looks.
//
// Promise: read-only; names are found in any case and given in lower case, values as received, in wire order; a field is plain
// data whatever its name is. Used by `response.ts`. Not here: what a field means.

/** Fields of a response. */
export interface HeaderMap extends Iterable<[name: string, value: string]> {
  /** The value; repeats joined by `, `, of `set-cookie` the first. Null where there is none. */
  get(name: string): string | null
  /** Every value, in order. */
  getAll(name: string): string[]
  has(name: string): boolean
  /** Without prototype; repeats as arrays. */
  toObject(): Record<string, string | string[]>
  /** Flat name, value, name, value; on h1 in the case received. */
  readonly raw: readonly string[]
}

/** Fields out of `name NUL value NUL ...`. */
export class LazyHeaderMap implements HeaderMap {
  readonly #text: string
  #raw: readonly string[] | null = null
  #names: string[] | null = null

  constructor(text: string) {
    this.#text = text
  }

  get raw(): readonly string[] {
    if (this.#raw === null) {
      const raw = this.#text.split('\0')
      // Behind the last NUL there is nothing.
      raw.pop()
      this.#raw = Object.freeze(raw)
    }
    return this.#raw
  }

  /** The names in lower case, one for each field. */
  #lower(): readonly string[] {
    if (this.#names === null) {
      const { raw } = this
      const names: string[] = []
      for (let i = 0; i < raw.length; i += 2) names.push((raw[i] as string).toLowerCase())
      this.#names = names
    }
    return this.#names
  }

  get(name: string): string | null {
    const wanted = name.toLowerCase()
    const names = this.#lower()
    let found: string | null = null
    for (let i = 0; i < names.length; i++) {
      if (names[i] !== wanted) continue
      const value = this.raw[2 * i + 1] as string
      if (wanted === 'set-cookie') return value
      found = found === null ? value : `${found}, ${value}`
    }
    return found
  }

  getAll(name: string): string[] {
    const wanted = name.toLowerCase()
    const names = this.#lower()
    const found: string[] = []
    for (let i = 0; i < names.length; i++) if (names[i] === wanted) found.push(this.raw[2 * i + 1] as string)
    return found
  }

  has(name: string): boolean {
    return this.#lower().includes(name.toLowerCase())
  }

  toObject(): Record<string, string | string[]> {
    const object: Record<string, string | string[]> = Object.create(null)
    for (const [name, value] of this) {
      const before = object[name]
      if (before === undefined) object[name] = value
      else if (typeof before === 'string') object[name] = [before, value]
      else before.push(value)
    }
    return object
  }

  *[Symbol.iterator](): Generator<[name: string, value: string], undefined, undefined> {
    const names = this.#lower()
    for (let i = 0; i < names.length; i++) yield [names[i] as string, this.raw[2 * i + 1] as string]
  }
}
