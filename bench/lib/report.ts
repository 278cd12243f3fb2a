// What a benchmark found, as JSON (every round), Markdown (medians, spread, ratio to undici) and SVG charts.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientName } from './clients.js'
import type { Measurement } from './load.js'
import { describeMachine } from './machine.js'
import { type Spread, spread } from './statistics.js'
import { chart } from './svg.js'
import { amount, markdown } from './table.js'

/** One client under one load; a measurement for each round. */
export interface Cell {
  readonly client: ClientName
  readonly bytes: number
  readonly inFlight: number
  readonly rounds: Measurement[]
}

export interface Run {
  readonly upstream: string
  readonly protocol: string
  readonly pinned: boolean
  /** Whether the bodies were sent, not fetched. */
  readonly upload: boolean
  readonly rounds: number
  readonly milliseconds: number
  readonly cells: readonly Cell[]
}

type Figure = 'perSecond' | 'processCpu' | 'threadCpu' | 'p50' | 'p99' | 'loopDelayP99'

const FIGURES: readonly (readonly [Figure, title: string, unit: string, file: string])[] = [
  ['processCpu', 'Process CPU per request', 'microseconds, lower is better', 'process-cpu'],
  ['threadCpu', 'JavaScript-thread CPU per request', 'microseconds, lower is better', 'js-thread-cpu'],
  ['p50', 'Latency, median', 'microseconds, lower is better', 'latency-p50'],
  ['p99', 'Latency, 99 of 100', 'microseconds, lower is better', 'latency-p99'],
  ['loopDelayP99', 'Event-loop delay, 99 of 100', 'microseconds, lower is better', 'event-loop-delay'],
  ['perSecond', 'Requests per second', 'higher is better', 'throughput'],
]

/** The peer that the others are compared with: the first of these that runs. */
const REFERENCES: readonly ClientName[] = ['undici', 'undici-fetch', 'undici-h2']

function referenceOf(run: Run): ClientName | undefined {
  return REFERENCES.find(name => run.cells.some(({ client }) => client === name))
}

/** Writes everything into `folder`; gives the Markdown. */
export async function writeReport(folder: string, run: Run): Promise<string> {
  await mkdir(folder, { recursive: true })
  const machine = describeMachine()
  await writeFile(join(folder, 'report.json'), `${JSON.stringify({ ...machine, ...run }, null, 1)}\n`)
  for (const [figure, title, unit, file] of FIGURES) {
    for (const bytes of bodiesOf(run)) {
      const text = chart({
        title: `${title}, ${size(bytes)} bodies`,
        unit: `${unit}, by requests in flight`,
        ...bars(run, figure, bytes),
      })
      await writeFile(join(folder, `${file}-${bytes}.svg`), text)
    }
  }
  const text = asMarkdown(run, `${machine.cpu}, ${machine.processors} processors, Node ${machine.node}`)
  await writeFile(join(folder, 'report.md'), text)
  return text
}

function asMarkdown(run: Run, machine: string): string {
  const method =
    `${run.rounds} interleaved rounds of ${run.milliseconds} ms, ${run.protocol}, upstream ${run.upstream}, each client in a process of its own` +
    `${run.pinned ? ' on one processor, the upstream on another' : ''}. Medians; in brackets the lowest and the highest round. ` +
    `Times in microseconds; CPU per request; \`x\` is the median over the rounds of the ratio to ${referenceOf(run) ?? 'undici'} in the same round.`
  const tables = bodiesOf(run).flatMap(bytes =>
    inFlightsOf(run).map(inFlight => {
      const rows = run.cells
        .filter(cell => cell.bytes === bytes && cell.inFlight === inFlight)
        .map(cell => [cell.client, ...columns(run, cell)])
      const head = [
        'client',
        'requests/s',
        'process CPU',
        'x',
        'JS-thread CPU',
        'x',
        'p50',
        'x',
        'p99',
        'loop delay p99',
      ]
      return `### ${size(bytes)}, ${inFlight} in flight\n\n${markdown(head, rows)}\n`
    }),
  )
  return `## Benchmark${run.upload ? ' of uploads' : ''}\n\n${machine}. ${method}\n\n${[...tables, shares(run)].join('\n')}`
}

function columns(run: Run, cell: Cell): string[] {
  const show = (figure: Figure) => spreadText(valuesOf(cell, figure))
  const compare = (figure: Figure) => ratioText(run, cell, figure)
  return [
    show('perSecond'),
    show('processCpu'),
    compare('processCpu'),
    show('threadCpu'),
    compare('threadCpu'),
    show('p50'),
    compare('p50'),
    show('p99'),
    show('loopDelayP99'),
  ]
}

function spreadText(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const { median, min, max } = spread(values)
  return `${amount(median)} (${amount(min)}-${amount(max)})`
}

function ratioText(run: Run, cell: Cell, figure: Figure): string {
  return ratioTo(run, cell, referenceOf(run), figure)
}

/** The median over the rounds of the ratio to another client under the same load. */
function ratioTo(run: Run, cell: Cell, peer: ClientName | undefined, figure: Figure): string {
  const reference = run.cells.find(
    other => other.client === peer && other.bytes === cell.bytes && other.inFlight === cell.inFlight,
  )
  if (reference === undefined) return '-'
  const ours = valuesOf(cell, figure)
  const theirs = valuesOf(reference, figure)
  const ratios = ours.flatMap((value, round) => {
    const other = theirs[round]
    return other === undefined || other === 0 ? [] : [value / other]
  })
  return ratios.length === 0 ? '-' : spread(ratios).median.toFixed(2)
}

/** Forebay's CPU time for a request, as a share of each peer's. */
function shares(run: Run): string {
  const peers = [...new Set(run.cells.map(({ client }) => client))].filter(name => !isOurs(name))
  const head = ['load', ...peers.flatMap(name => [`process CPU / ${name}`, `JS-thread CPU / ${name}`])]
  const rows = run.cells
    .filter(({ client }) => isOurs(client))
    .map(cell => [
      `${cell.client}, ${size(cell.bytes)}, ${cell.inFlight} in flight`,
      ...peers.flatMap(name => [ratioTo(run, cell, name, 'processCpu'), ratioTo(run, cell, name, 'threadCpu')]),
    ])
  return `### CPU time as a share of each peer's\n\n${markdown(head, rows)}\n`
}

function isOurs(name: ClientName): boolean {
  return name.startsWith('forebay-')
}

function valuesOf(cell: Cell, figure: Figure): number[] {
  return cell.rounds.map(round => round[figure]).filter(value => value !== null)
}

function bars(run: Run, figure: Figure, bytes: number) {
  const series = [...new Set(run.cells.map(cell => cell.client))]
  const groups = inFlightsOf(run).map(inFlight => ({
    label: `${inFlight} in flight`,
    values: series.map((client): Spread | null => {
      const cell = run.cells.find(one => one.client === client && one.bytes === bytes && one.inFlight === inFlight)
      const values = cell === undefined ? [] : valuesOf(cell, figure)
      return values.length === 0 ? null : spread(values)
    }),
  }))
  return { series, groups }
}

function bodiesOf(run: Run): number[] {
  return [...new Set(run.cells.map(cell => cell.bytes))]
}

function inFlightsOf(run: Run): number[] {
  return [...new Set(run.cells.map(cell => cell.inFlight))]
}

function size(bytes: number): string {
  return bytes < 1_024 ? `${bytes} B` : `${Math.round(bytes / 1_024)} KB`
}
