// A request that has to wait before it can be submitted: checked, written and copied already.
//
// Promise: what the caller changes meanwhile has no effect, and a bad request was refused at once.
// Used by `pool/native-pool.ts`. Not here: why it waits (`pool/resolver.ts`).

import type { BodyInput } from './body.js'
import { OutgoingRequest, type RequestRules } from './request.js'

/** The written form of a request. */
export class PreparedRequest {
  readonly methodLength: number
  readonly pathLength: number
  readonly headLength: number
  readonly body: BodyInput | null
  readonly hasBody: boolean
  readonly high: boolean
  readonly idempotent: boolean
  readonly #bytes: Uint8Array

  constructor(request: OutgoingRequest, rules: RequestRules) {
    const room = new Uint8Array(OutgoingRequest.room(rules))
    this.#bytes = room.slice(0, request.write(room, 0))
    this.methodLength = request.methodLength
    this.pathLength = request.pathLength
    this.headLength = request.headLength
    this.body = request.body instanceof Uint8Array ? Uint8Array.from(request.body) : request.body
    this.hasBody = request.hasBody
    this.high = request.high
    this.idempotent = request.idempotent
  }

  /** Copies method, path and fields to `at`; gives where they end. */
  write(bytes: Uint8Array, at: number): number {
    bytes.set(this.#bytes, at)
    return at + this.#bytes.length
  }
}
