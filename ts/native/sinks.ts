// To whom the channel gives what was delivered: requests and pools.
//
// Promise: called while a delivery is decoded, so no code of users may run in there. By `channel.ts`; kept by `pool/`.

import type { NativeConnection, NativeFailure } from './dto.js'

/** A request under way. `complete`, `end`, `fail` and `broke` end it. */
export interface ExchangeSink {
  /** Its number; -1 before it is submitted and after it ended. */
  id: number
  complete(
    status: number,
    text: string,
    headLength: number,
    bytes: Uint8Array | null,
    connection: NativeConnection,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
  ): void
  head(
    status: number,
    text: string,
    bodyTotal: number,
    connection: NativeConnection,
    reused: boolean,
    queueMicros: number,
    headMicros: number,
    isTunnel: boolean,
  ): void
  data(slab: Uint8Array, from: number, to: number): void
  /** So many bytes of the body are where `directInto` of the channel was told to put them. */
  direct(length: number): void
  /** So many bytes of the request body were passed on. */
  passedOn(bytes: number): void
  informational(status: number, text: string): void
  peerEnded(): void
  /** `code` is an index into the table of codes; `connection` is null where there was none. */
  replayed(code: number, connection: NativeConnection | null, micros: number): void
  /** Of a request with a back-off: whether it may be. Refused, it has ended. */
  retry(granted: boolean): void
  /** No more of the request body is wanted. */
  stopped(): void
  end(trailers: string): void
  fail(failure: NativeFailure): void
  /** Our own side broke. */
  broke(cause: unknown): void
}

/** A pool, as far as deliveries are about it. */
export interface PoolSink {
  connected(connection: NativeConnection): void
  /** `code` is an index into the table of codes plus one; 0: in order. */
  disconnected(connection: NativeConnection, code: number): void
  /** `reason` is an index into the reasons to drain. */
  draining(connection: NativeConnection, reason: number): void
  /** `limit` is an index into the limits. */
  overflow(high: boolean, limit: number, count: number): void
  poolClosed(): void
}
