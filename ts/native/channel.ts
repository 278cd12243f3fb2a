// The way across, one per environment and runner: requests out, in order, once a turn; deliveries in, to whom they are for.
//
// Promise: a request number is used again only after its terminal record; every request that was submitted is settled once, by its
// record or, if the channel itself breaks, with FB_INTERNAL. Records are handed over in the order in which they were written.
// Nothing is written while the caller's code may run (`#busy`): what must be said then is said right after.
// Used by `pool/native-pool.ts`. Not here: the bytes of records (`encode.ts`, `decode.ts`).

import { endpointText } from '../errors/attempt.js'
import { CODES, PHASES } from '../errors/codes.js'
import { InternalError, RequestError } from '../errors/errors.js'
import { type DeliverySink, Slab } from './decode.js'
import type {
  NativeAddress,
  NativeBinding,
  NativeChannel,
  NativeConnection,
  NativeFailure,
  NativePoolConfig,
  Runner,
} from './dto.js'
import { type RequestSource, SubmitBuffer } from './encode.js'
import { gateFlag, submitKind } from './layout.js'
import type { ExchangeSink, PoolSink } from './sinks.js'

export type { ExchangeSink, PoolSink } from './sinks.js'

/** See above. */
export class Channel implements DeliverySink {
  readonly statNames: readonly string[]
  /** Monotonic time of the turn's first submission, in ms: one clock call serves all. */
  turnMs = 0
  readonly #submit: SubmitBuffer = new SubmitBuffer()
  readonly #slab: Slab = new Slab()
  readonly #native: NativeChannel
  /** By request number; null: free. */
  readonly #exchanges: (ExchangeSink | null)[] = []
  readonly #free: number[] = []
  readonly #pools: Map<number, PoolSink> = new Map()
  readonly #connections: Map<number, NativeConnection> = new Map()
  /** Connections that went in this delivery: its other records may still name them. */
  readonly #gone: number[] = []
  readonly #onTurnEnd: () => void
  #scheduled = false
  readonly #onLoopTurn: () => void
  #scheduledForLoop = false
  /** True while a caller's getters or the decoder run. */
  #busy = false
  /** Control records that came meanwhile: kind, subject, bytes, and again. */
  #deferred: number[] = []
  #broken: InternalError | null = null

  constructor(binding: NativeBinding, runner: Runner) {
    checkTables(binding)
    this.statNames = Object.freeze(binding.statNames())
    this.#onTurnEnd = () => {
      this.#scheduled = false
      this.#flush()
    }
    this.#onLoopTurn = () => {
      this.#scheduledForLoop = false
      this.#flush()
    }
    this.#native = new binding.Channel(runner, this.#submit.bytes, this.#slab.bytes, length => this.#deliver(length))
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#exchanges.length - this.#free.length
  }

  createPool(config: NativePoolConfig, sink: PoolSink): number {
    const pool = this.#native.createPool(config)
    this.#pools.set(pool, sink)
    return pool
  }

  /** Takes effect before every request that is submitted from now on. */
  setAddresses(pool: number, addresses: NativeAddress[]): void {
    this.#native.setAddresses(pool, addresses)
  }

  stats(pool: number, into: Float64Array): void {
    if (this.#broken === null) this.#native.stats(pool, into)
  }

  /** After `poolClosed`: its counters are not needed any more. */
  forgetPool(pool: number): void {
    if (this.#broken === null) this.#native.forgetPool(pool)
  }

  /**
   * Submits a request. `room`: most bytes its head can take; `grant`: bytes of response body that may come before more credit.
   * Throws where the request refuses itself; then nothing of it is left.
   */
  submit(pool: number, source: RequestSource, room: number, grant: number, exchange: ExchangeSink): void {
    if (this.#broken !== null) throw this.#broken
    if (this.#busy) throw new RequestError('options', 'a getter in the options of a request makes another request')
    if (!this.#submit.fits(room, source.body)) this.#flush()
    const free = this.#free
    const id = free.length > 0 ? (free[free.length - 1] as number) : this.#exchanges.length
    this.#busy = true
    try {
      this.#submit.request(id, pool, source, grant)
    } finally {
      this.#busy = false
      if (this.#deferred.length > 0) this.#catchUp()
    }
    if (free.length > 0) free.pop()
    this.#exchanges[id] = exchange
    exchange.id = id
    this.#schedule()
    const { given } = this.#submit
    if (given !== null) this.#give(id, given)
  }

  /** A long body, which goes beside the buffer and is copied at once. */
  #give(id: number, body: Uint8Array): void {
    this.#submit.given = null
    try {
      this.#native.give(id, body)
    } catch (cause) {
      // No memory for it: its record is written already and would be read without it.
      this.#break(cause)
    }
  }

  /** False while a caller's getters or the decoder run: then no part of a body may be written. */
  get canSend(): boolean {
    return !this.#busy
  }

  /** Copies a part of a streamed body. It goes with the loop's next turn, as credit does. */
  sendBody(id: number, bytes: Uint8Array): void {
    let rest = bytes
    while (this.#broken === null && rest.length > 0) {
      const sent = this.#submit.part(id, rest)
      if (sent === 0) this.#flush()
      else rest = rest.subarray(sent)
    }
    this.#scheduleForLoop()
  }

  /** A streamed body is whole. */
  endBody(id: number, trailers: Uint8Array): void {
    while (this.#broken === null && !this.#submit.finish(id, trailers)) this.#flush()
    this.#schedule()
  }

  /** A streamed body will never be whole. */
  failBody(id: number): void {
    while (this.#broken === null && !this.#submit.spoil(id)) this.#flush()
    this.#schedule()
  }

  /** The caller does not want the answer any more; the terminal record still comes. */
  cancel(id: number): void {
    this.#control(submitKind.CANCEL, id, 0)
  }

  /** `bytes` of a response body were taken. */
  credit(id: number, bytes: number): void {
    this.#control(submitKind.CREDIT, id, bytes)
  }

  /** The rest of the body of a request under way is wanted in `into`, as long as it fits. Nobody else may have that memory. */
  directInto(id: number, into: Uint8Array): void {
    if (this.#broken === null) this.#native.direct(id, into)
  }

  closePool(pool: number): void {
    this.#control(submitKind.POOL_CLOSE, pool, 0)
  }

  destroyPool(pool: number): void {
    this.#control(submitKind.POOL_DESTROY, pool, 0)
  }

  /** The breaker's gate. Takes effect before every request that is submitted from now on. */
  gate(pool: number, shut: boolean): void {
    this.#control(submitKind.GATE | (shut ? gateFlag.SHUT << 8 : 0), pool, 0)
  }

  /** The connections that are there take no more requests. */
  drainPool(pool: number): void {
    this.#control(submitKind.POOL_DRAIN, pool, 0)
  }

  /** For the counters of a pool: a retry succeeded; 1: none was left. */
  count(pool: number, what: 0 | 1): void {
    this.#control(submitKind.COUNTED, pool, what)
  }

  #control(kind: number, subject: number, bytes: number): void {
    if (this.#broken !== null) return
    if (this.#busy) {
      this.#deferred.push(kind, subject, bytes)
      return
    }
    while (!this.#submit.control(kind, subject, bytes)) this.#flush()
    if (kind === submitKind.CREDIT) this.#scheduleForLoop()
    else this.#schedule()
  }

  #catchUp(): void {
    const deferred = this.#deferred
    this.#deferred = []
    for (let i = 0; i < deferred.length; i += 3) {
      this.#control(deferred[i] as number, deferred[i + 1] as number, deferred[i + 2] as number)
    }
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.turnMs = performance.now()
    queueMicrotask(this.#onTurnEnd)
  }

  /**
   * Credit goes with the turn's next records, or with the loop's next turn: on Node's own loop a flush may bring what was granted at
   * once, and reader and upstream would feed each other in microtasks, with no turn of the loop between them.
   */
  #scheduleForLoop(): void {
    if (this.#scheduled || this.#scheduledForLoop) return
    this.#scheduledForLoop = true
    setImmediate(this.#onLoopTurn)
  }

  #flush(): void {
    const { length } = this.#submit
    if (length === 0 || this.#broken !== null) return
    this.#submit.clear()
    let delivered: number
    try {
      delivered = this.#native.flush(length)
    } catch (cause) {
      this.#break(cause)
      return
    }
    if (delivered > 0) this.#deliver(delivered)
  }

  #deliver(length: number): void {
    if (this.#broken !== null) return
    this.#busy = true
    try {
      this.#slab.decode(length, this)
      while (this.#gone.length > 0) this.#connections.delete(this.#gone.pop() as number)
    } catch (cause) {
      this.#break(cause)
    } finally {
      this.#busy = false
    }
    if (this.#deferred.length > 0) this.#catchUp()
  }

  /** Our own side is not sound any more: everything under way ends now, and nothing new begins. */
  #break(cause: unknown): void {
    this.#broken = new InternalError('FB_INTERNAL', 'the way to the native side broke', { cause })
    this.#submit.clear()
    for (const [id, exchange] of this.#exchanges.entries()) {
      this.#exchanges[id] = null
      if (exchange !== null) exchange.broke(this.#broken)
    }
    for (const pool of this.#pools.values()) pool.poolClosed()
    this.#pools.clear()
  }

  #ended(id: number): ExchangeSink {
    const exchange = this.#under(id)
    this.#exchanges[id] = null
    this.#free.push(id)
    exchange.id = -1
    return exchange
  }

  #under(id: number): ExchangeSink {
    const exchange = this.#exchanges[id]
    if (exchange === undefined || exchange === null) {
      throw new InternalError('FB_INTERNAL', `a record for request ${id}, which is not under way`)
    }
    return exchange
  }

  #connection(id: number): NativeConnection {
    const connection = this.#connections.get(id)
    if (connection === undefined) throw new InternalError('FB_INTERNAL', `connection ${id} was never announced`)
    return connection
  }

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
  ): void {
    const facts = this.#connection(connection)
    this.#ended(id).complete(status, text, headLength, bytes, facts, reused, queueMicros, headMicros)
  }

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
  ): void {
    const facts = this.#connection(connection)
    this.#under(id).head(status, text, bodyTotal, facts, reused, queueMicros, headMicros, isTunnel)
  }

  data(id: number, slab: Uint8Array, from: number, to: number): void {
    this.#under(id).data(slab, from, to)
  }

  direct(id: number, length: number): void {
    this.#under(id).direct(length)
  }

  taken(id: number, bytes: number): void {
    this.#under(id).passedOn(bytes)
  }

  informational(id: number, status: number, text: string): void {
    this.#under(id).informational(status, text)
  }

  peerEnded(id: number): void {
    this.#under(id).peerEnded()
  }

  replayed(id: number, code: number, connection: number, micros: number): void {
    this.#under(id).replayed(code, this.#connections.get(connection) ?? null, micros)
  }

  retry(id: number, granted: boolean): void {
    const exchange = granted ? this.#under(id) : this.#ended(id)
    exchange.retry(granted)
  }

  stopped(id: number): void {
    this.#under(id).stopped()
  }

  end(id: number, trailers: string): void {
    this.#ended(id).end(trailers)
  }

  fail(id: number, failure: NativeFailure, connection: number): void {
    const facts = connection === 0 ? undefined : this.#connections.get(connection)
    if (facts !== undefined) {
      failure.connection = facts
      if (failure.endpoint === '') failure.endpoint = endpointText(facts.address, facts.port)
    }
    this.#ended(id).fail(failure)
  }

  connected(pool: number, connection: NativeConnection): void {
    this.#connections.set(connection.id, connection)
    this.#pools.get(pool)?.connected(connection)
  }

  disconnected(pool: number, id: number, code: number): void {
    const connection = this.#connection(id)
    this.#gone.push(id)
    this.#pools.get(pool)?.disconnected(connection, code)
  }

  draining(pool: number, id: number, reason: number): void {
    this.#pools.get(pool)?.draining(this.#connection(id), reason)
  }

  overflow(pool: number, high: boolean, limit: number, count: number): void {
    this.#pools.get(pool)?.overflow(high, limit, count)
  }

  poolClosed(id: number): void {
    const pool = this.#pools.get(id)
    this.#pools.delete(id)
    pool?.poolClosed()
  }
}

/** Codes and phases cross as indices: a binary of another version would make wrong errors of them. */
function checkTables(binding: NativeBinding): void {
  const codes = CODES.map(entry => entry.code).join()
  if (binding.codeNames().join() !== codes || binding.phaseNames().join() !== PHASES.join()) {
    throw new InternalError('FB_INTERNAL', 'the native binary belongs to another version of forebay')
  }
}
