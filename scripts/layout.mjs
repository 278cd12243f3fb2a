// npm run layout: writes ts/native/layout.ts from crates/forebay-napi/src/record.rs. The crate's own test does it.
import { join } from 'node:path'
import { root, tool } from './lib/paths.mjs'
import { main, run, runNode } from './lib/run.mjs'

const file = join(root, 'ts/native/layout.ts')

main(async () => {
  const env = { FOREBAY_LAYOUT_OUT: file }
  await run('cargo', ['test', '-p', 'forebay-napi', '--locked', 'layout'], { env })
  await runNode(tool.biome, ['format', '--write', file])
})
