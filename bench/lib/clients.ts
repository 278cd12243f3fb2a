// The peers: one way to send one GET, or one POST with a body, and read the answer's body to the end, through each of the clients that
// are compared.
//
// Promise: each is set up as its users would for throughput, with as many connections as there are requests in flight, and counts the
// connections that it opened. Used by `load.ts`. Not here: what is measured.

import { subscribe } from 'node:diagnostics_channel'
import { request as ask, Agent as HttpAgent } from 'node:http'
import { Pool, type PoolOptions } from 'forebay'
import { Pool as UndiciPool, fetch as undiciFetch } from 'undici'
import { nodeHttp2, undiciHttp2 } from './clients-http2.js'

/** The peers, in the order of the tables. */
export const CLIENT_NAMES = [
  'forebay-thread',
  'forebay-event-loop',
  'undici',
  'node-http',
  'forebay-fetch-thread',
  'forebay-fetch-event-loop',
  'undici-fetch',
  'fetch',
  'undici-h2',
  'node-http2',
  'h2load',
] as const
export type ClientName = (typeof CLIENT_NAMES)[number]

/** Those of a run that names none. */
export const USUAL_CLIENTS: readonly ClientName[] = [
  'forebay-thread',
  'forebay-event-loop',
  'undici',
  'node-http',
  'fetch',
]
/** What `--clients fetch-shape` stands for: everyone's fetch. */
export const FETCH_CLIENTS: readonly ClientName[] = [
  'forebay-fetch-thread',
  'forebay-fetch-event-loop',
  'undici-fetch',
  'fetch',
]

/** Those of a run over HTTP/2. `h2load` is a program of its own. */
export const HTTP2_CLIENTS: readonly ClientName[] = [
  'forebay-thread',
  'forebay-event-loop',
  'undici-h2',
  'node-http2',
  'h2load',
]

export interface Client {
  /** Sends one request; gives the number of bytes in the body. */
  send(): Promise<number>
  /** Connections opened so far. */
  opened(): number
  close(): Promise<void>
}

export function isClientName(text: string): text is ClientName {
  return CLIENT_NAMES.some(name => name === text)
}

export interface Target {
  readonly url: URL
  /** The root to trust, PEM, over HTTP/2 and TLS; null: HTTP/1.1 in clear. */
  readonly ca: string | null
}

/** `upload`: the body of a POST; null: a GET. */
export function createClient(
  name: ClientName,
  { url, ca }: Target,
  connections: number,
  upload: Uint8Array | null,
): Client {
  switch (name) {
    case 'forebay-thread':
      return forebay('thread', url, poolOptions(ca, connections), upload)
    case 'forebay-event-loop':
      return forebay('event-loop', url, poolOptions(ca, connections), upload)
    case 'undici':
      return undici(url, connections, upload)
    case 'node-http':
      return nodeHttp(url, connections, upload)
    case 'forebay-fetch-thread':
      return forebayFetch('thread', url, connections, upload)
    case 'forebay-fetch-event-loop':
      return forebayFetch('event-loop', url, connections, upload)
    case 'undici-fetch':
      return undicisFetch(url, connections, upload)
    case 'fetch':
      return builtInFetch(url, upload)
    case 'undici-h2':
      return undiciHttp2(url, rootOf(ca), upload)
    case 'node-http2':
      return nodeHttp2(url, rootOf(ca), upload)
    case 'h2load':
      throw new Error('h2load is no client of this process')
  }
}

/** Over HTTP/2 the pool decides by itself how many connections it needs. */
function poolOptions(ca: string | null, connections: number): PoolOptions {
  return ca === null ? { limits: { maxConnections: connections } } : { protocols: ['h2'], tls: { ca } }
}

function rootOf(ca: string | null): string {
  if (ca === null) throw new Error('this client speaks HTTP/2 over TLS alone')
  return ca
}

function forebay(runOn: 'thread' | 'event-loop', url: URL, options: PoolOptions, upload: Uint8Array | null): Client {
  const pool = new Pool(url.origin, { runOn, ...options })
  const path = url.pathname + url.search
  const request = upload === null ? { path } : { path, method: 'POST', body: upload }
  return {
    async send() {
      const { status, body } = await pool.request(request)
      expectOk(status)
      return (await body.bytes()).byteLength
    },
    opened: () => pool.stats.cxTotal,
    close: () => pool.close(),
  }
}

function undici(url: URL, connections: number, upload: Uint8Array | null): Client {
  const pool = new UndiciPool(url.origin, { connections, pipelining: 1 })
  const path = url.pathname + url.search
  let opened = 0
  pool.on('connect', () => {
    opened += 1
  })
  return {
    async send() {
      const { statusCode, body } = await pool.request({ path, method: upload === null ? 'GET' : 'POST', body: upload })
      expectOk(statusCode)
      return (await body.arrayBuffer()).byteLength
    },
    opened: () => opened,
    close: () => pool.close(),
  }
}

function forebayFetch(
  runOn: 'thread' | 'event-loop',
  url: URL,
  connections: number,
  upload: Uint8Array | null,
): Client {
  const pool = new Pool(url.origin, { runOn, limits: { maxConnections: connections } })
  const { fetch } = pool
  return {
    async send() {
      const response = await (upload === null ? fetch(url) : fetch(url, { method: 'POST', body: upload }))
      expectOk(response.status)
      return (await response.arrayBuffer()).byteLength
    },
    opened: () => pool.stats.cxTotal,
    close: () => pool.close(),
  }
}

/** The npm package's, on a pool as in `undici`. */
function undicisFetch(url: URL, connections: number, upload: Uint8Array | null): Client {
  const dispatcher = new UndiciPool(url.origin, { connections, pipelining: 1 })
  let opened = 0
  dispatcher.on('connect', () => {
    opened += 1
  })
  return {
    async send() {
      const response = await undiciFetch(
        url,
        upload === null ? { dispatcher } : { dispatcher, method: 'POST', body: upload },
      )
      expectOk(response.status)
      return (await response.arrayBuffer()).byteLength
    },
    opened: () => opened,
    close: () => dispatcher.close(),
  }
}

function nodeHttp(url: URL, connections: number, upload: Uint8Array | null): Client {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections })
  let opened = 0
  return {
    send: () =>
      new Promise((resolve, reject) => {
        const request = ask(url, { agent, method: upload === null ? 'GET' : 'POST' }, response => {
          let bytes = 0
          response.on('data', (chunk: Uint8Array) => {
            bytes += chunk.byteLength
          })
          response.on('error', reject)
          response.on('end', () => {
            if (response.statusCode === 200) resolve(bytes)
            else reject(new Error(`status ${response.statusCode}`))
          })
        })
        request.on('error', reject)
        request.on('socket', () => {
          if (!request.reusedSocket) opened += 1
        })
        request.end(upload ?? undefined)
      }),
    opened: () => opened,
    async close() {
      agent.destroy()
    },
  }
}

/** Node's own undici; it shares one agent for the process and opens as many connections as there are requests in flight. */
function builtInFetch(url: URL, upload: Uint8Array | null): Client {
  let opened = 0
  const options = upload === null ? {} : { method: 'POST', body: upload }
  subscribe('undici:client:connected', () => {
    opened += 1
  })
  return {
    async send() {
      const response = await fetch(url, options)
      expectOk(response.status)
      return (await response.arrayBuffer()).byteLength
    },
    opened: () => opened,
    async close() {},
  }
}

function expectOk(status: number): void {
  if (status !== 200) throw new Error(`status ${status}`)
}
