// Node's HTTP/2 server in the ways that acceptance looks at: slow, with a limit of streams, saying farewell in the middle of work, and
// renewing its connections again and again.
//
// Promise: counts are exact; what it does with a stream depends on the order of its arrival alone. Used by the tests of acceptance and
// by bench/behaviour, where it has a process of its own. Not here: misbehaviour (crates/forebay-testkit).

import { once } from 'node:events'
import {
  createSecureServer,
  createServer,
  constants as http2,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { pattern } from './pattern.js'

/** What a connection does besides answering. */
export type Manner =
  | { readonly type: 'steady' }
  /** GOAWAY at this stream, naming it: those above are not processed, the others are answered, then it closes. */
  | { readonly type: 'goaway'; readonly at: number }
  /** Retires at this age: at once, or after a notice that names no stream. */
  | { readonly type: 'rotate'; readonly afterMs: number; readonly steps: 1 | 2 }

export interface Scene {
  readonly maxConcurrentStreams: number
  /** Before the head of an answer, in ms. */
  readonly delayMs: number
  /** No answer begins before so many streams have come. */
  readonly together?: number
  readonly manner: Manner
}

export interface SceneStats {
  readonly connections: number
  readonly maxConnectionsOpen: number
  readonly streams: number
  /** Connections that were told to go. */
  readonly goaways: number
}

export interface RunningScene {
  readonly port: number
  readonly stats: () => SceneStats
  stop(): Promise<void>
}

/** The highest stream id: a notice that names no stream. Source: RFC 9113 section 6.8. */
const EVERY_STREAM = 2 ** 31 - 1

/** From the notice to the GOAWAY with the last stream, in ms: far more than a round trip. */
const NOTICE_MS = 50

/** Node resets streams of a session that holds more than 10 MB, as one does whose peer reads slowly. */
const SESSION_MEGABYTES = 1_000

/** A multiple of the pattern's period, so that part follows part. */
const PART_BYTES = 256 * 251

/** `/bytes/N` is answered with N bytes of the pattern, any other path with a text. */
export async function startScene(
  scene: Scene,
  identity: { readonly cert: string; readonly key: string } | null,
): Promise<RunningScene> {
  const settings = { maxConcurrentStreams: scene.maxConcurrentStreams }
  const options = { settings, maxSessionMemory: SESSION_MEGABYTES }
  const server = identity === null ? createServer(options) : createSecureServer({ ...options, ...identity })
  const open: Set<ServerHttp2Session> = new Set()
  let connections = 0
  let maxConnectionsOpen = 0
  let streams = 0
  let goaways = 0
  let allHaveCome = () => {}
  const together = new Promise<void>(resolve => {
    allHaveCome = resolve
  })

  server.on('session', session => {
    connections += 1
    open.add(session)
    maxConnectionsOpen = Math.max(maxConnectionsOpen, open.size)
    session.on('close', () => open.delete(session))
    // What clients do to a session is theirs to answer for.
    session.on('error', () => {})
    const isTaken = keepManner(session, scene.manner, () => {
      goaways += 1
    })
    session.on('stream', (stream, headers) => {
      streams += 1
      stream.on('error', () => {})
      if (streams >= (scene.together ?? 0)) allHaveCome()
      if (isTaken(stream)) void together.then(() => answer(stream, String(headers[':path']), scene.delayMs))
    })
  })
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    stats: () => ({ connections, maxConnectionsOpen, streams, goaways }),
    async stop() {
      for (const session of open) session.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Makes the session behave so; what comes back says whether a stream that came is to be answered. */
function keepManner(
  session: ServerHttp2Session,
  manner: Manner,
  going: () => void,
): (stream: ServerHttp2Stream) => boolean {
  switch (manner.type) {
    case 'steady':
      return () => true
    case 'goaway':
      return goingAt(session, manner.at, going)
    case 'rotate':
      rotate(session, manner, going)
      return () => true
  }
}

function goingAt(session: ServerHttp2Session, at: number, going: () => void): (stream: ServerHttp2Stream) => boolean {
  let came = 0
  let answered = 0
  return stream => {
    came += 1
    if (came > at) return false
    stream.on('close', () => {
      answered += 1
      // `close()` would wait for those above, which nobody processes.
      if (answered === at) setTimeout(() => session.destroy(), NOTICE_MS)
    })
    if (came === at) {
      going()
      session.goaway(http2.NGHTTP2_NO_ERROR, stream.id ?? 0)
    }
    return true
  }
}

function rotate(
  session: ServerHttp2Session,
  { afterMs, steps }: Extract<Manner, { readonly type: 'rotate' }>,
  going: () => void,
): void {
  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(() => {
      if (!session.destroyed) then()
    }, ms)
    session.on('close', () => clearTimeout(timer))
  }
  later(afterMs, () => {
    going()
    if (steps === 2) {
      session.goaway(http2.NGHTTP2_NO_ERROR, EVERY_STREAM)
      later(NOTICE_MS, () => session.close())
    } else {
      session.close()
    }
  })
}

async function answer(stream: ServerHttp2Stream, path: string, delayMs: number): Promise<void> {
  if (delayMs > 0) await sleep(delayMs)
  if (stream.destroyed) return
  const [, name, size] = path.split('/')
  stream.respond({ ':status': 200 })
  if (name === 'bytes') Readable.from(parts(Number(size)), { objectMode: false }).pipe(stream)
  else stream.end('hello from the testkit')
}

function* parts(length: number): Iterable<Uint8Array> {
  const part = pattern(Math.min(length, PART_BYTES))
  for (let left = length; left > 0; left -= part.length) yield left < part.length ? part.subarray(0, left) : part
}
