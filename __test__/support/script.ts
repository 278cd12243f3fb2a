// The steps that a scripted server can play, as crates/forebay-testkit/src/script/parse.rs reads them.

export type Step =
  /** Reads one request head; one whole request; until the peer ends its side. */
  | 'head'
  | 'request'
  | 'readToEnd'
  /** HTTP/2: reads the preface; frames until so many HEADERS came; frames to the end. PING and SETTINGS are answered. */
  | 'preface'
  | { readonly streams: number }
  | 'frames'
  /** FIN after which it reads on; close at once; FIN; RST. */
  | 'close'
  | 'drop'
  | 'halfClose'
  | 'reset'
  /** Reads nothing any more. */
  | 'park'
  | 'signal'
  /** TLS's own end, before a FIN. */
  | 'closeNotify'
  | ({ readonly send: string } & Manner)
  | ({ readonly hex: string } & Manner)
  /** Below TLS. */
  | ({ readonly raw: string } & Manner)
  | { readonly pattern: number }
  /** Reads so many bytes. */
  | { readonly read: number }
  | { readonly wait: number }
  | { readonly repeat: readonly Step[]; readonly times: number | null }
  | Handshake
  /** A TLS 1.3 record of this content type; so many KeyUpdate messages. */
  | { readonly record: number; readonly hex: string; readonly times?: number }
  | { readonly keyUpdates: number }

/** How bytes are sent: how often, in pieces of how many bytes, how many ms apart. */
interface Manner {
  readonly times?: number
  readonly pieces?: number | 'random'
  readonly seed?: number
  readonly every?: number
}

/** A handshake with one of the certificates of `crates/forebay-testkit/src/certificates.rs`. */
interface Handshake {
  readonly tls: string
  readonly alpn?: readonly string[]
  readonly versions?: '1.2' | '1.3'
  readonly clientAuth?: boolean
  readonly forgetsSessions?: boolean
  /** Stops after so many bytes of its own. */
  readonly cut?: number
  readonly pieces?: number
  readonly every?: number
}

/** A well-formed answer: 22 bytes. */
export const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\nhello from the testkit'

/** Answers every request well. */
export const WELL_BEHAVED: readonly Step[] = [{ repeat: ['request', { send: ANSWER }], times: null }]
