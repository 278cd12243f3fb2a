// Release: one version for everything. Writes it into package.json, the lock file, npm/*/package.json and Cargo.toml.
import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../lib/paths.mjs'
import { main } from '../lib/run.mjs'

const [version] = process.argv.slice(2)

main(async () => {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? '')) throw new Error('usage: set-version.mjs <version>')
  const platforms = (await readdir(join(root, 'npm'))).map(platform => `npm/${platform}/package.json`)
  for (const path of ['package.json', ...platforms]) await replace(path, /("version": ")[^"]+/)
  await replace('Cargo.toml', /(\[workspace\.package\]\nversion = ")[^"]+/)
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], { cwd: root, stdio: 'inherit' })
  execFileSync('cargo', ['update', '--workspace', '--offline'], { cwd: root, stdio: 'inherit' })
})

/** The pattern's first group stays, what follows it is the version. */
async function replace(path, pattern) {
  const file = join(root, path)
  const text = await readFile(file, 'utf8')
  if (!pattern.test(text)) throw new Error(`${path}: no version found`)
  await writeFile(
    file,
    text.replace(pattern, (_, before) => before + version),
  )
}
