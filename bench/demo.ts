// npm run demo: a few ten thousand requests through Forebay on each runner and through undici, side by side in one table.
//
//   npm run demo -- [--url http://host:port/path] [--requests 20000] [--in-flight 50]

import { parseArgs } from 'node:util'
import type { ClientName } from './lib/clients.js'
import type { Measurement } from './lib/load.js'
import { measure } from './lib/measure.js'
import { CLIENT_CPU } from './lib/pin.js'
import { endProgress, progress } from './lib/progress.js'
import { amount, table } from './lib/table.js'
import { startUpstream } from './lib/upstream.js'

const CLIENTS: readonly (readonly [ClientName, string])[] = [
  ['forebay-thread', 'Forebay, thread'],
  ['forebay-event-loop', 'Forebay, event loop'],
  ['undici', 'undici Pool'],
]

/** An hour: the number of requests ends the run. */
const NO_TIME_LIMIT_MS = 3_600_000

/** Bytes of the embedded upstream's answers. */
const BODY_BYTES = 22

const { values } = parseArgs({
  options: { url: { type: 'string' }, requests: { type: 'string' }, 'in-flight': { type: 'string' } },
})
const requests = wholeNumber('--requests', values.requests ?? '20000')
const inFlight = wholeNumber('--in-flight', values['in-flight'] ?? '50')

const upstream = values.url === undefined ? await startUpstream([BODY_BYTES], 'testkit') : null
const url = values.url ?? upstream?.url(BODY_BYTES) ?? ''
const whose = upstream === null ? 'your server' : "the testkit's server"
console.log(`${amount(requests)} GET requests, ${inFlight} in flight, to ${url} (${whose})\n`)

try {
  const rows: string[][] = []
  for (const [client, label] of CLIENTS) {
    const show = (done: number) => progress(`${label}: ${Math.min(100, Math.round((100 * done) / requests))} %`)
    show(0)
    const warmRequests = Math.ceil(requests / 4)
    const task = {
      client,
      url,
      ca: null,
      uploadBytes: 0,
      inFlight,
      requests,
      milliseconds: NO_TIME_LIMIT_MS,
      warmRequests,
      warmMilliseconds: 2_000,
    }
    rows.push(row(label, await measure(task, CLIENT_CPU, show)))
  }
  endProgress()
  const head = ['client', 'requests/s', 'process CPU us', 'JS-thread CPU us', 'p50 us', 'p99 us', 'connections']
  console.log(table(head, rows))
  console.log('\nCPU time is per request. Each client ran in a process of its own, one after another.')
} finally {
  await upstream?.stop()
}

function row(label: string, found: Measurement): string[] {
  const { perSecond, processCpu, threadCpu, p50, p99, connections } = found
  return [
    label,
    amount(perSecond),
    amount(processCpu),
    amount(threadCpu),
    amount(p50),
    amount(p99),
    String(connections),
  ]
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`${name}: a whole number from 1, not ${text}`)
}
