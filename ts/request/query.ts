// The `query` option, encoded and put behind a path.
//
// Used by `request.ts`. Not here: the check of the path, which sees the result.

import { RequestError } from '../errors/errors.js'

/** Values of a query. `null` and `undefined` are left out, arrays repeat the name. */
export type QueryInput =
  | URLSearchParams
  | { readonly [name: string]: string | number | boolean | readonly string[] | null | undefined }

/** `path` with `query` behind it. */
export function withQuery(path: string, query: unknown): string {
  if (typeof query !== 'object' || query === null) throw new RequestError('query', 'expected an object')
  const text = query instanceof URLSearchParams ? query.toString() : encodeRecord(query)
  if (text === '') return path
  if (path === '*') throw new RequestError('query', "not together with path '*'")
  return `${path}${path.includes('?') ? '&' : '?'}${text}`
}

function encodeRecord(query: object): string {
  const parts: string[] = []
  for (const name of Object.keys(query)) {
    const value: unknown = Reflect.get(query, name)
    if (value === null || value === undefined) continue
    if (Array.isArray(value)) for (const element of value) parts.push(pair(name, element))
    else parts.push(pair(name, value))
  }
  return parts.join('&')
}

function pair(name: string, value: unknown): string {
  if (
    typeof value !== 'string' &&
    typeof value !== 'boolean' &&
    (typeof value !== 'number' || !Number.isFinite(value))
  ) {
    throw new RequestError('query', 'expected strings, finite numbers, booleans or arrays of strings')
  }
  try {
    return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
  } catch (cause) {
    throw new RequestError('query', 'has half a surrogate pair', { cause })
  }
}
