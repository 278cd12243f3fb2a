// Caddy as an upstream: HTTP/3 (and the others) in front of a server that it passes everything on to.
//
// Promise: nothing outside its folder is read or written but the certificate; the port is one that was free. Used by `http3-peers.ts`.
// Not here: installing it.

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Identity } from './identity.js'
import { answers, end, freePort, PORT_ATTEMPTS } from './ports.js'

export interface Caddy {
  readonly origin: string
  stop(): Promise<void>
}

export interface CaddyOptions {
  readonly identity: Identity
  /** Where the answers come from: `host:port` of a server of HTTP/1.1. */
  readonly upstream: string
}

export async function startCaddy({ identity, upstream }: CaddyOptions): Promise<Caddy> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-caddy-'))
  const config = join(folder, 'caddy.json')
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    await writeFile(config, JSON.stringify(configuration(port, identity, upstream)))
    const child = spawn('caddy', ['run', '--config', config], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    child.on('error', () => {})
    // It opens both sockets before it accepts.
    if (await answers(port, child)) {
      return {
        origin: `https://127.0.0.1:${port}`,
        async stop() {
          await end(child)
          await rm(folder, { recursive: true, force: true })
        },
      }
    }
    if (attempt === PORT_ATTEMPTS) throw new Error('caddy does not start: is it installed?')
    await end(child)
  }
}

function configuration(port: number, identity: Identity, upstream: string) {
  const proxy = { handler: 'reverse_proxy', upstreams: [{ dial: upstream }], flush_interval: -1 }
  const peer = {
    listen: [`127.0.0.1:${port}`],
    protocols: ['h1', 'h2', 'h3'],
    routes: [{ handle: [proxy] }],
    automatic_https: { disable: true },
    tls_connection_policies: [{}],
  }
  return {
    admin: { disabled: true, config: { persist: false } },
    logging: { logs: { default: { level: 'ERROR' } } },
    apps: {
      http: { servers: { peer } },
      tls: { certificates: { load_files: [{ certificate: identity.certFile, key: identity.keyFile }] } },
    },
  }
}
