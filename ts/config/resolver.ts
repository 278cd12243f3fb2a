// The `resolver` option, parsed.
//
// Used by `parse.ts`. Not here: looking up (`pool/resolver.ts`).

import * as defaults from './defaults.js'
import type { Lookup } from './options.js'
import type { ResolverConfig } from './parsed.js'
import { fieldsOf, readBoolean, readMs, readMsOrOff, refusal } from './read.js'

export function parseResolver(value: unknown): ResolverConfig {
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
