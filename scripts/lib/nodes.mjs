// Other versions of Node, from the npm packages that carry Node's binaries. They are no dependencies: their `bin` would
// shadow `node` in every npm script.
import { execFile } from 'node:child_process'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './paths.mjs'

const exec = promisify(execFile)

/** The release lines that the suite runs on, besides the one that runs this script. */
export const LINES = [22, 24, 26]

/** The path of the newest binary of a release line, fetched once into build/nodes. */
export async function nodeOfLine(line) {
  const folder = join(root, 'build/nodes', String(line))
  const binary = join(folder, 'package/bin/node')
  if (!(await isThere(binary))) await fetchNode(line, folder)
  return binary
}

async function fetchNode(line, folder) {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}@${line}`
  const draft = `${folder}.draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  console.log(`fetching ${name}`)
  const { stdout } = await exec('npm', ['pack', name, '--json', '--pack-destination', draft], { cwd: draft })
  const [{ filename }] = JSON.parse(stdout)
  await exec('tar', ['-xzf', filename, 'package/bin/node'], { cwd: draft })
  await rm(join(draft, filename))
  await rm(folder, { recursive: true, force: true })
  await rename(draft, folder)
}

function isThere(path) {
  return access(path).then(
    () => true,
    () => false,
  )
}
