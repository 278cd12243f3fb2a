// Runs a command in the repository's root and shows what it prints. A failure is an `Error` that names the command.
import { spawn } from 'node:child_process'
import { root } from './paths.mjs'

/** Resolves when the command has ended with 0. */
export async function run(command, args, options = {}) {
  const code = await exitCode(command, args, options)
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}`)
}

/** A script of Node's, for instance one that `npm ci` installed. */
export function runNode(script, args = [], options = {}) {
  return run(process.execPath, [script, ...args], options)
}

/** Resolves to the exit code, or the signal's name. `onLine` gets each line of output instead of the terminal. */
export function exitCode(command, args, { onLine, env, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: onLine ? ['ignore', 'pipe', 'inherit'] : ['ignore', 'inherit', 'inherit'],
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? signal))
    if (onLine) readLines(child.stdout, onLine)
  })
}

function readLines(stream, onLine) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}

/** For the end of a script: an error becomes one line and exit code 1. */
export function main(work) {
  work().catch(error => {
    console.error(`\n${error.message}`)
    process.exitCode = 1
  })
}
