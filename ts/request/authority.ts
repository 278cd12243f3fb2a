// The `authority` of a request: what its Host field says instead of the origin.
//
// Promise: one canonical spelling; whatever could be read in two ways is refused. TLS identity stays the origin's.
// Used by `request.ts`. Not here: the origin itself (`config/origin.ts`, same grammar).

import { parseAuthority } from '../config/origin.js'
import { RequestError } from '../errors/errors.js'

/** Authorities already seen, so that a caller with a few virtual hosts pays for each once. Emptied when full. A guess. */
const MAX_KNOWN = 256
const known: Map<string, string> = new Map()

/** The canonical form of `value` on an origin with this scheme. */
export function canonicalAuthority(value: unknown, scheme: 'http' | 'https'): string {
  if (typeof value !== 'string') throw new RequestError('authority', 'expected host or host:port')
  const key = `${scheme} ${value}`
  const seen = known.get(key)
  if (seen !== undefined) return seen
  // Punycode is the caller's work: a Host field is ASCII.
  const parsed = /^[\x21-\x7e]+$/.test(value) ? parseAuthority(value, scheme) : null
  if (parsed === null) throw new RequestError('authority', 'expected host or host:port, ASCII, nothing else')
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(key, parsed.authority)
  return parsed.authority
}
