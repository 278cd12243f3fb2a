// Installs a Debian package. The lists of a fresh machine are empty or old, and mirrors fail now and then: hence the retries.
import { setTimeout as sleep } from 'node:timers/promises'
import { exitCode } from './run.mjs'

const ATTEMPTS = 4
const PAUSE_MS = 5_000

export async function installWithApt(name) {
  const apt = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', '--non-interactive', 'apt-get']
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const steps = [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', name],
  ]
  for (const step of steps) {
    for (let attempt = 1; (await succeeds([...apt, ...step], env)) === false; attempt += 1) {
      if (attempt === ATTEMPTS) throw new Error(`${[...apt, ...step].join(' ')} failed ${ATTEMPTS} times`)
      await sleep(PAUSE_MS)
    }
  }
}

async function succeeds([command, ...args], env) {
  const code = await exitCode(command, args, { env }).catch(() => 1)
  return code === 0
}
