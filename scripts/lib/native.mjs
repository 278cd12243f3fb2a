// The native binary of this machine: its file name, whether it is fresh, how it is built.
//
// cargo is called directly: `napi build` always passes --target, which gives a build folder of its own, and the TLS
// library (half of a cold build) would be built twice. @napi-rs/cli makes the declarations (`native-types.mjs`).
import { copyFile, mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { root, targetDir } from './paths.mjs'
import { run } from './run.mjs'

const SOURCES = ['Cargo.lock', 'Cargo.toml', 'crates']

/** Builds `build/forebay.<platform>.node`, unless it is newer than every source. */
export async function buildNative({ force = false, env = {} } = {}) {
  const binary = join(root, 'build', `forebay.${platformName()}.node`)
  if (!force && (await isFresh(binary))) {
    console.log('native: up to date')
    return
  }
  console.log('native: building (the first time about 90 crates: one to three minutes)')
  await run('cargo', ['build', '--release', '--locked', '-p', 'forebay-napi'], { env })
  await mkdir(join(root, 'build'), { recursive: true })
  // A process that runs may have the old file mapped: a new one takes its name.
  const draft = `${binary}.draft`
  await copyFile(join(targetDir, 'release', libraryName()), draft)
  await rename(draft, binary)
}

/** As `ts/native/platform.ts` names it; this script runs before that is compiled. */
function platformName() {
  const base = `${process.platform}-${process.arch}`
  if (process.platform === 'win32') return `${base}-msvc`
  if (process.platform !== 'linux') return base
  process.report.excludeNetwork = true
  return `${base}-${process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`
}

function libraryName() {
  if (process.platform === 'win32') return 'forebay_napi.dll'
  return process.platform === 'darwin' ? 'libforebay_napi.dylib' : 'libforebay_napi.so'
}

async function isFresh(binary) {
  const built = await newest(binary)
  const sources = await Promise.all(SOURCES.map(path => newest(join(root, path))))
  return built > Math.max(...sources)
}

/** When the newest file under `path` was changed, in ms; 0 where there is none. */
async function newest(path) {
  const found = await stat(path).catch(() => null)
  if (found === null) return 0
  if (!found.isDirectory()) return found.mtimeMs
  const names = await readdir(path)
  return Math.max(0, ...(await Promise.all(names.map(name => newest(join(path, name))))))
}
