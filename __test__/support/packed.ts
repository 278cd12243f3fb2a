// The package as users get it: packed, with the packed platform package, installed by npm into an empty folder, offline.

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { currentHost, packageName, platformName } from '../../ts/native/platform.js'

const exec = promisify(execFile)

export const ROOT: string = dirname(createRequire(import.meta.url).resolve('forebay/package.json'))
export const PLATFORM: string = platformName(currentHost())

export interface Packed {
  /** The tarball of forebay. */
  readonly tarball: string
  /** Paths in it, sorted. */
  readonly files: readonly string[]
  /** Its package.json, with `optionalDependencies` as published. */
  readonly manifest: Record<string, unknown>
  /** The tarball of the package with this platform's binary. */
  readonly platformTarball: string
  /** A new folder in which both are installed, or forebay alone. */
  install(options: { binary: boolean }): Promise<string>
  remove(): Promise<void>
}

/** Packs what `npm run build` has built. */
export async function pack(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-package-'))
  const main = await stage(folder)
  const platform = await stagePlatform(folder)
  const [tarball, files] = await npmPack(main, folder)
  const [platformTarball] = await npmPack(platform, folder)
  let installed = 0
  return {
    tarball,
    files,
    manifest: JSON.parse(await readFile(join(main, 'package.json'), 'utf8')),
    platformTarball,
    async install({ binary }) {
      installed += 1
      const project = join(folder, `project-${installed}`)
      await mkdir(project)
      await writeFile(join(project, 'package.json'), '{ "name": "project", "private": true }\n')
      // Offline: the packages of other platforms are optional and not to be had, as on a machine that they are not for.
      const options = ['--offline', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts']
      await npm(['install', ...options, tarball, ...(binary ? [platformTarball] : [])], project)
      return project
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** A copy of what is published, with the manifest that the release writes. */
async function stage(folder: string): Promise<string> {
  const main = join(folder, 'forebay')
  for (const part of ['dist', 'package.json', 'README.md', 'CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT']) {
    await cp(join(ROOT, part), join(main, part), { recursive: true })
  }
  await exec(process.execPath, [join(ROOT, 'scripts/release/optional-dependencies.mjs'), join(main, 'package.json')])
  return main
}

async function stagePlatform(folder: string): Promise<string> {
  const platform = join(folder, 'platform')
  await cp(join(ROOT, 'npm', PLATFORM), platform, { recursive: true })
  const binary = `forebay.${PLATFORM}.node`
  await cp(join(ROOT, 'build', binary), join(platform, binary))
  return platform
}

async function npmPack(from: string, to: string): Promise<[tarball: string, files: string[]]> {
  const { stdout } = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', to], from)
  const [packed]: { filename: string; files: { path: string }[] }[] = JSON.parse(stdout)
  if (packed === undefined) throw new Error('npm pack says nothing')
  const files = packed.files.map(({ path }) => path).sort()
  return [join(to, packed.filename.replace(/^@/, '').replace('/', '-')), files]
}

/** npm as this Node's own script: on Windows it is no program. */
function npm(args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  const script = process.env['npm_execpath']
  return script === undefined ? exec('npm', [...args], { cwd }) : exec(process.execPath, [script, ...args], { cwd })
}

/** Makes a package that is installed here visible to a project, as a dependency of its own would be. */
export async function link(project: string, name: string): Promise<void> {
  const target = join(project, 'node_modules', name)
  await mkdir(dirname(target), { recursive: true })
  await symlink(join(ROOT, 'node_modules', name), target, 'junction')
}

export { packageName }
