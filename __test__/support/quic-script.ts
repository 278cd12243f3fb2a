// The steps that a scripted QUIC server can play, as crates/forebay-testkit/src/quic/parse.rs reads them.

/** The client's request of this place; our unidirectional or bidirectional stream of this place. */
export type To = number | `uni${number}` | `bidi${number}`

export type QuicStep =
  /** Opens `uni0` as the control stream, with empty SETTINGS. */
  | 'http3'
  | 'signal'
  | 'keyUpdate'
  /** Waits until so many requests in all have begun; until one has ended; until so much of it has come. */
  | { readonly streams: number }
  | { readonly ended: number }
  | { readonly received: number; readonly bytes: number }
  | ({ readonly on: To; readonly send: readonly Part[] } & Manner)
  /** So many bytes of the pattern, in DATA frames. */
  | { readonly on: To; readonly pattern: number }
  | { readonly on: To; readonly reset: number }
  | { readonly on: number; readonly stop: number }
  /** Opens so many unidirectional streams with these bytes. */
  | { readonly flood: number; readonly hex: string }
  /** Answers each request from this place on. */
  | { readonly serve: number; readonly text: string }
  | { readonly credit: number }
  | { readonly close: number }
  | { readonly wait: number }
  | { readonly repeat: readonly QuicStep[]; readonly times: number }

/** Bytes. */
export type Part =
  | { readonly hex: string }
  | { readonly text: string }
  | { readonly varint: number }
  | { readonly headers: readonly (readonly [name: string, value: string])[] }
  | { readonly data: string }
  | { readonly settings: readonly (readonly [id: number, value: number])[] }
  | { readonly goaway: number }
  /** Any frame; `saying`: the length that it announces. */
  | { readonly frame: number; readonly hex?: string; readonly saying?: number }

/** How bytes are sent: whether the stream ends with them, how often, in pieces of how many bytes, how many ms apart. */
interface Manner {
  readonly fin?: boolean
  readonly times?: number
  readonly pieces?: number | 'random'
  readonly seed?: number
  readonly every?: number
}
