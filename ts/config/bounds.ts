// The `bounds` option, parsed.
//
// Used by `parse.ts`. Not here: holding requests (`request/`) and responses (the transport) to them.

import * as defaults from './defaults.js'
import type { BoundsConfig } from './parsed.js'
import { fieldsOf, readWhole } from './read.js'

export function parseBounds(value: unknown): BoundsConfig {
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
