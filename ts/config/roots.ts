// The certificates that Node trusts, as one PEM text.
//
// Promise: read once per environment, on first use, from Node itself where it tells them, else bundled and `NODE_EXTRA_CA_CERTS`.
// Used by `pool/native-pool.ts`. Not here: a user's own `ca` (`tls.ts`).

import { readFileSync } from 'node:fs'
import * as tls from 'node:tls'

let roots: Uint8Array | null = null

/** Node's default roots. */
export function nodeRoots(): Uint8Array {
  roots ??= Buffer.from(readRoots().join('\n'), 'latin1')
  return roots
}

function readRoots(): readonly string[] {
  // From Node 22.15 and 23.10 on; not in the types of Node 20.
  const getDefault: unknown = Reflect.get(tls, 'getCACertificates')
  if (typeof getDefault === 'function') return getDefault('default') as string[]
  return [...tls.rootCertificates, ...extraRoots(process.env['NODE_EXTRA_CA_CERTS'])]
}

/** Node warns and goes on where this file cannot be read, and so do we: Node has warned already. */
function extraRoots(path: string | undefined): readonly string[] {
  if (path === undefined || path === '') return []
  try {
    return [readFileSync(path, 'latin1')]
  } catch {
    return []
  }
}
