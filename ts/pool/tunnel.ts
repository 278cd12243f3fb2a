// A tunnel: bytes both ways through an upstream that agreed, as a duplex stream of Node.
//
// Promise: neither side runs ahead of the other by more than `bodyBuffer` bytes and the stream's own buffers; `end()` ends our side
// alone, and the stream closes when both have ended; to destroy it resets the exchange; whatever ends the exchange ends the stream.
// The exchange does not refer to the stream, so that one that is dropped is found by the collector.
// Used by `native-pool.ts`. Not here: the request that opens it (`request/connect.ts`).

import { Duplex } from 'node:stream'
import { codeEntry } from '../errors/codes.js'
import type { ForebayError } from '../errors/errors.js'
import { makeError } from '../errors/from-native.js'
import { UploadWindow } from '../request/upload-window.js'
import type { PoolResponse, ResponseHead } from '../response/response.js'
import type { Exchange, ExchangeOwner, Uploading } from './exchange.js'
import { headOf } from './pipe.js'

/** What `connect()` gives. */
export interface OpenTunnel {
  readonly socket: Duplex
  readonly head: ResponseHead
}

/** The tunnel that was opened; rejects where the upstream did not agree. */
export async function openTunnel(
  exchange: Exchange,
  response: PoolResponse,
  { method, target }: { readonly method: string; readonly target: string },
  owner: ExchangeOwner,
): Promise<OpenTunnel> {
  const head = headOf(response)
  if (!exchange.isTunnel) {
    await response.body.discard()
    throw refusal(head, `${method} ${target}`, owner.origin)
  }
  const sending = new Sending(exchange, owner.bodyBuffer)
  const socket = new TunnelSocket(exchange, response.body[Symbol.asyncIterator](), sending.window)
  sending.socket = new WeakRef(socket)
  exchange.uploadBy(sending)
  // It may have ended since: reading tells how.
  if (exchange.over) socket.read(0)
  return { socket, head }
}

/** RFC 9110 section 15.5.8: with other credentials it may be another answer, but not by itself. */
const PROXY_AUTHENTICATION_REQUIRED = 407

function refusal(head: ResponseHead, what: string, origin: string): ForebayError {
  const { status, statusText, connection, attempts } = head
  const entry = codeEntry('FB_PROXY_FAILED')
  return makeError(entry, `the upstream refused ${what} with ${status}: ${origin} at ${connection.endpoint}`, 0, {
    phase: 'connect',
    retryable: status === PROXY_AUTHENTICATION_REQUIRED ? 'no' : 'yes',
    origin,
    endpoint: connection.endpoint,
    protocol: connection.protocol,
    reused: connection.reused,
    attempts,
    cause: new Error(`${status} ${statusText}`.trimEnd()),
  })
}

/** Our side, as the exchange sees it. */
class Sending implements Uploading {
  readonly window: UploadWindow
  socket: WeakRef<Duplex> | null = null

  constructor(exchange: Exchange, size: number) {
    this.window = new UploadWindow(exchange, size)
  }

  start(): void {}

  taken(bytes: number): void {
    this.window.taken(bytes)
  }

  stop(error?: unknown): void {
    this.window.close()
    const socket = this.socket?.deref()
    if (socket === undefined || error === undefined) return
    // Later: its listeners are the caller's code, and this may be called while a delivery is decoded.
    queueMicrotask(() => socket.destroy(error instanceof Error ? error : new Error('aborted', { cause: error })))
  }
}

/** See above. */
class TunnelSocket extends Duplex {
  readonly #exchange: Exchange
  readonly #source: AsyncIterator<Uint8Array, undefined, undefined>
  readonly #window: UploadWindow

  constructor(exchange: Exchange, source: AsyncIterator<Uint8Array, undefined, undefined>, window: UploadWindow) {
    super()
    this.#exchange = exchange
    this.#source = source
    this.#window = window
  }

  override _read(): void {
    this.#source.next().then(
      ({ done, value }) => {
        if (!this.destroyed) this.push(done === true ? null : value)
      },
      (error: Error) => this.destroy(error),
    )
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    if (this.#exchange.over) callback(new Error('the tunnel has ended'))
    else if (this.#window.send(chunk, callback)) callback()
  }

  override _final(callback: () => void): void {
    if (this.#exchange.canSend) {
      this.#exchange.endBody(NO_TRAILERS)
      callback()
    } else {
      setImmediate(() => this._final(callback))
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#window.close()
    void this.#source.return?.()
    // Both sides have ended: what was written last may still be on its way, and the exchange ends by itself.
    const isOver = error === null && this.readableEnded && this.writableFinished
    if (!isOver) this.#exchange.reset()
    callback(error)
  }
}

const NO_TRAILERS: Uint8Array = new Uint8Array(0)
