// The body of a response: one reader, then it is used.
//
// Promise: bytes are the reader's own; text is decoded as `Response.text()` does (UTF-8, a byte order mark dropped, bad bytes replaced).
// A short body is kept as one latin1 string with the head (one copy across the boundary, no buffer) until somebody reads it.
// Used by `response.ts`. Not here: how a body that comes in parts is collected (`collect.ts`).

/** The body of a response. The first reader gets it; a second gets a TypeError. */
export interface ResponseBody {
  /** Whether somebody has read it. */
  readonly used: boolean
  text(): Promise<string>
  json<T = unknown>(): Promise<T>
  bytes(): Promise<Uint8Array>
  arrayBuffer(): Promise<ArrayBuffer>
}

/** A body that is wholly here: bytes, or a string whose characters are the bytes. */
export class WholeBody implements ResponseBody {
  #content: Uint8Array | string | null

  constructor(content: Uint8Array | string) {
    this.#content = content
  }

  get used(): boolean {
    return this.#content === null
  }

  text(): Promise<string> {
    const content = this.#content
    if (content === null) return alreadyUsed()
    this.#content = null
    return resolved(decode, content)
  }

  json<T = unknown>(): Promise<T> {
    const content = this.#content
    if (content === null) return alreadyUsed()
    this.#content = null
    return resolved<T>(parse, content)
  }

  bytes(): Promise<Uint8Array> {
    const content = this.#content
    if (content === null) return alreadyUsed()
    this.#content = null
    return resolved(toBytes, content)
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    const content = this.#content
    if (content === null) return alreadyUsed()
    this.#content = null
    return resolved(toArrayBuffer, content)
  }

  /** Drops what is left. */
  discard(): void {
    this.#content = null
  }
}

/** A promise of what `make` gives, or throws. */
function resolved<T>(make: (content: Uint8Array | string) => T, content: Uint8Array | string): Promise<T> {
  try {
    return Promise.resolve(make(content))
  } catch (error) {
    return Promise.reject(error)
  }
}

function alreadyUsed(): Promise<never> {
  return Promise.reject(new TypeError('the body of this response has been read already'))
}

const UTF8 = new TextDecoder()

function decode(content: Uint8Array | string): string {
  if (typeof content !== 'string') return UTF8.decode(content)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII, in which latin1 and UTF-8 agree.
  return /^[\x00-\x7f]*$/.test(content) ? content : UTF8.decode(Buffer.from(content, 'latin1'))
}

function parse<T>(content: Uint8Array | string): T {
  const value: T = JSON.parse(decode(content))
  return value
}

/** Never a view on a pooled buffer: the reader may hand on `.buffer`. */
function toBytes(content: Uint8Array | string): Uint8Array {
  if (typeof content !== 'string') return content
  const bytes = new Uint8Array(content.length)
  for (let i = 0; i < content.length; i++) bytes[i] = content.charCodeAt(i)
  return bytes
}

function toArrayBuffer(content: Uint8Array | string): ArrayBuffer {
  const bytes = toBytes(content)
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) return buffer
  const exact = new ArrayBuffer(bytes.byteLength)
  new Uint8Array(exact).set(bytes)
  return exact
}
