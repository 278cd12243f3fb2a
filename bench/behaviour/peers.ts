// What of the peers is used, as types: they are installed when the comparison runs (scripts/lib/peers.mjs), not when it is compiled.

import type { Readable } from 'node:stream'

export interface Peers {
  readonly versions: Readonly<Record<string, string>>
  readonly undici: {
    readonly Pool: new (origin: string, options: object) => UndiciDispatcher
    readonly Agent: new (options: object) => UndiciDispatcher
  }
  readonly got: Got
  readonly axios: Axios
}

export interface UndiciDispatcher {
  request(options: {
    origin: string
    path: string
    method: string
  }): Promise<{ statusCode: number; body: Readable & { arrayBuffer(): Promise<ArrayBuffer> } }>
  destroy(): Promise<void>
}

export interface Got {
  extend(options: object): Got
  get(url: string, options: { responseType: 'buffer' }): Promise<{ statusCode: number; body: Uint8Array }>
  stream(url: string): Readable
}

export interface Axios {
  create(options: object): Axios
  get<T>(url: string, options: { responseType: 'arraybuffer' | 'stream' }): Promise<{ status: number; data: T }>
}

export async function loadPeers(door: string): Promise<Peers> {
  return import(door)
}
