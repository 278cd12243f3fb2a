// The clients that bench/behaviour compares Forebay with, from npm, in a folder of their own. They are no dependencies: they need a
// newer Node than Forebay does, and nobody but the comparison uses them.
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './paths.mjs'
import { run } from './run.mjs'

/** Exact, so that a comparison can be repeated: the newest when it was written. */
const PEERS = { undici: '8.12.4', got: '16.1.0', axios: '1.21.1' }

/** The release line of Node that they need: undici 8 and got 16 do not run on 20. */
export const PEERS_NODE = 24

/** What gives them to a program that is not in their folder. */
const DOOR = `export * as undici from 'undici'
export { default as got } from 'got'
export { default as axios } from 'axios'
export const versions = ${JSON.stringify(PEERS)}
`

/** The path of a module that exports them, installed once. */
export async function installPeers() {
  const name = Object.entries(PEERS)
    .map(peer => peer.join('-'))
    .join('_')
  const folder = join(root, 'build/peers', name)
  const door = join(folder, 'peers.mjs')
  if (await isThere(door)) return door
  const draft = `${folder}.draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await writeFile(join(draft, 'package.json'), JSON.stringify({ private: true, dependencies: PEERS }))
  console.log(
    `installing ${Object.entries(PEERS)
      .map(peer => peer.join(' '))
      .join(', ')}`,
  )
  const options = ['install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await run(npm, options, { cwd: draft })
  await writeFile(join(draft, 'peers.mjs'), DOOR)
  await rm(folder, { recursive: true, force: true })
  await rename(draft, folder)
  return door
}

function isThere(path) {
  return access(path).then(
    () => true,
    () => false,
  )
}
