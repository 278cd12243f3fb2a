// What a lookup answered, made usable: canonical, without doubles and what is forbidden, in the order in which to try.
//
// Used by `resolver.ts`. Not here: when to look up.

import { isIP } from 'node:net'
import { MAX_ADDRESSES } from '../config/defaults.js'
import { codeEntry, type ErrorCode } from '../errors/codes.js'
import { ForebayError } from '../errors/errors.js'
import { makeError, messageOf } from '../errors/from-native.js'

/** The addresses to use, best first; families alternate as RFC 8305 section 4 wants. Throws where none is left. */
export function usableAddresses(
  found: readonly unknown[],
  filter: ((address: string) => boolean) | null,
  origin: string,
): readonly string[] {
  const known: Set<string> = new Set()
  for (const entry of found) {
    const address: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'address') : undefined
    const canonical = typeof address === 'string' ? canonicalAddress(address) : null
    if (canonical !== null) known.add(canonical)
    if (known.size === MAX_ADDRESSES) break
  }
  if (known.size === 0) throw dnsError('FB_DNS_FAILED', origin, new Error('the lookup gave no address'))
  const allowed = filter === null ? [...known] : [...known].filter(address => filter(address) === true)
  if (allowed.length === 0) throw dnsError('FB_ADDRESS_DENIED', origin, undefined)
  return interleaved(allowed)
}

/** The one spelling of an address; an IPv4 address in IPv6 clothes becomes IPv4. Null for anything else, zones included. */
export function canonicalAddress(text: string): string | null {
  const family = isIP(text)
  if (family === 4) return text
  if (family !== 6 || text.includes('%')) return null
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (mapped === null) return short
  const bits = (Number.parseInt(mapped[1] ?? '', 16) << 16) | Number.parseInt(mapped[2] ?? '', 16)
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.')
}

/** Families alternate, beginning with that of the first. */
function interleaved(addresses: readonly string[]): readonly string[] {
  const first = addresses.filter(address => address.includes(':') === addresses[0]?.includes(':'))
  const other = addresses.filter(address => !first.includes(address))
  const mixed: string[] = []
  for (let i = 0; mixed.length < addresses.length; i++) {
    for (const family of [first, other]) {
      const address = family[i]
      if (address !== undefined) mixed.push(address)
    }
  }
  return mixed
}

/** The error of a lookup; `number` is a time-out in ms. */
export function dnsError(code: ErrorCode, origin: string, cause: unknown, number = 0): ForebayError {
  const entry = codeEntry(code)
  return makeError(entry, messageOf(entry, number, origin, null), number, { phase: 'dns', origin, cause })
}

/** What a lookup, or the filter, threw. */
export function lookupError(thrown: unknown, origin: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const code: unknown = typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, 'code') : undefined
  return dnsError(code === 'ENOTFOUND' ? 'FB_DNS_NOT_FOUND' : 'FB_DNS_FAILED', origin, thrown)
}
