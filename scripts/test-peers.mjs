// npm run test:peers: the behaviour suite against servers that are not ours. What is missing is installed, where apt-get is (Debian,
// Ubuntu); elsewhere the message says what to install.
import { spawnSync } from 'node:child_process'
import { installWithApt } from './lib/apt.mjs'
import { Tally } from './lib/count.mjs'
import { main } from './lib/run.mjs'
import { prepareTypeScript, typeScript } from './lib/suites.mjs'

/** Peer -> how to see that it is there, and the Debian package that brings it. */
const PEERS = {
  nginx: { commands: ['nginx', '/usr/sbin/nginx', '/opt/homebrew/bin/nginx'], package: 'nginx-light' },
}

main(async () => {
  for (const [name, { commands, package: debian }] of Object.entries(PEERS)) {
    if (isThere(commands)) continue
    console.log(`${name}: installing ${debian}`)
    await installWithApt(debian)
    if (!isThere(commands)) throw new Error(`${name} is not installed: install it (Debian: ${debian}) and try again`)
  }
  const tally = new Tally()
  await prepareTypeScript()
  const env = { FOREBAY_PEERS: Object.keys(PEERS).join(',') }
  await typeScript(tally, { files: ['.ava-build/__test__/integration/behaviour.test.js'], env })
  tally.close()
})

function isThere(commands) {
  return commands.some(command => spawnSync(command, ['-v']).status === 0)
}
