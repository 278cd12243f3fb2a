// nghttpd, the server of the library nghttp2, as an upstream: files of a folder, and uploads sent back.
//
// Promise: nothing outside the folder is read or written; the port is one that was free. Used by `http2-peers.ts`. Not here:
// installing it.

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Identity } from './identity.js'
import { pattern } from './pattern.js'
import { answers, end, freePort, PORT_ATTEMPTS } from './ports.js'

/** Streams at once on a connection. Its own default too. */
export const NGHTTPD_STREAMS = 100

export interface Nghttpd {
  readonly origin: string
  stop(): Promise<void>
}

export interface NghttpdOptions {
  /** What `/` answers. */
  readonly text: string
  /** Sizes of the files under `/bytes/`. */
  readonly sizes: readonly number[]
  /** Null: in clear, with prior knowledge. */
  readonly identity: Identity | null
  /** `name: value`, after each response with a body. */
  readonly trailer: string
}

export async function startNghttpd({ text, sizes, identity, trailer }: NghttpdOptions): Promise<Nghttpd> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-nghttpd-'))
  await mkdir(join(folder, 'bytes'))
  await writeFile(join(folder, 'index.html'), text)
  for (const size of sizes) await writeFile(join(folder, 'bytes', String(size)), pattern(size))
  const streams = String(NGHTTPD_STREAMS)
  const options = ['--address=127.0.0.1', `--htdocs=${folder}`, '--echo-upload', '-m', streams, `--trailer=${trailer}`]
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const how = identity === null ? ['--no-tls', String(port)] : [String(port), identity.keyFile, identity.certFile]
    const child = spawn('nghttpd', [...options, ...how], { stdio: ['ignore', 'ignore', 'inherit'] })
    child.on('error', () => {})
    if (await answers(port, child)) {
      return {
        origin: `${identity === null ? 'http' : 'https'}://127.0.0.1:${port}`,
        async stop() {
          await end(child)
          await rm(folder, { recursive: true, force: true })
        },
      }
    }
    if (attempt === PORT_ATTEMPTS) throw new Error('nghttpd does not start: is it installed?')
    await end(child)
  }
}
