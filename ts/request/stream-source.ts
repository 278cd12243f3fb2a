// Where the bytes of a streamed body come from: one shape for web streams, Node streams, async iterables, and functions that give one.
//
// Promise: nothing is read before `begin()`; a stream that is not wanted any more is let go exactly once: cancelled, destroyed, or
// its iterator's `return()` called. A Node stream that fails before anybody reads it does not end the process.
// Used by `body.ts` and `upload.ts`. Not here: how fast it is read (`upload.ts`).

import { RequestError } from '../errors/errors.js'

/** Bytes that come as they are asked for; text is sent as UTF-8. */
export type BodyStream = ReadableStream<Uint8Array> | NodeJS.ReadableStream | AsyncIterable<Uint8Array | string>

/** A stream that is being read. */
export interface Producer {
  /** The next chunk. Asked for only when the one before was taken. */
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: unknown }>
  /** Nothing more is wanted. Called at most once, and not after the end. */
  stop(): void
}

/** See above. */
export class StreamSource {
  /** Whether it can be begun again: the body may be sent a second time. */
  readonly isRepeatable: boolean
  readonly #begin: () => Producer
  readonly #drop: () => void

  constructor(isRepeatable: boolean, begin: () => Producer, drop: () => void) {
    this.isRepeatable = isRepeatable
    this.#begin = begin
    this.#drop = drop
  }

  /** Begins to read. May throw what the caller's code throws. */
  begin(): Producer {
    return this.#begin()
  }

  /** It will never be begun. */
  drop(): void {
    this.#drop()
  }
}

/** A source that `make` gives anew each time. */
export function repeatable(make: () => unknown): StreamSource {
  const begin = (): Producer => {
    const made = streamSource(make())
    if (made === null) throw new TypeError('the function of a body gave no stream')
    return made.begin()
  }
  return new StreamSource(true, begin, nothing)
}

/** The source that `value` is; null where it is none. Throws where it cannot be read any more. */
export function streamSource(value: unknown): StreamSource | null {
  if (value instanceof ReadableStream) return webSource(value)
  if (typeof value !== 'object' || value === null) return null
  const iterate: unknown = Reflect.get(value, Symbol.asyncIterator)
  if (typeof iterate !== 'function') return null
  const iterable = value as AsyncIterable<unknown>
  return isNodeStream(value) ? nodeSource(iterable, value) : iterableSource(iterable)
}

function webSource(stream: ReadableStream<unknown>): StreamSource {
  if (stream.locked) throw new RequestError('body', 'the stream has a reader already')
  const begin = (): Producer => {
    const reader = stream.getReader()
    return { next: () => reader.read(), stop: () => void reader.cancel().catch(nothing) }
  }
  return new StreamSource(false, begin, () => void stream.cancel().catch(nothing))
}

/** What of a Node stream is used beside its iterator. */
interface NodeStream {
  readonly readable?: boolean
  destroy(): unknown
  on(event: 'error', listener: () => void): unknown
}

function isNodeStream(value: object): value is NodeStream {
  return ['pipe', 'on', 'destroy'].every(name => typeof Reflect.get(value, name) === 'function')
}

function nodeSource(iterable: AsyncIterable<unknown>, stream: NodeStream): StreamSource {
  if (stream.readable === false) throw new RequestError('body', 'the stream has ended, failed or was destroyed')
  // The iterator tells of it; without a listener an error before its first step, or of the destruction, would be nobody's.
  stream.on('error', nothing)
  const drop = (): void => void stream.destroy()
  const begin = (): Producer => {
    const iterator = iterable[Symbol.asyncIterator]()
    return { next: () => iterator.next(), stop: drop }
  }
  return new StreamSource(false, begin, drop)
}

function iterableSource(iterable: AsyncIterable<unknown>): StreamSource {
  const begin = (): Producer => {
    const iterator = iterable[Symbol.asyncIterator]()
    return { next: () => iterator.next(), stop: () => void returned(iterator) }
  }
  return new StreamSource(false, begin, nothing)
}

/** Whatever its last words are: nobody waits for them any more. */
async function returned(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {}
}

function nothing(): void {}
