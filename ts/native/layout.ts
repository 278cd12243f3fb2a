// Generated from crates/forebay-napi/src/record.rs by npm run layout. Do not edit.

/** Words that every record has; the unit is the word. */
export const word = {
  /** Length of the record in bytes, a multiple of 4. */
  LENGTH: 0,
  /** Kind (low 8 bits) and flags (above). */
  KIND: 1,
  /** Request, pool or connection that the record is about. */
  SUBJECT: 2,
} as const

/** Kinds of submission, JavaScript to native. */
export const submitKind = {
  /** A request: head, and the body or its first part. */
  REQUEST: 1,
  /** A further part of the body of a request. */
  BODY: 2,
  /** The caller no longer wants the answer. The request still ends with exactly one terminal record. */
  CANCEL: 3,
  /** The reader took bytes of the response body: as many more may be sent. */
  CREDIT: 4,
  /** No new work for this pool; `POOL_CLOSED` follows when all is done. */
  POOL_CLOSE: 5,
  /** Everything of this pool fails now; `POOL_CLOSED` follows. */
  POOL_DESTROY: 6,
} as const

/** Words of `REQUEST` after the common ones; then the bytes of method, path, head, body, one after another. */
export const request = {
  /** Pool. */
  POOL: 3,
  /** Bytes of the method. */
  METHOD_LENGTH: 4,
  /** Bytes of the path. */
  PATH_LENGTH: 5,
  /** Bytes of the head: `name NUL value NUL` for each field, in latin1. */
  HEAD_LENGTH: 6,
  /** Bytes of the body that are in this record. */
  BODY_LENGTH: 7,
  /** Bytes of the body as a whole; `BODY_NONE` where there is no body. */
  BODY_TOTAL: 8,
  /** Bytes of response body that native code may send before `CREDIT`. */
  CREDIT: 9,
  /** Where the bytes begin, in words. */
  WORDS: 10,
} as const

/** Flags of `REQUEST`. */
export const requestFlag = {
  /** Priority `high`. */
  HIGH: 1,
  /** May be sent again although the upstream may have acted on it. */
  IDEMPOTENT: 2,
} as const

/** Numbers with a meaning of their own. */
export const special = {
  /** `BODY_TOTAL` of a request without a body. */
  BODY_NONE: 4294967295,
} as const

/** Words of `BODY` after the common ones; then the bytes. */
export const body = {
  /** Bytes in this record. */
  LENGTH: 3,
  /** Where the bytes begin, in words. */
  WORDS: 4,
} as const

/** Words of `CREDIT` after the common ones. */
export const credit = {
  /** Bytes granted in addition. */
  BYTES: 3,
  /** Length of the record in words. */
  WORDS: 4,
} as const

/** Words of `CANCEL`, `POOL_CLOSE` and `POOL_DESTROY`. */
export const plain = {
  /** Length of the record in words. */
  WORDS: 3,
} as const

/** Kinds of delivery, native to JavaScript. `RESPONSE` with `COMPLETE`, `END` and `FAIL` are terminal: the number is free. */
export const deliverKind = {
  /** Head of a response, with its whole body where `COMPLETE` is set. */
  RESPONSE: 1,
  /** A part of the body. */
  DATA: 2,
  /** The body is whole. */
  END: 3,
  /** The request failed. */
  FAIL: 4,
  /** The pool has closed: nothing about it follows. */
  POOL_CLOSED: 5,
  /** A connection can be used. Precedes the responses that name it. */
  CONNECTED: 6,
  /** A connection is gone. */
  DISCONNECTED: 7,
  /** A connection takes no new requests any more. */
  DRAINING: 8,
  /** A limit refused something. The subject is the pool. */
  OVERFLOW: 9,
} as const

/** Words of `RESPONSE` after the common ones; then the bytes of head and body. */
export const response = {
  /** Status. */
  STATUS: 3,
  /** Connection, as `CONNECTED` named it. */
  CONNECTION: 4,
  /** Bytes of the head: reason NUL, then `name NUL value NUL` for each field, in latin1. */
  HEAD_LENGTH: 5,
  /** Bytes of the body in this record; 0 without `COMPLETE`. */
  BODY_LENGTH: 6,
  /** Microseconds from submission until a connection was bound. */
  QUEUE_MICROS: 7,
  /** Microseconds from then until the head was parsed. */
  HEAD_MICROS: 8,
  /** Length of the body by `content-length`, where known; else `BODY_NONE`. */
  BODY_TOTAL: 9,
  /** Where the bytes begin, in words. */
  WORDS: 10,
} as const

/** Flags of `RESPONSE`. */
export const responseFlag = {
  /** The body is in this record: terminal. */
  COMPLETE: 1,
  /** The connection had answered before. */
  REUSED: 2,
} as const

/** Words of `DATA` after the common ones; then the bytes. */
export const data = {
  /** Bytes. */
  LENGTH: 3,
  /** Where the bytes begin, in words. */
  WORDS: 4,
} as const

/** Words of `END` and `POOL_CLOSED`. */
export const end = {
  /** Length of the record in words. */
  WORDS: 3,
} as const

/** Words of `FAIL` after the common ones; then the bytes of text and endpoint, UTF-8. */
export const fail = {
  /** Index into the list of codes, which is in the order of `ts/errors/codes.ts`. */
  CODE: 3,
  /** Index into `no`, `maybe`, `yes`: whether another try is safe. */
  RETRYABLE: 4,
  /** Index into the list of phases. */
  PHASE: 5,
  /** Connection, or 0. */
  CONNECTION: 6,
  /** A number that belongs to the code: the limit that was met, the time-out in ms; else 0. */
  NUMBER: 7,
  /** Bytes of the text. */
  TEXT_LENGTH: 8,
  /** Bytes of the endpoint, `address:port`; 0 where none was reached. */
  ENDPOINT_LENGTH: 9,
  /** Where the bytes begin, in words. */
  WORDS: 10,
} as const

/** Flags of `FAIL`. */
export const failFlag = {
  /** The connection had answered before. */
  REUSED: 1,
} as const

/** Words of `CONNECTED` after the common ones (the subject is the connection); then the bytes of the address, UTF-8. */
export const connected = {
  /** Pool. */
  POOL: 3,
  /** 0 for `h1`, 1 for `h2`, 2 for `h3`. */
  PROTOCOL: 4,
  /** Port of the peer; 0 on a Unix socket. */
  PORT: 5,
  /** Microseconds until the transport was there. */
  CONNECT_MICROS: 6,
  /** Microseconds of the TLS handshake, 0 without. */
  TLS_MICROS: 7,
  /** Bytes of the address. */
  ADDRESS_LENGTH: 8,
  /** Where the bytes begin, in words. */
  WORDS: 9,
} as const

/** Words of `DISCONNECTED` after the common ones. */
export const disconnected = {
  /** Pool. */
  POOL: 3,
  /** Index into the list of codes plus one; 0: closed in order. */
  CODE: 4,
  /** Length of the record in words. */
  WORDS: 5,
} as const

/** Words of `DRAINING` after the common ones (the subject is the connection). */
export const draining = {
  /** Pool. */
  POOL: 3,
  /** 0 goaway, 1 max-duration, 2 max-requests, 3 close-header, 4 keep-alive-hint, 5 manual, 6 address-gone, 7 unhealthy, 8 local-errors. */
  REASON: 4,
  /** Length of the record in words. */
  WORDS: 5,
} as const

/** Words of `OVERFLOW` after the common ones. */
export const overflow = {
  /** 0 `default`, 1 `high`. */
  PRIORITY: 3,
  /** 0 maxConnections, 1 maxPendingRequests, 2 maxRequests, 3 maxRetries, 4 maxConnectionPools, 5 shed. */
  LIMIT: 4,
  /** How often in this turn. */
  COUNT: 5,
  /** Length of the record in words. */
  WORDS: 6,
} as const
