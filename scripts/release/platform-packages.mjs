// Release: puts the binaries that the matrix built (`<folder>/**/forebay.<platform>.node`) into npm/<platform>, each with
// the licences. Fails when one is missing: a release has all platforms or none.
import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../lib/paths.mjs'
import { main } from '../lib/run.mjs'

const [folder] = process.argv.slice(2)

main(async () => {
  if (folder === undefined) throw new Error('usage: platform-packages.mjs <folder with the built binaries>')
  const built = await readdir(folder, { recursive: true })
  for (const platform of await readdir(join(root, 'npm'))) {
    const name = `forebay.${platform}.node`
    const path = built.find(file => file === name || file.endsWith(`/${name}`))
    if (path === undefined) throw new Error(`${name} is not in ${folder}`)
    const target = join(root, 'npm', platform)
    await copyFile(join(folder, path), join(target, name))
    for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) await copyFile(join(root, licence), join(target, licence))
  }
})
