// Options in, parsed configuration out; and from it what crosses to the native side.
//
// Promise: parsed once, in the constructor; an error names the option's path, the value and the range; nothing has effects.
// Used by `pool/native-pool.ts`. Not here: single groups (`limits.ts` and others), single values (`read.ts`), numbers (`defaults.ts`).

import { ConfigError } from '../errors/errors.js'
import type { NativeAddress, NativeLimits, NativePoolConfig, NativeRetryBudget } from '../native/dto.js'
import { UNLIMITED } from '../native/dto.js'
import { parseBounds } from './bounds.js'
import { parseBreaker } from './breaker.js'
import { parseConnection } from './connection.js'
import * as defaults from './defaults.js'
import { parseHttp2, parseProtocols } from './http2.js'
import { parseHttp3 } from './http3.js'
import { parseLimits } from './limits.js'
import { type Origin, parseOrigin } from './origin.js'
import type { LimitsConfig, PoolConfig, RetryBudgetConfig } from './parsed.js'
import { fieldsOf, readChoice, readLimit, readMs, readText, readWhole } from './read.js'
import { parseResolver } from './resolver.js'
import { parseRetry } from './retry.js'
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
  'http2',
  'http3',
  'limits',
  'connection',
  'tls',
  'resolver',
  'bounds',
  'breaker',
  'retry',
  'queueTimeout',
  'headersTimeout',
  'bodyIdleTimeout',
  'perTryTimeout',
  'perTryIdleTimeout',
  'maxStreamDuration',
  'totalTimeout',
  'replay',
  'bodyBuffer',
  'maxReadSize',
  'runOn',
] as const

/** Longest name of a pool, in characters. A guess. */
const MAX_NAME_LENGTH = 256
const NO_FILES: TlsFiles = Object.freeze({ ca: null, crl: null, cert: null, key: null })

/** Parses what the constructor of a pool was given. */
export function parsePool(givenOrigin: unknown, options: unknown, environment: Environment): Parsed {
  const origin = parseOrigin(givenOrigin)
  const fields = fieldsOf('options', options, KNOWN)
  const tls = origin.scheme === 'https' ? parseTls(fields['tls']) : withoutTls(fields['tls'])
  const bodyBuffer = readWhole(
    'bodyBuffer',
    fields['bodyBuffer'],
    defaults.BODY_BUFFER_BYTES,
    defaults.MIN_BODY_BUFFER_BYTES,
    defaults.MAX_SIZE_BYTES,
  )
  const protocols = parseProtocols(fields['protocols'], origin.scheme)
  const http3 = parseHttp3(fields['http3'], protocols, bodyBuffer)
  const connection = parseConnection(fields['connection'])
  if (http3 !== null && connection.socketPath !== null) {
    throw new ConfigError('connection.socketPath', 'HTTP/3 has no Unix sockets')
  }
  const runOn = readChoice('runOn', fields['runOn'], 'auto', ['auto', 'thread', 'event-loop'])
  const config = Object.freeze({
    name: fields['name'] === undefined ? origin.href : readText('name', fields['name'], MAX_NAME_LENGTH),
    origin: origin.href,
    protocols,
    http2: parseHttp2(fields['http2'], bodyBuffer),
    http3,
    limits: parseLimits(fields['limits']),
    connection,
    tls: tls.config,
    resolver: parseResolver(fields['resolver']),
    bounds: parseBounds(fields['bounds']),
    breaker: parseBreaker(fields['breaker']),
    retry: parseRetry(fields['retry']),
    queueTimeout: readMs('queueTimeout', fields['queueTimeout'], defaults.QUEUE_TIMEOUT_MS),
    headersTimeout: readMs('headersTimeout', fields['headersTimeout'], defaults.HEADERS_TIMEOUT_MS),
    bodyIdleTimeout: readMs('bodyIdleTimeout', fields['bodyIdleTimeout'], defaults.BODY_IDLE_TIMEOUT_MS),
    perTryTimeout: readMs('perTryTimeout', fields['perTryTimeout'], defaults.PER_TRY_TIMEOUT_MS),
    perTryIdleTimeout: readMs('perTryIdleTimeout', fields['perTryIdleTimeout'], defaults.PER_TRY_IDLE_TIMEOUT_MS),
    maxStreamDuration: readMs('maxStreamDuration', fields['maxStreamDuration'], defaults.MAX_STREAM_DURATION_MS),
    totalTimeout: readMs('totalTimeout', fields['totalTimeout'], defaults.TOTAL_TIMEOUT_MS),
    replay: readChoice('replay', fields['replay'], 'idempotent', ['idempotent', 'unprocessed', 'none']),
    bodyBuffer,
    maxReadSize: readLimit('maxReadSize', fields['maxReadSize'], defaults.MAX_READ_SIZE_BYTES),
    runOn: decideRunner(runOn, environment, http3 !== null),
  })
  return { config, origin, tlsFiles: tls.files }
}

/**
 * Node's loop saves the hand-off to another thread; with more than one CPU that thread is worth it, and always for HTTP/3, whose
 * acknowledgements and timers are in the process.
 */
function decideRunner(
  asked: 'auto' | 'thread' | 'event-loop',
  environment: Environment,
  speaksHttp3: boolean,
): 'thread' | 'event-loop' {
  if (asked === 'thread') return 'thread'
  if (asked === 'auto') {
    return !speaksHttp3 && environment.parallelism === 1 && environment.eventLoopSupport === null
      ? 'event-loop'
      : 'thread'
  }
  if (environment.eventLoopSupport === null) return 'event-loop'
  throw new ConfigError('runOn', `'event-loop' is not possible here: ${environment.eventLoopSupport}`)
}

function withoutTls(value: unknown): { readonly config: null; readonly files: TlsFiles } {
  if (value !== undefined) throw new ConfigError('tls', 'has no effect on an http: origin')
  return { config: null, files: NO_FILES }
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
      tcpUserTimeout: connection.tcpUserTimeout,
      localAddress: connection.localAddress,
      socketPath: connection.socketPath,
    },
    timeouts: {
      queueTimeout: config.queueTimeout,
      headersTimeout: config.headersTimeout,
      bodyIdleTimeout: config.bodyIdleTimeout,
      perTryTimeout: config.perTryTimeout,
      perTryIdleTimeout: config.perTryIdleTimeout,
      totalTimeout: config.totalTimeout,
      maxStreamDuration: config.maxStreamDuration,
    },
    bounds: { ...config.bounds },
    http2: {
      ...config.http2,
      adaptiveWindow: config.http2.adaptiveWindow === null ? null : { ...config.http2.adaptiveWindow },
      ping: config.http2.ping === null ? null : { ...config.http2.ping },
    },
    http3: config.http3 === null ? null : { ...config.http3 },
    tls:
      config.tls === null
        ? null
        : {
            ca: tlsFiles.ca ?? roots(),
            crl: tlsFiles.crl,
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
    maxRetries: nativeCount(limits.maxRetries ?? 0),
    retryBudget: nativeBudget(limits.retryBudget),
  }
}

function nativeBudget(budget: RetryBudgetConfig | null): NativeRetryBudget | null {
  return budget === null ? null : { ...budget, minConcurrency: nativeCount(budget.minConcurrency) }
}

function nativeCount(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? UNLIMITED : limit
}
