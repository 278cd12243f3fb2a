// npm run bench:behaviour: Forebay on both runners, undici's Pool and Agent, got, axios and node:http2 in the situations that a pool of
// HTTP/2 connections is for, one after another, each against a server of its own.
//
//   npm run bench:behaviour -- [--clients a,b] [--only goaway,cold-300-nginx] [--seconds 30] [--out folder]
//
// Fails where Forebay does not meet a bar. Result: JSON, Markdown and SVG in bench/report/behaviour (docs in bench/README.md).

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { SceneStats } from '../__test__/support/http2-scene.js'
import { makeIdentity } from '../__test__/support/identity.js'
import { findNginx, startNginx } from '../__test__/support/nginx.js'
import type { Task } from './behaviour/child.js'
import { CLIENT_NAMES, type ClientName, type Target } from './behaviour/clients.js'
import { type Section, writeBehaviour } from './behaviour/report.js'
import { type Found, type Outcome, type Scenario, scenarios } from './behaviour/scenarios.js'
import { endProgress, progress } from './lib/progress.js'

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    peers: { type: 'string', default: '' },
    clients: { type: 'string', default: CLIENT_NAMES.join(',') },
    only: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    out: { type: 'string', default: 'bench/report/behaviour' },
  },
})
const { node, peers: door } = values
const clients = values.clients.split(',').map(clientName)
const only = values.only?.split(',') ?? null
const chosen = scenarios(Number(values.seconds)).filter(({ id, scene }) => {
  if (only !== null) return only.includes(id)
  return scene !== null || findNginx() !== null
})

const identity = await makeIdentity()
const sections: Section[] = []
try {
  for (const scenario of chosen) {
    const results = []
    for (const client of clients) {
      progress(`${scenario.id}: ${client}`)
      const found = scenario.scene === null ? await atNginx(scenario, client) : await atNode(scenario, client)
      results.push({ client, found, isMet: scenario.isMet(found) })
    }
    const { id, title, bar } = scenario
    sections.push({ id, title, bar, results })
  }
} finally {
  endProgress()
  await identity.remove()
}

const folder = resolve(values.out)
console.log(await writeBehaviour(folder, sections, { node: nodeVersion(), ...(await peerVersions()) }))
console.log(`\nwritten to ${folder}`)
const missed = sections.flatMap(({ id, results }) =>
  results.filter(({ client, isMet }) => client.startsWith('forebay') && !isMet).map(({ client }) => `${client}: ${id}`),
)
if (missed.length > 0) {
  console.error(`not met by ${missed.join(', ')}`)
  process.exitCode = 1
}

async function atNode(scenario: Scenario, client: ClientName): Promise<Found> {
  const server = start('server', [JSON.stringify(scenario.scene), identity.certFile, identity.keyFile])
  const { port } = await server.says<{ port: number }>()
  const outcome = await work(client, { origin: `https://localhost:${port}`, ca: identity.ca }, scenario)
  server.child.send('stats')
  const { connections, goaways } = await server.says<SceneStats>()
  server.child.disconnect()
  await server.ended
  return { ...outcome, connections, goaways }
}

async function atNginx(scenario: Scenario, client: ClientName): Promise<Found> {
  const nginx = await startNginx({ sizes: [], http2: { identity } })
  try {
    const outcome = await work(
      client,
      { origin: nginx.slow.replace('127.0.0.1', 'localhost'), ca: identity.ca },
      scenario,
    )
    return { ...outcome, connections: await nginx.slowConnections(), goaways: null }
  } finally {
    await nginx.stop()
  }
}

async function work(client: ClientName, target: Target, scenario: Scenario): Promise<Outcome> {
  const task: Task = { client, target, door, work: scenario.work }
  const worker = start('child', [JSON.stringify(task)])
  const outcome = await worker.says<Outcome>()
  await worker.ended
  return outcome
}

interface Started {
  readonly child: ChildProcess
  /** Its next message. */
  says<T>(): Promise<T>
  readonly ended: Promise<unknown>
}

function start(name: string, args: readonly string[]): Started {
  const file = fileURLToPath(new URL(`./behaviour/${name}.js`, import.meta.url))
  const child = fork(file, args, { execPath: node })
  const ended = once(child, 'exit')
  const early = ended.then(([code]) => Promise.reject(new Error(`${name} ended with ${code}`)))
  early.catch(() => {})
  const says = async () => (await Promise.race([once(child, 'message'), early]))[0]
  return { child, says, ended }
}

function nodeVersion(): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
}

/** The module that exports the peers cannot be imported here, by an older Node: its text says them. */
async function peerVersions(): Promise<Record<string, string>> {
  if (door === '') return {}
  const text = execFileSync(node, ['-p', `JSON.stringify(require(${JSON.stringify(door)}).versions)`], {
    encoding: 'utf8',
  })
  return JSON.parse(text)
}

function clientName(text: string): ClientName {
  const found = CLIENT_NAMES.find(name => name === text)
  if (found === undefined) throw new Error(`--clients: ${text} is none of ${CLIENT_NAMES.join(', ')}`)
  return found
}
