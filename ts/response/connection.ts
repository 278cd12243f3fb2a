// The connection that answered, as responses and events show it.
//
// Used by `response.ts` and `pool/`. Not here: what the pool does with connections (the core).

import { endpointText, type Protocol } from '../errors/attempt.js'

/** What is known of a connection from the moment it can be used. */
export interface ConnectionFacts {
  readonly id: number
  /** Index into `h1`, `h2`, `h3`. */
  readonly protocol: number
  readonly address: string
  /** 0 on a Unix socket. */
  readonly port: number
  readonly connectMicros: number
  readonly tlsMicros: number
}

/** A connection. */
export interface ConnectionInfo {
  readonly id: number
  readonly protocol: Protocol
  /** `ip:port`, `[ip6]:port` or `unix:path`. */
  readonly endpoint: string
  readonly remoteAddress: string
  readonly remotePort: number
  /** Whether it had answered before. */
  readonly reused: boolean
  readonly earlyData: boolean
}

const PROTOCOLS: readonly Protocol[] = ['h1', 'h2', 'h3']

/** The protocol that native code names by this number. */
export function protocolOf(facts: ConnectionFacts): Protocol {
  return PROTOCOLS[facts.protocol] ?? 'h1'
}

/** `ip:port`, `[ip6]:port` or `unix:path`. */
export function endpointOf(facts: ConnectionFacts): string {
  return endpointText(facts.address, facts.port)
}

/** The form that is shown. */
export function connectionInfo(facts: ConnectionFacts, reused: boolean): ConnectionInfo {
  return {
    id: facts.id,
    protocol: protocolOf(facts),
    endpoint: endpointOf(facts),
    remoteAddress: facts.address,
    remotePort: facts.port,
    reused,
    earlyData: false,
  }
}
