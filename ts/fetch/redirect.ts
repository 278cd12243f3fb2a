// What a redirect makes of a call. Source: Fetch standard, HTTP-redirect fetch.
//
// Promise: at most `MAX_REDIRECTS`; a body that cannot be sent again is not; credentials do not leave their origin.
// Used by `fetch.ts`. Not here: who serves the next origin.

import type { PoolResponse } from '../response/response.js'
import type { FetchCall } from './call.js'
import { locateUrl } from './locate.js'

/** Redirects that one call follows. Source: Fetch standard. */
export const MAX_REDIRECTS = 20

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308
}

/** Fields that describe a body. Source: Fetch standard, request-body-header name, and the length, which callers may give here. */
const BODY_FIELDS = ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']
/** Fields that are for one origin. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie']

/** Changes `call` to what `response` asks for; false where that says no place. Throws why it cannot be followed. */
export function follow(call: FetchCall, response: PoolResponse, count: number): boolean {
  const field = response.headers.get('location')
  if (field === null) return false
  const { status } = response
  const before = call.location
  const url = new URL(utf8(field), before.origin + before.path)
  if (url.username !== '' || url.password !== '') throw new Error('the place has a user or a password')
  const location = locateUrl(url)
  if (count >= MAX_REDIRECTS) throw new Error('redirect count exceeded')
  if (status !== 303 && call.body !== null && !call.body.again) {
    throw new Error(`a stream cannot be sent again after a ${status}`)
  }
  const isPost = call.method === 'POST'
  const isRead = call.method === 'GET' || call.method === 'HEAD'
  if (((status === 301 || status === 302) && isPost) || (status === 303 && !isRead)) {
    call.method = 'GET'
    call.body = null
    call.fields.remove(BODY_FIELDS)
  }
  if (location.origin !== before.origin) {
    call.fields.remove(CREDENTIALS)
    // The name that the one was to be called by is not the other's.
    if (call.extra.authority !== undefined) call.extra = { ...call.extra, authority: undefined }
  }
  call.location = location
  return true
}

/** Fields come as latin1; a place beyond ASCII is UTF-8. */
function utf8(field: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII, in which latin1 and UTF-8 agree.
  return /^[\x00-\x7f]*$/.test(field) ? field : Buffer.from(field, 'latin1').toString('utf8')
}
