// Names of platforms, packages and binaries.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { currentHost, type Host, packageName, platformName, SUPPORTED } from '../../ts/native/platform.js'
import { ROOT } from '../support/packed.js'

const HOSTS: readonly (readonly [Host, string])[] = [
  [{ platform: 'linux', arch: 'x64', glibc: '2.36' }, 'linux-x64-gnu'],
  [{ platform: 'linux', arch: 'arm64', glibc: '2.28' }, 'linux-arm64-gnu'],
  [{ platform: 'linux', arch: 'x64', glibc: null }, 'linux-x64-musl'],
  [{ platform: 'linux', arch: 'arm64', glibc: null }, 'linux-arm64-musl'],
  [{ platform: 'darwin', arch: 'x64', glibc: null }, 'darwin-x64'],
  [{ platform: 'darwin', arch: 'arm64', glibc: null }, 'darwin-arm64'],
  [{ platform: 'win32', arch: 'x64', glibc: null }, 'win32-x64-msvc'],
  [{ platform: 'win32', arch: 'arm64', glibc: null }, 'win32-arm64-msvc'],
]

test('each supported host has its name', t => {
  for (const [host, name] of HOSTS) t.is(platformName(host), name)
  t.deepEqual(
    HOSTS.map(([, name]) => name),
    [...SUPPORTED],
  )
})

test('an unsupported host has a name that is not in the list', t => {
  for (const host of [
    { platform: 'linux', arch: 'ppc64', glibc: '2.36' },
    { platform: 'freebsd', arch: 'x64', glibc: null },
    { platform: 'win32', arch: 'ia32', glibc: null },
  ]) {
    t.false(SUPPORTED.includes(platformName(host)), platformName(host))
  }
})

test('the targets of the release are the supported platforms', async t => {
  const { napi } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const names = napi.targets.map((triple: string) => {
    const [arch, , os = '', abi] = triple.split('-')
    const platform = os === 'windows' ? 'win32' : os
    return [platform, arch === 'x86_64' ? 'x64' : 'arm64', abi].filter(part => part !== undefined).join('-')
  })
  t.deepEqual(names, [...SUPPORTED])
  for (const name of names) t.is(packageName(name), `${napi.packageName}-${name}`)
})

test('reading the host changes no setting of the diagnostic report', t => {
  const before: unknown = Reflect.get(process.report, 'excludeNetwork')
  const host = currentHost()
  t.is(host.platform, process.platform)
  t.is(Reflect.get(process.report, 'excludeNetwork'), before)
})
