// Peers that speak HTTP/2: one connection each, as its users would set it up for throughput, because all requests in flight fit on one.
//
// Used by `clients.ts`. Not here: h2load, which is a program of its own (`h2load.ts`).

import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { Pool as UndiciPool } from 'undici'
import type { Client } from './clients.js'

/** `ca`: the root to trust, PEM. */
export function undiciHttp2(url: URL, ca: string, upload: Uint8Array | null): Client {
  const pool = new UndiciPool(url.origin, { allowH2: true, connections: 1, connect: { ca } })
  const path = url.pathname + url.search
  let opened = 0
  pool.on('connect', () => {
    opened += 1
  })
  return {
    async send() {
      const { statusCode, body } = await pool.request({ path, method: upload === null ? 'GET' : 'POST', body: upload })
      if (statusCode !== 200) throw new Error(`status ${statusCode}`)
      return (await body.arrayBuffer()).byteLength
    },
    opened: () => opened,
    close: () => pool.close(),
  }
}

/** A session of Node's own. */
export function nodeHttp2(url: URL, ca: string, upload: Uint8Array | null): Client {
  const session = connect(url.origin, { ca })
  const head: OutgoingHttpHeaders = { ':method': upload === null ? 'GET' : 'POST', ':path': url.pathname + url.search }
  return {
    send: () =>
      new Promise((resolve, reject) => {
        const stream = session.request(head, { endStream: upload === null })
        let status = 0
        let bytes = 0
        stream.on('response', fields => {
          status = Number(fields[':status'])
        })
        stream.on('data', (chunk: Uint8Array) => {
          bytes += chunk.byteLength
        })
        stream.on('error', reject)
        stream.on('end', () => {
          if (status === 200) resolve(bytes)
          else reject(new Error(`status ${status}`))
        })
        if (upload !== null) stream.end(upload)
      }),
    opened: () => 1,
    close: () => new Promise(resolve => session.close(() => resolve())),
  }
}
