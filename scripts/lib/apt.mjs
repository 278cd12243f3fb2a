// Installs a Debian package. The lists of a fresh machine are empty or old, and mirrors fail now and then: hence the retries.
import { retry } from './retry.mjs'
import { run } from './run.mjs'

export async function installWithApt(name) {
  const [command, ...args] = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', '--non-interactive', 'apt-get']
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const steps = [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', name],
  ]
  for (const step of steps) await retry(() => run(command, [...args, ...step], { env }))
}
