// The tests of the package that are about a case: the titles of the compiled files, and whether they pass.
//
// A file is asked for its titles by importing it where `ava` is a module that only takes them down (`titles.mjs`).
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { avaTap, root } from '../paths.mjs'
import { exitCode } from '../run.mjs'
import { prepareTypeScript } from '../suites.mjs'
import { buildTests } from '../typescript.mjs'
import { casesOfTitle, partOfTitle } from './names.mjs'

const COMPILED = join(root, '.ava-build/__test__')
const FOLDERS = ['integration', 'inventory', 'unit']

/** As `rust`; `file` is where a test stands. */
export async function endToEnd(run) {
  if (run) await prepareTypeScript()
  else await buildTests()
  const tests = []
  for (const file of await files()) {
    for (const title of await titles(file)) {
      const cases = casesOfTitle(title)
      if (cases.length > 0)
        tests.push({ level: 'end to end', file, name: title, cases, part: partOfTitle(title), passed: null })
    }
  }
  if (run) {
    const passed = await results([...new Set(tests.map(({ file }) => file))])
    for (const test of tests) test.passed = passed.has(test.name)
  }
  return tests
}

async function files() {
  const found = []
  for (const folder of FOLDERS) {
    const names = await readdir(join(COMPILED, folder))
    found.push(...names.filter(name => name.endsWith('.test.js')).map(name => `${folder}/${name}`))
  }
  return found.sort()
}

/** In a process of its own: what a file starts at import must not stay here. */
async function titles(file) {
  const lines = []
  const script = fileURLToPath(new URL('titles.mjs', import.meta.url))
  const code = await exitCode(process.execPath, [script, join(COMPILED, file)], { onLine: line => lines.push(line) })
  if (code !== 0) throw new Error(`${file}: its tests cannot be listed`)
  return lines.map(line => JSON.parse(line))
}

/** The titles of those that passed, without the path that ava puts before them. */
async function results(list) {
  const passed = new Set()
  await exitCode(process.execPath, [...avaTap, ...list.map(file => join('.ava-build/__test__', file))], {
    onLine: line => {
      const title = /^ok \d+ - (.*)$/.exec(line)?.[1]
      if (title !== undefined) passed.add(title.replace(/^.* › (?=(?:thread|event-loop): )/, ''))
    },
  })
  return passed
}
