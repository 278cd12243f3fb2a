// The suites: what belongs to each, and what must be built before.
import { buildNative } from './native.mjs'
import { tool } from './paths.mjs'
import { buildTestkit } from './testkit.mjs'
import { buildBench, buildPackage, buildTests } from './typescript.mjs'

/** These two are small: with debug assertions. The others share the release build of the addon, whose TLS takes long. */
const DEBUG_CRATES = ['forebay-core', 'forebay-reactor']
const RELEASE_CRATES = ['forebay-transport', 'forebay-napi', 'forebay-testkit']

export async function rust(tally) {
  await tally.cargo(['--locked', ...packages(DEBUG_CRATES)])
  await tally.cargo(['--locked', '--release', ...packages(RELEASE_CRATES)])
}

function packages(names) {
  return names.flatMap(name => ['-p', name])
}

/** Everything that a run of ava needs, whichever Node runs it. */
export async function prepareTypeScript() {
  await buildNative()
  await buildTestkit()
  await buildPackage()
  await buildTests()
  await buildBench()
}

/** `files` narrows the run to compiled files; none means all that `ava.config.js` names. */
export function typeScript(tally, { node = process.execPath, files = [], env = {} } = {}) {
  return tally.tap(node, [tool.ava, '--tap', ...files], { env })
}
