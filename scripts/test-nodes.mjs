// npm run test:nodes [-- 22 26]: the tests of the package on the other release lines of Node.
import { Tally } from './lib/count.mjs'
import { LINES, nodeOfLine } from './lib/nodes.mjs'
import { main } from './lib/run.mjs'
import { prepareTypeScript, typeScript } from './lib/suites.mjs'

const asked = process.argv.slice(2).map(Number)

main(async () => {
  const tally = new Tally()
  await prepareTypeScript()
  for (const line of asked.length > 0 ? asked : LINES) {
    const node = await nodeOfLine(line)
    console.log(`\n# Node ${line}`)
    await typeScript(tally, { node })
  }
  tally.close()
})
