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
  /** A further part of the body of a request, or of what goes into a tunnel. Ignored for a number that is not open. */
  BODY: 2,
  /** The caller no longer wants the answer. The request still ends with exactly one terminal record. */
  CANCEL: 3,
  /** The reader took bytes of the response body: as many more may be sent. */
  CREDIT: 4,
  /** No new work for this pool; `POOL_CLOSED` follows when all is done. */
  POOL_CLOSE: 5,
  /** Everything of this pool fails now; `POOL_CLOSED` follows. */
  POOL_DESTROY: 6,
  /** The breaker's gate of a pool: shut, or open again. */
  GATE: 7,
  /** The connections of this pool take no more requests; new ones are made as needed. */
  POOL_DRAIN: 8,
  /** Something that only policy sees, for the counters of a pool. */
  COUNTED: 9,
} as const

/** Flags of `GATE`. */
export const gateFlag = {
  /** What waits for a connection fails with `FB_BREAKER_OPEN`, and what comes is refused with it. */
  SHUT: 1,
} as const

/** Words of `REQUEST` after the common ones; then, with `TIMEOUTS`, those of `request_timeouts`, and with `RETRY` those of `request_retry`; then the bytes of method, path, head, body, one after another. */
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
  /** Bytes of the body as a whole; `BODY_NONE` where there is no body, or with `STREAM` where its length is not known. */
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
  /** The body is produced while it is sent: it comes in `BODY` records up to one with `END`, none of it in this one. */
  STREAM: 4,
  /** Heads of 1xx are wanted. */
  INFORMATIONAL: 8,
  /** `Expect: 100-continue`: the body waits for 100, at most for the time-out `EXPECT`. */
  EXPECT: 16,
  /** CONNECT: the path is the authority `host:port`. With `STREAM`, for what goes in. */
  TUNNEL: 32,
  /** The first field of the head is `upgrade`: on 101 the connection becomes a tunnel. With `STREAM`, for what goes in. */
  UPGRADE: 64,
  /** The words of `request_timeouts` are there. */
  TIMEOUTS: 128,
  /** Trailers may follow the body; with `STREAM` and no length. */
  TRAILERS: 256,
  /** The body came by `Channel.give`: none of it is in this record. */
  GIVEN: 512,
  /** Another try of a request that failed, if limit or budget allow: `RETRY` says whether. The words of `request_retry` are there. */
  RETRY: 1024,
} as const

/** Words of the section of time-outs, from its begin, each in ms: 0 is off, `POOL_TIMEOUT` what the pool has. */
export const requestTimeouts = {
  /** For a connection. */
  QUEUE: 0,
  /** From the request sent to the final head. */
  HEADERS: 1,
  /** Gap in a body, either way, while our side is ready. */
  BODY_IDLE: 2,
  /** One attempt, from bound and handed over whole to its end. */
  PER_TRY: 3,
  /** From submission to the end. */
  TOTAL: 4,
  /** From bound to the end. */
  DURATION: 5,
  /** How long a body waits for 100; off: as long as for the head. The pool's is 1 s. */
  EXPECT: 6,
  /** As `PER_TRY`; bytes of the upstream restart it. */
  PER_TRY_IDLE: 7,
  /** Length of the section in words. */
  WORDS: 8,
} as const

/** Words of the section of a retry, from its begin. */
export const requestRetry = {
  /** Wait before it, in ms; its total time-out runs meanwhile. */
  BACKOFF: 0,
  /** Length of the section in words. */
  WORDS: 1,
} as const

/** Numbers with a meaning of their own. */
export const special = {
  /** `BODY_TOTAL` of a request without a body. */
  BODY_NONE: 4294967295,
  /** A time-out of a request that is the pool's. */
  POOL_TIMEOUT: 4294967295,
} as const

/** Words of `BODY` after the common ones; then the bytes, then those of the trailers. */
export const body = {
  /** Bytes in this record. */
  LENGTH: 3,
  /** Bytes of the trailers, `name NUL value NUL` for each, in latin1; only with `END`. */
  TRAILERS_LENGTH: 4,
  /** Where the bytes begin, in words. */
  WORDS: 5,
} as const

/** Flags of `BODY`. */
export const bodyFlag = {
  /** The body is whole; in a tunnel: our side ends. */
  END: 1,
  /** Who produces it failed: the upload must never look complete. The request ends with `FB_REQUEST_BODY_FAILED`. */
  FAIL: 2,
} as const

/** Words of `CREDIT` after the common ones. */
export const credit = {
  /** Bytes granted in addition. */
  BYTES: 3,
  /** Length of the record in words. */
  WORDS: 4,
} as const

/** Words of `COUNTED` after the common ones. */
export const counted = {
  /** 0: a retry succeeded; 1: there would have been another, but none was left. */
  WHAT: 3,
  /** Length of the record in words. */
  WORDS: 4,
} as const

/** Words of `CANCEL`, `POOL_CLOSE`, `POOL_DESTROY`, `GATE`, `POOL_DRAIN`, `POOL_CLOSED`, `PEER_ENDED`, `STOPPED` and `RETRY`. */
export const plain = {
  /** Length of the record in words. */
  WORDS: 3,
} as const

/** Kinds of delivery, native to JavaScript. `RESPONSE` with `COMPLETE`, `END`, `FAIL` and a refused `RETRY` are terminal: the number is free. */
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
  /** Native code passed bytes of the request body on: as many more may come. */
  TAKEN: 10,
  /** A 1xx, where they are wanted. */
  INFORMATIONAL: 11,
  /** In a tunnel: the peer ended its side. `END` follows when both have. */
  PEER_ENDED: 12,
  /** An attempt failed, and the pool itself sends the request again. */
  REPLAYED: 13,
  /** The final response came before the upload was whole: no more of it is needed. */
  STOPPED: 14,
  /** Whether a retry may be; the first record of a request with `RETRY`. Refused: terminal. */
  RETRY: 15,
} as const

/** Flags of `RETRY`. */
export const retryFlag = {
  /** It is under way, its wait included. */
  GRANTED: 1,
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
  /** A tunnel is open: `DATA` and `BODY` are what goes through it. */
  TUNNEL: 4,
} as const

/** Words of `DATA` after the common ones; then the bytes. */
export const data = {
  /** Bytes. */
  LENGTH: 3,
  /** Where the bytes begin, in words. */
  WORDS: 4,
} as const

/** Flags of `DATA`. */
export const dataFlag = {
  /** The bytes went to the memory that the reader named; none are in this record. */
  DIRECT: 1,
} as const

/** Words of `END` after the common ones; then the bytes of the trailers. */
export const end = {
  /** Bytes of the trailers: `name NUL value NUL` for each, in latin1. */
  TRAILERS_LENGTH: 3,
  /** Where the bytes begin, in words. */
  WORDS: 4,
} as const

/** Words of `TAKEN` after the common ones. */
export const taken = {
  /** Bytes. */
  BYTES: 3,
  /** Length of the record in words. */
  WORDS: 4,
} as const

/** Words of `INFORMATIONAL` after the common ones; then the bytes of the head, as those of `RESPONSE`. */
export const informational = {
  /** Status, 100 to 199. */
  STATUS: 3,
  /** Bytes of the head. */
  HEAD_LENGTH: 4,
  /** Where the bytes begin, in words. */
  WORDS: 5,
} as const

/** Words of `REPLAYED` after the common ones. */
export const replayed = {
  /** Index into the list of codes: what the attempt failed with. */
  CODE: 3,
  /** Connection of the attempt, or 0. */
  CONNECTION: 4,
  /** Microseconds from its begin (bound to a connection) to its failure. */
  MICROS: 5,
  /** Length of the record in words. */
  WORDS: 6,
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
