// The `headers` of a fetched response: the platform's own `Headers`, which nobody can change.
//
// Promise: a real one, so that everything which takes `Headers` takes it; made when somebody looks. Used by `response.ts`.

import type { HeaderMap } from '../response/headers.js'

type Pairs = [string, string][]

/** Made with the first one: until then Node does not even load its `Headers`. */
let makeHeaders: ((pairs: Pairs) => Headers) | null = null

/** `map` as `Headers`. */
export function immutableHeaders(map: HeaderMap): Headers {
  makeHeaders ??= prepare()
  return makeHeaders([...map])
}

function prepare(): (pairs: Pairs) => Headers {
  class FetchedHeaders extends globalThis.Headers {}
  const refuse = (): never => {
    throw new TypeError('immutable')
  }
  for (const name of ['append', 'delete', 'set']) {
    Object.defineProperty(FetchedHeaders.prototype, name, { value: refuse, configurable: true, writable: true })
  }
  const { prototype: constructed } = globalThis.Headers
  Object.defineProperty(FetchedHeaders.prototype, 'constructor', { value: constructed.constructor, configurable: true })
  return pairs => new FetchedHeaders(pairs)
}
