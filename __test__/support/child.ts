// Runs one of `children/` as a process of its own: how it ends is the test.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Longest life of a child in ms: it is killed then, which the result shows as SIGKILL. 200 workers took 100 s on one processor with eleven
 * others waiting for it; less than ava's own limit.
 */
const LIFE_MS = 240_000

/** For children that measure memory: a collection on demand, and a young generation that V8 does not double on the way. */
export const MEASURED: readonly string[] = ['--expose-gc', '--max-semi-space-size=4']

export function runChild(name: string, args: readonly string[], execArgv: readonly string[] = []): Promise<Ended> {
  const file = fileURLToPath(new URL(`./children/${name}.js`, import.meta.url))
  const child = spawn(process.execPath, [...execArgv, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const life = setTimeout(() => child.kill('SIGKILL'), LIFE_MS)
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
    child.on('close', (code, signal) => {
      clearTimeout(life)
      resolve({ code, signal, stdout, stderr })
    })
  })
}
