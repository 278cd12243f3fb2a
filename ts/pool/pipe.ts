// Writes the body of a response into a stream of the caller's.
//
// Promise: no faster than that stream takes it; when either side fails, or the sink throws, the other side is ended too.
// Used by `origin-pool.ts`. Not here: the body's own streams (`response/readers.ts`).

import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { HeaderMap } from '../response/headers.js'
import type { PoolResponse, ResponseHead } from '../response/response.js'

/** Looks at the head and gives the stream for the body. */
export type StreamSink = (head: ResponseHead) => Writable | WritableStream<Uint8Array>

/** What is left of a response whose body was written. */
export interface StreamResult {
  readonly head: ResponseHead
  /** Fields behind the body. */
  readonly trailers: HeaderMap
}

/** Resolves when the body is written and the stream has ended. */
export async function pipeResponse(response: PoolResponse, sink: StreamSink): Promise<StreamResult> {
  const head = headOf(response)
  const { body } = response
  try {
    const to = sink(head)
    if ('getWriter' in to) await body.stream().pipeTo(to)
    else await pipeline(body.readable(), to)
  } finally {
    // The sink threw.
    if (!body.used) await body.discard({ maxBytes: 0 })
  }
  return { head, trailers: await response.trailers }
}

/** What of a response comes before its body. */
export function headOf({ status, statusText, headers, connection, timings, attempts }: PoolResponse): ResponseHead {
  return { status, statusText, headers, connection, timings, attempts }
}
