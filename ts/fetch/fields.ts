// The fields of a fetch, read as the Fetch standard reads them: `Headers`, pairs, or an object.
//
// Promise: values become strings and are trimmed as `Headers` does it; `host` is left out, as by other server-side runtimes. Names and
// values are checked when they are written (`request/headers.ts`). Used by `call.ts`, `redirect.ts`. Not here: which fields are added.

type Pair = readonly [name: string, value: string]

/** Fields, in the order given. */
export class Fields {
  #pairs: Pair[]

  private constructor(pairs: Pair[]) {
    this.#pairs = pairs
  }

  static empty(): Fields {
    return new Fields([])
  }

  static read(value: unknown): Fields {
    const fields = Fields.empty()
    if (value === undefined) return fields
    if (typeof value !== 'object' || value === null)
      throw new TypeError('headers: expected Headers, pairs or an object')
    const iterate: unknown = Reflect.get(value, Symbol.iterator)
    if (iterate === undefined || iterate === null) fields.#readRecord(value)
    else fields.#readPairs(value as Iterable<unknown>)
    return fields
  }

  #readRecord(record: object): void {
    for (const name of Object.keys(record)) this.append(name, `${Reflect.get(record, name)}`)
  }

  #readPairs(pairs: Iterable<unknown>): void {
    for (const pair of pairs) {
      if (typeof pair !== 'object' || pair === null || !(Symbol.iterator in pair)) {
        throw new TypeError('headers: expected pairs of name and value')
      }
      const [name, value, ...more]: unknown[] = Array.isArray(pair) ? pair : [...(pair as Iterable<unknown>)]
      if (name === undefined || value === undefined || more.length > 0) {
        throw new TypeError('headers: expected pairs of name and value')
      }
      this.append(`${name}`, `${value}`)
    }
  }

  append(name: string, value: string): void {
    if (!isName(name, 'host')) this.#pairs.push([name, trimmed(value)])
  }

  get isEmpty(): boolean {
    return this.#pairs.length === 0
  }

  /** `name` in lower case. */
  has(name: string): boolean {
    for (const pair of this.#pairs) if (isName(pair[0], name)) return true
    return false
  }

  /** `names` in lower case. */
  remove(names: readonly string[]): void {
    this.#pairs = this.#pairs.filter(([found]) => !names.some(name => isName(found, name)))
  }

  /** The fields with `more` behind them. */
  with(more: readonly Pair[]): readonly Pair[] {
    return this.#pairs.length === 0 ? more : [...this.#pairs, ...more]
  }
}

function isName(found: string, name: string): boolean {
  return found.length === name.length && found.toLowerCase() === name
}

/** Without the blanks of HTTP (Fetch standard: normalize) at both ends. */
function trimmed(value: string): string {
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  return first <= 0x20 || last <= 0x20 ? value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '') : value
}
