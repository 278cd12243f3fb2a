// The packed package, installed into an empty folder and used there: from ESM, from CommonJS, from strict TypeScript, without a binary.

import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import anyTest, { type TestFn } from 'ava'
import { SUPPORTED } from '../../ts/native/platform.js'
import { link, type Packed, PLATFORM, pack, packageName, ROOT } from '../support/packed.js'
import { startTestkit } from '../support/upstream.js'

const exec = promisify(execFile)
const test = anyTest as TestFn<{ packed: Packed; project: string }>

test.before(async t => {
  const packed = await pack()
  t.context = { packed, project: await packed.install({ binary: true }) }
})

test.after.always(async t => {
  await t.context.packed?.remove()
})

/** Runs a program in the folder; gives what it prints. */
async function node(project: string, file: string, text: string, ...args: string[]): Promise<string> {
  await writeFile(join(project, file), text)
  const { stdout } = await exec(process.execPath, [file, ...args], { cwd: project })
  return stdout
}

const USE = `
const pool = new Pool(process.argv[2])
const { status, body } = await pool.request({ path: '/' })
console.log(status, await body.text())
await pool.close()
`

test.serial('it is used from ESM', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const text = `import { Pool } from 'forebay'\n${USE}`
  t.is(await node(t.context.project, 'use.mjs', text, upstream.origin), '200 hello from the testkit\n')
})

test.serial('it is used from CommonJS', async t => {
  const upstream = await startTestkit()
  t.teardown(() => upstream.stop())
  const text = `const { Pool } = require('forebay')\nvoid (async () => {${USE}})()`
  t.is(await node(t.context.project, 'use.cjs', text, upstream.origin), '200 hello from the testkit\n')
})

test.serial('ESM and CommonJS share classes', async t => {
  const text = `
import { createRequire } from 'node:module'
import * as esm from 'forebay'
const cjs = createRequire(import.meta.url)('forebay')
console.log(Object.keys(esm).length > 0 && Object.keys(esm).every(name => esm[name] === cjs[name]))
`
  t.is(await node(t.context.project, 'share.mjs', text), 'true\n')
})

test.serial('importing it loads no binary and opens no handle', async t => {
  const project = await t.context.packed.install({ binary: false })
  const text = `
const before = process.getActiveResourcesInfo()
await import('forebay')
console.log(JSON.stringify({ before, after: process.getActiveResourcesInfo() }))
`
  const { before, after } = JSON.parse(await node(project, 'import.mjs', text))
  t.deepEqual(after, before)
})

test.serial('without the platform package there is one clear error', async t => {
  const project = await t.context.packed.install({ binary: false })
  const text = `
import { ForebayError, Pool } from 'forebay'
try {
  const pool = new Pool('http://127.0.0.1:1')
  await pool.request({ path: '/' })
} catch (error) {
  console.log(JSON.stringify({ ours: error instanceof ForebayError, code: error.code, phase: error.phase, message: error.message }))
}
`
  const { message, ...rest } = JSON.parse(await node(project, 'missing.mjs', text))
  t.deepEqual(rest, { ours: true, code: 'FB_BINARY_MISSING', phase: 'setup' })
  for (const part of [packageName(PLATFORM), PLATFORM, 'npm run build:native']) t.true(message.includes(part), message)
})

test.serial('strict TypeScript takes it, with all of its declarations checked', async t => {
  const { project } = t.context
  for (const name of ['@types/node', 'undici-types']) await link(project, name)
  const use = `
const pool = new Pool('http://127.0.0.1:1', { limits: { maxConnections: 5 } })
export async function use(): Promise<[number, string | null, Uint8Array]> {
  const response = await pool.request({ method: 'POST', path: '/', headers: { 'x-a': 1 }, body: 'text' })
  return [response.status, response.headers.get('content-type'), await response.body.bytes()]
}
export class Named extends Pool {
  readonly label: string = 'one'
}
export function codeOf(error: unknown): string | null {
  if (error instanceof RequestError) return error.field
  return error instanceof ForebayError ? error.code : null
}
`
  await writeFile(join(project, 'use.mts'), `import { ForebayError, Pool, RequestError } from 'forebay'\n${use}`)
  await writeFile(join(project, 'use.cts'), `import { ForebayError, Pool, RequestError } from 'forebay'\n${use}`)
  for (const module of ['node16', 'node18', 'node20', 'nodenext']) {
    const flags = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
      '--skipLibCheck',
      'false',
      '--noEmit',
    ]
    const target = ['--target', 'es2023', '--lib', 'es2023,esnext.disposable', '--types', 'node', '--module', module]
    const args = [join(ROOT, 'node_modules/typescript/bin/tsc'), ...flags, ...target, 'use.mts', 'use.cts']
    const { stdout } = await exec(process.execPath, args, { cwd: project }).catch((error: { stdout: string }) => error)
    t.is(stdout, '', `--module ${module}`)
  }
})

test.serial('publint has nothing to say', async t => {
  const { formatMessage } = await import('publint/utils')
  const { publint } = await import('publint')
  const { buffer } = await readFile(t.context.packed.tarball).then(bytes => new Uint8Array(bytes))
  const { messages, pkg } = await publint({ strict: true, pack: { tarball: buffer } })
  t.deepEqual(
    messages.map(message => formatMessage(message, pkg)),
    [],
  )
})

test.serial('attw finds the types of every entry right', async t => {
  const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const outcome = await exec(process.execPath, [attw, '--profile', 'node16', t.context.packed.tarball]).catch(
    (error: { stdout: string }) => error,
  )
  t.true(outcome.stdout.includes('No problems found'), outcome.stdout)
})

test.serial('the tarball holds what is published and nothing else', async t => {
  const { files, manifest } = t.context.packed
  const outside = files.filter(path => !path.startsWith('dist/'))
  t.deepEqual(outside, ['CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'])
  const inside = files.filter(path => path.startsWith('dist/'))
  t.true(
    inside.every(path => /\.(js|d\.ts|cjs|d\.cts)$/.test(path)),
    inside.join('\n'),
  )
  t.deepEqual(manifest['dependencies'], undefined)
  t.deepEqual(
    manifest['optionalDependencies'],
    Object.fromEntries([...SUPPORTED].sort().map(platform => [packageName(platform), manifest['version']])),
  )
})

test('there is a platform package for each supported platform, at one version, for the right machines', async t => {
  const version = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version
  t.deepEqual((await readdir(join(ROOT, 'npm'))).sort(), [...SUPPORTED].sort())
  for (const platform of SUPPORTED) {
    const manifest = JSON.parse(await readFile(join(ROOT, 'npm', platform, 'package.json'), 'utf8'))
    const [os, cpu, abi] = platform.split('-')
    const libc = abi === 'gnu' ? ['glibc'] : abi === 'musl' ? ['musl'] : undefined
    t.like(manifest, {
      name: packageName(platform),
      version,
      os: [os],
      cpu: [cpu],
      libc,
      main: `forebay.${platform}.node`,
    })
  }
})
