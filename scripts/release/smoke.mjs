// Release: the binary of this platform is there under its name, loads, and the loader finds it by itself.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../lib/paths.mjs'
import { main } from '../lib/run.mjs'

const [platform] = process.argv.slice(2)

main(async () => {
  await access(join(root, 'build', `forebay.${platform}.node`))
  const { currentHost, platformName } = await importFromDist('native/platform.js')
  const found = platformName(currentHost())
  if (found !== platform) throw new Error(`this is ${found}, not ${platform}`)
  const { loadBinding } = await importFromDist('native/load.js')
  console.log(`${platform}: event loop ${loadBinding().eventLoopSupport() ?? 'supported'}`)
})

function importFromDist(path) {
  return import(pathToFileURL(join(root, 'dist', path)).href)
}
