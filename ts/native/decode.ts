// Reads the records of a delivery out of the slab and hands each to whom it is for.
//
// Promise: nothing of the slab is kept: text and bytes are copied out. A record that breaks the layout ends the decoding with an
// `InternalError`. No code of users runs in here. Used by `channel.ts`. Not here: who a request is (`channel.ts`).

import { InternalError } from '../errors/errors.js'
import type { NativeConnection, NativeFailure } from './dto.js'
import {
  connected,
  data,
  dataFlag,
  deliverKind,
  disconnected,
  draining,
  end,
  fail,
  failFlag,
  informational,
  overflow,
  plain,
  replayed,
  response,
  responseFlag,
  retryFlag,
  special,
  taken,
  word,
} from './layout.js'

/** Bytes of the slab. A guess, to be measured: what stays in a second-level cache. */
export const SLAB_BYTES = 1_048_576

/** Bodies up to this many bytes are kept in one string with the head: up to here a string is cheaper than a buffer (measured). */
export const INLINE_BODY_BYTES = 4096

/** Who takes the records. `id` is that of the request, pool or connection. */
export interface DeliverySink {
  /** A whole response: its head, then its body where `bytes` is null. */
  complete(
    id: number,
    status: number,
    text: string,
    headLength: number,
    bytes: Uint8Array | null,
    connection: number,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
  ): void
  /** A head; the body follows, or what comes through a tunnel. `bodyTotal` is -1 where it is not known. */
  head(
    id: number,
    status: number,
    text: string,
    bodyTotal: number,
    connection: number,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
    isTunnel: boolean,
  ): void
  /** `slab[from, to)` is a part of the body; it is only there during the call. */
  data(id: number, slab: Uint8Array, from: number, to: number): void
  /** So many bytes of a body went where its reader wanted them. */
  direct(id: number, length: number): void
  /** `trailers`: `name NUL value NUL` for each. */
  end(id: number, trailers: string): void
  /** So many bytes of the request body were passed on. */
  taken(id: number, bytes: number): void
  /** A 1xx. */
  informational(id: number, status: number, text: string): void
  /** The other side of a tunnel has ended. */
  peerEnded(id: number): void
  /** An attempt failed with the code of this index, and the request was sent again. */
  replayed(id: number, code: number, connection: number, micros: number): void
  /** Whether a retry may be; refused, it has ended. */
  retry(id: number, granted: boolean): void
  /** No more of the request body is wanted. */
  stopped(id: number): void
  /** `failure.connection` is null still; `connection` is its number, 0 for none. */
  fail(id: number, failure: NativeFailure, connection: number): void
  connected(pool: number, connection: NativeConnection): void
  disconnected(pool: number, connection: number, code: number): void
  /** `reason` is an index into the reasons to drain. */
  draining(pool: number, connection: number, reason: number): void
  /** A limit refused something, `count` times. `limit` is an index into the limits. */
  overflow(pool: number, high: boolean, limit: number, count: number): void
  poolClosed(pool: number): void
}

const KIND_MASK = 0xff
const KIND_BITS = 8
const MIN_RECORD_BYTES: number = plain.WORDS * 4

/** The slab, in the three views that decoding needs. */
export class Slab {
  readonly bytes: Uint8Array
  readonly #buffer: Buffer
  readonly #words: Uint32Array

  constructor() {
    const memory = new ArrayBuffer(SLAB_BYTES)
    this.bytes = new Uint8Array(memory)
    this.#buffer = Buffer.from(memory)
    this.#words = new Uint32Array(memory)
  }

  /** Every record of `[0, length)`. */
  decode(length: number, sink: DeliverySink): void {
    let at = 0
    while (at < length) {
      const size = this.#words[at >>> 2] as number
      if (size < MIN_RECORD_BYTES || (size & 3) !== 0 || size > length - at) {
        throw new InternalError('FB_INTERNAL', `a record of ${size} bytes at ${at} of ${length}`)
      }
      this.#record(at, at + size, sink)
      at += size
    }
  }

  #record(at: number, recordEnd: number, sink: DeliverySink): void {
    const words = this.#words
    const w = at >>> 2
    const kind = words[w + word.KIND] as number
    const subject = words[w + word.SUBJECT] as number
    switch (kind & KIND_MASK) {
      case deliverKind.RESPONSE:
        this.#response(at, recordEnd, subject, kind >>> KIND_BITS, sink)
        return
      case deliverKind.DATA: {
        const length = words[w + data.LENGTH] as number
        if (((kind >>> KIND_BITS) & dataFlag.DIRECT) !== 0) {
          sink.direct(subject, length)
          return
        }
        const from = at + data.WORDS * 4
        sink.data(subject, this.bytes, from, within(recordEnd, from + length))
        return
      }
      case deliverKind.END: {
        const from = at + end.WORDS * 4
        const to = within(recordEnd, from + (words[w + end.TRAILERS_LENGTH] as number))
        sink.end(subject, from === to ? '' : this.#buffer.toString('latin1', from, to))
        return
      }
      case deliverKind.TAKEN:
        sink.taken(subject, words[w + taken.BYTES] as number)
        return
      case deliverKind.FAIL:
        this.#fail(at, recordEnd, subject, kind >>> KIND_BITS, sink)
        return
      case deliverKind.POOL_CLOSED:
        sink.poolClosed(subject)
        return
      case deliverKind.CONNECTED:
        this.#connected(at, recordEnd, subject, sink)
        return
      case deliverKind.DISCONNECTED:
        sink.disconnected(words[w + disconnected.POOL] as number, subject, words[w + disconnected.CODE] as number)
        return
      case deliverKind.DRAINING:
        sink.draining(words[w + draining.POOL] as number, subject, words[w + draining.REASON] as number)
        return
      case deliverKind.OVERFLOW: {
        const high = words[w + overflow.PRIORITY] !== 0
        sink.overflow(subject, high, words[w + overflow.LIMIT] as number, words[w + overflow.COUNT] as number)
        return
      }
      case deliverKind.INFORMATIONAL: {
        const from = at + informational.WORDS * 4
        const to = within(recordEnd, from + (words[w + informational.HEAD_LENGTH] as number))
        const text = this.#buffer.toString('latin1', from, to)
        sink.informational(subject, words[w + informational.STATUS] as number, text)
        return
      }
      case deliverKind.PEER_ENDED:
        sink.peerEnded(subject)
        return
      case deliverKind.REPLAYED: {
        const connection = words[w + replayed.CONNECTION] as number
        sink.replayed(subject, words[w + replayed.CODE] as number, connection, words[w + replayed.MICROS] as number)
        return
      }
      case deliverKind.RETRY:
        sink.retry(subject, ((kind >>> KIND_BITS) & retryFlag.GRANTED) !== 0)
        return
      case deliverKind.STOPPED:
        sink.stopped(subject)
        return
      default:
        throw new InternalError('FB_INTERNAL', `a record of unknown kind ${kind & KIND_MASK}`)
    }
  }

  #response(at: number, recordEnd: number, id: number, flags: number, sink: DeliverySink): void {
    const words = this.#words
    const w = at >>> 2
    const status = words[w + response.STATUS] as number
    const connection = words[w + response.CONNECTION] as number
    const headLength = words[w + response.HEAD_LENGTH] as number
    const queueMicros = words[w + response.QUEUE_MICROS] as number
    const headMicros = words[w + response.HEAD_MICROS] as number
    const reused = (flags & responseFlag.REUSED) !== 0
    const from = at + response.WORDS * 4
    const bodyFrom = within(recordEnd, from + headLength)
    if ((flags & responseFlag.COMPLETE) === 0) {
      const total = words[w + response.BODY_TOTAL] as number
      const text = this.#buffer.toString('latin1', from, bodyFrom)
      const length = total === special.BODY_NONE ? -1 : total
      const isTunnel = (flags & responseFlag.TUNNEL) !== 0
      sink.head(id, status, text, length, connection, reused, queueMicros, headMicros, isTunnel)
      return
    }
    const bodyTo = within(recordEnd, bodyFrom + (words[w + response.BODY_LENGTH] as number))
    const inline = bodyTo - bodyFrom <= INLINE_BODY_BYTES
    const text = this.#buffer.toString('latin1', from, inline ? bodyTo : bodyFrom)
    const bytes = inline ? null : this.bytes.slice(bodyFrom, bodyTo)
    sink.complete(id, status, text, headLength, bytes, connection, reused, queueMicros, headMicros)
  }

  #fail(at: number, recordEnd: number, id: number, flags: number, sink: DeliverySink): void {
    const words = this.#words
    const w = at >>> 2
    const from = at + fail.WORDS * 4
    const endpointFrom = from + (words[w + fail.TEXT_LENGTH] as number)
    const to = within(recordEnd, endpointFrom + (words[w + fail.ENDPOINT_LENGTH] as number))
    const failure: NativeFailure = {
      code: words[w + fail.CODE] as number,
      retryable: words[w + fail.RETRYABLE] as number,
      phase: words[w + fail.PHASE] as number,
      number: words[w + fail.NUMBER] as number,
      text: this.#utf8(from, endpointFrom),
      endpoint: this.#utf8(endpointFrom, to),
      reused: (flags & failFlag.REUSED) !== 0,
      connection: null,
    }
    sink.fail(id, failure, words[w + fail.CONNECTION] as number)
  }

  #connected(at: number, recordEnd: number, id: number, sink: DeliverySink): void {
    const words = this.#words
    const w = at >>> 2
    const from = at + connected.WORDS * 4
    const to = within(recordEnd, from + (words[w + connected.ADDRESS_LENGTH] as number))
    sink.connected(words[w + connected.POOL] as number, {
      id,
      protocol: words[w + connected.PROTOCOL] as number,
      address: this.#utf8(from, to),
      port: words[w + connected.PORT] as number,
      connectMicros: words[w + connected.CONNECT_MICROS] as number,
      tlsMicros: words[w + connected.TLS_MICROS] as number,
    })
  }

  #utf8(from: number, to: number): string {
    return from === to ? '' : this.#buffer.toString('utf8', from, to)
  }
}

/** `to`, where it is within its record: what stands behind may be another's. */
function within(recordEnd: number, to: number): number {
  if (to > recordEnd) throw new InternalError('FB_INTERNAL', 'a part of a record reaches beyond it')
  return to
}
