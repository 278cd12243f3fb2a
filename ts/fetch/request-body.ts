// The body of a `Request`: a stream that does not tell its length.
//
// Promise: what comes of it at once is sent with its length, and can be sent again: that is so for text, bytes and forms. What takes its
// time is sent as it comes. Used by `call.ts`. Not here: bodies given in `init` (`body.ts`).

import type { FetchBody } from './body.js'

/** A body of more bytes than this is sent as it comes. A guess: reading a body first must not hold much. */
const AT_ONCE_BYTES = 65_536

/** Reads what is there of `stream`. */
export async function readRequestBody(stream: ReadableStream<Uint8Array>): Promise<FetchBody> {
  const reader = stream.getReader()
  const begun: Uint8Array[] = []
  let size = 0
  for (;;) {
    const next = reader.read()
    const step = await Promise.race([next, turn()])
    if (step === null || size > AT_ONCE_BYTES) {
      return { body: following(begun, next, reader), contentType: '', again: false }
    }
    if (step.done) return { body: Buffer.concat(begun), contentType: '', again: true }
    begun.push(step.value)
    size += step.value.byteLength
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** What was read, what is being read, and the rest. Cancels the stream where its reader leaves early. */
async function* following(
  begun: readonly Uint8Array[],
  next: ReturnType<Reader['read']>,
  reader: Reader,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isOver = false
  try {
    yield* begun
    for (let step = await next; !step.done; step = await reader.read()) yield step.value
    isOver = true
  } finally {
    if (!isOver) void reader.cancel().catch(() => {})
  }
}

/** Null in the next turn of the event loop: what needs no more than promises is there by then. */
function turn(): Promise<null> {
  return new Promise(resolve => setImmediate(resolve, null))
}
