// What the comparison found, as JSON, Markdown and charts.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeMachine } from '../lib/machine.js'
import { chart } from '../lib/svg.js'
import { amount, markdown } from '../lib/table.js'
import type { ClientName } from './clients.js'
import type { Found } from './scenarios.js'

export interface Result {
  readonly client: ClientName
  readonly found: Found
  readonly isMet: boolean
}

export interface Section {
  readonly id: string
  readonly title: string
  readonly bar: string
  readonly results: readonly Result[]
}

/** Writes everything into `folder`; gives the Markdown. */
export async function writeBehaviour(
  folder: string,
  sections: readonly Section[],
  versions: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const machine = { ...describeMachine(), node: versions['node'] ?? '' }
  await writeFile(join(folder, 'report.json'), `${JSON.stringify({ ...machine, versions, sections }, null, 1)}\n`)
  const connections = drawn('Connections opened', 'count, by scenario', sections, found => found.connections)
  const lost = drawn('Requests that failed or hung', 'percent, by scenario', sections, shareLost)
  await writeFile(join(folder, 'connections.svg'), connections)
  await writeFile(join(folder, 'lost.svg'), lost)
  const names = Object.entries(versions).map(entry => entry.join(' '))
  const method =
    'HTTP/2 over TLS on loopback; each client in a process of its own, as it comes, against a server of its own. Lost: failed or ' +
    'without an answer. Uncaught: exceptions outside of any request, which end a process that does not expect them.'
  const text = [
    '## Behaviour',
    `${machine.cpu}, ${machine.processors} processors; ${names.join(', ')}. ${method}`,
    ...sections.map(section),
  ].join('\n\n')
  await writeFile(join(folder, 'report.md'), `${text}\n`)
  return text
}

function section({ title, bar, results }: Section): string {
  const withThroughput = results.some(({ found }) => found.throughput !== null)
  const head = ['client', 'met', 'answered', 'lost', 'uncaught', 'connections', 'farewells', 'ms']
  const rows = results.map(({ client, isMet, found }) => [
    client,
    isMet ? 'yes' : 'no',
    String(found.succeeded),
    String(found.failed + found.unanswered),
    String(found.uncaught),
    String(found.connections),
    found.goaways === null ? '-' : String(found.goaways),
    amount(found.milliseconds),
    ...(withThroughput ? [kept(found)] : []),
    mostFrequent(found.errors),
  ])
  const all = [...head, ...(withThroughput ? ['throughput beside / alone'] : []), 'errors']
  return `### ${title}\n\nRight: ${bar}.\n\n${markdown(all, rows)}`
}

function kept({ throughput }: Found): string {
  if (throughput === null) return '-'
  const { alone, beside, kept: ratio } = throughput
  return `${ratio.toFixed(2)} (${amount(beside)} / ${amount(alone)} per s)`
}

function mostFrequent(errors: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(errors).sort(([, a], [, b]) => b - a)
  return sorted
    .slice(0, 3)
    .map(([code, count]) => `${code.slice(0, 60).replaceAll('|', '/')}: ${count}`)
    .join('; ')
}

function shareLost({ succeeded, failed, unanswered }: Found): number {
  return (100 * (failed + unanswered)) / Math.max(1, succeeded + failed + unanswered)
}

function drawn(title: string, unit: string, sections: readonly Section[], value: (found: Found) => number): string {
  const series = [...new Set(sections.flatMap(({ results }) => results.map(({ client }) => client)))]
  const groups = sections.map(({ id, results }) => ({
    label: id,
    values: series.map(name => {
      const found = results.find(({ client }) => client === name)?.found
      if (found === undefined) return null
      return { median: value(found), min: value(found), max: value(found) }
    }),
  }))
  return chart({ title, unit, series, groups })
}
