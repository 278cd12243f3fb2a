// Node's own HTTP/2 server: `http2-server.js STREAMS [CERT KEY]`. Says `{"port":N}` and ends when standard input closes.
//
// | path | answer |
// | --- | --- |
// | any other | 22 bytes of text |
// | `/bytes/N`, `/chunked/N` | N bytes of the pattern, with and without Content-Length |
// | `/trailers/N` | the same, then the trailer `x-end: yes` |
// | `/echo`, `/echo-late` | the request's body as it arrives, and once it is whole |
// | `/sent-trailer` | the request's trailer `x-sum` |
// | `/status/N`, `/header`, `/authority` | status N; what came as `x-sent`; the authority that came |
// | `/retire/N` | the text; the Nth on a connection says farewell |

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { Readable } from 'node:stream'
import { pattern } from '../pattern.js'

const TEXT = 'hello from the testkit'

const PART_BYTES = 65_536

const [streams, cert, key] = process.argv.slice(2)
const settings = { maxConcurrentStreams: Number(streams) }
const server =
  cert === undefined || key === undefined
    ? createServer({ settings })
    : createSecureServer({ settings, cert: readFileSync(cert), key: readFileSync(key) })

const retireCounts = new WeakMap<object, number>()

server.on('stream', (stream, headers) => {
  // A client that leaves is no failure of ours.
  stream.on('error', () => {})
  answer(stream, headers).catch(() => stream.destroy())
})

async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const [, name = '', argument = ''] = String(headers[':path']).split('/')
  const number = Number(argument)
  const isHead = headers[':method'] === 'HEAD'
  switch (name) {
    case 'bytes':
      stream.respond({ 'content-length': argument }, { endStream: isHead })
      if (!isHead) sendPattern(stream, number)
      return
    case 'chunked':
      stream.respond({})
      sendPattern(stream, number)
      return
    case 'trailers':
      stream.respond({}, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }))
      sendPattern(stream, number)
      return
    case 'echo':
      stream.respond({})
      stream.pipe(stream)
      return
    case 'echo-late': {
      const body = await collect(stream)
      stream.respond({})
      stream.end(body)
      return
    }
    case 'sent-trailer': {
      const trailers = once(stream, 'trailers')
      await collect(stream)
      const [fields]: IncomingHttpHeaders[] = await trailers
      respondText(stream, String(fields?.['x-sum']))
      return
    }
    case 'status':
      stream.respond({ ':status': number }, { endStream: true })
      return
    case 'header':
      respondText(stream, String(headers['x-sent']))
      return
    case 'authority':
      respondText(stream, String(headers[':authority']))
      return
    case 'retire':
      respondText(stream, TEXT)
      retire(stream, number)
      return
    default:
      respondText(stream, isHead ? '' : TEXT)
  }
}

/** In parts, as the reader takes them: the server resets streams of a session with more than 10 MB unsent (`maxSessionMemory`). */
function sendPattern(stream: ServerHttp2Stream, length: number): void {
  const bytes = pattern(length)
  function* parts() {
    for (let at = 0; at < length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES)
  }
  Readable.from(parts(), { objectMode: false, highWaterMark: PART_BYTES }).pipe(stream)
}

function respondText(stream: ServerHttp2Stream, text: string): void {
  const fields: OutgoingHttpHeaders = { 'content-type': 'text/plain' }
  stream.respond(fields)
  stream.end(text, 'latin1')
}

function retire({ session }: ServerHttp2Stream, after: number): void {
  if (session === undefined) return
  const count = (retireCounts.get(session) ?? 0) + 1
  retireCounts.set(session, count)
  if (count === after) session.close()
}

async function collect(stream: ServerHttp2Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('no port')
process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
process.stdin.resume().on('end', () => process.exit())
