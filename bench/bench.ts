// npm run bench: Forebay on both runners, undici's Pool, node:http and fetch, in one run; over HTTP/2 undici's, node:http2 and h2load.
//
//   npm run bench -- [--quick] [--protocol h1|h2] [--clients a,b | fetch-shape] [--bodies 100,16384] [--in-flight 1,50] [--rounds 5] [--ms 1000]
//     [--upstream nginx|testkit] [--upload] [--out folder]
//
// Each measurement has a process of its own, on one processor where that can be chosen; the peers take turns within a round, so that
// whatever else the machine does hits all of them. Result: JSON, Markdown and SVG in bench/report (docs in bench/README.md).

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  CLIENT_NAMES,
  type ClientName,
  FETCH_CLIENTS,
  HTTP2_CLIENTS,
  isClientName,
  USUAL_CLIENTS,
} from './lib/clients.js'
import { findH2load, measureH2load } from './lib/h2load.js'
import type { Measurement } from './lib/load.js'
import { measure, type Task } from './lib/measure.js'
import { CLIENT_CPU } from './lib/pin.js'
import { endProgress, progress } from './lib/progress.js'
import { type Cell, writeReport } from './lib/report.js'
import { startHttp2Upstream, startUpstream } from './lib/upstream.js'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    protocol: { type: 'string', default: 'h1' },
    bodies: { type: 'string' },
    'in-flight': { type: 'string' },
    clients: { type: 'string' },
    rounds: { type: 'string' },
    ms: { type: 'string' },
    upstream: { type: 'string' },
    upload: { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench/report' },
  },
})
const { quick } = values
const overHttp2 = protocolOf(values.protocol) === 'h2'
const bodies = numbers(values.bodies ?? (quick ? '100,16384' : '100,16384,262144'))
const inFlights = numbers(values['in-flight'] ?? (quick || overHttp2 ? '1,50' : '1,10,50,256'))
const rounds = Number(values.rounds ?? (quick ? 3 : 5))
const milliseconds = Number(values.ms ?? (quick ? 500 : 1_000))
const clients = clientsOf(values.clients)

const upstream = await (overHttp2 ? startHttp2Upstream : startUpstream)(
  bodies,
  values.upstream === 'nginx' || values.upstream === 'testkit' ? values.upstream : null,
)
const shapes = bodies.flatMap(bytes => inFlights.map(inFlight => ({ bytes, inFlight })))
const cells: Cell[] = shapes.flatMap(shape => clients.map(client => ({ client, ...shape, rounds: [] })))
const total = cells.length * rounds
let ended = 0

try {
  for (let round = 0; round < rounds; round += 1) {
    for (const cell of inTurn(round)) {
      const { client, bytes, inFlight } = cell
      progress(`${ended + 1} of ${total}: ${client}, ${bytes} bytes, ${inFlight} in flight`)
      const limits = { requests: 4_000_000, milliseconds, warmRequests: 20_000, warmMilliseconds: milliseconds / 2 }
      cell.rounds.push(await measured(client, bytes, inFlight, limits))
      ended += 1
    }
  }
} finally {
  endProgress()
  await upstream.stop()
}

const folder = resolve(values.out)
console.log(
  await writeReport(folder, {
    upstream: upstream.name,
    protocol: overHttp2 ? 'HTTP/2 over TLS' : 'HTTP/1.1',
    pinned: CLIENT_CPU !== null,
    upload: values.upload,
    rounds,
    milliseconds,
    cells,
  }),
)
console.log(`\nwritten to ${folder}`)

function measured(
  client: ClientName,
  bytes: number,
  inFlight: number,
  limits: Pick<Task, 'requests' | 'milliseconds' | 'warmRequests' | 'warmMilliseconds'>,
): Promise<Measurement> {
  if (client === 'h2load') return measureH2load(upstream.url(bytes), inFlight, milliseconds, CLIENT_CPU)
  return measure({ client, ca: upstream.ca, ...exchange(bytes), inFlight, ...limits }, CLIENT_CPU)
}

/** What a client does: fetches a body of so many bytes, or with `--upload` sends one. */
function exchange(bytes: number): { readonly url: string; readonly uploadBytes: number } {
  return values.upload ? { url: upstream.sink, uploadBytes: bytes } : { url: upstream.url(bytes), uploadBytes: 0 }
}

/** Shape by shape; within a shape the client that begins is another one in each round. */
function inTurn(round: number): Cell[] {
  return shapes.flatMap((_, n) => {
    const group = cells.slice(n * clients.length, (n + 1) * clients.length)
    const first = round % clients.length
    return [...group.slice(first), ...group.slice(0, first)]
  })
}

function numbers(text: string): number[] {
  return text.split(',').map(part => {
    const value = Number(part)
    if (Number.isInteger(value) && value > 0) return value
    throw new Error(`a list of whole numbers from 1, not ${text}`)
  })
}

function clientsOf(list: string | undefined): readonly ClientName[] {
  if (list === undefined) {
    // It only fetches.
    const withH2load = !values.upload && findH2load()
    return overHttp2 ? HTTP2_CLIENTS.filter(name => name !== 'h2load' || withH2load) : USUAL_CLIENTS
  }
  return list === 'fetch-shape' ? FETCH_CLIENTS : list.split(',').map(clientName)
}

function protocolOf(text: string): 'h1' | 'h2' {
  if (text === 'h1' || text === 'h2') return text
  throw new Error(`--protocol: h1 or h2, not ${text}`)
}

function clientName(text: string): ClientName {
  if (isClientName(text)) return text
  throw new Error(`--clients: ${text} is none of ${CLIENT_NAMES.join(', ')}`)
}
