// The fields of a request, as callers give them, written in their final form.
//
// Promise: what is checked is what is written; a refusal names the field, never its value. Names are tokens; values are latin1
// without controls, trimmed; bytes pass the same check. Framing, hop-by-hop fields and Host are ours (RFC 9110 section 7.6.1,
// RFC 9112 sections 3.2 and 6). Used by `request.ts`. Not here: the path and the method.

import { RequestError } from '../errors/errors.js'

/** A value: text up to U+00FF, else bytes. */
export type HeaderValue = string | number | boolean | Uint8Array

/** Fields: a `Headers`, pairs, or an object; arrays in an object give a field for each element. */
export type HeadersInput =
  | Headers
  | Iterable<readonly [string, HeaderValue]>
  | { readonly [name: string]: HeaderValue | readonly HeaderValue[] | undefined }

/** Pairs that were read out of an iterable, or the object as the caller gave it. */
export type ReadHeaders = readonly unknown[] | object

/** Where the fields are written, and what they came to. */
export class HeaderWriter {
  /** Where the next byte goes. */
  at = 0
  /** Fields written so far. */
  count = 0
  /** Their size as they count against `maxRequestHeadSize`: name, value and 4 for each. */
  size = 0
  /** What the caller's Content-Length says; -1 where there is none. */
  contentLength = -1
  bytes: Uint8Array = NO_BYTES
  maxSize = 0
  maxCount = 0

  /** Begins at `at`. */
  start(bytes: Uint8Array, at: number, maxSize: number, maxCount: number): void {
    this.bytes = bytes
    this.at = at
    this.count = 0
    this.size = 0
    this.contentLength = -1
    this.maxSize = maxSize
    this.maxCount = maxCount
  }

  /** A field of ours, before all others; `option` says where its value, which was checked before, came from. */
  own(option: string, name: string, value: string): void {
    const size = name.length + value.length + 4
    this.#room(option, size)
    this.#name(name)
    this.#value(option, value)
    this.size += size
  }

  /** Every field of `headers`. */
  writeAll(headers: ReadHeaders): void {
    if (Array.isArray(headers)) {
      for (let i = 0; i < headers.length; i++) this.#pair(headers[i])
      return
    }
    const names = Object.keys(headers)
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      const value: unknown = (headers as Record<string, unknown>)[name]
      if (typeof value === 'string') this.field(name, value)
      else if (Array.isArray(value)) for (let k = 0; k < value.length; k++) this.field(name, value[k])
      else if (value !== undefined) this.field(name, value)
    }
  }

  #pair(pair: unknown): void {
    if (!Array.isArray(pair) || pair.length !== 2) throw new RequestError('headers', 'expected pairs of name and value')
    const [name, value]: unknown[] = pair
    if (typeof name !== 'string') throw new RequestError('headers', 'expected a string as name')
    this.field(name, value)
  }

  /** One field, unless it is a Content-Length, which is only noted. */
  field(name: string, value: unknown): void {
    const text = typeof value === 'string' || value instanceof Uint8Array ? value : coerced(name, value)
    if (isReserved(name) && !this.#mayCross(name, text)) return
    const before = this.at
    this.#room(name, name.length + text.length + 4)
    this.#name(name)
    this.#value(name, text)
    this.size += this.at - before + 2
  }

  /** Refuses what does not fit, before a byte of it is written. */
  #room(name: string, size: number): void {
    this.count += 1
    if (this.count > this.maxCount) {
      throw new RequestError('headers', `more than ${this.maxCount} fields (bounds.maxRequestHeadFields)`)
    }
    if (this.size + size > this.maxSize) {
      throw new RequestError(shownName(name), `more than ${this.maxSize} bytes of fields (bounds.maxRequestHeadSize)`)
    }
  }

  #name(name: string): void {
    const { bytes } = this
    const length = name.length
    let at = this.at
    if (length === 0) throw new RequestError('headers', 'a name is empty')
    for (let i = 0; i < length; i++) {
      const unit = name.charCodeAt(i)
      if (unit > 0x7f || TOKEN[unit] === 0) throw new RequestError(shownName(name), 'the name is no token (RFC 9110)')
      bytes[at++] = unit
    }
    bytes[at++] = 0
    this.at = at
  }

  #value(name: string, text: string | Uint8Array): void {
    const { bytes } = this
    const isText = typeof text === 'string'
    let from = 0
    let to = text.length
    while (from < to && isBlank(isText ? text.charCodeAt(from) : (text[from] as number))) from++
    while (to > from && isBlank(isText ? text.charCodeAt(to - 1) : (text[to - 1] as number))) to--
    let at = this.at
    if (isText) {
      for (let i = from; i < to; i++) {
        const unit = text.charCodeAt(i)
        if (unit > 0xff || VALUE[unit] === 0) throw refusedValue(name, unit)
        bytes[at++] = unit
      }
    } else {
      for (let i = from; i < to; i++) {
        const unit = text[i] as number
        if (VALUE[unit] === 0) throw refusedValue(name, unit)
        bytes[at++] = unit
      }
    }
    bytes[at++] = 0
    this.at = at
  }

  /** Whether a field with a reserved name goes on the wire; throws where it is not the caller's to set. */
  #mayCross(name: string, value: string | Uint8Array): boolean {
    const text = typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
    switch (name.toLowerCase()) {
      case 'content-length':
        this.#contentLength(name, text)
        return false
      case 'te':
        // The only value that says nothing about the connection: trailers are understood.
        if (text.trim().toLowerCase() === 'trailers') return true
        throw new RequestError(name, "only 'trailers' may be asked for")
      case 'host':
        throw new RequestError(name, "use the 'authority' option")
      default:
        throw new RequestError(name, 'framing and hop-by-hop fields are set by the pool')
    }
  }

  #contentLength(name: string, text: string): void {
    if (this.contentLength !== -1) throw new RequestError(name, 'given twice')
    if (!/^[ \t]*\d{1,15}[ \t]*$/.test(text)) throw new RequestError(name, 'expected digits only')
    this.contentLength = Number(text)
  }
}

/** Longest part of a refused name that an error shows, in characters: it may be anything. A guess. */
const SHOWN_NAME_LENGTH = 64

/** A name that may be no token, made safe to show. */
function shownName(name: string): string {
  return JSON.stringify(name.slice(0, SHOWN_NAME_LENGTH)).slice(1, -1) || 'headers'
}

function coerced(name: string, value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new RequestError(shownName(name), `expected a string, number, boolean or Uint8Array, got ${kindOf(value)}`)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

function refusedValue(name: string, unit: number): RequestError {
  if (unit > 0xff) return new RequestError(name, 'the value has a character above U+00FF; give it as Uint8Array')
  return new RequestError(name, 'the value has a control character')
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

/** Whether a name could be one of those below: by length first, which settles most. */
function isReserved(name: string): boolean {
  switch (name.length) {
    case 2:
    case 4:
    case 6:
    case 7:
    case 10:
    case 14:
    case 16:
    case 17:
      return RESERVED.has(name) || RESERVED.has(name.toLowerCase())
    default:
      return false
  }
}

const RESERVED: ReadonlySet<string> = new Set([
  'te',
  'host',
  'expect',
  'upgrade',
  'connection',
  'keep-alive',
  'content-length',
  'http2-settings',
  'proxy-connection',
  'transfer-encoding',
])

/** RFC 9110 section 5.6.2: 1 for the characters of a token. */
export const TOKEN: Uint8Array = table(unit => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(unit)))

/** RFC 9110 section 5.5: 1 for what a field value may hold: visible ASCII, obs-text, space and tab. */
const VALUE: Uint8Array = table(unit => unit === 0x09 || (unit >= 0x20 && unit !== 0x7f))

function table(has: (unit: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, unit) => (has(unit) ? 1 : 0))
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

/** Reads the `headers` option once: iterables become arrays, so that none of the caller's code runs later. */
export function readHeaders(value: unknown): ReadHeaders | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'object') throw new RequestError('headers', 'expected Headers, pairs or an object')
  if (Array.isArray(value)) return value
  const iterate: unknown = Reflect.get(value, Symbol.iterator)
  if (iterate === undefined) return value
  if (typeof iterate !== 'function') throw new RequestError('headers', 'not iterable')
  return Array.from(value as Iterable<unknown>)
}

/** `headers` with one more field, unless it has one of this name (lower case) already. */
export function withDefault(headers: HeadersInput | undefined, name: string, value: string): HeadersInput {
  const read = readHeaders(headers)
  if (read === null) return { [name]: value }
  if (!Array.isArray(read)) {
    const has = Object.keys(read).some(key => key.toLowerCase() === name)
    return has ? (read as HeadersInput) : { ...(read as Record<string, HeaderValue>), [name]: value }
  }
  const has = read.some(pair => Array.isArray(pair) && typeof pair[0] === 'string' && pair[0].toLowerCase() === name)
  return has ? read : [...read, [name, value]]
}
