// Go programs of the tests: the Go that is there builds them, or a newer one that it fetches through the module proxy.
//
// A toolchain is a module of its own (golang.org/toolchain). From 1.21 on Go fetches one by itself, but only for modules that it can
// read; a Debian of today has 1.19. So it is asked for by name, which any version can.
import { execFileSync } from 'node:child_process'
import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { root, targetDir } from './paths.mjs'
import { retry } from './retry.mjs'
import { run } from './run.mjs'

/** The toolchain that is fetched where the Go at hand is older than a program needs. */
const TOOLCHAIN = '1.24.13'

/** Without the network: programs of the standard library. */
const ALONE = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', GOPROXY: 'off', GOWORK: 'off' }

/** Builds the program in `folder`, of the standard library alone, to `target/peers/<name>`. */
export function buildAlone(folder, name) {
  return run('go', ['build', '-o', program(name), '.'], { cwd: join(root, folder), env: ALONE })
}

/** Builds a program whose modules are pinned in its go.sum; `needs` is the Go of its go.mod, such as `1.24`. */
export async function buildPinned(folder, name, needs) {
  const [go, environment] = isAtLeast(version(), needs) ? ['go', {}] : await fetchedToolchain()
  const options = {
    cwd: join(root, folder),
    env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly', GOWORK: 'off', ...environment },
  }
  await retry(() => run(go, ['mod', 'download'], options))
  await run(go, ['build', '-o', program(name), '.'], options)
}

function program(name) {
  return join(root, 'target/peers', process.platform === 'win32' ? `${name}.exe` : name)
}

/** Such as `1.26.8`. */
function version() {
  const text = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  return /go(\d+\.\d+(\.\d+)?)/.exec(text)?.[1] ?? '0'
}

function isAtLeast(found, needed) {
  const [[major, minor], [neededMajor, neededMinor]] = [found, needed].map(text => text.split('.').map(Number))
  return major > neededMajor || (major === neededMajor && minor >= neededMinor)
}

/** The `go` of a toolchain in `target/`, and what it must be told. */
async function fetchedToolchain() {
  const platform = ['GOOS', 'GOARCH'].map(name => execFileSync('go', ['env', name], { encoding: 'utf8' }).trim())
  const name = `golang.org/toolchain@v0.0.1-go${TOOLCHAIN}.${platform.join('-')}`
  const modules = join(targetDir, 'peers/toolchain')
  const env = { GOMODCACHE: modules, GOFLAGS: '-modcacherw' }
  await retry(() => run('go', ['mod', 'download', name], { cwd: targetDir, env }))
  const home = join(modules, ...name.split('/'))
  // A module holds no modes of files.
  const folders = ['bin', `pkg/tool/${platform.join('_')}`]
  for (const folder of folders) {
    for (const file of await readdir(join(home, folder))) await chmod(join(home, folder, file), 0o755)
  }
  return [join(home, 'bin/go'), { GOROOT: home }]
}
