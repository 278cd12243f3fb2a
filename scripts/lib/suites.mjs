// The suites: what belongs to each, and what must be built before.
import { buildNative } from './native.mjs'
import { avaTap } from './paths.mjs'
import { buildTestkit } from './testkit.mjs'
import { buildBench, buildPackage, buildTests } from './typescript.mjs'

/** In the development profile: debug assertions hold, and a test binary links in a second, not half a minute (the addon has LTO). */
export function rust(tally) {
  return tally.cargo(['--workspace', '--locked'])
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
  return tally.tap(node, [...avaTap, ...files], { env })
}
