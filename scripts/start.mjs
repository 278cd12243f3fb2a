// npm run demo | bench | soak [-- options]: builds what is missing, then runs bench/<name>.ts with the options.
import { join } from 'node:path'
import { buildNative } from './lib/native.mjs'
import { root } from './lib/paths.mjs'
import { main, runNode } from './lib/run.mjs'
import { buildTestkit } from './lib/testkit.mjs'
import { buildBench, buildPackage } from './lib/typescript.mjs'

const [name, ...options] = process.argv.slice(2)

main(async () => {
  await buildNative()
  await buildTestkit()
  await buildPackage()
  await buildBench()
  await runNode(join(root, `build/bench/${name}.js`), options)
})
