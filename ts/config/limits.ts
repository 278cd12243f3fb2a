// The `limits` option, parsed.
//
// Used by `parse.ts`. Not here: what a limit does (the core).

import * as defaults from './defaults.js'
import type { LimitsConfig, PoolLimitsConfig } from './parsed.js'
import { type Fields, fieldsOf, joined, readChoice, readLimit, readWhole } from './read.js'

const LIMITS = [
  'maxConnections',
  'maxPendingRequests',
  'maxRequests',
  'onMaxRequests',
  'maxConnectionPools',
  'maxRetries',
  'retryBudget',
] as const

export function parseLimits(value: unknown): PoolLimitsConfig {
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
    ...readRetries(path, fields),
  }
}

/** One of the two holds: the budget where it is set, or nothing is. */
function readRetries(path: string, fields: Fields): Pick<LimitsConfig, 'maxRetries' | 'retryBudget'> {
  const budgetPath = joined(path, 'retryBudget')
  const budget = fieldsOf(budgetPath, fields['retryBudget'], ['percent', 'minConcurrency'])
  const { RETRY_BUDGET_PERCENT, RETRY_BUDGET_MIN } = defaults
  const retryBudget = Object.freeze({
    percent: readWhole(joined(budgetPath, 'percent'), budget['percent'], RETRY_BUDGET_PERCENT, 0, 100),
    minConcurrency: readLimit(joined(budgetPath, 'minConcurrency'), budget['minConcurrency'], RETRY_BUDGET_MIN),
  })
  const maxRetries = readLimit(joined(path, 'maxRetries'), fields['maxRetries'], 0)
  const isCount = fields['maxRetries'] !== undefined && fields['retryBudget'] === undefined
  return isCount ? { maxRetries, retryBudget: null } : { maxRetries: null, retryBudget }
}
