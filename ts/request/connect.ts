// A request that opens a tunnel: CONNECT to an authority, or an upgrade of a path.
//
// Promise: as of any request (`request.ts`): checked while it is written, own properties only. Used by `pool/native-pool.ts`.
// Not here: the tunnel (`pool/tunnel.ts`).

import { parseAuthority } from '../config/origin.js'
import { RequestError } from '../errors/errors.js'
import { RequestExtras } from './extras.js'
import { type HeadersInput, HeaderWriter, type ReadHeaders, readHeaders, TOKEN } from './headers.js'
import type { WritableRequest } from './prepared.js'
import { type RequestRules, readSignal, writeMethod, writePath } from './request.js'

/** What both kinds of tunnels have. */
interface TunnelOptions {
  /** Framing and hop-by-hop fields and Host are refused. */
  readonly headers?: HeadersInput | undefined
  /** Ends it at any stage: `connect()` rejects with `signal.reason`, an open tunnel is destroyed with it. */
  readonly signal?: AbortSignal | undefined
}

/** CONNECT: the upstream, a proxy, is asked for bytes to and from another host. */
export interface ConnectTunnelOptions extends TunnelOptions {
  readonly type: 'tunnel'
  /** `host:port`; the port cannot be left out. */
  readonly authority: string
}

/** Upgrade: the upstream is asked to go on in another protocol. */
export interface ConnectUpgradeOptions extends TunnelOptions {
  readonly type: 'upgrade'
  /** `/...`, encoded. Never parsed as a URL. */
  readonly path: string
  /** Value of the Upgrade field, such as `websocket`. */
  readonly protocol: string
}

/** Options of `connect()`. */
export type ConnectOptions = ConnectTunnelOptions | ConnectUpgradeOptions

/** See above. `write` may be called once. */
export class ConnectRequest implements WritableRequest {
  readonly method: 'CONNECT' | 'GET'
  readonly methodLength: number
  pathLength = 0
  headLength = 0
  readonly body = null
  readonly readBody = null
  readonly hasBody = false
  readonly high = false
  readonly idempotent = false
  readonly contentLength = -1
  readonly extras: RequestExtras = new RequestExtras()
  readonly signal: AbortSignal | null
  /** The authority or path. */
  readonly target: string
  readonly #protocol: string | null
  readonly #headers: ReadHeaders | null
  readonly #rules: RequestRules

  constructor(options: ConnectOptions, rules: RequestRules) {
    if (typeof options !== 'object' || options === null) throw new RequestError('options', 'expected an object')
    const given: Record<string, unknown> = { __proto__: null, ...options }
    const { type, headers, signal, ...rest } = given
    const isTunnel = type === 'tunnel'
    if (!isTunnel && type !== 'upgrade') throw new RequestError('type', "expected 'tunnel' or 'upgrade'")
    const known = isTunnel ? ['authority'] : ['path', 'protocol']
    const unknown = Object.keys(rest).find(key => !known.includes(key))
    if (unknown !== undefined) throw new RequestError(unknown, 'unknown option')
    this.method = isTunnel ? 'CONNECT' : 'GET'
    this.methodLength = this.method.length
    this.target = isTunnel ? readTarget(rest['authority']) : readPath(rest['path'])
    this.#protocol = isTunnel ? null : readProtocol(rest['protocol'])
    this.extras.tunnel = isTunnel ? 'connect' : 'upgrade'
    this.#headers = readHeaders(headers)
    this.signal = readSignal(signal)
    this.#rules = rules
  }

  write(bytes: Uint8Array, at: number): number {
    const { maxPathSize, maxHeadSize, maxHeadFields } = this.#rules
    const pathAt = writeMethod(this.method, bytes, at)
    const headAt =
      this.#protocol === null
        ? writeAscii(this.target, bytes, pathAt)
        : writePath(this.target, this.method, maxPathSize, bytes, pathAt)
    const fields = new HeaderWriter()
    fields.start(bytes, headAt, maxHeadSize, maxHeadFields)
    // The native side takes the protocol from the first field; it adds what else an upgrade needs, and the Host.
    if (this.#protocol === null) fields.own('authority', 'host', this.target)
    else fields.own('protocol', 'upgrade', this.#protocol)
    if (this.#headers !== null) fields.writeAll(this.#headers)
    if (fields.contentLength > 0) throw new RequestError('content-length', 'a tunnel has no length')
    this.pathLength = headAt - pathAt
    this.headLength = fields.at - headAt
    return fields.at
  }
}

function readPath(value: unknown): string {
  if (typeof value !== 'string') throw new RequestError('path', 'expected a string')
  return value
}

/** `host:port` in canonical form. */
function readTarget(value: unknown): string {
  const isAscii = typeof value === 'string' && /^[\x21-\x7e]+:\d+$/.test(value)
  const parsed = isAscii ? parseAuthority(value, 'http') : null
  if (parsed === null) throw new RequestError('authority', 'expected host:port, ASCII, nothing else')
  const { host, port } = parsed
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** RFC 9110 section 7.8: a name, perhaps with a version; one, since the upstream's choice could not be told otherwise. */
function readProtocol(value: unknown): string {
  const parts = typeof value === 'string' && value.length <= MAX_PROTOCOL_LENGTH ? value.split('/') : []
  if (typeof value === 'string' && (parts.length === 1 || parts.length === 2) && parts.every(isToken)) return value
  throw new RequestError('protocol', "expected the name of one protocol, such as 'websocket'")
}

/** Longest name of a protocol in characters. A guess. */
const MAX_PROTOCOL_LENGTH = 64

function isToken(text: string): boolean {
  return text !== '' && Array.from(text).every(unit => TOKEN[unit.codePointAt(0) ?? 0] === 1)
}

function writeAscii(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}
