// A channel on a fake native side, and sinks that write down what they are told.

import { Channel, type ExchangeSink, type PoolSink } from '../../ts/native/channel.js'
import type { NativeConnection, NativeFailure, NativePoolConfig } from '../../ts/native/dto.js'
import type { RequestSource, SourceExtras } from '../../ts/native/encode.js'
import { FakeBinding, type FakeChannel } from './fake-native.js'
import { connectedRecord, type Submission } from './records.js'

/** A request whose bytes the test chose. */
export class Source implements RequestSource {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  readonly body: string | Uint8Array | null
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  readonly extras: SourceExtras | null
  readonly #text: string

  constructor(
    method = 'GET',
    path = '/',
    head = '',
    body: string | Uint8Array | null = null,
    options: {
      readonly high?: boolean
      readonly idempotent?: boolean
      readonly hasBody?: boolean
      readonly extras?: SourceExtras
    } = {},
  ) {
    this.methodLength = method.length
    this.pathLength = path.length
    this.headLength = head.length
    this.body = body
    this.hasBody = options.hasBody ?? body !== null
    this.high = options.high ?? false
    this.idempotent = options.idempotent ?? false
    this.extras = options.extras ?? null
    this.#text = method + path + head
  }

  write(bytes: Uint8Array, at: number): number {
    bytes.set(Buffer.from(this.#text, 'latin1'), at)
    return at + this.#text.length
  }
}

/** Writes down what it is told. */
export class Notes implements ExchangeSink {
  id = -1
  readonly seen: unknown[] = []

  complete(...args: Parameters<ExchangeSink['complete']>): void {
    this.seen.push(['complete', ...args])
  }
  head(...args: Parameters<ExchangeSink['head']>): void {
    this.seen.push(['head', ...args])
  }
  direct(length: number): void {
    this.seen.push(['direct', length])
  }
  data(slab: Uint8Array, from: number, to: number): void {
    this.seen.push(['data', Buffer.from(slab.subarray(from, to)).toString('latin1')])
  }
  passedOn(bytes: number): void {
    this.seen.push(['passed on', bytes])
  }
  informational(status: number, text: string): void {
    this.seen.push(['informational', status, text])
  }
  peerEnded(): void {
    this.seen.push(['peer ended'])
  }
  replayed(code: number, connection: NativeConnection | null, micros: number): void {
    this.seen.push(['replayed', code, connection?.id ?? null, micros])
  }
  retry(granted: boolean): void {
    this.seen.push(['retry', granted])
  }
  stopped(): void {
    this.seen.push(['stopped'])
  }
  end(trailers: string): void {
    this.seen.push(trailers === '' ? ['end'] : ['end', trailers])
  }
  fail(failure: NativeFailure): void {
    this.seen.push(['fail', failure])
  }
  broke(cause: unknown): void {
    this.seen.push(['broke', cause])
  }
}

export class PoolNotes implements PoolSink {
  readonly seen: unknown[] = []

  connected(connection: NativeConnection): void {
    this.seen.push(['connected', connection])
  }
  disconnected(connection: NativeConnection, code: number): void {
    this.seen.push(['disconnected', connection.id, code])
  }
  draining(connection: NativeConnection, reason: number): void {
    this.seen.push(['draining', connection.id, reason])
  }
  overflow(high: boolean, limit: number, count: number): void {
    this.seen.push(['overflow', high, limit, count])
  }
  poolClosed(): void {
    this.seen.push(['closed'])
  }
}

export const ROOM = 100_000
const NO_CONFIG = {} as NativePoolConfig
export const turn = () => new Promise(resolve => setImmediate(resolve))

/** A channel on a fake native side, with a pool and a connection. */
export function scene(): {
  channel: Channel
  native: FakeChannel
  pool: PoolNotes
  send: (source?: Source, exchange?: Notes) => Notes
} {
  const binding = new FakeBinding()
  const channel = new Channel(binding, 'thread')
  const pool = new PoolNotes()
  channel.createPool(NO_CONFIG, pool)
  const native = binding.channel
  native.deliver(connectedRecord(1, 1))
  const send = (source = new Source(), exchange = new Notes()): Notes => {
    channel.submit(1, source, ROOM, 5_000, exchange)
    return exchange
  }
  return { channel, native, pool, send }
}

export function requests(native: FakeChannel): Extract<Submission, { type: 'request' }>[] {
  return native.submissions.filter((one): one is Extract<Submission, { type: 'request' }> => one.type === 'request')
}

/** The whole body of each request, put together from its parts. */
export function bodies(native: FakeChannel): Map<number, Buffer> {
  const found: Map<number, Buffer> = new Map()
  for (const one of native.submissions) {
    if (one.type === 'request') found.set(one.id, Buffer.from(one.body))
    if (one.type === 'body') found.set(one.id, Buffer.concat([found.get(one.id) ?? Buffer.alloc(0), one.bytes]))
  }
  return found
}
