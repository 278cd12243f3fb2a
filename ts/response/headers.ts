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

  get(name: string): string | null {
    let found: string | null = null
    for (let at = this.#find(name, 0); at !== -1; at = this.#find(name, at)) {
      const value = this.#valueAt(at)
      // Cookies may hold commas: joined they could not be told apart.
      if (isSetCookie(name)) return value
      found = found === null ? value : `${found}, ${value}`
    }
    return found
  }

  getAll(name: string): string[] {
    const found: string[] = []
    for (let at = this.#find(name, 0); at !== -1; at = this.#find(name, at)) found.push(this.#valueAt(at))
    return found
  }

  has(name: string): boolean {
    return this.#find(name, 0) !== -1
  }

  /**
   * Where the value of the next field of this name begins; `at` is 0, or where the value before began. -1: there is none. Most callers
   * want one field, and looking at the text is cheaper than cutting it up.
   */
  #find(name: string, at: number): number {
    const text = this.#text
    let from = at === 0 ? 0 : text.indexOf('\0', at) + 1
    while (from < text.length) {
      const nameEnd = text.indexOf('\0', from)
      const valueEnd = text.indexOf('\0', nameEnd + 1)
      if (nameEnd === -1 || valueEnd === -1) return -1
      if (nameEnd - from === name.length && isSameName(text, from, name)) return nameEnd + 1
      from = valueEnd + 1
    }
    return -1
  }

  #valueAt(at: number): string {
    return this.#text.slice(at, this.#text.indexOf('\0', at))
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
    const { raw } = this
    for (let i = 0; i < raw.length; i += 2) yield [(raw[i] as string).toLowerCase(), raw[i + 1] as string]
  }
}

/** Whether `text` has `name` at `from`, in any case of ASCII letters. */
function isSameName(text: string, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const a = text.charCodeAt(from + i)
    const b = name.charCodeAt(i)
    if (a !== b && lower(a) !== lower(b)) return false
  }
  return true
}

function lower(unit: number): number {
  return unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit
}

function isSetCookie(name: string): boolean {
  return name.length === 'set-cookie'.length && name.toLowerCase() === 'set-cookie'
}
