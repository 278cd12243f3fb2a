// Prints the title of every test of a compiled file, a JSON string a line, without running one: `ava` is replaced.
// A test that is skipped, expected to fail or only thought of has no place in the table: it fails here.
import { register } from 'node:module'
import { pathToFileURL } from 'node:url'

const AVA = `
const take = (title, body) => { if (typeof title === 'string' && typeof body === 'function') console.log(JSON.stringify(title)) }
const refuse = title => { throw new Error('skipped, failing or to do: ' + title) }
const nothing = Object.assign(() => {}, { always: () => {} })
const test = Object.assign(take, {
  skip: refuse, failing: refuse, todo: refuse, only: refuse, before: nothing, after: nothing, beforeEach: nothing, afterEach: nothing,
  macro: macro => macro,
})
test.serial = Object.assign(take, test)
export default test
`
const HOOKS = `
export const resolve = (specifier, context, next) =>
  specifier === 'ava' ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(AVA)}`)}, shortCircuit: true } : next(specifier, context)
`

register(`data:text/javascript,${encodeURIComponent(HOOKS)}`)
await import(pathToFileURL(process.argv[2]).href)
process.exit(0)
