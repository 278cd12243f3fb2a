// An upstream in this process that a test answers for, request by request; counts what came.
//
// Used by tests of policies, where what matters is how often something was sent.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'

export interface Answering {
  readonly origin: string
  /** How many requests came, by path. */
  readonly seen: ReadonlyMap<string, number>
  /** In all. */
  readonly total: number
  /** Responses that were not given yet, in order; for paths that begin with `/hold`. */
  readonly held: ServerResponse[]
}

/** `answer` gets a request and how often its path came, this time included. */
export async function startAnswering(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<Answering> {
  const seen = new Map<string, number>()
  const held: ServerResponse[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const count = (seen.get(path) ?? 0) + 1
    seen.set(path, count)
    if (path.startsWith('/hold')) held.push(response)
    else answer(request, response, count)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', 2_048, resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    seen,
    held,
    get total() {
      return [...seen.values()].reduce((sum, count) => sum + count, 0)
    },
  }
}
