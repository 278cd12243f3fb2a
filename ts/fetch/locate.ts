// Where a fetch goes: an origin, and the path with its query.
//
// Promise: what `URL` would make of the input, at a fraction of the cost where the input is plain: a path, or a URL of the pool's own
// origin, of characters that `URL` leaves as they are. Used by `call.ts`, `redirect.ts`. Not here: who serves an origin.

/** Where to. */
export interface Location {
  readonly origin: string
  /** `/...`, with the query; a `?` without one stays. */
  readonly path: string
}

const SLASH = 0x2f

/** Characters that `URL` changes nowhere in path or query. Not `'`, which it encodes in queries. */
const PLAIN = /^\/[\w!$&()*+,;=:@~%/?.-]*$/
/** A segment that may be `.` or `..`, which `URL` takes out. */
const DOTS = /\/(?:\.|%2e)/i

/** `base`: the origin that paths are relative to; null where there is none. */
export function locate(input: string, base: string | null): Location {
  if (base !== null) {
    const path = plainPath(input, base)
    if (path !== null) return { origin: base, path }
  }
  return locateUrl(parse(input, base))
}

/** The path of an input that needs no parsing; null for any other. */
function plainPath(input: string, base: string): string | null {
  let path: string
  if (input.charCodeAt(0) === SLASH) {
    // `//host/...` is a URL without its scheme.
    if (input.charCodeAt(1) === SLASH) return null
    path = input
  } else if (input.startsWith(base) && input.charCodeAt(base.length) === SLASH) {
    path = input.slice(base.length)
  } else {
    return null
  }
  return PLAIN.test(path) && !DOTS.test(path) ? path : null
}

/** The parts of a URL that has neither user nor password, without its fragment. */
export function locateUrl(url: URL): Location {
  const { origin, hash, href } = url
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`a pool speaks http: and https:, not ${url.protocol}`)
  }
  const end = hash === '' ? withoutEmptyHash(href) : href.length - hash.length
  return { origin, path: href.slice(origin.length, end) }
}

/** `URL` shows no hash for a `#` with nothing behind it. */
function withoutEmptyHash(href: string): number {
  return href.endsWith('#') ? href.length - 1 : href.length
}

function parse(input: string, base: string | null): URL {
  let url: URL
  try {
    url = base === null ? new URL(input) : new URL(input, base)
  } catch (cause) {
    throw new TypeError(`Failed to parse URL from ${input}`, { cause })
  }
  if (url.username !== '' || url.password !== '') {
    throw new TypeError('a URL with user or password cannot be fetched: send an authorization field')
  }
  return url
}
