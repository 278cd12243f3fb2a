// Reads one option: checks it, gives its parsed value or the default, or a `ConfigError` with path, value and range.
//
// Promise: only own properties count, each is read once, nothing is kept that the caller could change later.
// Used by `parse.ts` and its parts. Not here: which options there are.

import { ConfigError } from '../errors/errors.js'
import { MAX_COUNT, MAX_MS } from './defaults.js'

/** The own, enumerable fields of an object that a user gave, read once. */
export type Fields = Readonly<Record<string, unknown>>

const NO_FIELDS: Fields = Object.freeze(Object.create(null))

/** The fields of `value`, of which only `known` are allowed. `undefined` has none. */
export function fieldsOf(path: string, value: unknown, known: readonly string[]): Fields {
  if (value === undefined) return NO_FIELDS
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(path, 'an object', value)
  const fields: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new ConfigError(joined(path, key), `unknown option; known here: ${known.join(', ')}`)
    }
    fields[key] = Reflect.get(value, key)
  }
  return fields
}

/** `path.key`, or `key` at the top. */
export function joined(path: string, key: string): string {
  return path === '' || path === 'options' ? key : `${path}.${key}`
}

/** A duration in ms; 0 and `Infinity` mean off and give 0, where `min` is 0. */
export function readMs(path: string, value: unknown, fallback: number, min = 0): number {
  if (value === undefined) return fallback
  if (min === 0 && value === Number.POSITIVE_INFINITY) return 0
  if (isWhole(value, min, MAX_MS)) return value + 0
  throw refusal(path, `a whole number of ms from ${min} to ${MAX_MS}${min === 0 ? ', or Infinity' : ''}`, value)
}

/** A duration in ms that is off at 0 and `Infinity`, else at least `min`. */
export function readMsOrOff(path: string, value: unknown, fallback: number, min: number): number {
  if (value === undefined) return fallback
  if (value === Number.POSITIVE_INFINITY || value === 0) return 0
  if (isWhole(value, min, MAX_MS)) return value
  throw refusal(path, `0, Infinity, or a whole number of ms from ${min} to ${MAX_MS}`, value)
}

/** A limit: 0 is none, `Infinity` unlimited. */
export function readLimit(path: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (value === Number.POSITIVE_INFINITY || isWhole(value, 0, MAX_COUNT)) return value + 0
  throw refusal(path, `a whole number from 0 to ${MAX_COUNT}, or Infinity`, value)
}

/** A whole number in a range. */
export function readWhole(path: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (isWhole(value, min, max)) return value + 0
  throw refusal(path, `a whole number from ${min} to ${max}`, value)
}

/** A number in a range. */
export function readNumber(path: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && value >= min && value <= max) return value + 0
  throw refusal(path, `a number from ${min} to ${max}`, value)
}

/** One of a few words. */
export function readChoice<const T extends string>(
  path: string,
  value: unknown,
  fallback: T,
  choices: readonly T[],
): T {
  if (value === undefined) return fallback
  for (const choice of choices) if (choice === value) return choice
  throw refusal(path, `one of ${choices.map(choice => `'${choice}'`).join(', ')}`, value)
}

export function readBoolean(path: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value === 'boolean') return value
  throw refusal(path, 'true or false', value)
}

/** A non-empty text without control characters, of at most `max` characters. */
export function readText(path: string, value: unknown, max: number): string {
  if (typeof value === 'string' && value.length >= 1 && value.length <= max && !hasControls(value)) return value
  throw refusal(path, `a text of 1 to ${max} characters without control characters`, value)
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit === 0x7f) return true
  }
  return false
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
}

/** The error for a value out of its range. */
export function refusal(path: string, expected: string, value: unknown): ConfigError {
  return new ConfigError(path, `expected ${expected}, got ${shown(value)}`)
}

/** Longest text of the user that an error repeats, in characters. A guess. */
const SHOWN_LENGTH = 64

/** A short form of any value; never calls its code. */
function shown(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const text = JSON.stringify(value.slice(0, SHOWN_LENGTH))
      return value.length > SHOWN_LENGTH ? `${text}...` : text
    }
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? 'an array' : 'an object'
    case 'boolean':
    case 'undefined':
      return String(value)
    default:
      return `a ${typeof value}`
  }
}
