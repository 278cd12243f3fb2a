// A request as callers write it, read once, and written as bytes: method, path, fields.
//
// Promise: the bytes that were checked are the bytes that are sent; what is refused leaves nothing behind. A refusal is a
// `RequestError` with the field's name and never its value. Own properties only; an unknown option is refused.
// Used by `pool/native-pool.ts`. Not here: records (`native/channel.ts`), one field (`headers.ts`).

import type { RequestTimeouts } from '../config/options.js'
import type { RetryOptions } from '../config/retry.js'
import type { Priority } from '../errors/attempt.js'
import { RequestError } from '../errors/errors.js'
import type { HeaderMap } from '../response/headers.js'
import { canonicalAuthority } from './authority.js'
import { type BodyInput, checkLength, DerivedBody, readBody, type SentBody } from './body.js'
import { RequestExtras } from './extras.js'
import { type HeadersInput, HeaderWriter, type ReadHeaders, readHeaders, TOKEN } from './headers.js'
import { type QueryInput, withQuery } from './query.js'
import { StreamSource } from './stream-source.js'

/** A 1xx. */
export interface InformationalHead {
  /** 100 to 199. */
  readonly status: number
  readonly headers: HeaderMap
}

/** What a request is, apart from where it goes. Time-outs that it does not set are the pool's. */
export interface ExchangeOptions extends RequestTimeouts {
  /**
   * A token of at most 64 characters, sent as it is. Not `CONNECT`.
   * @default 'GET'
   */
  readonly method?: string | undefined
  /** Framing and hop-by-hop fields and Host are refused. */
  readonly headers?: HeadersInput | undefined
  /** Encoded and put behind the path; null is skipped. */
  readonly query?: QueryInput | undefined
  /**
   * Text is sent as UTF-8. Bytes are copied at once; a FormData or small Blob is read into memory first. URLSearchParams, Blob and
   * FormData set `content-type` where `headers` does not.
   *
   * A stream or async iterable is sent as it comes, in chunks, or with the length that a `content-length` in `headers` announces; at
   * most `bodyBuffer` bytes are taken ahead of the upstream. If it fails or has another length, the exchange is reset, so that the
   * upload never looks complete, and the promise rejects with `FB_REQUEST_BODY_FAILED`, the failure as its `cause`. Once nothing more of
   * it is wanted (the response is complete, a failure, an abort) it is let go: cancelled, destroyed, or its iterator's `return()`
   * called. A function can give its stream again.
   * @default null
   */
  readonly body?: BodyInput | null | undefined
  /**
   * Gives fields to send behind the body, once its last byte was handed over. The body is sent in chunks then, without a length. At most
   * 100 fields and 16 KiB. On h1 a `trailer` field in `headers` must name them. If it throws, or gives others:
   * `FB_REQUEST_BODY_FAILED`.
   * @default none
   */
  readonly trailers?: (() => HeadersInput | Promise<HeadersInput>) | undefined
  /**
   * Sends `Expect: 100-continue` and waits so many ms for the upstream to ask for the body; then it is sent in any case. A final response
   * before that means that it is not sent. `0`, `Infinity`: off. Without a body it has no effect.
   * @default 0
   */
  readonly expectContinue?: number | undefined
  /**
   * Called with each 1xx but 101, in order, before the promise resolves. If it throws, the request is reset and fails with that.
   * @default none
   */
  readonly onInformational?: ((head: InformationalHead) => void) | undefined
  /** Ends the request at any stage; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined
  /**
   * Which limits and which queue.
   * @default 'default'
   */
  readonly priority?: Priority | undefined
  /**
   * Whether it may be sent again although the upstream may have acted on it.
   * @default by method: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
   */
  readonly idempotent?: boolean | undefined
  /**
   * What the Host field says. TLS identity stays the origin's.
   * @default the origin's
   */
  readonly authority?: string | undefined
  /**
   * Bytes of response body that are collected, else `FB_BODY_TOO_LARGE`. `Infinity`: no bound.
   * @default the pool's
   */
  readonly maxReadSize?: number | undefined
  /**
   * Which attempts are repeated, and how. `null`: none.
   * @default the pool's
   */
  readonly retry?: RetryOptions | null | undefined
  /**
   * Whether gzip, deflate, br and (from Node 24) zstd are undone as the body is read, and asked for unless `headers` has an
   * `accept-encoding`. The fields of the response stay as received. `maxReadSize` then bounds the decoded bytes.
   * @default false
   */
  readonly decompress?: boolean | undefined
}

/** A request to a pool. */
export interface RequestOptions extends ExchangeOptions {
  /** `/...`, encoded; `*` with OPTIONS. Never parsed as a URL. */
  readonly path: string
}

/** What of the pool a request must keep to. */
export interface RequestRules {
  readonly scheme: 'http' | 'https'
  readonly maxPathSize: number
  readonly maxHeadSize: number
  readonly maxHeadFields: number
  readonly maxReadSize: number
}

/** Longest method in characters. A guess; the longest registered one has 17. */
export const MAX_METHOD_LENGTH = 64

/** A request, read. `write` may be called once. */
export class OutgoingRequest {
  readonly method: string
  readonly path: string
  /** Null also where `readBody` gives it. */
  readonly body: SentBody | null
  readonly high: boolean
  readonly idempotent: boolean
  /** What the caller says of that; null: nothing. */
  readonly saysIdempotent: boolean | null
  readonly signal: AbortSignal | null
  readonly maxReadSize: number
  readonly extras: RequestExtras | null
  /** Bytes of the path and of the fields, once written. The method is ASCII: its length is its bytes. */
  pathLength = 0
  headLength = 0
  /** Whether there is a body, be it empty. Known once written. */
  hasBody: boolean
  readonly methodLength: number
  /** What the caller's Content-Length says; -1 where there is none. Known once written. */
  contentLength = -1
  readonly #headers: ReadHeaders | null
  readonly #derived: DerivedBody | null
  readonly #authority: string | null
  readonly #rules: RequestRules

  constructor(options: RequestOptions, rules: RequestRules) {
    if (typeof options !== 'object' || options === null) throw new RequestError('options', 'expected an object')
    let method = 'GET'
    let path: unknown
    let query: unknown
    let headers: ReadHeaders | null = null
    let body: SentBody | DerivedBody | StreamSource | null = null
    let extras: RequestExtras | null = null
    let signal: AbortSignal | null = null
    let high = false
    let idempotent: boolean | null = null
    let authority: string | null = null
    let maxReadSize = rules.maxReadSize
    const keys = Object.keys(options)
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as keyof RequestOptions
      const value: unknown = options[key]
      switch (key) {
        case 'path':
          path = value
          break
        case 'method':
          if (value !== undefined) method = readMethod(value)
          break
        case 'headers':
          headers = readHeaders(value)
          break
        case 'body':
          body = readBody(value)
          break
        case 'signal':
          signal = readSignal(value)
          break
        case 'query':
          query = value
          break
        case 'priority':
          high = readPriority(value)
          break
        case 'idempotent':
          idempotent = readFlag('idempotent', value)
          break
        case 'authority':
          if (value !== undefined) authority = canonicalAuthority(value, rules.scheme)
          break
        case 'maxReadSize':
          if (value !== undefined) maxReadSize = readMaxReadSize(value)
          break
        case 'decompress':
          // What it does is done around a request (`pool/decompress.ts`).
          readFlag('decompress', value)
          break
        default:
          extras ??= new RequestExtras()
          if (!extras.read(key, value)) throw new RequestError(shownKey(key), 'unknown option')
      }
    }
    if (typeof path !== 'string') throw new RequestError('path', 'expected a string')
    this.method = method
    this.methodLength = method.length
    this.path = query === undefined || query === null ? path : withQuery(path, query)
    if (extras === null && isStreamed(body)) extras = new RequestExtras()
    const kept = extras === null ? (body as SentBody | DerivedBody | null) : extras.takeBody(body)
    this.extras = extras
    const derived = kept instanceof DerivedBody ? kept : null
    this.body = kept instanceof DerivedBody ? kept.content : kept
    this.#derived = derived
    this.high = high
    this.idempotent = idempotent ?? isIdempotent(method)
    this.saysIdempotent = idempotent
    this.signal = signal
    this.maxReadSize = maxReadSize
    this.hasBody = body !== null
    this.#headers = headers
    this.#authority = authority
    this.#rules = rules
  }

  /** Reads a body that is not bytes yet; null where there is nothing to read. */
  get readBody(): (() => Promise<ArrayBuffer>) | null {
    return this.#derived === null ? null : this.#derived.read
  }

  /** Most bytes that `write` can take. */
  static room(rules: RequestRules): number {
    // Each field has two NULs where the size counts four bytes.
    return MAX_METHOD_LENGTH + rules.maxPathSize + rules.maxHeadSize
  }

  /** Writes method, path and fields from `at` on; gives where they end. */
  write(bytes: Uint8Array, at: number): number {
    if (writing) throw new RequestError('headers', 'a getter in the options makes another request')
    writing = true
    try {
      const pathAt = writeMethod(this.method, bytes, at)
      const headAt = writePath(this.path, this.method, this.#rules.maxPathSize, bytes, pathAt)
      const end = this.#writeHead(bytes, headAt)
      this.pathLength = headAt - pathAt
      this.headLength = end - headAt
      return end
    } finally {
      writing = false
    }
  }

  #writeHead(bytes: Uint8Array, at: number): number {
    const headers = this.#headers
    const contentType = this.#derived === null ? '' : this.#derived.contentType
    if (headers === null && this.#authority === null && contentType === '') return at
    fields.start(bytes, at, this.#rules.maxHeadSize, this.#rules.maxHeadFields)
    if (this.#authority !== null) fields.own('authority', 'host', this.#authority)
    if (headers !== null) fields.writeAll(headers)
    if (contentType !== '' && !hasContentType(bytes, at, fields.at)) fields.field('content-type', contentType)
    this.contentLength = fields.contentLength
    const { extras } = this
    if (extras?.isStreamed === true) extras.checkLength(fields.contentLength)
    // What is read first is checked when it is there.
    else if (this.readBody === null) checkLength(fields.contentLength, this.body)
    if (fields.contentLength === 0) this.hasBody = true
    return fields.at
  }
}

/** Whether a body is sent as it is produced. */
function isStreamed(body: unknown): boolean {
  return body instanceof StreamSource || (body instanceof DerivedBody && body.stream !== null)
}

function shownKey(key: string): string {
  return key.slice(0, MAX_METHOD_LENGTH)
}

/** One request is written at a time, so one writer serves all; `writing` tells when a caller's getter breaks in. */
const fields: HeaderWriter = new HeaderWriter()
let writing = false

/** Whether the fields written to `[from, to)` have a Content-Type. */
function hasContentType(bytes: Uint8Array, from: number, to: number): boolean {
  const parts = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)
    .toString('latin1')
    .split('\0')
  return parts.some((part, index) => index % 2 === 0 && part.toLowerCase() === 'content-type')
}

/** Writes a method; gives where it ends. */
export function writeMethod(method: string, bytes: Uint8Array, at: number): number {
  const length = method.length
  for (let i = 0; i < length; i++) {
    const unit = method.charCodeAt(i)
    if (unit > 0x7f || TOKEN[unit] === 0) throw new RequestError('method', 'expected a token (RFC 9110 section 5.6.2)')
    bytes[at + i] = unit
  }
  return at + length
}

/** Writes a path: visible ASCII without `#`, beginning with `/`; or `*` of OPTIONS. Encoding is the caller's work. */
export function writePath(path: string, method: string, max: number, bytes: Uint8Array, at: number): number {
  const length = path.length
  if (length > max) throw new RequestError('path', `longer than ${max} bytes (bounds.maxPathSize)`)
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) {
    throw new RequestError('path', "expected '/...', or '*' with OPTIONS")
  }
  for (let i = 0; i < length; i++) {
    const unit = path.charCodeAt(i)
    if (unit < 0x21 || unit > 0x7e || unit === 0x23) {
      throw new RequestError('path', `expected visible ASCII without '#', found another character at ${i}`)
    }
    bytes[at + i] = unit
  }
  return at + length
}

function readMethod(value: unknown): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_METHOD_LENGTH) {
    throw new RequestError('method', `expected a token of 1 to ${MAX_METHOD_LENGTH} characters`)
  }
  if (value === 'CONNECT') throw new RequestError('method', 'CONNECT makes a tunnel, which request() cannot give')
  return value
}

/** Source: RFC 9110 section 9.2.2. */
function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true
    default:
      return false
  }
}

/** The `signal` option. */
export function readSignal(value: unknown): AbortSignal | null {
  if (value === undefined || value === null) return null
  if (
    typeof value === 'object' &&
    typeof Reflect.get(value, 'aborted') === 'boolean' &&
    typeof Reflect.get(value, 'addEventListener') === 'function' &&
    typeof Reflect.get(value, 'removeEventListener') === 'function'
  ) {
    return value as AbortSignal
  }
  throw new RequestError('signal', 'expected an AbortSignal')
}

function readPriority(value: unknown): boolean {
  if (value === undefined || value === 'default') return false
  if (value === 'high') return true
  throw new RequestError('priority', "expected 'default' or 'high'")
}

function readFlag(name: string, value: unknown): boolean | null {
  if (value === undefined) return null
  if (typeof value === 'boolean') return value
  throw new RequestError(name, 'expected true or false')
}

function readMaxReadSize(value: unknown): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && (value as number) >= 0)) return value as number
  throw new RequestError('maxReadSize', 'expected a whole number of bytes, or Infinity')
}
