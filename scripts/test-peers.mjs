// npm run test:peers: the behaviour suites against servers that are not ours. What is missing is installed, where apt-get is (Debian,
// Ubuntu); elsewhere the message says what to install.
import { spawnSync } from 'node:child_process'
import { installWithApt } from './lib/apt.mjs'
import { Tally } from './lib/count.mjs'
import { buildAlone } from './lib/go.mjs'
import { main } from './lib/run.mjs'
import { prepareTypeScript, typeScript } from './lib/suites.mjs'

/** Program -> how to see that it is there, and the Debian package that brings it. */
const PROGRAMS = {
  nginx: { commands: ['nginx', '/usr/sbin/nginx', '/opt/homebrew/bin/nginx'], asks: '-v', package: 'nginx-light' },
  nghttpd: { commands: ['nghttpd'], asks: '--version', package: 'nghttp2-server' },
  go: { commands: ['go'], asks: 'version', package: 'golang-go' },
}

/** What the suites call the servers. */
const PEERS = ['node', 'nginx', 'nghttpd', 'go']

main(async () => {
  for (const [name, program] of Object.entries(PROGRAMS)) {
    if (isThere(program)) continue
    console.log(`${name}: installing ${program.package}`)
    await installWithApt(program.package)
    if (!isThere(program))
      throw new Error(`${name} is not installed: install it (Debian: ${program.package}) and try again`)
  }
  const tally = new Tally()
  await prepareTypeScript()
  await buildAlone('__test__/peers/go', 'go-peer')
  const env = { FOREBAY_PEERS: PEERS.join(',') }
  const files = ['behaviour', 'behaviour-http2'].map(suite => `.ava-build/__test__/integration/${suite}.test.js`)
  await typeScript(tally, { files, env })
  tally.close()
})

function isThere({ commands, asks }) {
  return commands.some(command => spawnSync(command, [asks]).status === 0)
}
