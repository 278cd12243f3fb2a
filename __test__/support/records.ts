// Writes deliveries and reads submissions by the layout alone, so that tests hold `ts/native` against something it did not write.

import {
  body,
  bodyFlag,
  connected,
  counted,
  credit,
  data,
  dataFlag,
  deliverKind,
  disconnected,
  draining,
  end,
  fail,
  failFlag,
  gateFlag,
  informational,
  overflow,
  replayed,
  request,
  requestFlag,
  requestRetry,
  requestTimeouts,
  response,
  responseFlag,
  retryFlag,
  special,
  submitKind,
  taken,
  word,
} from '../../ts/native/layout.js'

/** A submission, read. */
export type Submission =
  | {
      readonly type: 'request'
      readonly id: number
      readonly pool: number
      readonly method: string
      readonly path: string
      /** `name NUL value NUL` for each field. */
      readonly head: string
      readonly fields: readonly (readonly [name: string, value: string])[]
      readonly body: Uint8Array
      /** Null: no body. */
      readonly bodyTotal: number | null
      readonly grant: number
      readonly high: boolean
      readonly idempotent: boolean
      /** Flags beyond those two. */
      readonly flags: number
      /** In the order of the layout; null: no section. */
      readonly timeouts: readonly number[] | null
      /** The wait before a retry in ms; null: it is none. */
      readonly backoff: number | null
    }
  | {
      readonly type: 'body'
      readonly id: number
      readonly bytes: Uint8Array
      readonly ends: boolean
      readonly fails: boolean
      readonly trailers: string
    }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'pool-close'; readonly id: number }
  | { readonly type: 'pool-destroy'; readonly id: number }
  | { readonly type: 'counted'; readonly id: number; readonly what: number }
  | { readonly type: 'gate'; readonly id: number; readonly shut: boolean }
  | { readonly type: 'pool-drain'; readonly id: number }
  | { readonly type: 'credit'; readonly id: number; readonly bytes: number }

/** A long body, which comes beside the records. */
export type Given = { readonly request: number; readonly body: Uint8Array }

/** Every record of `[0, length)`, long bodies from `given`. Throws where the layout is broken. */
export function readSubmissions(bytes: Uint8Array, length: number, given: Given[] = []): Submission[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  const submissions: Submission[] = []
  let at = 0
  while (at < length) {
    const get = (index: number): number => view.getUint32(at + index * 4, true)
    const size = get(word.LENGTH)
    if (size % 4 !== 0 || size < 12 || at + size > length) throw new Error(`a record of ${size} at ${at} of ${length}`)
    submissions.push(readSubmission(bytes.subarray(at, at + size), get, given))
    at += size
  }
  if (given.length > 0) throw new Error('a body without its request')
  return submissions
}

function takeGiven(given: Given[], id: number): Uint8Array {
  const next = given.shift()
  if (next?.request !== id) throw new Error(`the body of request ${id} was not given in turn`)
  return next.body
}

function readSubmission(bytes: Uint8Array, get: (index: number) => number, given: Given[]): Submission {
  const id = get(word.SUBJECT)
  const kind = get(word.KIND) & 0xff
  const flags = get(word.KIND) >>> 8
  switch (kind) {
    case submitKind.REQUEST: {
      let from = request.WORDS * 4
      let timeouts: number[] | null = null
      if ((flags & requestFlag.TIMEOUTS) !== 0) {
        timeouts = Array.from({ length: requestTimeouts.WORDS }, (_, index) => get(request.WORDS + index))
        from += requestTimeouts.WORDS * 4
      }
      let backoff: number | null = null
      if ((flags & requestFlag.RETRY) !== 0) {
        backoff = get(from / 4 + requestRetry.BACKOFF)
        from += requestRetry.WORDS * 4
      }
      const take = (count: number): Uint8Array => {
        if (from + count > bytes.length) throw new Error('a part reaches beyond its record')
        const part = bytes.slice(from, from + count)
        from += count
        return part
      }
      const method = latin1(take(get(request.METHOD_LENGTH)))
      const path = latin1(take(get(request.PATH_LENGTH)))
      const head = latin1(take(get(request.HEAD_LENGTH)))
      const content = (flags & requestFlag.GIVEN) === 0 ? take(get(request.BODY_LENGTH)) : takeGiven(given, id)
      if (bytes.length - from > 3) throw new Error('more padding than needed')
      const total = get(request.BODY_TOTAL)
      return {
        type: 'request',
        id,
        pool: get(request.POOL),
        method,
        path,
        head,
        fields: fieldsOf(head),
        body: content,
        bodyTotal: total === special.BODY_NONE ? null : total,
        grant: get(request.CREDIT),
        high: (flags & requestFlag.HIGH) !== 0,
        idempotent: (flags & requestFlag.IDEMPOTENT) !== 0,
        flags: flags & ~(requestFlag.HIGH | requestFlag.IDEMPOTENT | requestFlag.GIVEN),
        timeouts,
        backoff,
      }
    }
    case submitKind.BODY: {
      const from = body.WORDS * 4
      const to = from + get(body.LENGTH)
      const trailersTo = to + get(body.TRAILERS_LENGTH)
      if (trailersTo > bytes.length || bytes.length - trailersTo > 3)
        throw new Error('a part reaches beyond its record')
      return {
        type: 'body',
        id,
        bytes: bytes.slice(from, to),
        ends: (flags & bodyFlag.END) !== 0,
        fails: (flags & bodyFlag.FAIL) !== 0,
        trailers: latin1(bytes.slice(to, trailersTo)),
      }
    }
    case submitKind.CREDIT:
      return { type: 'credit', id, bytes: get(credit.BYTES) }
    case submitKind.GATE:
      return { type: 'gate', id, shut: (flags & gateFlag.SHUT) !== 0 }
    case submitKind.COUNTED:
      if (bytes.length !== counted.WORDS * 4) throw new Error('COUNTED has another length')
      return { type: 'counted', id, what: get(counted.WHAT) }
    case submitKind.CANCEL:
      return { type: 'cancel', id }
    case submitKind.POOL_CLOSE:
      return { type: 'pool-close', id }
    case submitKind.POOL_DESTROY:
      return { type: 'pool-destroy', id }
    case submitKind.POOL_DRAIN:
      return { type: 'pool-drain', id }
    default:
      throw new Error(`unknown kind ${kind}`)
  }
}

function fieldsOf(head: string): [string, string][] {
  const parts = head.split('\0')
  if (parts.pop() !== '' || parts.length % 2 !== 0) throw new Error('a head is not made of pairs')
  const fields: [string, string][] = []
  for (let i = 0; i < parts.length; i += 2) fields.push([parts[i] ?? '', parts[i + 1] ?? ''])
  return fields
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** A record of words, then bytes. */
export function record(
  kind: number,
  flags: number,
  words: readonly number[],
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const content = Buffer.concat(parts)
  const head = (words.length + 2) * 4
  const bytes = new Uint8Array((head + content.length + 3) & ~3)
  const view = new DataView(bytes.buffer)
  for (const [index, value] of [bytes.length, kind | (flags << 8), ...words].entries()) {
    view.setUint32(index * 4, value, true)
  }
  bytes.set(content, head)
  return bytes
}

const NO_BYTES = new Uint8Array(0)

/** A head, `reason NUL name NUL value NUL ...`. */
export function headBytes(reason: string, fields: readonly (readonly [string, string])[]): Uint8Array {
  return Buffer.concat([Buffer.from(`${reason}\0`, 'latin1'), fieldBytes(fields)])
}

/** `name NUL value NUL` for each. */
export function fieldBytes(fields: readonly (readonly [string, string])[]): Uint8Array {
  return Buffer.from(fields.map(([name, value]) => `${name}\0${value}\0`).join(''), 'latin1')
}

export function responseRecord(
  id: number,
  options: {
    readonly status?: number
    readonly connection?: number
    readonly reason?: string
    readonly fields?: readonly (readonly [string, string])[]
    /** Undefined: it follows in parts. */
    readonly body?: Uint8Array | string
    readonly bodyTotal?: number
    readonly reused?: boolean
    readonly queueMicros?: number
    readonly headMicros?: number
    readonly tunnel?: boolean
  } = {},
): Uint8Array {
  const head = headBytes(options.reason ?? 'OK', options.fields ?? [])
  const content = options.body === undefined ? NO_BYTES : Buffer.from(options.body)
  const flags =
    (options.body === undefined ? 0 : responseFlag.COMPLETE) |
    (options.reused === true ? responseFlag.REUSED : 0) |
    (options.tunnel === true ? responseFlag.TUNNEL : 0)
  const words = [
    id,
    options.status ?? 200,
    options.connection ?? 1,
    head.length,
    content.length,
    options.queueMicros ?? 0,
    options.headMicros ?? 0,
    options.bodyTotal ?? (options.body === undefined ? special.BODY_NONE : content.length),
  ]
  if (words.length !== response.WORDS - 2) throw new Error('the layout of RESPONSE has changed')
  return record(deliverKind.RESPONSE, flags, words, head, content)
}

export function dataRecord(id: number, bytes: Uint8Array): Uint8Array {
  if (data.WORDS !== 4) throw new Error('the layout of DATA has changed')
  return record(deliverKind.DATA, 0, [id, bytes.length], bytes)
}

/** A part of a body that is where its reader wanted it. */
export function directRecord(id: number, length: number): Uint8Array {
  return record(deliverKind.DATA, dataFlag.DIRECT, [id, length])
}

export function endRecord(id: number, trailers: readonly (readonly [string, string])[] = []): Uint8Array {
  if (end.WORDS !== 4) throw new Error('the layout of END has changed')
  const bytes = fieldBytes(trailers)
  return record(deliverKind.END, 0, [id, bytes.length], bytes)
}

export function takenRecord(id: number, bytes: number): Uint8Array {
  if (taken.WORDS !== 4) throw new Error('the layout of TAKEN has changed')
  return record(deliverKind.TAKEN, 0, [id, bytes])
}

export function informationalRecord(
  id: number,
  status: number,
  fields: readonly (readonly [string, string])[],
): Uint8Array {
  if (informational.WORDS !== 5) throw new Error('the layout of INFORMATIONAL has changed')
  const bytes = headBytes('', fields)
  return record(deliverKind.INFORMATIONAL, 0, [id, status, bytes.length], bytes)
}

export function peerEndedRecord(id: number): Uint8Array {
  return record(deliverKind.PEER_ENDED, 0, [id])
}

export function stoppedRecord(id: number): Uint8Array {
  return record(deliverKind.STOPPED, 0, [id])
}

export function retryRecord(id: number, granted: boolean): Uint8Array {
  return record(deliverKind.RETRY, granted ? retryFlag.GRANTED : 0, [id])
}

export function replayedRecord(id: number, code: number, connection: number, micros: number): Uint8Array {
  if (replayed.WORDS !== 6) throw new Error('the layout of REPLAYED has changed')
  return record(deliverKind.REPLAYED, 0, [id, code, connection, micros])
}

export function failRecord(
  id: number,
  options: {
    readonly code: number
    readonly retryable?: number
    readonly phase?: number
    readonly connection?: number
    readonly number?: number
    readonly text?: string
    readonly endpoint?: string
    readonly reused?: boolean
  },
): Uint8Array {
  const text = Buffer.from(options.text ?? '')
  const endpoint = Buffer.from(options.endpoint ?? '')
  const { code, retryable = 0, phase = 0, connection = 0, number = 0 } = options
  const words = [id, code, retryable, phase, connection, number, text.length, endpoint.length]
  if (words.length !== fail.WORDS - 2) throw new Error('the layout of FAIL has changed')
  return record(deliverKind.FAIL, options.reused === true ? failFlag.REUSED : 0, words, text, endpoint)
}

export function connectedRecord(
  connection: number,
  pool: number,
  address = '127.0.0.1',
  port = 80,
  micros: readonly [connect: number, tls: number] = [0, 0],
): Uint8Array {
  const bytes = Buffer.from(address)
  const words = [connection, pool, 0, port, ...micros, bytes.length]
  if (words.length !== connected.WORDS - 2) throw new Error('the layout of CONNECTED has changed')
  return record(deliverKind.CONNECTED, 0, words, bytes)
}

export function disconnectedRecord(connection: number, pool: number, code = 0): Uint8Array {
  if (disconnected.WORDS !== 5) throw new Error('the layout of DISCONNECTED has changed')
  return record(deliverKind.DISCONNECTED, 0, [connection, pool, code])
}

export function drainingRecord(connection: number, pool: number, reason: number): Uint8Array {
  if (draining.WORDS !== 5) throw new Error('the layout of DRAINING has changed')
  return record(deliverKind.DRAINING, 0, [connection, pool, reason])
}

export function overflowRecord(pool: number, priority: number, limit: number, count: number): Uint8Array {
  if (overflow.WORDS !== 6) throw new Error('the layout of OVERFLOW has changed')
  return record(deliverKind.OVERFLOW, 0, [pool, priority, limit, count])
}

export function poolClosedRecord(pool: number): Uint8Array {
  return record(deliverKind.POOL_CLOSED, 0, [pool])
}
