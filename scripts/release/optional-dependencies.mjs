// Release: writes the platform packages, at the version of the package, into `optionalDependencies` of package.json.
// At publish only: in the repository they would break `npm ci` before they are published. CI throws the change away.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../lib/paths.mjs'
import { main } from '../lib/run.mjs'

const [file = join(root, 'package.json')] = process.argv.slice(2)

main(async () => {
  const manifest = JSON.parse(await readFile(file, 'utf8'))
  const platforms = await readdir(join(root, 'npm'))
  const names = platforms.map(platform => `${manifest.napi.packageName}-${platform}`)
  manifest.optionalDependencies = Object.fromEntries(names.map(name => [name, manifest.version]))
  await writeFile(file, `${JSON.stringify(manifest, null, 2)}\n`)
})
