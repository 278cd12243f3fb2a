// The `connection` option, parsed.
//
// Used by `parse.ts`. Not here: what the pool does by it (the core).

import { isIP } from 'node:net'
import { ConfigError } from '../errors/errors.js'
import * as defaults from './defaults.js'
import type { ConnectionConfig } from './parsed.js'
import { fieldsOf, readChoice, readLimit, readMs, readNumber, readText, refusal } from './read.js'

const CONNECTION = [
  'connectTimeout',
  'addressDelay',
  'idleTimeout',
  'maxConnectionDuration',
  'durationJitter',
  'maxRequestsPerConnection',
  'drainTimeout',
  'pick',
  'onConnectFailure',
  'onCancel',
  'connectBackoff',
  'preconnectRatio',
  'tcpUserTimeout',
  'localAddress',
  'socketPath',
] as const

export function parseConnection(value: unknown): ConnectionConfig {
  const fields = fieldsOf('connection', value, CONNECTION)
  const ms = (key: string, fallback: number, min = 0) => readMs(`connection.${key}`, fields[key], fallback, min)
  const localAddress = readLocalAddress(fields['localAddress'])
  const socketPath = readSocketPath(fields['socketPath'])
  if (localAddress !== null && socketPath !== null) {
    throw new ConfigError('connection.localAddress', 'has no effect beside connection.socketPath')
  }
  return Object.freeze({
    connectTimeout: ms('connectTimeout', defaults.CONNECT_TIMEOUT_MS, 1),
    addressDelay: ms('addressDelay', defaults.ADDRESS_DELAY_MS),
    idleTimeout: ms('idleTimeout', defaults.IDLE_TIMEOUT_MS),
    maxConnectionDuration: ms('maxConnectionDuration', defaults.MAX_CONNECTION_DURATION_MS),
    durationJitter: readNumber('connection.durationJitter', fields['durationJitter'], defaults.DURATION_JITTER, 0, 1),
    maxRequestsPerConnection: readCount('connection.maxRequestsPerConnection', fields['maxRequestsPerConnection']),
    drainTimeout: ms('drainTimeout', defaults.DRAIN_TIMEOUT_MS),
    pick: readChoice('connection.pick', fields['pick'], 'least-loaded', ['least-loaded', 'most-recent', 'round-robin']),
    onConnectFailure: readChoice('connection.onConnectFailure', fields['onConnectFailure'], 'uncovered', [
      'uncovered',
      'all',
    ]),
    onCancel: readChoice('connection.onCancel', fields['onCancel'], 'keep', ['keep', 'close-excess']),
    connectBackoff: parseBackoff(fields['connectBackoff']),
    preconnectRatio: readNumber(
      'connection.preconnectRatio',
      fields['preconnectRatio'],
      defaults.PRECONNECT_RATIO,
      1,
      defaults.MAX_PRECONNECT_RATIO,
    ),
    tcpUserTimeout: ms('tcpUserTimeout', defaults.TCP_USER_TIMEOUT_MS),
    localAddress,
    socketPath,
  })
}

/** A number of requests for which 0 and `Infinity` both mean that there is no bound. */
function readCount(path: string, value: unknown): number {
  const count = readLimit(path, value, defaults.MAX_REQUESTS_PER_CONNECTION)
  return count === Number.POSITIVE_INFINITY ? 0 : count
}

function parseBackoff(value: unknown): { readonly base: number; readonly max: number } {
  const path = 'connection.connectBackoff'
  const fields = fieldsOf(path, value, ['base', 'max'])
  const base = readMs(`${path}.base`, fields['base'], defaults.CONNECT_BACKOFF_BASE_MS)
  const max = readMs(`${path}.max`, fields['max'], Math.max(defaults.CONNECT_BACKOFF_MAX_MS, base), 1)
  if (max < base) throw refusal(`${path}.max`, `at least ${path}.base (${base})`, max)
  return Object.freeze({ base, max })
}

function readLocalAddress(value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' && isIP(value) !== 0 && !value.includes('%')) return value
  throw refusal('connection.localAddress', 'an IP address or null', value)
}

/** `sun_path` has 108 bytes on Linux, 104 elsewhere, with a closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107

function readSocketPath(value: unknown): string | null {
  if (value === undefined || value === null) return null
  const path = readText('connection.socketPath', value, MAX_SOCKET_PATH_BYTES)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path
  throw refusal('connection.socketPath', `a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`, value)
}
