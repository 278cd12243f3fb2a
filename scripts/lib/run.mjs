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

/** Resolves to the exit code, or the signal's name. `onLine` and `onError` get each line of output, and of error output, instead of the terminal. */
export function exitCode(command, args, { onLine, onError, env, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', onLine ? 'pipe' : 'inherit', onError ? 'pipe' : 'inherit'],
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? signal))
    if (onLine) readLines(child.stdout, onLine)
    if (onError) readLines(child.stderr, onError)
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
