// The `referer` that a fetch sends: only where the caller gave a referrer, as a server has no page that it comes from.
//
// Used by `call.ts`. Source: Referrer Policy, section 8.3.

/** Null where none is sent. `url` is where the request goes. */
export function refererOf(referrer: string, policy: string, url: string): string | null {
  if (referrer === '' || referrer === 'about:client') return null
  const from = new URL(referrer)
  if (from.protocol !== 'http:' && from.protocol !== 'https:') return null
  const to = new URL(url)
  from.username = ''
  from.password = ''
  from.hash = ''
  const whole = from.href
  const origin = `${from.origin}/`
  const isSame = from.origin === to.origin
  const isWeaker = isTrustworthy(from) && !isTrustworthy(to)
  switch (policy) {
    case 'no-referrer':
      return null
    case 'origin':
      return origin
    case 'unsafe-url':
      return whole
    case 'same-origin':
      return isSame ? whole : null
    case 'origin-when-cross-origin':
      return isSame ? whole : origin
    case 'strict-origin':
      return isWeaker ? null : origin
    case 'no-referrer-when-downgrade':
      return isWeaker ? null : whole
    default:
      if (isSame) return whole
      return isWeaker ? null : origin
  }
}

/** Source: Secure Contexts, section 3.1. */
function isTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}
