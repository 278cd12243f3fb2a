// The origin of a pool, made canonical once: one host for names, SNI, verification and the Host field.
//
// Used by `parse.ts` and, for the `authority` of a request, by `request/authority.ts`.
// Not here: addresses (`pool/resolver.ts`).

import { isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { refusal } from './read.js'

/** Where requests go, in canonical form. */
export interface Origin {
  /** `scheme://authority`. */
  readonly href: string
  readonly scheme: 'http' | 'https'
  /** Lower case, punycode; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** Value of the Host field: the port left out where it is the scheme's default. */
  readonly authority: string
}

const ORIGIN = /^(https?):\/\/([^/?#@\\]+)\/?$/i
const EXPECTED = 'http://host[:port] or https://host[:port], without user, path, query or fragment'

/** Parses what the user gave as origin. */
export function parseOrigin(value: unknown): Origin {
  const text = value instanceof URL ? value.href : value
  if (typeof text !== 'string') throw refusal('origin', EXPECTED, value)
  const [, scheme, authority] = ORIGIN.exec(text) ?? []
  if (scheme === undefined || authority === undefined) throw refusal('origin', EXPECTED, withoutUser(text))
  const kind = scheme.toLowerCase() === 'https' ? 'https' : 'http'
  const parsed = parseAuthority(authority, kind)
  if (parsed === null) throw refusal('origin', EXPECTED, text)
  return Object.freeze({ href: `${kind}://${parsed.authority}`, scheme: kind, ...parsed })
}

/** What stands before an `@` may be a password: errors do not repeat it. */
function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//...@')
}

/** Host and port of `host[:port]` in canonical form; null where it is none. */
export function parseAuthority(
  text: string,
  scheme: 'http' | 'https',
): { readonly host: string; readonly port: number; readonly authority: string } | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const standard = scheme === 'https' ? 443 : 80
  const port = digits === undefined ? standard : Number(digits)
  if (port < 1 || port > 65_535) return null
  const host = bracketed !== undefined ? canonicalAddress(bracketed) : plain !== undefined ? canonicalName(plain) : null
  if (host === null) return null
  const shown = bracketed === undefined ? host : `[${host}]`
  return { host, port, authority: port === standard ? shown : `${shown}:${port}` }
}

/** IPv6 in its shortest form; null for anything else, zones included. */
function canonicalAddress(text: string): string | null {
  if (!isIPv6(text) || text.includes('%')) return null
  return new URL(`http://[${text}]`).hostname.slice(1, -1)
}

/** Longest name, RFC 1035 section 2.3.4, in characters without the root. */
const MAX_NAME_LENGTH = 253
const NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** A name in lower case and punycode, or an IPv4 address in its plain form; null where it is neither. */
function canonicalName(text: string): string | null {
  // Other full stops (U+3002, U+FF0E, U+FF61) and full-width letters would become ASCII: one name, one spelling.
  if (/[\u3002\uff00-\uffef]/.test(text)) return null
  const ascii = isAscii(text) ? text.toLowerCase() : domainToASCII(text)
  if (ascii.length > MAX_NAME_LENGTH || !NAME.test(ascii)) return null
  // The URL standard reads names that end in a number as IPv4 addresses, in many spellings: none may differ from what is verified.
  if (!/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(ascii)) return ascii
  return URL.canParse(`http://${ascii}`) && new URL(`http://${ascii}`).hostname === ascii ? ascii : null
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}
