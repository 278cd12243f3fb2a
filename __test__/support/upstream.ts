// The program forebay-testkit as an upstream: a well-behaved server or one that plays scripts, on a free port, steered by lines.
//
// Promise: it ends with its owner, since it reads our end of a pipe. Used by tests and benchmarks. Not here: what it can do
// (crates/forebay-testkit/src/control.rs).

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { QuicStep } from './quic-script.js'
import type { Step } from './script.js'

/** The counters of the well-behaved server that tests look at. */
export interface TestkitStats {
  readonly connectionsAccepted: number
  readonly connectionsOpen: number
  readonly maxConnectionsOpen: number
  readonly requestsBegun: number
  readonly requestsCompleted: number
  readonly requestsActive: number
  readonly maxRequestsPerConnection: number
  readonly bodyBytesReceived: number
  readonly tlsHandshakes: number
  readonly tlsResumed: number
}

/** A connection of a scripted server. */
export interface ScriptedConnection {
  readonly index: number
  /** In ms of the server's own clock. */
  readonly acceptedAtMs: number
  readonly received: number
  readonly sent: number
  readonly requests: number
  readonly end: string | null
}

export interface Program {
  readonly origin: string
  readonly port: number
  /** The root that signed its certificates, PEM; `null` without TLS. */
  readonly ca: string | null
  /** The revocation list of that root, PEM; `null` without TLS. */
  readonly crl: string | null
  /** A good certificate of that root and its key, PEM; `null` without TLS. */
  readonly identity: { readonly cert: string; readonly key: string } | null
  /** Sends a line and gives the answer; fails where the answer is an error. */
  ask(line: string): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

export interface Testkit extends Program {
  stats(): Promise<TestkitStats>
  /** Waits until a counter is so, e.g. `connectionsOpen=0`. */
  until(condition: string): Promise<void>
}

export interface Scripted extends Program {
  connections(): Promise<ScriptedConnection[]>
  /** What a connection has sent us, in latin1. */
  received(connection: number): Promise<string>
  until(condition: string): Promise<void>
}

export interface StartOptions {
  /** Options of the program, e.g. `--tls`. */
  readonly args?: readonly string[]
  /** The command that starts it, e.g. one that picks a processor. */
  readonly wrap?: (command: string, args: string[]) => [command: string, args: string[]]
}

/** The well-behaved server. */
export async function startTestkit(options: StartOptions = {}): Promise<Testkit> {
  const program = await start(['h1', ...(options.args ?? [])], options)
  return {
    ...program,
    async stats() {
      const { stats } = await program.ask('stats')
      return stats as TestkitStats
    },
    async until(condition) {
      await program.ask(`await ${condition}`)
    },
  }
}

/** The counters of the well-behaved HTTP/2 server that tests look at. */
export interface Http2Stats {
  readonly connectionsAccepted: number
  readonly connectionsOpen: number
  readonly streamsBegun: number
  readonly streamsCompleted: number
  readonly maxStreamsPerConnection: number
  readonly goawaysSent: number
}

export interface Http2Testkit extends Program {
  stats(): Promise<Http2Stats>
  /** Waits until a counter is so, e.g. `connectionsOpen=0`. */
  until(condition: string): Promise<void>
}

/** The well-behaved HTTP/2 server: in clear with prior knowledge, or with `--tls`. */
export async function startHttp2(...args: readonly string[]): Promise<Http2Testkit> {
  const program = await start(['h2', ...args], {})
  return {
    ...program,
    async stats() {
      const { stats } = await program.ask('stats')
      return stats as Http2Stats
    },
    async until(condition) {
      await program.ask(`await ${condition}`)
    },
  }
}

export interface Http3Testkit extends Program {
  stats(): Promise<Http3Stats>
  /** Waits until a counter is so, e.g. `connectionsOpen=0`; `tcp.` before those of the server over TCP. */
  until(condition: string): Promise<void>
}

/** The counters of the well-behaved HTTP/3 server that tests look at. */
export interface Http3Stats extends Http2Stats {
  readonly handshakes: number
  readonly streamsEarly: number
  readonly retriesSent: number
}

/** The well-behaved HTTP/3 server; with `--tcp` one of HTTP/2 at the same port, which advertises it. */
export async function startHttp3(...args: readonly string[]): Promise<Http3Testkit> {
  const program = await start(['h3', ...args], {})
  return {
    ...program,
    async stats() {
      const { stats } = await program.ask('stats')
      return stats as Http3Stats
    },
    async until(condition) {
      await program.ask(`await ${condition}`)
    },
  }
}

/** A stream of the client's on a scripted QUIC server. */
export interface ScriptedStream {
  readonly received: number
  readonly early: boolean
  readonly end: 'fin' | 'reset' | 'stopped' | 'lost' | null
  /** Of a reset. */
  readonly code: number | null
  /** With which the client asked us to stop sending. */
  readonly stopped: number | null
}

/** A connection of a scripted QUIC server. */
export interface ScriptedQuicConnection {
  readonly index: number
  readonly alpn: string | null
  readonly serverName: string | null
  readonly step: number
  readonly requests: readonly ScriptedStream[]
  readonly unidirectional: readonly ScriptedStream[]
  readonly end: 'closed' | 'peerClosed' | 'peerFailed' | 'failed' | 'timedOut' | null
  /** With which the client closed it. */
  readonly code: number | null
}

export interface ScriptedQuic extends Program {
  connections(): Promise<ScriptedQuicConnection[]>
  until(condition: string): Promise<void>
}

/** A QUIC server whose connections play these scripts, the last one again and again. */
export async function startQuic(
  scripts: readonly (readonly QuicStep[])[],
  ...args: readonly string[]
): Promise<ScriptedQuic> {
  const program = await start(['quic', '--script', JSON.stringify(scripts), ...args], {})
  return {
    ...program,
    async connections() {
      const { connections } = await program.ask('connections')
      return connections as ScriptedQuicConnection[]
    },
    async until(condition) {
      await program.ask(`await ${condition}`)
    },
  }
}

/** What a network does to packets of UDP: shares of a hundred, times in ms. */
export interface Faults {
  readonly seed?: number
  readonly drop?: number
  /** How many in a row are lost at once. */
  readonly burst?: number
  readonly delay?: number
  readonly reorder?: number
  /** How long what is overtaken is held back. */
  readonly late?: number
  readonly duplicate?: number
  readonly corrupt?: number
  /** Larger packets are lost; null: none for that. */
  readonly largest?: number | null
}

export interface Relay extends Program {
  faults(faults: Faults): Promise<void>
  /** Where nothing passes from now on. */
  hole(where: 'none' | 'to-server' | 'to-client' | 'both'): Promise<void>
  /** Gives the client another address. */
  rebind(): Promise<void>
}

/** A bad network before this UDP port of loopback. */
export async function startRelay(port: number, faults: Faults = {}): Promise<Relay> {
  const program = await start(['relay', '--to', `127.0.0.1:${port}`, '--faults', JSON.stringify(faults)], {})
  const tell = async (line: string) => {
    await program.ask(line)
  }
  return {
    ...program,
    faults: change => tell(`faults ${JSON.stringify(change)}`),
    hole: where => tell(`hole ${where}`),
    rebind: () => tell('rebind'),
  }
}

/** A UDP port where no QUIC is spoken. `port` 0: any. */
export async function startUdp(door: 'silent' | 'shut' | 'versions' | 'noise', port = 0): Promise<Program> {
  return start(['udp', '--door', door, '--port', String(port)], {})
}

/** A server whose connections play these scripts, the last one again and again. */
export async function startScripted(...scripts: readonly (readonly Step[])[]): Promise<Scripted> {
  const program = await start(['script', '--script', JSON.stringify(scripts)], {})
  return {
    ...program,
    async connections() {
      const { connections } = await program.ask('connections')
      return connections as ScriptedConnection[]
    },
    async received(connection) {
      const { base64 } = await program.ask(`received ${connection}`)
      return Buffer.from(String(base64), 'base64').toString('latin1')
    },
    async until(condition) {
      await program.ask(`await ${condition}`)
    },
  }
}

/** A port that never answers: the queue of connections is full and nobody takes any. Linux. `port` 0: any. */
export async function startBlackHole(host = '127.0.0.1', port = 0): Promise<Program> {
  const where = ['--host', host, '--port', String(port)]
  return start(['script', ...where, '--backlog', '1', '--door', 'deaf', '--full-backlog', '--script', '[[]]'], {})
}

/** A port of loopback where nobody listens: the door is shut, so that nobody else can take it either. */
export async function startShut(): Promise<Program> {
  return start(['script', '--door', 'shut', '--script', '[[]]'], {})
}

/** Programs behind which there is only QUIC. */
const QUIC = ['h3', 'quic', 'relay', 'udp']

async function start(args: string[], { wrap }: StartOptions): Promise<Program> {
  const [command, all] = wrap ? wrap(binary(), args) : [binary(), args]
  const child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve())
  })
  const answers = answersOf(child.stdout)
  const ready = await Promise.race([answers.next(), ended.then(() => answers.next())])
  const port = Number(ready['port'])
  const ca = typeof ready['ca'] === 'string' ? ready['ca'] : null
  const crl = typeof ready['crl'] === 'string' ? ready['crl'] : null
  const { cert, key } = ready
  const scheme = args.includes('--tls') || QUIC.includes(args[0] ?? '') ? 'https' : 'http'
  return {
    origin: `${scheme}://127.0.0.1:${port}`,
    port,
    ca,
    crl,
    identity: typeof cert === 'string' && typeof key === 'string' ? { cert, key } : null,
    async ask(line) {
      child.stdin.write(`${line}\n`)
      const answer = await answers.next()
      if (answer['ok'] !== true) throw new Error(`forebay-testkit, ${line}: ${String(answer['error'])}`)
      return answer
    },
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

/** Lines in order, each to the caller that waits longest. */
function answersOf(stream: NodeJS.ReadableStream): { next(): Promise<Record<string, unknown>> } {
  const waiting: ((line: string | null) => void)[] = []
  const lines: (string | null)[] = []
  const give = (line: string | null) => {
    const first = waiting.shift()
    if (first === undefined) lines.push(line)
    else first(line)
  }
  createInterface(stream)
    .on('line', give)
    .on('close', () => give(null))
  return {
    async next() {
      const known = lines.shift()
      const line = known === undefined ? await new Promise<string | null>(resolve => waiting.push(resolve)) : known
      if (line === null) throw new Error('forebay-testkit has ended')
      return JSON.parse(line)
    },
  }
}

/** `npm test` builds it. */
function binary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))
  const name = process.platform === 'win32' ? 'forebay-testkit.exe' : 'forebay-testkit'
  const file = join(process.env['CARGO_TARGET_DIR'] ?? join(root, 'target'), 'release', name)
  if (!existsSync(file)) throw new Error(`${file} is missing: cargo build --release -p forebay-testkit`)
  return file
}
