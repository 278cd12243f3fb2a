// The native binary of this machine: its file name, whether it is fresh, how it is built.
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { root, tool } from './paths.mjs'
import { runNode } from './run.mjs'

const SOURCES = ['Cargo.lock', 'Cargo.toml', 'crates']

/** Builds `build/forebay.<platform>.node` and `ts/native/binding.d.cts`, unless the binary is newer than every source. */
export async function buildNative({ force = false } = {}) {
  if (!force && (await isFresh())) {
    console.log('native: up to date')
    return
  }
  console.log('native: building (a first build compiles about 90 crates: one to three minutes)')
  await mkdir(join(root, 'build'), { recursive: true })
  const options = ['--platform', '--release', '--no-js', '--output-dir', 'build', '--dts', '../ts/native/binding.d.cts']
  const target = process.env.FOREBAY_TARGET ? ['--target', process.env.FOREBAY_TARGET] : []
  const manifest = ['--manifest-path', 'crates/forebay-napi/Cargo.toml']
  await runNode(tool.napi, ['build', ...options, ...manifest, ...target, '--', '--locked'])
}

async function isFresh() {
  const built = await newest(join(root, 'build'), name => name.endsWith('.node'))
  const sources = await Promise.all(SOURCES.map(path => newest(join(root, path), () => true)))
  return built > Math.max(...sources)
}

/** When the newest matching file under `path` was changed, in ms; 0 where there is none. */
async function newest(path, matches) {
  const found = await stat(path).catch(() => null)
  if (found === null) return 0
  if (!found.isDirectory()) return matches(path) ? found.mtimeMs : 0
  const names = await readdir(path)
  return Math.max(0, ...(await Promise.all(names.map(name => newest(join(path, name), matches)))))
}
