// Options of an agent: those of its pools, and how many pools.
//
// Promise: read once, copied, and checked in the constructor, but for what `perOrigin` gives later. Used by `pool/agent.ts`.
// Not here: the options of a pool (`parse.ts`).

import { MAX_ORIGINS } from './defaults.js'
import type { PoolOptions } from './options.js'
import { readLimit, refusal } from './read.js'

/** Options of an agent. What is not said here is an option of each of its pools. */
export interface AgentOptions extends PoolOptions {
  /**
   * Pools at once. When there are so many, the one that has been without work for longest makes room; if all have work, the request is
   * refused with `FB_POOL_OVERFLOW`.
   * @default 1024
   */
  readonly maxOrigins?: number | undefined
  /**
   * Gives options for one origin. Each takes the place of the agent's own of that name, groups such as `limits` as a whole.
   * @default none
   */
  readonly perOrigin?: ((origin: string) => PoolOptions | null | undefined) | undefined
}

/** See above. */
export class AgentConfig {
  readonly maxOrigins: number
  readonly #perOrigin: NonNullable<AgentOptions['perOrigin']> | null
  readonly #shared: PoolOptions

  /** `check` parses the options that all pools have, for an origin that speaks TLS. */
  constructor(options: unknown, check: (options: unknown) => void) {
    if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options))) {
      throw refusal('options', 'an object', options)
    }
    const { maxOrigins, perOrigin, ...shared } = (options ?? {}) as AgentOptions
    this.maxOrigins = readLimit('maxOrigins', maxOrigins, MAX_ORIGINS)
    if (perOrigin !== undefined && typeof perOrigin !== 'function') throw refusal('perOrigin', 'a function', perOrigin)
    this.#perOrigin = perOrigin ?? null
    check(shared)
    this.#shared = copied(shared) as PoolOptions
  }

  /** The options of the pool of `origin`, not yet parsed. */
  for(origin: string): PoolOptions {
    const own = this.#perOrigin === null ? null : this.#perOrigin(origin)
    const { tls, ...rest } = this.#shared
    // What is for TLS has no effect in clear, and a pool refuses it there.
    const shared = origin.startsWith('https:') ? this.#shared : rest
    return own === null || own === undefined ? shared : { ...shared, ...own }
  }
}

/** Plain objects and lists anew; functions, bytes and objects of classes as they are. */
function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)]))
}
