// npm run ready: what a change must pass before it is handed in. CI runs the same and more (docs/ci.md).

import { join } from 'node:path'
import { Tally } from './lib/count.mjs'
import { root, tool } from './lib/paths.mjs'
import { main, runNode } from './lib/run.mjs'
import { prepareTypeScript, rust, typeScript } from './lib/suites.mjs'

main(async () => {
  await runNode(tool.biome, ['check', '--error-on-warnings', '.'])
  await runNode(join(root, 'scripts/lint-rust.mjs'))
  await runNode(join(root, 'scripts/check-edges.mjs'))
  await runNode(join(root, 'scripts/check-generated.mjs'))
  const tally = new Tally()
  await rust(tally)
  await prepareTypeScript()
  await typeScript(tally)
  tally.close()
})
