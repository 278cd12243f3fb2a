// The steps that a scripted server can play, as crates/forebay-testkit/src/script/parse.rs reads them.

export type Step =
  /** Reads one request head; one whole request; until the peer ends its side. */
  | 'head'
  | 'request'
  | 'readToEnd'
  /** FIN after which it reads on; close at once; FIN; RST. */
  | 'close'
  | 'drop'
  | 'halfClose'
  | 'reset'
  /** Reads nothing any more. */
  | 'park'
  | 'signal'
  | { readonly send: string; readonly times?: number; readonly pieces?: number | 'random'; readonly every?: number }
  | { readonly pattern: number }
  | { readonly wait: number }
  | { readonly repeat: readonly Step[]; readonly times: number | null }

/** A well-formed answer: 22 bytes. */
export const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\nhello from the testkit'

/** Answers every request well. */
export const WELL_BEHAVED: readonly Step[] = [{ repeat: ['request', { send: ANSWER }], times: null }]
