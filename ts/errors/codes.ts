// The table of error codes: what each means, its class, where it can happen, whether a repeat is safe, Envoy's flags.
//
// Promise: codes, their order and their kinds are stable; the order is the index by which native code names them.
// Used by `errors.ts`, `from-native.ts`, the documentation of errors (generated from here) and the boundary's test.
// Not here: the texts of single failures.

/** One class of errors for each. */
export type ErrorKind =
  | 'overflow'
  | 'breaker'
  | 'timeout'
  | 'connect'
  | 'reset'
  | 'protocol'
  | 'unavailable'
  | 'closed'
  | 'body'
  | 'request'
  | 'config'
  | 'internal'

/** Whether the request may be sent again: any (`yes`), only an idempotent one (`maybe`), never (`no`). */
export type Retryable = 'yes' | 'maybe' | 'no'

/** How far the request had come. */
export type Phase = 'setup' | 'admit' | 'queue' | 'dns' | 'connect' | 'tls' | 'send' | 'head' | 'body'

/** Every phase, in the order in which a request passes them; the index by which native code names them. */
export const PHASES: readonly Phase[] = ['setup', 'admit', 'queue', 'dns', 'connect', 'tls', 'send', 'head', 'body']

/** The index by which native code names them. */
export const RETRYABLE: readonly Retryable[] = ['no', 'maybe', 'yes']

/** Envoy's response flag. */
export type Flag = 'DPE' | 'UF' | 'UH' | 'UO' | 'UT' | 'DF' | 'UC' | 'UR' | 'UPE' | 'LR' | 'UMSDR' | 'DC' | 'DR' | 'URX'

/** The code of every error that Forebay makes. */
export type ErrorCode =
  | 'FB_INVALID_REQUEST'
  | 'FB_INVALID_CONFIG'
  | 'FB_BINARY_MISSING'
  | 'FB_POOL_CLOSED'
  | 'FB_BREAKER_OPEN'
  | 'FB_NO_HEALTHY_UPSTREAM'
  | 'FB_PENDING_OVERFLOW'
  | 'FB_REQUEST_OVERFLOW'
  | 'FB_POOL_OVERFLOW'
  | 'FB_SHED_OVERFLOW'
  | 'FB_QUEUE_TIMEOUT'
  | 'FB_DNS_NOT_FOUND'
  | 'FB_DNS_FAILED'
  | 'FB_DNS_TIMEOUT'
  | 'FB_ADDRESS_DENIED'
  | 'FB_CONNECT_REFUSED'
  | 'FB_CONNECT_UNREACHABLE'
  | 'FB_CONNECT_TIMEOUT'
  | 'FB_CONNECT_FAILED'
  | 'FB_PROXY_FAILED'
  | 'FB_LOCAL_RESOURCE'
  | 'FB_TLS_UNTRUSTED'
  | 'FB_TLS_HOST_MISMATCH'
  | 'FB_TLS_CERT_EXPIRED'
  | 'FB_TLS_CERT_REVOKED'
  | 'FB_TLS_CERT_INVALID'
  | 'FB_TLS_CLIENT_CERT'
  | 'FB_TLS_ALPN'
  | 'FB_PEER_INCOMPATIBLE'
  | 'FB_TLS_HANDSHAKE'
  | 'FB_TLS_CLOSED'
  | 'FB_CONNECTION_CLOSED'
  | 'FB_CONNECTION_RESET'
  | 'FB_KEEPALIVE_TIMEOUT'
  | 'FB_SETTINGS_TIMEOUT'
  | 'FB_STREAM_REFUSED'
  | 'FB_STREAM_RESET'
  | 'FB_VERSION_REQUIRED'
  | 'FB_PROTOCOL_ERROR'
  | 'FB_FLOOD'
  | 'FB_RESPONSE_MALFORMED'
  | 'FB_UNEXPECTED_UPGRADE'
  | 'FB_HEADERS_TOO_LARGE'
  | 'FB_BODY_TOO_LARGE'
  | 'FB_BODY_INCOMPLETE'
  | 'FB_HEADERS_TIMEOUT'
  | 'FB_BODY_TIMEOUT'
  | 'FB_WRITE_TIMEOUT'
  | 'FB_TRY_TIMEOUT'
  | 'FB_TRY_IDLE_TIMEOUT'
  | 'FB_STREAM_DURATION'
  | 'FB_DEADLINE_EXCEEDED'
  | 'FB_ABORTED'
  | 'FB_REQUEST_BODY_FAILED'
  | 'FB_INTERNAL'

/** A row of the table. */
export interface CodeEntry {
  readonly code: ErrorCode
  readonly kind: ErrorKind
  /** What happened, in a few words. Texts are not stable. */
  readonly meaning: string
  readonly phases: readonly Phase[]
  /** S: not processed, any method may go again; I: an idempotent one; N: never. With the circumstance, where it decides. */
  readonly class: string
  /** What `retryable` can be; the first where the circumstance is not known. */
  readonly retryable: readonly Retryable[]
  readonly flags: readonly Flag[]
  /** The option that sets the bound which was met; null where none does. */
  readonly option: string | null
}

const ANY: readonly Phase[] = PHASES.slice(1)

function row(
  code: ErrorCode,
  kind: ErrorKind,
  meaning: string,
  phases: readonly Phase[],
  repeatClass: string,
  retryable: readonly Retryable[],
  flags: readonly Flag[],
  option: string | null,
): CodeEntry {
  return Object.freeze({ code, kind, meaning, phases, class: repeatClass, retryable, flags, option })
}

/** The table. */
export const CODES: readonly CodeEntry[] = [
  row(
    'FB_INVALID_REQUEST',
    'request',
    'our API refuses the bytes; names the field, never shows the value',
    ['admit'],
    'N',
    ['no'],
    ['DPE'],
    null,
  ),
  row(
    'FB_INVALID_CONFIG',
    'config',
    'configuration refused; names the path of the field',
    ['setup'],
    'N',
    ['no'],
    [],
    null,
  ),
  row(
    'FB_BINARY_MISSING',
    'unavailable',
    'no native binary for this platform; names the package, the platform found, the build command',
    ['setup'],
    'N',
    ['no'],
    [],
    null,
  ),
  row('FB_POOL_CLOSED', 'closed', 'pool closed or destroyed', ANY, 'S unsent, I sent', ['yes', 'maybe'], ['UF'], null),
  row(
    'FB_BREAKER_OPEN',
    'breaker',
    'the breaker is open, or opened while it waited',
    ['admit', 'queue'],
    'S',
    ['yes'],
    ['UH'],
    null,
  ),
  row('FB_NO_HEALTHY_UPSTREAM', 'unavailable', 'no endpoint, or all ejected', ['admit'], 'S', ['yes'], ['UH'], null),
  row(
    'FB_PENDING_OVERFLOW',
    'overflow',
    'limit of pending requests',
    ['admit'],
    'S',
    ['yes'],
    ['UO'],
    'maxPendingRequests',
  ),
  row('FB_REQUEST_OVERFLOW', 'overflow', 'limit of requests', ['admit'], 'S', ['yes'], ['UO'], 'maxRequests'),
  row(
    'FB_POOL_OVERFLOW',
    'overflow',
    'limit of connection pools',
    ['admit'],
    'S',
    ['yes'],
    ['UO'],
    'maxConnectionPools',
  ),
  row('FB_SHED_OVERFLOW', 'overflow', 'shed gate is shut', ['admit'], 'S', ['yes'], ['UO'], null),
  row(
    'FB_QUEUE_TIMEOUT',
    'timeout',
    'waited too long for a connection; never sent',
    ['queue'],
    'S',
    ['yes'],
    ['UT'],
    'queueTimeout',
  ),
  row('FB_DNS_NOT_FOUND', 'connect', 'name does not exist', ['dns'], 'N', ['no'], ['DF'], null),
  row('FB_DNS_FAILED', 'connect', 'server failure, or no usable answer', ['dns'], 'S', ['yes'], ['DF'], null),
  row('FB_DNS_TIMEOUT', 'timeout', 'no answer in time', ['dns'], 'S', ['yes'], ['DF'], 'resolver.timeout'),
  row(
    'FB_ADDRESS_DENIED',
    'connect',
    'address filter refused each address',
    ['dns'],
    'N',
    ['no'],
    ['UF'],
    'resolver.filter',
  ),
  row('FB_CONNECT_REFUSED', 'connect', 'peer refused', ['connect'], 'S', ['yes'], ['UF'], null),
  row('FB_CONNECT_UNREACHABLE', 'connect', 'no route to the host', ['connect'], 'S', ['yes'], ['UF'], null),
  row(
    'FB_CONNECT_TIMEOUT',
    'timeout',
    'connect limit, all addresses, to the end of the handshake',
    ['connect', 'tls'],
    'S',
    ['yes'],
    ['UF'],
    'connection.connectTimeout',
  ),
  row(
    'FB_CONNECT_FAILED',
    'connect',
    'several addresses failed; lists each cause',
    ['connect'],
    'S',
    ['yes'],
    ['UF'],
    null,
  ),
  row(
    'FB_PROXY_FAILED',
    'connect',
    'proxy refused or spoiled the tunnel',
    ['connect'],
    'S, 407 N',
    ['yes', 'no'],
    ['UF'],
    null,
  ),
  row('FB_LOCAL_RESOURCE', 'connect', 'we ran out of files, ports or buffers', ['connect'], 'S', ['yes'], ['UF'], null),
  row('FB_TLS_UNTRUSTED', 'connect', 'no path to a trusted root', ['tls'], 'N', ['no'], ['UF'], null),
  row('FB_TLS_HOST_MISMATCH', 'connect', 'certificate is for another name', ['tls'], 'N', ['no'], ['UF'], null),
  row('FB_TLS_CERT_EXPIRED', 'connect', 'expired or not yet valid', ['tls'], 'N', ['no'], ['UF'], null),
  row('FB_TLS_CERT_REVOKED', 'connect', 'revoked', ['tls'], 'N', ['no'], ['UF'], null),
  row(
    'FB_TLS_CERT_INVALID',
    'connect',
    'any other fault of the certificate or its chain',
    ['tls'],
    'N',
    ['no'],
    ['UF'],
    null,
  ),
  row(
    'FB_TLS_CLIENT_CERT',
    'connect',
    'peer refuses or misses our certificate, even if its alert comes after the request',
    ['tls', 'head'],
    'N',
    ['no'],
    ['UF'],
    null,
  ),
  row(
    'FB_TLS_ALPN',
    'connect',
    'none, or a wrong one, of the protocols we offered',
    ['tls'],
    'N',
    ['no'],
    ['UF'],
    null,
  ),
  row(
    'FB_PEER_INCOMPATIBLE',
    'connect',
    'not TLS; no common version, suite or QUIC version; name unknown to it',
    ['tls'],
    'N',
    ['no'],
    ['UF'],
    null,
  ),
  row(
    'FB_TLS_HANDSHAKE',
    'connect',
    'anything else that breaks a TLS or QUIC handshake',
    ['tls'],
    'S',
    ['yes'],
    ['UF'],
    null,
  ),
  row('FB_TLS_CLOSED', 'connect', 'peer closed or reset in the handshake', ['tls'], 'S', ['yes'], ['UF'], null),
  row(
    'FB_CONNECTION_CLOSED',
    'reset',
    'connection ended in order, no head yet',
    ['send', 'head'],
    'I, S unsent (re-queues used up)',
    ['yes', 'maybe'],
    ['UC'],
    null,
  ),
  row(
    'FB_CONNECTION_RESET',
    'reset',
    'connection lost (RST, fatal alert, stateless reset), no head yet',
    ['send', 'head'],
    'I',
    ['maybe'],
    ['UC'],
    null,
  ),
  row(
    'FB_KEEPALIVE_TIMEOUT',
    'timeout',
    'peer stopped answering PING or QUIC probes',
    ANY,
    'I; N in body',
    ['maybe', 'no'],
    ['UC'],
    null,
  ),
  row(
    'FB_SETTINGS_TIMEOUT',
    'timeout',
    'no SETTINGS from the peer',
    ['connect', 'send', 'head'],
    'S unsent, I sent',
    ['yes', 'maybe'],
    ['UC'],
    null,
  ),
  row('FB_STREAM_REFUSED', 'reset', 'peer says it did not process the request', ['head'], 'S', ['yes'], ['UR'], null),
  row(
    'FB_STREAM_RESET',
    'reset',
    'peer reset the stream',
    ['head', 'body'],
    'I; N in body',
    ['maybe', 'no'],
    ['UR'],
    null,
  ),
  row(
    'FB_VERSION_REQUIRED',
    'protocol',
    'peer demands another HTTP version, configuration forbids it',
    ['head'],
    'S',
    ['yes'],
    ['UR'],
    null,
  ),
  row(
    'FB_PROTOCOL_ERROR',
    'protocol',
    'peer broke the protocol of the connection or a stream',
    ANY,
    'N/I',
    ['maybe', 'no'],
    ['UPE'],
    null,
  ),
  row('FB_FLOOD', 'protocol', 'peer went past a flood bound', ANY, 'N/I', ['maybe', 'no'], ['UPE'], null),
  row(
    'FB_RESPONSE_MALFORMED',
    'protocol',
    'the message is wrong: field, status, length, chunk, trailer',
    ['head', 'body'],
    'N',
    ['no'],
    ['UPE'],
    null,
  ),
  row('FB_UNEXPECTED_UPGRADE', 'protocol', '101 nobody asked for', ['head'], 'N', ['no'], ['UPE'], null),
  row(
    'FB_HEADERS_TOO_LARGE',
    'protocol',
    'one head (a 1xx too) or the trailers past a bound, bytes or fields; too many 1xx: FB_FLOOD',
    ['head', 'body'],
    'N',
    ['no'],
    ['UPE'],
    'bounds.maxHeadSize or bounds.maxHeadFields',
  ),
  row('FB_BODY_TOO_LARGE', 'body', "caller's bound on the body", ['head', 'body'], 'N', ['no'], ['LR'], 'maxReadSize'),
  row('FB_BODY_INCOMPLETE', 'body', 'connection ended before the body did', ['body'], 'N', ['no'], ['UC'], null),
  row('FB_HEADERS_TIMEOUT', 'timeout', 'no final head in time', ['head'], 'I', ['maybe'], ['UT'], 'headersTimeout'),
  row('FB_BODY_TIMEOUT', 'timeout', 'gap in the body too long', ['body'], 'N', ['no'], ['UT'], 'bodyIdleTimeout'),
  row(
    'FB_WRITE_TIMEOUT',
    'timeout',
    'peer does not take our body',
    ['send'],
    'I',
    ['maybe'],
    ['UT'],
    'bodyIdleTimeout',
  ),
  row(
    'FB_TRY_TIMEOUT',
    'timeout',
    'per-try limit',
    ['send', 'head', 'body'],
    'I; N in body',
    ['maybe', 'no'],
    ['UT'],
    null,
  ),
  row(
    'FB_TRY_IDLE_TIMEOUT',
    'timeout',
    'per-try idle limit',
    ['send', 'head', 'body'],
    'I; N in body',
    ['maybe', 'no'],
    ['UT'],
    null,
  ),
  row(
    'FB_STREAM_DURATION',
    'timeout',
    'max stream duration',
    ['send', 'head', 'body'],
    'I; N in body',
    ['maybe', 'no'],
    ['UMSDR'],
    null,
  ),
  row(
    'FB_DEADLINE_EXCEEDED',
    'timeout',
    'total limit of the request, its deadline',
    ANY,
    'S unsent, I sent; N in body',
    ['yes', 'maybe', 'no'],
    ['UT'],
    null,
  ),
  row('FB_ABORTED', 'closed', 'caller cancelled', ANY, 'N', ['no'], ['DC'], null),
  row(
    'FB_REQUEST_BODY_FAILED',
    'body',
    "caller's body threw or had the wrong length",
    ['send'],
    'N',
    ['no'],
    ['DR'],
    null,
  ),
  row('FB_INTERNAL', 'internal', 'a defect of ours, caught', ANY, 'I', ['maybe'], ['LR'], null),
]

const BY_CODE: ReadonlyMap<string, CodeEntry> = new Map(CODES.map(entry => [entry.code, entry]))

/** The row of `code`. */
export function codeEntry(code: ErrorCode): CodeEntry {
  const entry = BY_CODE.get(code)
  if (entry === undefined) throw new TypeError(`${String(code)} is no code of Forebay`)
  return entry
}
