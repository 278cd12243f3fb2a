// The public names, one by one. Defines nothing.

export { type ConsecutiveOptions, consecutiveFailures } from './breaker/consecutive.js'
export type { OpenOptions } from './breaker/opening.js'
export { type SamplingOptions, sampling } from './breaker/sampling.js'
export type { AgentOptions } from './config/agent.js'
export type { BreakerPolicy, BreakerState } from './config/breaker.js'
export type {
  Bounds,
  ConnectionOptions,
  Http2Options,
  Http3Options,
  Limits,
  LimitsOptions,
  Lookup,
  LookupAddress,
  PoolOptions,
  RequestTimeouts,
  ResolverOptions,
  RetryBudget,
  TlsOptions,
} from './config/options.js'
export type {
  BoundsConfig,
  ConnectionConfig,
  Http2Config,
  Http3Config,
  LimitsConfig,
  PingConfig,
  PoolConfig,
  PoolLimitsConfig,
  PoolProtocol,
  ResolverConfig,
  RetryBudgetConfig,
} from './config/parsed.js'
export type { RetryCondition, RetryConfig, RetryContext, RetryOptions } from './config/retry.js'
export type { TlsConfig } from './config/tls.js'
export type { Attempt, Priority, Protocol } from './errors/attempt.js'
export type { ErrorCode, ErrorKind, Flag, Phase, Retryable } from './errors/codes.js'
export {
  BodyError,
  BreakerError,
  ClosedError,
  ConfigError,
  ConnectError,
  ForebayError,
  InternalError,
  type LimitName,
  OverflowError,
  ProtocolError,
  RequestError,
  ResetError,
  TimeoutError,
  UnavailableError,
} from './errors/errors.js'
export type { Outcome } from './errors/outcome.js'
export type { FetchInit, FetchOptions } from './fetch/call.js'
export { exchangeOf } from './fetch/fetch.js'
export { Agent, type AgentRequestOptions } from './pool/agent.js'
export { Pool } from './pool/origin-pool.js'
export type { StreamResult, StreamSink } from './pool/pipe.js'
export type { AbstractPool, CloseOptions, DrainReason, PoolEvents } from './pool/pool.js'
export type { GaugeName, Histogram, HistogramName, LimitGauge, PoolStats, StatName } from './pool/stats.js'
export type { BodyInput } from './request/body.js'
export type { ConnectOptions, ConnectTunnelOptions, ConnectUpgradeOptions } from './request/connect.js'
export type { HeadersInput, HeaderValue } from './request/headers.js'
export type { QueryInput } from './request/query.js'
export type { ExchangeOptions, InformationalHead, RequestOptions } from './request/request.js'
export type { BodyStream } from './request/stream-source.js'
export type { DiscardOptions, ResponseBody } from './response/body.js'
export type { ConnectionInfo } from './response/connection.js'
export type { HeaderMap } from './response/headers.js'
export type { PoolResponse, ResponseHead, Timings } from './response/response.js'
