// npm run demo | bench | soak [-- options]: builds what is missing, then runs bench/<name>.ts with the options.
import { join } from 'node:path'
import { buildNative } from './lib/native.mjs'
import { nodeOfLine } from './lib/nodes.mjs'
import { root } from './lib/paths.mjs'
import { installPeers, PEERS_NODE } from './lib/peers.mjs'
import { main, run } from './lib/run.mjs'
import { buildTestkit } from './lib/testkit.mjs'
import { buildBench, buildPackage } from './lib/typescript.mjs'

const [name, ...options] = process.argv.slice(2)

/** V8 lets its young generation grow by some 15 MB in steps, up to after a million requests: that is not what a soak looks for. */
const FLAGS = { soak: ['--min-semi-space-size=2', '--max-semi-space-size=2'] }

/** What a program needs besides, as options for it. */
const NEEDS = { behaviour: async () => ['--node', await nodeOfLine(PEERS_NODE), '--peers', await installPeers()] }

main(async () => {
  await buildNative()
  await buildTestkit()
  await buildPackage()
  await buildBench()
  const needs = (await NEEDS[name]?.()) ?? []
  await run(process.execPath, [...(FLAGS[name] ?? []), join(root, `build/bench/${name}.js`), ...needs, ...options])
})
