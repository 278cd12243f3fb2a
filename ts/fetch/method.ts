// The method of a fetch: checked and normalised as the Fetch standard says.
//
// Used by `call.ts`.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Six methods are found in any case; others are sent as they are written. */
export function readMethod(value: unknown): string {
  const method = `${value}`
  switch (method) {
    case 'GET':
    case 'POST':
    case 'PUT':
    case 'DELETE':
    case 'HEAD':
    case 'OPTIONS':
    case 'PATCH':
      return method
  }
  if (!TOKEN.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`)
  const upper = method.toUpperCase()
  switch (upper) {
    case 'CONNECT':
    case 'TRACE':
    case 'TRACK':
      throw new TypeError(`'${method}' HTTP method is unsupported.`)
    case 'GET':
    case 'POST':
    case 'PUT':
    case 'DELETE':
    case 'HEAD':
    case 'OPTIONS':
      return upper
    default:
      return method
  }
}
