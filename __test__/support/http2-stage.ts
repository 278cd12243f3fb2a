// Node's HTTP/2 server whose every answer, setting and farewell a test gives by hand, in clear.
//
// Promise: streams and sessions are listed in the order in which they came. Used by the inventory's tests. Not here: bytes that no
// server would send (`frames.ts`, with scripts).

import { once } from 'node:events'
import { createServer, constants as http2, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { eventually } from './cases.js'

export interface Arrived {
  readonly path: string
  readonly stream: ServerHttp2Stream
  /** Answers with a small body. */
  answer(): void
}

export interface Session {
  readonly streams: Arrived[]
  /** How many streams at once from now on. */
  limit(streams: number): void
  /** Resolves when the client has acknowledged all of them, and has acted on them before. */
  agreed(): Promise<void>
  /** GOAWAY; the session goes on. `last` 0: the last that came. */
  goaway(last: number): void
  /** A FIN, or an RST, without a word. */
  drop(): void
}

export interface Stage {
  readonly origin: string
  readonly sessions: Session[]
  /** The session with this number, once it has so many streams. */
  at(session: number, streams: number): Promise<Session>
  /** For the sessions to come. */
  limit(streams: number): void
}

/** `automatic`: every stream is answered at once. */
export async function stage(t: ExecutionContext, streams: number, automatic = false): Promise<Stage> {
  const server = createServer({ settings: { maxConcurrentStreams: streams } })
  const sessions: Session[] = []
  const sockets: Socket[] = []
  // Before the server's own listener, which makes the session.
  server.prependListener('connection', socket => sockets.push(socket))
  server.on('session', session => {
    session.on('error', () => {})
    const socket = sockets[sessions.length]
    const streams: Arrived[] = []
    sessions.push({
      streams,
      limit: max => session.settings({ maxConcurrentStreams: max }),
      agreed: () => eventually('SETTINGS are acknowledged', () => !session.pendingSettingsAck),
      goaway: last => session.goaway(http2.NGHTTP2_NO_ERROR, last),
      drop: () => socket?.destroy(),
    })
    session.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      const answer = () => {
        stream.respond({ ':status': 200 })
        stream.end('hello from the testkit')
      }
      streams.push({ path: String(headers[':path']), stream, answer })
      if (automatic) answer()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    async at(session, count) {
      await eventually(
        `session ${session} has ${count} streams`,
        () => (sessions[session]?.streams.length ?? -1) >= count,
      )
      const found = sessions[session]
      if (found === undefined) throw new Error('no such session')
      return found
    },
    limit: max => server.updateSettings({ maxConcurrentStreams: max }),
  }
}

/** Answers the nth stream of a session. */
export function answer(session: Session, stream: number): void {
  const found = session.streams[stream]
  if (found === undefined) throw new Error(`stream ${stream} has not come`)
  found.answer()
}

/** Resets the nth stream of a session. */
export function resetStream(session: Session, stream: number, code: number): void {
  session.streams[stream]?.stream.close(code)
}
