// npm run check:generated: makes the generated files again and fails when they differ from what is committed.
import { join } from 'node:path'
import { root } from './lib/paths.mjs'
import { main, run, runNode } from './lib/run.mjs'

const GENERATED = ['ts/native/layout.ts', 'ts/native/binding.d.cts', 'docs/errors.md']

main(async () => {
  await runNode(join(root, 'scripts/layout.mjs'))
  await runNode(join(root, 'scripts/native-types.mjs'))
  await runNode(join(root, 'scripts/errors-doc.mjs'))
  await run('git', ['diff', '--exit-code', '--', ...GENERATED])
})
