// One call of fetch: its arguments, read once, and where it stands after redirects.
//
// Promise: what the platform's fetch refuses is refused with a TypeError, before anything is sent; a call without `init` costs next to
// nothing. Used by `fetch.ts`, `redirect.ts`. Not here: sending (`fetch.ts`), what a redirect changes (`redirect.ts`).

import { RequestError } from '../errors/errors.js'
import { withQuery } from '../request/query.js'
import type { ExchangeOptions, RequestOptions } from '../request/request.js'
import { acceptable } from '../response/codings.js'
import { type FetchBody, readFetchBody } from './body.js'
import { Fields } from './fields.js'
import { cacheFields, NO_RARE, type RareMembers, readRare } from './init.js'
import { type Location, locate } from './locate.js'
import { readMethod } from './method.js'
import { refererOf } from './referrer.js'
import { readRequestBody } from './request-body.js'

/** Options of Forebay beside those of the platform: all of a request that `RequestInit` has no word for. */
export type FetchOptions = Omit<ExchangeOptions, keyof RequestInit | 'decompress'>

/** What a fetch takes. */
export type FetchInit = RequestInit & { readonly forebay?: FetchOptions | undefined }

/** See above. */
export interface FetchCall {
  location: Location
  method: string
  readonly fields: Fields
  body: FetchBody | null
  readonly signal: AbortSignal | null
  /** The signal of a `Request` follows that of its maker only as long as the `Request` is there: it is kept. */
  readonly request: object | null
  readonly redirect: 'follow' | 'error' | 'manual'
  readonly rare: RareMembers
  extra: FetchOptions
}

const NO_OPTIONS: FetchOptions = Object.freeze({})

/** Reads the arguments; `base` is the origin that paths are relative to. A promise where the body of a `Request` has to be begun. */
export function readCall(input: unknown, init: unknown, base: string | null): FetchCall | Promise<FetchCall> {
  if (init === undefined || init === null) {
    if (typeof input === 'string') return plainCall(locate(input, base))
    if (input instanceof URL) return plainCall(locate(input.href, base))
  } else if (typeof init !== 'object') {
    throw new TypeError('init: expected an object')
  }
  const request = isRequest(input) ? input : null
  const location = locate(request === null ? `${input}` : request.url, base)
  return readInit(location, request, init ?? NO_OPTIONS)
}

function plainCall(location: Location): FetchCall {
  return {
    location,
    method: 'GET',
    fields: Fields.empty(),
    body: null,
    signal: null,
    request: null,
    redirect: 'follow',
    rare: NO_RARE,
    extra: NO_OPTIONS,
  }
}

/** What of a `Request`, of whatever make, is read. */
interface RequestLike {
  readonly url: string
  readonly method: string
  readonly headers?: unknown
  readonly body?: unknown
  readonly bodyUsed?: unknown
  readonly signal?: unknown
  readonly redirect?: unknown
}

function isRequest(input: unknown): input is RequestLike {
  return (
    typeof input === 'object' &&
    input !== null &&
    typeOf(input, 'url') === 'string' &&
    typeOf(input, 'method') === 'string'
  )
}

function typeOf(object: object, name: string): string {
  return typeof Reflect.get(object, name)
}

function readInit(location: Location, request: RequestLike | null, init: object): FetchCall | Promise<FetchCall> {
  const given = init as { readonly [name in keyof FetchInit]: unknown }
  const method = given.method === undefined ? (request?.method ?? 'GET') : readMethod(given.method)
  const rare = readRare(init, request, location.origin + location.path, method)
  if (rare.integrity !== '') throw new RequestError('integrity', 'is not checked here, so it is refused')
  const redirect = readRedirect(given.redirect === undefined ? request?.redirect : given.redirect)
  const signal = readSignal(given.signal === undefined ? request?.signal : given.signal)
  const extra = readOptions(given.forebay)
  const call: FetchCall = {
    location: extra.query === undefined ? location : { ...location, path: withQuery(location.path, extra.query) },
    method,
    fields: Fields.read(given.headers === undefined ? request?.headers : given.headers),
    body: given.body === undefined || given.body === null ? null : readFetchBody(given.body, given.duplex),
    signal,
    request,
    redirect,
    rare,
    extra,
  }
  const carried = call.body === null && request !== null ? bodyOf(request) : null
  if ((call.body !== null || carried !== null) && (method === 'GET' || method === 'HEAD')) {
    throw new TypeError('Request with GET/HEAD method cannot have body.')
  }
  if (carried === null || signal?.aborted === true) return call
  return readRequestBody(carried).then(body => {
    call.body = body
    return call
  })
}

function bodyOf(request: RequestLike): ReadableStream<Uint8Array> | null {
  if (request.bodyUsed === true) {
    throw new TypeError('Cannot construct a Request with a Request object that has already been used.')
  }
  return request.body instanceof ReadableStream ? request.body : null
}

function readRedirect(value: unknown): FetchCall['redirect'] {
  if (value === undefined) return 'follow'
  if (value === 'follow' || value === 'error' || value === 'manual') return value
  throw new TypeError(`redirect: ${value} is none of follow, error, manual`)
}

function readSignal(value: unknown): AbortSignal | null {
  if (value === undefined || value === null) return null
  if (
    typeof value === 'object' &&
    typeOf(value, 'aborted') === 'boolean' &&
    typeOf(value, 'addEventListener') === 'function' &&
    typeOf(value, 'removeEventListener') === 'function'
  ) {
    return value as AbortSignal
  }
  throw new TypeError('signal: expected an AbortSignal')
}

/** Members of `RequestInit` are not to be said twice, and decoding is not to be turned off. */
const NOT_OPTIONS = ['path', 'method', 'headers', 'body', 'signal', 'decompress'] as const

function readOptions(value: unknown): FetchOptions {
  if (value === undefined || value === null) return NO_OPTIONS
  if (typeof value !== 'object') throw new RequestError('forebay', 'expected an object')
  for (const name of NOT_OPTIONS) {
    if (name in value) throw new RequestError(`forebay.${name}`, 'is no option of fetch')
  }
  return value
}

/** The request that a call makes now. */
export function requestOf(call: FetchCall): RequestOptions {
  const { location, method, body, signal, extra } = call
  const options = { path: location.path, method, headers: fieldsOf(call) }
  // A property more makes another shape: plain calls keep to one.
  if (body === null && signal === null && extra === NO_OPTIONS)
    return lengthTold(method) ? { ...options, body: '' } : options
  return {
    ...extra,
    ...options,
    query: undefined,
    body: body === null ? (lengthTold(method) ? '' : null) : body.body,
    signal: signal ?? undefined,
  }
}

/** Methods whose missing body is told by `content-length: 0`. */
function lengthTold(method: string): boolean {
  return method === 'POST' || method === 'PUT'
}

type Pairs = readonly (readonly [name: string, value: string])[]

const USER_AGENT = ['user-agent', 'forebay'] as const
const ACCEPT = ['accept', '*/*'] as const
/** What a fetch adds, by scheme; made with the first. */
const USUAL: { http: Pairs | null; https: Pairs | null } = { http: null, https: null }

function usualFields(scheme: 'http' | 'https'): Pairs {
  USUAL[scheme] ??= [ACCEPT, USER_AGENT, ['accept-encoding', acceptable(scheme)]]
  return USUAL[scheme]
}

/** The caller's fields, and those that a fetch adds where they are missing. */
function fieldsOf({ location, fields, body, rare }: FetchCall): Pairs {
  const usual = usualFields(location.origin.startsWith('https:') ? 'https' : 'http')
  if (fields.isEmpty && body === null && rare === NO_RARE) return usual
  const added: (readonly [string, string])[] = []
  const contentType = body === null ? '' : body.contentType
  if (contentType !== '' && !fields.has('content-type')) added.push(['content-type', contentType])
  if (rare !== NO_RARE) {
    const referer = refererOf(rare.referrer, rare.referrerPolicy, location.origin + location.path)
    if (referer !== null) added.push(['referer', referer])
    for (const pair of cacheFields(rare.cache)) if (!fields.has(pair[0])) added.push(pair)
  }
  for (const pair of usual) {
    if (fields.has(pair[0])) continue
    // A part of an encoded body could not be decoded.
    added.push(pair[0] === 'accept-encoding' && fields.has('range') ? ['accept-encoding', 'identity'] : pair)
  }
  return fields.with(added)
}
