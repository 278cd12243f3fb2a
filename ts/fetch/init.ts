// The members of `RequestInit` that a server-side fetch checks and mostly ignores: `mode`, `credentials`, `cache` and their like.
//
// Promise: they are checked by the platform's own `Request`, so that what it refuses is refused in its words; a fetch without them does
// not pay for one. Used by `call.ts`. Not here: method, fields, body, signal (`call.ts`).

/** What of them has an effect. */
export interface RareMembers {
  readonly cache: string
  readonly integrity: string
  readonly referrer: string
  readonly referrerPolicy: string
}

/** What a fetch without them has. */
export const NO_RARE: RareMembers = { cache: 'default', integrity: '', referrer: 'about:client', referrerPolicy: '' }

const NAMES = [
  'cache',
  'credentials',
  'duplex',
  'integrity',
  'keepalive',
  'mode',
  'referrer',
  'referrerPolicy',
  'window',
] as const

/** Reads them of `init`, else of a `Request`. `method`: some modes allow few. */
export function readRare(init: object, request: object | null, url: string, method: string): RareMembers {
  const given: Record<string, unknown> = {}
  let count = 0
  for (const name of NAMES) {
    const value: unknown = Reflect.get(init, name) ?? (request === null ? undefined : ofRequest(request, name))
    if (value === undefined) continue
    given[name] = value
    count += 1
  }
  if (count === 0) return NO_RARE
  const { cache, integrity, referrer, referrerPolicy } = new Request(url, { ...given, method })
  return { cache, integrity, referrer, referrerPolicy }
}

/** What a `Request` has by default says nothing. */
function ofRequest(request: object, name: string): unknown {
  const value: unknown = Reflect.get(request, name)
  const isDefault =
    value === Reflect.get(DEFAULTS, name) || value === '' || name === 'duplex' || name === 'mode' || name === 'window'
  return isDefault ? undefined : value
}

const DEFAULTS = { cache: 'default', credentials: 'same-origin', keepalive: false, referrer: 'about:client' }

/** The fields by which a cache mode is told to caches on the way. Source: Fetch standard, HTTP-network-or-cache fetch, 15 to 17. */
export function cacheFields(cache: string): readonly (readonly [name: string, value: string])[] {
  switch (cache) {
    case 'no-cache':
      return [['cache-control', 'max-age=0']]
    case 'no-store':
    case 'reload':
      return [
        ['pragma', 'no-cache'],
        ['cache-control', 'no-cache'],
      ]
    default:
      return []
  }
}
