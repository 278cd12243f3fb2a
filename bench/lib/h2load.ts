// h2load, nghttp2's load generator in C++, as the measure of what HTTP/2 over TLS costs at all: one connection, so many streams.
//
// Promise: its CPU time is the kernel's account of the ended process (getrusage of the child, by the shell), start and handshake
// included. Used by `bench.ts`. Not here: latencies, which it does not tell as quantiles.

import { spawn, spawnSync } from 'node:child_process'
import type { Measurement } from './load.js'
import { pinned } from './pin.js'

/** Where it and a shell that accounts for children are installed. Debian: nghttp2-client. */
export function findH2load(): boolean {
  return spawnSync('h2load', ['--version']).status === 0 && spawnSync('bash', ['-c', 'times']).status === 0
}

/** Seconds of user and system time, after whatever else goes to standard error. */
const ACCOUNT = "TIMEFORMAT='cpu %3U %3S'; time"

export async function measureH2load(
  url: string,
  inFlight: number,
  milliseconds: number,
  cpu: number | null,
): Promise<Measurement> {
  const load = `h2load --clients=1 --threads=1 --max-concurrent-streams=${inFlight} --duration=${milliseconds}ms '${url}'`
  const [command, args] = pinned(cpu, 'bash', ['-c', `${ACCOUNT} ${load}`])
  const { stdout, stderr, code } = await ended(command, args)
  const [, total, succeeded] = /^requests: (\d+) total, .* (\d+) succeeded/m.exec(stdout) ?? []
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(stderr) ?? []
  const [, perSecond] = /, ([\d.]+) req\/s/.exec(stdout) ?? []
  const requests = Number(succeeded)
  // What is in flight when the time is over has neither succeeded nor failed.
  if (code !== 0 || !(requests > 0) || Number(total) - requests > inFlight) {
    throw new Error(`h2load ended with ${code}: ${stdout}${stderr}`)
  }
  return {
    requests,
    perSecond: Number(perSecond),
    processCpu: ((Number(user) + Number(system)) * 1e6) / requests,
    threadCpu: null,
    p50: null,
    p99: null,
    loopDelayP99: null,
    connections: 1,
  }
}

function ended(command: string, args: string[]): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ stdout, stderr, code }))
  })
}
