// Compiles one of the three TypeScript projects: the package, its tests, its benchmarks and examples.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, tool } from './paths.mjs'
import { runNode } from './run.mjs'

/** ts -> dist, from scratch: a file whose source is gone must not be published. Then the CommonJS doors. */
export async function buildPackage() {
  await rm(join(root, 'dist'), { recursive: true, force: true })
  await runNode(tool.tsc, ['-p', 'tsconfig.json'])
  const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const door of Object.values(exports)) if (typeof door === 'object') await writeDoor(door)
}

/** ts and __test__ -> .ava-build. A test whose source is gone must not run on. */
export async function buildTests() {
  await removeOrphans('.ava-build', '')
  await runNode(tool.tsc, ['-p', 'tsconfig.test.json'])
}

/** bench and examples -> build. They see the package by its name, so `buildPackage` comes first. */
export function buildBench() {
  return runNode(tool.tsc, ['-p', 'tsconfig.bench.json'])
}

/** CommonJS requires the one ESM graph (Node 20.19 can), so both kinds of caller share classes and state. */
async function writeDoor({ import: esm, require: cjs }) {
  const name = `./${esm.default.split('/').pop()}`
  await writeFile(join(root, cjs.default), `module.exports = require('${name}')\n`)
  await writeFile(join(root, cjs.types), doorTypes(name, await import(pathToFileURL(join(root, esm.default)).href)))
}

/**
 * The same declarations, not a copy of them. `export * from` an ES module is an error in CommonJS for TypeScript's `node16` and `node18`;
 * importing its types is not, so each value is declared by its type.
 */
function doorTypes(name, values) {
  const from = `from '${name}' with { 'resolution-mode': 'import' }`
  const lines = Object.keys(values).flatMap(value => {
    const declared = `export declare const ${value}: typeof esm.${value}`
    return isClass(values[value]) ? [declared, `export type ${value} = esm.${value}`] : [declared]
  })
  return `${[`import type * as esm ${from}`, `export type * ${from}`, ...lines].join('\n')}\n`
}

function isClass(value) {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

async function removeOrphans(output, folder) {
  const entries = await readdir(join(root, output, folder), { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await removeOrphans(output, path)
    else if (path.endsWith('.js') && !(await exists(path.replace(/\.js$/, '.ts')))) await rm(join(root, output, path))
  }
}

async function exists(path) {
  return readFile(join(root, path)).then(
    () => true,
    () => false,
  )
}
