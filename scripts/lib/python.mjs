// A Python environment of the tests, in a folder of its own.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installWithApt } from './apt.mjs'
import { root } from './paths.mjs'
import { retry } from './retry.mjs'
import { run } from './run.mjs'

/** Installs what the file lists into `folder`, unless it is there; wheels only, nothing is compiled. */
export async function preparePython(folder, requirements) {
  const home = join(root, folder)
  const list = await readFile(join(root, requirements), 'utf8')
  const stamp = join(home, 'installed.txt')
  if ((await readFile(stamp, 'utf8').catch(() => null)) === list) return
  await rm(home, { recursive: true, force: true })
  await run('python3', ['-m', 'venv', home]).catch(async () => {
    // Debian has it in a package of its own.
    await installWithApt('python3-venv')
    await run('python3', ['-m', 'venv', home])
  })
  const pip = [
    '-m',
    'pip',
    '--disable-pip-version-check',
    '--quiet',
    'install',
    '--only-binary',
    ':all:',
    '-r',
    requirements,
  ]
  await retry(() => run(join(home, 'bin/python'), pip))
  await writeFile(stamp, list)
}
