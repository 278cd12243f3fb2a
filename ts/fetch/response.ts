// The `Response` of a fetch: one to look at and to read, of which the platform makes as much as is used.
//
//   status, ok, url, text(), json(), bytes(), arrayBuffer()   straight from what came
//   headers                                                   a real Headers, on first access
//   body, clone(), blob(), formData()                         a real Response inside, on first access; it then does all the reading
//
// Promise: `instanceof Response` holds, and public members do what the platform's do; see docs/fetch.md for the few differences.
// Used by `fetch.ts`. Not here: decoding (`response/decoded-body.ts`).

import type { ResponseBody } from '../response/body.js'
import { type ChunkSource, webStream } from '../response/readers.js'
import type { PoolResponse, ResponseHead } from '../response/response.js'
import { terminated } from './failures.js'
import { immutableHeaders } from './headers.js'

/** What a response is made of. */
export interface Fetched {
  readonly response: PoolResponse
  /** Decoded; null where there is none by the method or the status. */
  readonly body: ResponseBody | null
  readonly url: string
  readonly redirected: boolean
  readonly signal: AbortSignal | null
  /** Kept for its signal (`call.ts`): whoever reads holds it. */
  readonly request: object | null
}

/** See above. */
export class FetchedResponse {
  readonly #fetched: Fetched
  #headers: Headers | null = null
  #inner: Response | null
  /** Whether it was read without the one inside. */
  #used = false

  constructor(fetched: Fetched, inner: Response | null) {
    this.#fetched = fetched
    this.#inner = inner
  }

  /** What the pool knows of a response that a fetch gave; null of any other. */
  static headOf(response: object): ResponseHead | null {
    return #fetched in response ? response.#fetched.response : null
  }

  get type(): Response['type'] {
    return 'basic'
  }

  get url(): string {
    return this.#fetched.url
  }

  get redirected(): boolean {
    return this.#fetched.redirected
  }

  get status(): number {
    return this.#fetched.response.status
  }

  get ok(): boolean {
    const { status } = this.#fetched.response
    return status >= 200 && status <= 299
  }

  get statusText(): string {
    return this.#fetched.response.statusText
  }

  get headers(): Headers {
    this.#headers ??= immutableHeaders(this.#fetched.response.headers)
    return this.#headers
  }

  get body(): Response['body'] {
    return this.#materialise()?.body ?? null
  }

  get bodyUsed(): boolean {
    return this.#inner === null ? this.#used : this.#inner.bodyUsed
  }

  text(): Promise<string> {
    if (this.#inner !== null) return this.#inner.text()
    const { body } = this.#fetched
    return body === null ? Promise.resolve('') : this.#read(body, () => body.text())
  }

  json(): Promise<unknown> {
    if (this.#inner !== null) return this.#inner.json()
    const { body } = this.#fetched
    return body === null ? new Response(null).json() : this.#read(body, () => body.json())
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#inner !== null) return this.#inner.arrayBuffer()
    const { body } = this.#fetched
    return body === null ? Promise.resolve(new ArrayBuffer(0)) : this.#read(body, () => body.arrayBuffer())
  }

  /** Of all Nodes: the platform's came with 22. */
  bytes(): Promise<Uint8Array> {
    if (this.#inner !== null) return this.#inner.arrayBuffer().then(buffer => new Uint8Array(buffer))
    const { body } = this.#fetched
    return body === null ? Promise.resolve(new Uint8Array(0)) : this.#read(body, () => body.bytes())
  }

  async blob(): Promise<Blob> {
    return (await this.#whole()).blob()
  }

  async formData(): Promise<FormData> {
    return (await this.#whole()).formData()
  }

  clone(): Response {
    const inner = this.#materialise()
    if (inner === null) return asResponse(new FetchedResponse(this.#fetched, null))
    return asResponse(new FetchedResponse(this.#fetched, inner.clone()))
  }

  /** A real one with all of the body, whose readers know the type. */
  async #whole(): Promise<Response> {
    if (this.#inner !== null) return this.#inner
    const { headers } = this
    if (this.#fetched.body === null) return new Response(null, { headers })
    return new Response(await this.arrayBuffer(), { headers })
  }

  /** Reads a body that nobody has touched. */
  #read<T>(body: ResponseBody, read: () => Promise<T>): Promise<T> {
    if (this.#used) return Promise.reject(new TypeError('Body is unusable: Body has already been read'))
    this.#used = true
    const fetched = this.#fetched
    const { signal } = fetched
    if (signal?.aborted === true) {
      void body.discard({ maxBytes: 0 })
      return Promise.reject(signal.reason)
    }
    return read().catch((error: unknown) => {
      throw terminated(error, fetched.signal)
    })
  }

  /** The real one inside; null where there is no body. */
  #materialise(): Response | null {
    if (this.#inner !== null) return this.#inner
    const { body } = this.#fetched
    if (body === null) return null
    const { headers } = this
    if (this.#used) {
      this.#inner = new Response('', { headers })
      void this.#inner.text()
    } else {
      this.#inner = new Response(webStream(new FetchedSource(body, this.#fetched)), { headers })
    }
    return this.#inner
  }
}

/** The chunks of a body, failing as those of a fetch do. */
class FetchedSource implements ChunkSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #fetched: Fetched

  constructor(body: ResponseBody, fetched: Fetched) {
    this.#chunks = body[Symbol.asyncIterator]()
    this.#fetched = fetched
  }

  async next(): Promise<Uint8Array | null> {
    const { signal } = this.#fetched
    if (signal?.aborted === true) {
      this.cancel()
      throw signal.reason
    }
    try {
      const step = await this.#chunks.next()
      return step.done === true ? null : step.value
    } catch (error) {
      throw terminated(error, this.#fetched.signal)
    }
  }

  cancel(): void {
    void this.#chunks.return?.()
  }
}

let isPrepared = false

/** One as its callers see it. */
export function asResponse(response: FetchedResponse): Response {
  if (!isPrepared) prepare()
  const made: object = response
  return made as Response
}

/**
 * Puts the platform's prototype behind ours, with the first response: until then Node does not even load its `Response`. No instance is
 * constructed by the platform, which is what costs.
 */
function prepare(): void {
  isPrepared = true
  const { prototype } = FetchedResponse
  const platform = globalThis.Response
  Object.setPrototypeOf(prototype, platform.prototype)
  Object.defineProperty(prototype, 'constructor', { value: platform, configurable: true, writable: true })
  // As the platform's: `for ... in` finds them.
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name !== 'constructor') Object.defineProperty(prototype, name, { enumerable: true })
  }
}
