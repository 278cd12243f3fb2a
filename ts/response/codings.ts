// The content codings of a body, and what undoes them.
//
// Promise: codings that are not known leave the body as it came; more of them than `MAX_CODINGS` are refused before a byte is decoded.
// Used by `decoded-body.ts`, `decoded-source.ts`, `decoded-response.ts`, `fetch/`. Not here: who reads what comes out.

import type { Transform } from 'node:stream'
import zlib from 'node:zlib'

/** A coding that can be undone. */
export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd'

/** Codings of one body. Source: browsers and Node's fetch allow five; each one more multiplies what a small body can grow to. */
export const MAX_CODINGS = 5

/** Types of Node 20 do not have it. */
type MakeZstd = () => Transform
let zstd: MakeZstd | null | undefined

/**
 * What undoes zstd; null where this Node has it not (before 22.15), or takes a body that ends too early for a whole one (22): a part
 * must not pass for the whole.
 */
function zstdOfNode(): MakeZstd | null {
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress')
  const decompress: unknown = Reflect.get(zlib, 'zstdDecompressSync')
  if (typeof create !== 'function' || typeof decompress !== 'function') return null
  try {
    decompress.call(zlib, ZSTD_BEGINNING)
  } catch {
    return () => create.call(zlib)
  }
  return null
}

/** The magic number of a frame, without the frame. Source: RFC 8878, section 3.1.1. */
const ZSTD_BEGINNING: Uint8Array = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd])

/** Whether this Node can undo zstd. */
export function hasZstd(): boolean {
  if (zstd === undefined) zstd = zstdOfNode()
  return zstd !== null
}

/** What to ask an upstream for. Not br and zstd over plain http, as browsers and Node's fetch do: some proxies spoil them. */
export function acceptable(scheme: 'http' | 'https'): string {
  if (scheme === 'http') return 'gzip, deflate'
  return hasZstd() ? 'br, zstd, gzip, deflate' : 'br, gzip, deflate'
}

/** The codings of a `content-encoding`, in the order in which they were applied; none where one is not known. Null: too many. */
export function readCodings(field: string | null): readonly Coding[] | null {
  if (field === null || field === '') return NONE
  const names = field.split(',')
  if (names.length > MAX_CODINGS) return null
  const codings: Coding[] = []
  for (const name of names) {
    const coding = known(name.trim().toLowerCase())
    if (coding === null) return NONE
    if (coding !== 'identity') codings.push(coding)
  }
  return codings
}

const NONE: readonly Coding[] = []

function known(name: string): Coding | 'identity' | null {
  switch (name) {
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'deflate':
    case 'br':
    case 'identity':
      return name
    case 'zstd':
      return hasZstd() ? name : null
    default:
      return null
  }
}

/** Gives out what it can at once, and refuses a body that ends too early. */
const EAGER: zlib.ZlibOptions = { flush: zlib.constants.Z_SYNC_FLUSH }
const EAGER_BROTLI: zlib.BrotliOptions = { flush: zlib.constants.BROTLI_OPERATION_FLUSH }

/** A stream that undoes a coding of a body that begins with `first`. */
export function decoder(coding: Coding, first: Uint8Array): Transform {
  switch (coding) {
    case 'gzip':
      return zlib.createGunzip(EAGER)
    case 'deflate':
      return isWrapped(first) ? zlib.createInflate(EAGER) : zlib.createInflateRaw(EAGER)
    case 'br':
      return zlib.createBrotliDecompress(EAGER_BROTLI)
    case 'zstd':
      if (!zstd) throw new TypeError('this Node has no zstd')
      return zstd()
  }
}

/** Undoes a coding of a small body at once, into at most `max` bytes. Zstd has no such way in every Node that has it. */
export function decodeAtOnce(coding: Exclude<Coding, 'zstd'>, bytes: Uint8Array, max: number): Uint8Array {
  switch (coding) {
    case 'gzip':
      return zlib.gunzipSync(bytes, { maxOutputLength: max })
    case 'deflate':
      return isWrapped(bytes)
        ? zlib.inflateSync(bytes, { maxOutputLength: max })
        : zlib.inflateRawSync(bytes, { maxOutputLength: max })
    case 'br':
      return zlib.brotliDecompressSync(bytes, { maxOutputLength: max })
  }
}

/** Whether a deflated body has the wrapper of zlib: its first byte names the method, 8. Many servers leave it out. */
function isWrapped(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & 0x0f) === 0x08
}
