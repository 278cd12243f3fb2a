// The `http3` option, parsed.
//
// Used by `parse.ts`. Not here: what the numbers do (the core and the transport).

import { ConfigError } from '../errors/errors.js'
import * as defaults from './defaults.js'
import type { Http3Config, PoolProtocol } from './parsed.js'
import { fieldsOf, readChoice, readMs, readWhole } from './read.js'

/** Null exactly where HTTP/3 is not spoken. */
export function parseHttp3(value: unknown, protocols: readonly PoolProtocol[], bodyBuffer: number): Http3Config | null {
  if (!protocols.includes('h3')) {
    if (value === undefined || value === null) return null
    throw new ConfigError('http3', "has an effect only where protocols is ['h3']")
  }
  const known = [
    'maxConcurrentStreams',
    'idleTimeout',
    'pingInterval',
    'streamWindow',
    'connectionWindow',
    'congestion',
  ] as const
  if (value === null) throw new ConfigError('http3', "must not be null where protocols is ['h3']")
  const fields = fieldsOf('http3', value, known)
  const window = (key: 'streamWindow' | 'connectionWindow', fallback: number) =>
    readWhole(`http3.${key}`, fields[key], clampWindow(fallback), defaults.MIN_WINDOW_BYTES, defaults.MAX_WINDOW_BYTES)
  const streamWindow = window('streamWindow', bodyBuffer)
  return Object.freeze({
    maxConcurrentStreams: readWhole(
      'http3.maxConcurrentStreams',
      fields['maxConcurrentStreams'],
      defaults.MAX_CONCURRENT_H3_STREAMS,
      1,
      defaults.MAX_H3_STREAMS,
    ),
    idleTimeout: readMs('http3.idleTimeout', fields['idleTimeout'], defaults.QUIC_IDLE_TIMEOUT_MS),
    pingInterval: readMs('http3.pingInterval', fields['pingInterval'], defaults.QUIC_PING_INTERVAL_MS),
    streamWindow,
    connectionWindow: window('connectionWindow', streamWindow * defaults.CONNECTION_WINDOW_FACTOR),
    congestion: readChoice('http3.congestion', fields['congestion'], 'cubic', ['cubic', 'new-reno', 'bbr']),
  })
}

function clampWindow(bytes: number): number {
  return Math.min(Math.max(bytes, defaults.MIN_WINDOW_BYTES), defaults.MAX_WINDOW_BYTES)
}
