// npm run demo | bench | soak [-- options]: builds what is missing, then runs bench/<name>.ts with the options.
import { join } from 'node:path'
import { buildNative } from './lib/native.mjs'
import { root } from './lib/paths.mjs'
import { main, run } from './lib/run.mjs'
import { buildTestkit } from './lib/testkit.mjs'
import { buildBench, buildPackage } from './lib/typescript.mjs'

const [name, ...options] = process.argv.slice(2)

/** V8 lets its young generation grow by some 15 MB in steps, up to after a million requests: that is not what a soak looks for. */
const FLAGS = { soak: ['--min-semi-space-size=2', '--max-semi-space-size=2'] }

main(async () => {
  await buildNative()
  await buildTestkit()
  await buildPackage()
  await buildBench()
  await run(process.execPath, [...(FLAGS[name] ?? []), join(root, `build/bench/${name}.js`), ...options])
})
