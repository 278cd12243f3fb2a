// Options in, parsed configuration out; and from it what crosses to the native side.
//
// Promise: parsed once, in the constructor; an error names the option's path, the value and the range; nothing has effects.
// Used by `pool/native-pool.ts`. Not here: single values (`read.ts`), numbers (`defaults.ts`), the environment (an argument).

import { isIP } from 'node:net'
import { ConfigError } from '../errors/errors.js'
import type { NativeAddress, NativeLimits, NativePoolConfig } from '../native/dto.js'
import { UNLIMITED } from '../native/dto.js'
import * as defaults from './defaults.js'
import type { Lookup } from './options.js'
import { type Origin, parseOrigin } from './origin.js'
import type {
  BoundsConfig,
  ConnectionConfig,
  LimitsConfig,
  PoolConfig,
  PoolLimitsConfig,
  ResolverConfig,
} from './parsed.js'
import {
  type Fields,
  fieldsOf,
  joined,
  readBoolean,
  readChoice,
  readLimit,
  readMs,
  readMsOrOff,
  readNumber,
  readText,
  readWhole,
  refusal,
} from './read.js'
import { parseTls, type TlsFiles } from './tls.js'

/** What of the process decides about `runOn`. */
export interface Environment {
  /** CPUs that this process may use. */
  readonly parallelism: number
  /** Null where protocol work can be done on Node's loop; else why not. */
  readonly eventLoopSupport: string | null
}

/** A pool's configuration, and what belongs to it but is not shown. */
export interface Parsed {
  readonly config: PoolConfig
  readonly origin: Origin
  readonly tlsFiles: TlsFiles
}

const KNOWN = [
  'name',
  'protocols',
  'limits',
  'connection',
  'tls',
  'resolver',
  'bounds',
  'queueTimeout',
  'headersTimeout',
  'bodyIdleTimeout',
  'replay',
  'bodyBuffer',
  'maxReadSize',
  'runOn',
] as const

/** Longest name of a pool, in characters. A guess. */
const MAX_NAME_LENGTH = 256
const NO_FILES: TlsFiles = Object.freeze({ ca: null, cert: null, key: null })

/** Parses what the constructor of a pool was given. */
export function parsePool(givenOrigin: unknown, options: unknown, environment: Environment): Parsed {
  const origin = parseOrigin(givenOrigin)
  const fields = fieldsOf('options', options, KNOWN)
  const tls = origin.scheme === 'https' ? parseTls(fields['tls']) : withoutTls(fields['tls'])
  const config = Object.freeze({
    name: fields['name'] === undefined ? origin.href : readText('name', fields['name'], MAX_NAME_LENGTH),
    origin: origin.href,
    protocols: readProtocols(fields['protocols']),
    limits: parseLimits(fields['limits']),
    connection: parseConnection(fields['connection']),
    tls: tls.config,
    resolver: parseResolver(fields['resolver']),
    bounds: parseBounds(fields['bounds']),
    queueTimeout: readMs('queueTimeout', fields['queueTimeout'], defaults.QUEUE_TIMEOUT_MS),
    headersTimeout: readMs('headersTimeout', fields['headersTimeout'], defaults.HEADERS_TIMEOUT_MS),
    bodyIdleTimeout: readMs('bodyIdleTimeout', fields['bodyIdleTimeout'], defaults.BODY_IDLE_TIMEOUT_MS),
    replay: readChoice('replay', fields['replay'], 'idempotent', ['idempotent', 'unprocessed', 'none']),
    bodyBuffer: readWhole(
      'bodyBuffer',
      fields['bodyBuffer'],
      defaults.BODY_BUFFER_BYTES,
      defaults.MIN_BODY_BUFFER_BYTES,
      defaults.MAX_SIZE_BYTES,
    ),
    maxReadSize: readLimit('maxReadSize', fields['maxReadSize'], defaults.MAX_READ_SIZE_BYTES),
    runOn: decideRunner(readChoice('runOn', fields['runOn'], 'auto', ['auto', 'thread', 'event-loop']), environment),
  })
  return { config, origin, tlsFiles: tls.files }
}

/** Node's loop saves the hand-off to another thread; with more than one CPU that thread is worth it. */
function decideRunner(asked: 'auto' | 'thread' | 'event-loop', environment: Environment): 'thread' | 'event-loop' {
  if (asked === 'thread') return 'thread'
  if (asked === 'auto') {
    return environment.parallelism === 1 && environment.eventLoopSupport === null ? 'event-loop' : 'thread'
  }
  if (environment.eventLoopSupport === null) return 'event-loop'
  throw new ConfigError('runOn', `'event-loop' is not possible here: ${environment.eventLoopSupport}`)
}

function withoutTls(value: unknown): { readonly config: null; readonly files: TlsFiles } {
  if (value !== undefined) throw new ConfigError('tls', 'has no effect on an http: origin')
  return { config: null, files: NO_FILES }
}

function readProtocols(value: unknown): readonly 'h1'[] {
  if (value === undefined || value === 'auto') return Object.freeze(['h1'] as const)
  if (Array.isArray(value) && value.length === 1 && value[0] === 'h1') return Object.freeze(['h1'] as const)
  throw refusal('protocols', "'auto' or ['h1']", value)
}

const LIMITS = ['maxConnections', 'maxPendingRequests', 'maxRequests', 'onMaxRequests', 'maxConnectionPools'] as const

function parseLimits(value: unknown): PoolLimitsConfig {
  const fields = fieldsOf('limits', value, [...LIMITS, 'high', 'perHost'])
  const perHost = fieldsOf('limits.perHost', fields['perHost'], ['maxConnections'])
  return Object.freeze({
    ...readLimits('limits', fields),
    high: Object.freeze(readLimits('limits.high', fieldsOf('limits.high', fields['high'], LIMITS))),
    perHost: Object.freeze({
      maxConnections: readLimit(
        'limits.perHost.maxConnections',
        perHost['maxConnections'],
        defaults.PER_HOST_MAX_CONNECTIONS,
      ),
    }),
  })
}

function readLimits(path: string, fields: Fields): LimitsConfig {
  const limit = (key: string, fallback: number) => readLimit(joined(path, key), fields[key], fallback)
  return {
    maxConnections: limit('maxConnections', defaults.MAX_CONNECTIONS),
    maxPendingRequests: limit('maxPendingRequests', defaults.MAX_PENDING_REQUESTS),
    maxRequests: limit('maxRequests', defaults.MAX_REQUESTS),
    onMaxRequests: readChoice(joined(path, 'onMaxRequests'), fields['onMaxRequests'], 'reject', ['reject', 'queue']),
    maxConnectionPools: limit('maxConnectionPools', defaults.MAX_CONNECTION_POOLS),
  }
}

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
  'localAddress',
  'socketPath',
] as const

function parseConnection(value: unknown): ConnectionConfig {
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

function parseResolver(value: unknown): ResolverConfig {
  const fields = fieldsOf('resolver', value, ['lookup', 'refresh', 'timeout', 'drainVanished', 'filter'])
  return Object.freeze({
    lookup: readFunction<Lookup>('resolver.lookup', fields['lookup']),
    refresh: readMsOrOff(
      'resolver.refresh',
      fields['refresh'],
      defaults.RESOLVER_REFRESH_MS,
      defaults.MIN_RESOLVER_REFRESH_MS,
    ),
    timeout: readMs('resolver.timeout', fields['timeout'], defaults.RESOLVER_TIMEOUT_MS, 1),
    drainVanished: readBoolean('resolver.drainVanished', fields['drainVanished'], true),
    filter: readFunction<(address: string) => boolean>('resolver.filter', fields['filter']),
  })
}

function readFunction<F>(path: string, value: unknown): F | null {
  if (value === undefined) return null
  if (typeof value === 'function') return value as F
  throw refusal(path, 'a function', value)
}

function parseBounds(value: unknown): BoundsConfig {
  const known = ['maxHeadSize', 'maxHeadFields', 'maxPathSize', 'maxRequestHeadSize', 'maxRequestHeadFields'] as const
  const fields = fieldsOf('bounds', value, known)
  const whole = (key: (typeof known)[number], fallback: number, [min, max]: readonly [number, number]) =>
    readWhole(`bounds.${key}`, fields[key], fallback, min, max)
  return Object.freeze({
    maxHeadSize: whole('maxHeadSize', defaults.MAX_HEAD_SIZE_BYTES, defaults.HEAD_SIZE_RANGE),
    maxHeadFields: whole('maxHeadFields', defaults.MAX_HEAD_FIELDS, defaults.HEAD_FIELDS_RANGE),
    maxPathSize: whole('maxPathSize', defaults.MAX_PATH_SIZE_BYTES, defaults.PATH_SIZE_RANGE),
    maxRequestHeadSize: whole('maxRequestHeadSize', defaults.MAX_HEAD_SIZE_BYTES, defaults.REQUEST_HEAD_SIZE_RANGE),
    maxRequestHeadFields: whole('maxRequestHeadFields', defaults.MAX_HEAD_FIELDS, defaults.REQUEST_HEAD_FIELDS_RANGE),
  })
}

/** The form that crosses. `roots` is asked for only where Node's are trusted. */
export function nativeConfig(parsed: Parsed, addresses: NativeAddress[], roots: () => Uint8Array): NativePoolConfig {
  const { config, origin, tlsFiles } = parsed
  const { limits, connection } = config
  return {
    name: config.name,
    origin: { scheme: origin.scheme, host: origin.host, port: origin.port, authority: origin.authority },
    protocols: [...config.protocols],
    addresses,
    limits: {
      default: nativeLimits(limits),
      high: nativeLimits(limits.high),
      perHostMaxConnections: nativeCount(limits.perHost.maxConnections),
    },
    connection: {
      connectTimeout: connection.connectTimeout,
      addressDelay: connection.addressDelay,
      idleTimeout: connection.idleTimeout,
      maxConnectionDuration: connection.maxConnectionDuration,
      durationJitter: connection.durationJitter,
      maxRequestsPerConnection: connection.maxRequestsPerConnection,
      drainTimeout: connection.drainTimeout,
      pick: connection.pick,
      onConnectFailure: connection.onConnectFailure,
      onCancel: connection.onCancel,
      connectBackoffBase: connection.connectBackoff.base,
      connectBackoffMax: connection.connectBackoff.max,
      preconnectRatio: connection.preconnectRatio,
      localAddress: connection.localAddress,
      socketPath: connection.socketPath,
    },
    timeouts: {
      queueTimeout: config.queueTimeout,
      headersTimeout: config.headersTimeout,
      bodyIdleTimeout: config.bodyIdleTimeout,
    },
    bounds: { ...config.bounds },
    tls:
      config.tls === null
        ? null
        : {
            ca: tlsFiles.ca ?? roots(),
            cert: tlsFiles.cert,
            key: tlsFiles.key,
            servername: config.tls.servername,
            minVersion: config.tls.minVersion,
            sessionCache: config.tls.sessionCache,
            dangerouslySkipVerification: config.tls.dangerouslySkipVerification,
          },
    replay: config.replay,
    bodyBuffer: config.bodyBuffer,
    drainVanished: config.resolver.drainVanished,
  }
}

function nativeLimits(limits: LimitsConfig): NativeLimits {
  return {
    maxConnections: nativeCount(limits.maxConnections),
    maxPendingRequests: nativeCount(limits.maxPendingRequests),
    maxRequests: nativeCount(limits.maxRequests),
    onMaxRequests: limits.onMaxRequests,
    maxConnectionPools: nativeCount(limits.maxConnectionPools),
  }
}

function nativeCount(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? UNLIMITED : limit
}
