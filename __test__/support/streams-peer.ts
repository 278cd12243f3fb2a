// A server whose connections carry many streams, as the behaviour suites of HTTP/2 and HTTP/3 ask it.
//
// A peer says how it is asked for what a suite needs, and null stands for what it cannot do. Used by `http2-peers.ts` and
// `http3-peers.ts`. Not here: HTTP/1.1 (`peers.ts`).

import type { BodyInput, Pool } from '../../ts/index.js'
import type { Identity } from './identity.js'
import type { Spoken } from './spoken.js'

export interface StreamsPeer {
  readonly origin: string
  /** The root of its certificate, PEM; null in clear. */
  readonly ca: string | null
  /** Streams at once on a connection, as its SETTINGS or its credit say. */
  readonly streams: number
  /** What `/status/N` can answer. */
  readonly statuses: readonly number[]
  /** A body of the pattern without a length. */
  readonly chunked: ((length: number) => string) | null
  /** A body of the pattern and after it the trailer `x-end: yes`. */
  trailers(length: number): string
  /** Sends the trailer `x-sum` and gives what arrived. */
  readonly sentTrailer: ((pool: Pool, value: string) => Promise<string>) | null
  /** Sends `x-sent` and gives what arrived. */
  readonly headerAsReceived: ((pool: Pool, value: string) => Promise<string>) | null
  readonly authorityAsReceived: ((pool: Pool) => Promise<string>) | null
  /** A request that is answered with 2xx once its body is whole, not before. */
  upload(id: string): { readonly method: string; readonly path: string }
  /** Uploads a body and gives what the peer then has of it. */
  roundTrip(pool: Pool, body: BodyInput, id: string): Promise<Uint8Array>
  /** Where a connection says farewell after so many requests. */
  readonly retiring: { readonly origin: string; readonly path: string; readonly after: number } | null
  stop(): Promise<void>
}

export const STATUSES: readonly number[] = [201, 204, 304, 400, 404, 500, 503]

export const RETIRES_AFTER = 20

/** What the programs of children/http2-server.ts and peers/ have in common. */
export function programmed(server: Spoken, identity: Identity | null): Omit<StreamsPeer, 'streams'> {
  const origin = `${identity === null ? 'http' : 'https'}://127.0.0.1:${server.port}`
  return {
    origin,
    ca: identity?.ca ?? null,
    statuses: STATUSES,
    chunked: length => `/chunked/${length}`,
    trailers: length => `/trailers/${length}`,
    sentTrailer: async (pool, value) => (await pool.request({ ...sending(value), path: '/sent-trailer' })).body.text(),
    ...asked(),
    ...echoing(),
    retiring: { origin, path: `/retire/${RETIRES_AFTER}`, after: RETIRES_AFTER },
    async stop() {
      await server.stop()
      await identity?.remove()
    },
  }
}

type Fields = readonly (readonly [name: string, value: string])[]

interface Inspected {
  /** Only where the testkit itself was asked. */
  readonly authority?: string
  readonly headers: Fields
  readonly trailers?: Fields
}

/** What a testkit answers, asked itself or through a server that passes everything on. */
export function inspected(origin: string, ca: string | null): Omit<StreamsPeer, 'streams' | 'stop'> {
  const inspect = async (pool: Pool, headers: Record<string, string>) =>
    (await pool.request({ path: '/inspect', headers })).body.json<Inspected>()
  return {
    origin,
    ca,
    statuses: STATUSES,
    chunked: length => `/chunked/${length}/1000`,
    trailers: length => `/trailers/${length}/1000`,
    async sentTrailer(pool, value) {
      const response = await pool.request({ ...sending(value), path: '/inspect' })
      return field((await response.body.json<Inspected>()).trailers ?? [], 'x-sum')
    },
    headerAsReceived: async (pool, value) => field((await inspect(pool, { 'x-sent': value })).headers, 'x-sent'),
    async authorityAsReceived(pool) {
      const { authority, headers } = await inspect(pool, {})
      return authority ?? field(headers, 'host')
    },
    ...echoing(),
    retiring: null,
  }
}

function field(fields: Fields, name: string): string {
  return fields.find(([found]) => found.toLowerCase() === name)?.[1] ?? ''
}

/** A body and after it the trailer `x-sum`. Go gives its handlers only those that the head names. */
function sending(value: string) {
  return { method: 'POST', headers: { trailer: 'x-sum' }, body: 'a body', trailers: () => ({ 'x-sum': value }) }
}

export function asked(): Pick<StreamsPeer, 'headerAsReceived' | 'authorityAsReceived'> {
  return {
    headerAsReceived: async (pool, value) =>
      (await pool.request({ path: '/header', headers: { 'x-sent': value } })).body.text(),
    authorityAsReceived: async pool => (await pool.request({ path: '/authority' })).body.text(),
  }
}

export function echoing(): Pick<StreamsPeer, 'upload' | 'roundTrip'> {
  const upload = () => ({ method: 'POST', path: '/echo-late' })
  return { upload, roundTrip: async (pool, body) => (await pool.request({ ...upload(), body })).body.bytes() }
}
