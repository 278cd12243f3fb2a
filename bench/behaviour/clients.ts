// The clients that are compared: one way to GET, and one to begin a GET whose body nobody reads.
//
// Promise: each speaks HTTP/2 over TLS and is otherwise as it comes, with its own defaults (retries too, where it has them).
// Used by `child.ts`. Not here: what they are sent into (`scenarios.ts`).

import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { Readable } from 'node:stream'
import { Pool } from 'forebay'
import { type Axios, type Got, loadPeers, type UndiciDispatcher } from './peers.js'

export const CLIENT_NAMES = [
  'forebay-thread',
  'forebay-event-loop',
  'undici-pool',
  'undici-agent',
  'got',
  'axios',
  'node-http2',
] as const
export type ClientName = (typeof CLIENT_NAMES)[number]

export interface Client {
  /** Gives the number of bytes in the body. */
  get(path: string): Promise<number>
  /** Resolves when the head is there; gives what ends the request. */
  stall(path: string): Promise<() => void>
  close(): void
}

export interface Target {
  readonly origin: string
  /** The root to trust, PEM. */
  readonly ca: string
}

/** `door`: the module that exports the peers. */
export async function createClient(name: ClientName, target: Target, door: string): Promise<Client> {
  switch (name) {
    case 'forebay-thread':
      return forebay('thread', target)
    case 'forebay-event-loop':
      return forebay('event-loop', target)
    case 'undici-pool': {
      const { undici } = await loadPeers(door)
      return ofUndici(new undici.Pool(target.origin, { allowH2: true, connect: { ca: target.ca } }), target)
    }
    case 'undici-agent': {
      const { undici } = await loadPeers(door)
      return ofUndici(new undici.Agent({ allowH2: true, connect: { ca: target.ca } }), target)
    }
    case 'got':
      return ofGot((await loadPeers(door)).got, target)
    case 'axios':
      return ofAxios((await loadPeers(door)).axios, target)
    case 'node-http2':
      return nodeHttp2(target)
  }
}

function forebay(runOn: 'thread' | 'event-loop', { origin, ca }: Target): Client {
  const pool = new Pool(origin, { runOn, protocols: ['h2'], tls: { ca } })
  return {
    async get(path) {
      const { status, body } = await pool.request({ path })
      expectOk(status)
      return (await body.bytes()).byteLength
    },
    async stall(path) {
      const { body } = await pool.request({ path })
      return () => void body.discard({ maxBytes: 0 }).catch(() => {})
    },
    close: () => void pool.destroy(),
  }
}

function ofUndici(dispatcher: UndiciDispatcher, { origin }: Target): Client {
  const send = async (path: string) => {
    const { statusCode, body } = await dispatcher.request({ origin, path, method: 'GET' })
    expectOk(statusCode)
    return body
  }
  return {
    get: async path => (await (await send(path)).arrayBuffer()).byteLength,
    stall: async path => ending(await send(path)),
    close: () => void dispatcher.destroy(),
  }
}

function ofGot(got: Got, { origin, ca }: Target): Client {
  const client = got.extend({ http2: true, https: { certificateAuthority: ca } })
  return {
    async get(path) {
      const { statusCode, body } = await client.get(origin + path, { responseType: 'buffer' })
      expectOk(statusCode)
      return body.byteLength
    },
    async stall(path) {
      const stream = client.stream(origin + path)
      await once(stream, 'response')
      return ending(stream)
    },
    close() {},
  }
}

function ofAxios(axios: Axios, { origin, ca }: Target): Client {
  const client = axios.create({ httpVersion: 2, http2Options: { ca } })
  return {
    async get(path) {
      const { data } = await client.get<Uint8Array>(origin + path, { responseType: 'arraybuffer' })
      return data.byteLength
    },
    async stall(path) {
      const { data } = await client.get<Readable>(origin + path, { responseType: 'stream' })
      return ending(data)
    },
    close() {},
  }
}

/** As its users write it: one session, and another one for what comes after its end or its GOAWAY. */
function nodeHttp2({ origin, ca }: Target): Client {
  let current: ClientHttp2Session | null = null
  const session = (): ClientHttp2Session => {
    if (current !== null && !current.closed && !current.destroyed) return current
    const made = connect(origin, { ca })
    const forget = () => {
      if (current === made) current = null
    }
    made.on('error', forget)
    made.on('goaway', forget)
    made.on('close', forget)
    current = made
    return made
  }
  const send = async (path: string) => {
    const stream = session().request({ ':path': path })
    const [headers] = await once(stream, 'response')
    expectOk(Number(headers[':status']))
    return stream
  }
  return {
    async get(path) {
      let bytes = 0
      for await (const part of await send(path)) bytes += part.length
      return bytes
    },
    stall: async path => ending(await send(path)),
    close: () => current?.destroy(),
  }
}

function ending(stream: Readable): () => void {
  stream.on('error', () => {})
  return () => void stream.destroy()
}

function expectOk(status: number): void {
  if (status !== 200) throw new Error(`status ${status}`)
}
