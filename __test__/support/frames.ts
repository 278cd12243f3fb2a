// HTTP/2 frames as the hex text that scripts send (`script.ts`), right or wrong. The other side of crates/forebay-testkit/src/h2/frame.rs.
//
// Header blocks are literals without Huffman coding and without the dynamic table. Used by the inventory's tests.

import type { Step } from './script.js'

/** A step that sends them. */
export type Bytes = Extract<Step, { readonly hex: string }>

const DATA = 0
const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
export const PING = 6
const GOAWAY = 7

const END_STREAM = 0x1
const END_HEADERS = 0x4

const MAX_CONCURRENT_STREAMS = 3

export const NO_ERROR = 0
export const INTERNAL_ERROR = 2
export const REFUSED_STREAM = 7

/** A notice that names no stream. Source: RFC 9113 section 6.8. */
export const EVERY_STREAM = 2 ** 31 - 1

/** What a server says first; `streams`: how many at once. */
export function settings(streams: number): Bytes {
  return hex(frame(SETTINGS, 0, 0, [...u16(MAX_CONCURRENT_STREAMS), ...u32(streams)]))
}

/** A response of status 200 with a body, whole. */
export function response(stream: number, body = 'hello from the testkit'): Bytes {
  return hex([...head(stream, [[':status', '200']]), ...data(stream, body, true)])
}

/** Its head alone. */
export function responseHead(stream: number, fields: readonly (readonly [string, string])[] = [], last = false): Bytes {
  return hex(head(stream, [[':status', '200'], ...fields], last))
}

export function body(stream: number, text: string, last: boolean): Bytes {
  return hex(data(stream, text, last))
}

export function goaway(last: number, code: number): Bytes {
  return hex(frame(GOAWAY, 0, 0, [...u32(last), ...u32(code)]))
}

export function reset(stream: number, code: number): Bytes {
  return hex(frame(RST_STREAM, 0, stream, u32(code)))
}

/** A server that allows so many streams at once and answers `count` of them, one after another, then none. */
export function answering(streams: number, count = 1): readonly Step[] {
  const answers = Array.from({ length: count }, (_, n): Step[] => [{ streams: 1 }, response(2 * n + 1)])
  return ['preface', settings(streams), ...answers.flat(), 'frames']
}

/** Types of the frames that a client has sent after its preface, in order. `bytes`: latin1, as `received` gives them. */
export function frameTypes(bytes: string): number[] {
  const types: number[] = []
  const buffer = Buffer.from(bytes, 'latin1')
  for (
    let at = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;
    at + 9 <= buffer.length;
    at += 9 + buffer.readUIntBE(at, 3)
  ) {
    types.push(buffer[at + 3] ?? -1)
  }
  return types
}

function head(stream: number, fields: readonly (readonly [string, string])[], last = false): number[] {
  const block = fields.flatMap(([name, value]) => [0, ...literal(name), ...literal(value)])
  return frame(HEADERS, END_HEADERS | (last ? END_STREAM : 0), stream, block)
}

function data(stream: number, text: string, last: boolean): number[] {
  return frame(DATA, last ? END_STREAM : 0, stream, [...Buffer.from(text, 'latin1')])
}

function frame(type: number, flags: number, stream: number, payload: readonly number[]): number[] {
  return [...u32(payload.length).slice(1), type, flags, ...u32(stream), ...payload]
}

/** A length of less than 127 bytes, then the bytes. */
function literal(text: string): number[] {
  return [text.length, ...Buffer.from(text, 'latin1')]
}

function u16(value: number): number[] {
  return [value >>> 8, value & 255]
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
}

function hex(bytes: readonly number[]): Bytes {
  return { hex: Buffer.from(bytes).toString('hex') }
}
