// The tests of a crate that are about a case, as cargo lists them, and whether they pass.
import { exitCode } from '../run.mjs'
import { casesOfRust } from './names.mjs'

/** `{ level, name, cases, file: null, part: null, passed }` for each; `passed` is null where they were not run. */
export async function rust(level, crate, run) {
  const test = ['test', '--quiet', '--locked', '-p', crate, '--tests']
  const [listed, ignored] = [await names(test, []), await names(test, ['--ignored'])]
  const tests = [...listed].map(name => ({ name, cases: casesOfRust(name) })).filter(({ cases }) => cases.length > 0)
  const skipped = tests.filter(({ name }) => ignored.has(name))
  if (skipped.length > 0) throw new Error(`ignored: ${skipped.map(({ name }) => name).join(', ')}`)
  const passed = run ? await results(['test', '--locked', '--no-fail-fast', '-p', crate, '--tests']) : null
  return tests.map(({ name, cases }) => ({
    level,
    name: name.slice(name.lastIndexOf(':') + 1),
    cases,
    file: null,
    part: null,
    passed: passed === null ? null : passed.has(name),
  }))
}

async function names(command, options) {
  const found = new Set()
  const onLine = line => {
    const name = /^(\S+): test$/.exec(line)?.[1]
    if (name !== undefined) found.add(name)
  }
  const code = await exitCode('cargo', [...command, '--', '--list', ...options], { onLine })
  if (code !== 0) throw new Error(`cargo ${command.join(' ')} --list ended with ${code}`)
  return found
}

/** The names of those that passed. */
async function results(command) {
  const passed = new Set()
  await exitCode('cargo', command, {
    onLine: line => {
      const [, name, result] = /^test (\S+) \.\.\. (\w+)/.exec(line) ?? []
      if (result === 'ok') passed.add(name)
    },
  })
  return passed
}
