// The `protocols` and `http2` options, parsed.
//
// Used by `parse.ts`. Not here: what the numbers do (the core and the transport).

import { ConfigError } from '../errors/errors.js'
import * as defaults from './defaults.js'
import type { AdaptiveWindowConfig, Http2Config, PingConfig, PoolProtocol } from './parsed.js'
import { fieldsOf, readBoolean, readMs, readNumber, readWhole, refusal } from './read.js'

const H1: readonly PoolProtocol[] = Object.freeze(['h1'] as const)
const H2: readonly PoolProtocol[] = Object.freeze(['h2'] as const)
const H3: readonly PoolProtocol[] = Object.freeze(['h3'] as const)
const BOTH: readonly PoolProtocol[] = Object.freeze(['h2', 'h1'] as const)

/** The versions that may be used, most wanted first. In clear nothing can be agreed on: one is known, or HTTP/1.1 is spoken. */
export function parseProtocols(value: unknown, scheme: 'http' | 'https'): readonly PoolProtocol[] {
  if (value === undefined || value === 'auto') return scheme === 'https' ? BOTH : H1
  const list: unknown[] = Array.isArray(value) ? [...value] : []
  const [first, second] = list
  if (list.length === 1 && first === 'h1') return H1
  if (list.length === 1 && first === 'h2') return H2
  if (list.length === 1 && first === 'h3') {
    if (scheme === 'http') throw new ConfigError('protocols', 'HTTP/3 needs an https: origin')
    return H3
  }
  const both = list.length === 2 && ((first === 'h1' && second === 'h2') || (first === 'h2' && second === 'h1'))
  if (!both) throw refusal('protocols', "'auto', ['h1'], ['h2'], ['h3'] or ['h2', 'h1']", value)
  if (scheme === 'http') throw new ConfigError('protocols', 'on an http: origin only one version can be used')
  return BOTH
}

export function parseHttp2(value: unknown, bodyBuffer: number): Http2Config {
  const known = [
    'maxConcurrentStreams',
    'preSettingsStreams',
    'remember',
    'streamWindow',
    'connectionWindow',
    'adaptiveWindow',
    'ping',
  ] as const
  const fields = fieldsOf('http2', value, known)
  const streams = (key: 'maxConcurrentStreams' | 'preSettingsStreams', fallback: number) =>
    readWhole(`http2.${key}`, fields[key], fallback, 1, defaults.MAX_STREAMS)
  const window = (key: 'streamWindow' | 'connectionWindow', fallback: number) =>
    readWhole(`http2.${key}`, fields[key], clampWindow(fallback), defaults.MIN_WINDOW_BYTES, defaults.MAX_WINDOW_BYTES)
  const streamWindow = window('streamWindow', bodyBuffer)
  const before = fields['preSettingsStreams']
  const connectionWindow = window('connectionWindow', streamWindow * defaults.CONNECTION_WINDOW_FACTOR)
  return Object.freeze({
    maxConcurrentStreams: streams('maxConcurrentStreams', defaults.MAX_CONCURRENT_STREAMS),
    preSettingsStreams: before === undefined || before === null ? null : streams('preSettingsStreams', 1),
    remember: readBoolean('http2.remember', fields['remember'], true),
    streamWindow,
    connectionWindow,
    adaptiveWindow: parseAdaptiveWindow(fields['adaptiveWindow'], streamWindow, connectionWindow),
    ping: parsePing(fields['ping']),
  })
}

/** Bounds below where the windows begin would never let them grow: the default is never below, and what is given may not be. */
function parseAdaptiveWindow(value: unknown, stream: number, connection: number): AdaptiveWindowConfig | null {
  if (value === undefined || value === null) return null
  const path = 'http2.adaptiveWindow'
  const fields = fieldsOf(path, value, ['maxStreamWindow', 'maxConnectionWindow'])
  const bound = (key: 'maxStreamWindow' | 'maxConnectionWindow', fallback: number, min: number) =>
    readWhole(`${path}.${key}`, fields[key], Math.max(fallback, min), min, defaults.MAX_WINDOW_BYTES)
  return Object.freeze({
    maxStreamWindow: bound('maxStreamWindow', defaults.MAX_ADAPTIVE_STREAM_WINDOW_BYTES, stream),
    maxConnectionWindow: bound('maxConnectionWindow', defaults.MAX_ADAPTIVE_CONNECTION_WINDOW_BYTES, connection),
  })
}

function clampWindow(bytes: number): number {
  return Math.min(Math.max(bytes, defaults.MIN_WINDOW_BYTES), defaults.MAX_WINDOW_BYTES)
}

function parsePing(value: unknown): PingConfig | null {
  if (value === undefined || value === null) return null
  const fields = fieldsOf('http2.ping', value, ['timeout', 'interval', 'jitter', 'idleInterval'])
  if (fields['timeout'] === undefined) throw new ConfigError('http2.ping.timeout', 'is required')
  return Object.freeze({
    timeout: readMs('http2.ping.timeout', fields['timeout'], 1, 1),
    interval: readMs('http2.ping.interval', fields['interval'], 0),
    jitter: readNumber('http2.ping.jitter', fields['jitter'], defaults.PING_JITTER, 0, 1),
    idleInterval: readMs('http2.ping.idleInterval', fields['idleInterval'], 0),
  })
}
