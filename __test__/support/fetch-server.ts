// The upstream of the tests of fetch: one server that both the platform's fetch and ours are sent to.
//
// Promise: what it answers depends on the request alone, so that two fetches can be compared. Used by `alike.ts`.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import zlib from 'node:zlib'

export interface FetchServer {
  readonly origin: string
  /** Another origin of the same server. */
  readonly elsewhere: string
  stop(): Promise<void>
}

/** What is encoded: long enough to come in parts, and compressible. */
export const PLAIN = Array.from({ length: 20_000 }, (_, n) => `line ${n % 977}\n`).join('')

export async function startFetchServer(): Promise<FetchServer> {
  const server = createServer((request, response) => {
    response.sendDate = false
    const url = new URL(request.url ?? '/', 'http://x')
    const [, name = '', ...rest] = url.pathname.split('/')
    const answer = ANSWERS[name]
    if (answer === undefined) response.writeHead(404).end('nothing here')
    else answer(request, response, { rest, query: url.searchParams })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    elsewhere: `http://localhost:${port}`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Asked {
  readonly rest: readonly string[]
  readonly query: URLSearchParams
}

type Answer = (request: IncomingMessage, response: ServerResponse, asked: Asked) => void

/** Fields that a fetch adds of its own accord, or that belong to the connection: not to be compared. */
const OWN = new Set(['host', 'connection', 'accept', 'accept-language', 'sec-fetch-mode', 'user-agent'])

const echo: Answer = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('error', () => {})
  request.on('end', () => {
    const fields = Object.entries(request.headers)
      .filter(([name]) => !OWN.has(name))
      .sort()
    const body = Buffer.concat(chunks).toString('latin1')
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method: request.method, url: request.url, fields, body }))
  })
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  echo,
  /** /status/204 */
  status: (_, response, { rest, query }) => {
    response.writeHead(Number(rest[0]) || 404, query.get('text') ?? undefined)
    response.end()
  },
  /** /text?type=...: a short body of that type. */
  text: (_, response, { query }) => {
    const type = query.get('type')
    if (type !== null) response.setHeader('content-type', type)
    response.end(query.get('body') ?? 'hello')
  },
  bytes: (_, response, { rest }) => {
    response.setHeader('content-type', 'application/octet-stream')
    response.end(Buffer.alloc(Number(rest[0]), 'abc'))
  },
  /** In three parts, without a length. */
  parts: (_, response) => {
    response.write('one ')
    setTimeout(() => {
      response.write('two ')
      setTimeout(() => response.end('three'), 5)
    }, 5)
  },
  fields: (_, response) => {
    response.setHeader('X-Many', ['1', '2'])
    response.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2, with a comma'])
    response.setHeader('x-latin1', 'caf\u00e9')
    response.setHeader('X-Blank', '')
    response.setHeader('A-First', 'z')
    response.end('x')
  },
  /** /redirect/302?to=/echo */
  redirect: (request, response, { rest, query }) => {
    request.resume()
    const to = query.get('to')
    response.writeHead(Number(rest[0]) || 404, to === null ? {} : { location: to })
    response.end('moved')
  },
  /** /hops/3: so many redirects, then text. */
  hops: (_, response, { rest }) => {
    const left = Number(rest[0])
    if (left === 0) response.end('arrived')
    else response.writeHead(302, { location: `/hops/${left - 1}` }).end()
  },
  /** A place in UTF-8. */
  utf8: (_, response) => {
    response.writeHead(302, { location: Buffer.from('/echo/\u00e9?q=\u00fc').toString('latin1') }).end()
  },
  /** /encoded/gzip?field=...&cut=10&plain=... */
  encoded: (_, response, { rest, query }) => {
    const text = query.get('plain') ?? PLAIN
    let body: Buffer = Buffer.from(text)
    for (const coding of (rest[0] ?? '').split(',')) body = encode(coding, body)
    const cut = Number(query.get('cut') ?? 0)
    response.setHeader('content-encoding', query.get('field') ?? rest[0] ?? '')
    response.setHeader('content-type', 'text/plain')
    if (query.has('chunked')) response.write(body.subarray(0, 3))
    const from = query.has('chunked') ? 3 : 0
    response.end(body.subarray(from, body.length - cut))
  },
  /** Says that it is encoded, and is not. */
  lies: (_, response, { rest }) => {
    response.setHeader('content-encoding', rest[0] ?? '')
    response.end('this is not encoded at all')
  },
  /** Grows a thousandfold: 16 MB of zeros. */
  bomb: (_, response, { rest }) => {
    response.setHeader('content-encoding', rest[0] ?? '')
    response.end(encode(rest[0] ?? '', Buffer.alloc(16_777_216)))
  },
  empty: (_, response, { rest }) => {
    response.writeHead(200, { 'content-encoding': rest[0] ?? '', 'content-length': '0' }).end()
  },
  /** Never answers. */
  hang: request => {
    request.resume()
  },
  /** The head and a part, then nothing. */
  stall: (_, response) => {
    response.write('begun')
  },
  /** Ends before its length. */
  cut: (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('x')
    setTimeout(() => response.destroy(), 20)
  },
  /** Ends before its head. */
  reset: (_, response) => {
    response.destroy()
  },
  form: (_, response) => {
    const body = [
      '--b',
      'Content-Disposition: form-data; name="a"',
      '',
      '1',
      '--b',
      'Content-Disposition: form-data; name="f"; filename="f.txt"',
      'Content-Type: text/plain',
      '',
      'content',
      '--b--',
      '',
    ].join('\r\n')
    response.setHeader('content-type', 'multipart/form-data; boundary=b')
    response.end(body)
  },
}

export function encode(coding: string, body: Buffer): Buffer {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.gzipSync(body)
    case 'deflate':
      return zlib.deflateSync(body)
    case 'raw-deflate':
      return zlib.deflateRawSync(body)
    case 'br':
      return zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })
    case 'zstd': {
      const compress: unknown = Reflect.get(zlib, 'zstdCompressSync')
      if (typeof compress !== 'function') throw new Error('this Node has no zstd')
      return compress(body)
    }
    default:
      return body
  }
}
