// npm test: the Rust tests, then the tests of the package. `npm run test:rust` and `npm run test:ts` run one half.
import { Tally } from './lib/count.mjs'
import { main } from './lib/run.mjs'
import { prepareTypeScript, rust, typeScript } from './lib/suites.mjs'

const [only] = process.argv.slice(2)

main(async () => {
  const tally = new Tally()
  if (only !== 'ts') await rust(tally)
  if (only !== 'rust') {
    await prepareTypeScript()
    await typeScript(tally)
  }
  tally.close()
})
