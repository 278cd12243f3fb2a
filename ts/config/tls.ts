// The TLS options, parsed. Certificates and keys become PEM bytes; whether they are good is found out natively.
//
// Promise: no key or certificate is in an error or in `pool.config`.
// Used by `parse.ts`. Not here: Node's roots (`roots.ts`).

import { ConfigError } from '../errors/errors.js'
import { MAX_SESSION_CACHE, SESSION_CACHE } from './defaults.js'
import { parseAuthority } from './origin.js'
import { fieldsOf, readBoolean, readChoice, readWhole, refusal } from './read.js'

/** How a pool does TLS, without its certificates and keys. */
export interface TlsConfig {
  /** Whose roots are trusted. */
  readonly roots: 'node' | 'own'
  /** Whether revocation lists are checked. */
  readonly revocation: boolean
  /** Whether the client shows a certificate. */
  readonly clientCertificate: boolean
  /** Null: the origin's host. */
  readonly servername: string | null
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly sessionCache: number
  readonly dangerouslySkipVerification: boolean
}

/** The PEM bytes that belong to it; `ca` is null where Node's roots are trusted. */
export interface TlsFiles {
  readonly ca: Uint8Array | null
  readonly crl: Uint8Array | null
  readonly cert: Uint8Array | null
  readonly key: Uint8Array | null
}

const KNOWN = [
  'ca',
  'crl',
  'cert',
  'key',
  'servername',
  'minVersion',
  'sessionCache',
  'dangerouslySkipVerification',
] as const

/** Parses the `tls` option of an `https:` origin. */
export function parseTls(value: unknown): { readonly config: TlsConfig; readonly files: TlsFiles } {
  const fields = fieldsOf('tls', value, KNOWN)
  const ca = fields['ca'] === undefined ? null : bundle('tls.ca', fields['ca'])
  const crl = fields['crl'] === undefined ? null : bundle('tls.crl', fields['crl'])
  const cert = fields['cert'] === undefined ? null : pem('tls.cert', fields['cert'])
  const key = fields['key'] === undefined ? null : pem('tls.key', fields['key'])
  if ((cert === null) !== (key === null)) {
    const missing = cert === null ? 'tls.cert' : 'tls.key'
    throw new ConfigError(missing, 'missing: tls.cert and tls.key belong together')
  }
  const config = Object.freeze({
    roots: ca === null ? ('node' as const) : ('own' as const),
    revocation: crl !== null,
    clientCertificate: cert !== null,
    servername: fields['servername'] === undefined ? null : servername(fields['servername']),
    minVersion: readChoice('tls.minVersion', fields['minVersion'], 'TLSv1.2', ['TLSv1.2', 'TLSv1.3']),
    sessionCache: readWhole('tls.sessionCache', fields['sessionCache'], SESSION_CACHE, 0, MAX_SESSION_CACHE),
    dangerouslySkipVerification: readBoolean(
      'tls.dangerouslySkipVerification',
      fields['dangerouslySkipVerification'],
      false,
    ),
  })
  return { config, files: { ca, crl, cert, key } }
}

function servername(value: unknown): string {
  const parsed = typeof value === 'string' && !value.includes(':') ? parseAuthority(value, 'https') : null
  if (parsed === null) throw refusal('tls.servername', 'a host name', value)
  return parsed.host
}

function bundle(path: string, value: unknown): Uint8Array {
  if (!Array.isArray(value)) return pem(path, value)
  if (value.length === 0) throw new ConfigError(path, 'expected at least one PEM text, got an empty array')
  const parts = value.map((part: unknown, index) => pem(`${path}[${index}]`, part))
  return Buffer.concat(parts.flatMap(part => [part, NEWLINE]))
}

const NEWLINE: Uint8Array = Uint8Array.of(0x0a)

/** The bytes of one PEM text, copied. Its content is a secret or long: errors tell only what kind of thing it is. */
function pem(path: string, value: unknown): Uint8Array {
  const bytes =
    typeof value === 'string' ? Buffer.from(value, 'latin1') : value instanceof Uint8Array ? Buffer.from(value) : null
  if (bytes === null) throw new ConfigError(path, `expected PEM as string or Uint8Array, got a ${typeof value}`)
  if (!bytes.includes('-----BEGIN ')) throw new ConfigError(path, 'expected PEM, found no "-----BEGIN "')
  return bytes
}
