// npm run conformance: runs the tests of every case of docs/conformance/cases.json and writes docs/conformance.md from what they gave.
// `--check`: runs and writes nothing; fails where the committed table is not that of the tests that there are, all of them passing
// (CI runs those). Both ways fail where a case that is due has no test, and where a test names a case that there is none.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endToEnd } from './lib/conformance/end-to-end.mjs'
import { rust } from './lib/conformance/rust.mjs'
import { cases, table } from './lib/conformance/table.mjs'
import { root } from './lib/paths.mjs'
import { main } from './lib/run.mjs'

const FILE = join(root, 'docs/conformance.md')
const [mode = '--run'] = process.argv.slice(2)

main(async () => {
  if (mode !== '--run' && mode !== '--check') throw new Error(`unknown option ${mode}`)
  const run = mode === '--run'
  const tests = [
    ...(await rust('core', 'forebay-core', run)),
    ...(await rust('transport', 'forebay-reactor', run)),
    ...(await rust('transport', 'forebay-h3', run)),
    ...(await rust('transport', 'forebay-transport', run)),
    ...(await endToEnd(run)),
  ]
  const { text, problems } = table(await cases(), tests)
  if (run) {
    await writeFile(FILE, text)
    console.log(`docs/conformance.md: ${tests.length} tests`)
  } else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
    problems.push('docs/conformance.md is not what the tests say: npm run conformance')
  }
  if (problems.length > 0) throw new Error(problems.join('\n'))
})
