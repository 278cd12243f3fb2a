// What the native side reports of a pool, as events.
//
// Used by `native-pool.ts`. Not here: what the events are (`pool.ts`), who hears them and when (`tell.ts`).

import type { EventEmitter } from 'node:events'
import type { BreakerState } from '../config/breaker.js'
import type { PoolConfig } from '../config/parsed.js'
import type { Attempt } from '../errors/attempt.js'
import { PHASES } from '../errors/codes.js'
import type { LimitName } from '../errors/errors.js'
import { errorFromNative } from '../errors/from-native.js'
import { type ConnectionFacts, connectionInfo, endpointOf } from '../response/connection.js'
import type { DrainReason, PoolEvents } from './pool.js'
import { tell } from './tell.js'

/** Why a connection takes no more requests, in the order in which records count them. */
const DRAIN_REASONS: readonly DrainReason[] = [
  'goaway',
  'max-duration',
  'max-requests',
  'close-header',
  'keep-alive-hint',
  'manual',
  'address-gone',
  'unhealthy',
  'local-errors',
]

/** The limits of the core, in the order in which records count them. */
export const LIMITS: readonly LimitName[] = [
  'maxConnections',
  'maxPendingRequests',
  'maxRequests',
  'maxRetries',
  'maxConnectionPools',
  'shed',
]

/** See above. */
export class Teller {
  readonly #config: PoolConfig
  readonly #emitter: WeakRef<EventEmitter>

  /** `emitter` is weak: a pool that nobody holds has no listeners that matter. */
  constructor(config: PoolConfig, emitter: WeakRef<EventEmitter>) {
    this.#config = config
    this.#emitter = emitter
  }

  connected(connection: ConnectionFacts): void {
    this.#tell('connection', pool => ({ pool, connection: connectionInfo(connection, false) }))
  }

  /** `code`: an index into the table of codes plus one; 0: in order. */
  disconnected(connection: ConnectionFacts, code: number): void {
    this.#tell('close', pool => ({
      pool,
      connection: connectionInfo(connection, true),
      error: code === 0 ? null : this.#error(connection, code - 1),
    }))
  }

  /** Of a connection, not of a request: little is known but the code. */
  #error(connection: ConnectionFacts, code: number) {
    const endpoint = endpointOf(connection)
    const phase = PHASES.indexOf('body')
    const failure = { code, retryable: 0, phase, connection, number: 0, text: '', endpoint, reused: true }
    return errorFromNative(failure, {
      origin: this.#config.origin,
      durationMs: 0,
      closeReason: undefined,
      earlier: null,
    })
  }

  /** `reason` is an index into `DRAIN_REASONS`. */
  draining(connection: ConnectionFacts, reason: number): void {
    const name = DRAIN_REASONS[reason]
    if (name === undefined) return
    this.#tell('drain', pool => ({ pool, connection: connectionInfo(connection, true), reason: name }))
  }

  overflow(high: boolean, limit: LimitName | undefined, count: number): void {
    if (limit === undefined) return
    this.#tell('overflow', pool => ({ pool, priority: high ? 'high' : 'default', limit, count }))
  }

  breakerChanged(from: BreakerState, to: BreakerState): void {
    this.#tell('breaker', pool => ({ pool, endpoint: null, from, to }))
  }

  repeated(type: 'replay' | 'retry', attempt: Attempt): void {
    this.#tell('repeat', pool => ({ pool, type, attempt }))
  }

  #tell<E extends keyof PoolEvents>(event: E, make: (pool: string) => PoolEvents[E][0]): void {
    tell(this.#emitter.deref(), event, () => make(this.#config.name))
  }
}
