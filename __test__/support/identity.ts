// A certificate for servers that are not ours, in files, of a root that is made for it.
//
// Used by `http2-peers.ts`. Not here: bad certificates (crates/forebay-testkit/src/certificates.rs).

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestkit } from './upstream.js'

export interface Identity {
  /** The root, PEM. */
  readonly ca: string
  readonly certFile: string
  readonly keyFile: string
  remove(): Promise<void>
}

/** For localhost and 127.0.0.1. The testkit makes one for each server; it need not live on. */
export async function makeIdentity(): Promise<Identity> {
  const testkit = await startTestkit({ args: ['--tls'] })
  await testkit.stop()
  const { ca, identity } = testkit
  if (ca === null || identity === null) throw new Error('the testkit gave no certificate')
  const folder = await mkdtemp(join(tmpdir(), 'forebay-identity-'))
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  await writeFile(certFile, identity.cert)
  await writeFile(keyFile, identity.key, { mode: 0o600 })
  return { ca, certFile, keyFile, remove: () => rm(folder, { recursive: true, force: true }) }
}
