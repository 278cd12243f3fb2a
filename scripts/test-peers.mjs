// npm run test:peers: the behaviour suites against servers that are not ours. What is missing is installed, where apt-get is (Debian,
// Ubuntu); elsewhere the message says what to install.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { installWithApt } from './lib/apt.mjs'
import { Tally } from './lib/count.mjs'
import { root } from './lib/paths.mjs'
import { main, run } from './lib/run.mjs'
import { prepareTypeScript, typeScript } from './lib/suites.mjs'

/** Peer -> how to see that it is there, and the Debian package that brings it. */
const PEERS = {
  nginx: { commands: ['nginx', '/usr/sbin/nginx', '/opt/homebrew/bin/nginx'], asks: '-v', package: 'nginx-light' },
  nghttpd: { commands: ['nghttpd'], asks: '--version', package: 'nghttp2-server' },
  go: { commands: ['go'], asks: 'version', package: 'golang-go' },
}

main(async () => {
  for (const [name, peer] of Object.entries(PEERS)) {
    if (isThere(peer)) continue
    console.log(`${name}: installing ${peer.package}`)
    await installWithApt(peer.package)
    if (!isThere(peer)) throw new Error(`${name} is not installed: install it (Debian: ${peer.package}) and try again`)
  }
  const tally = new Tally()
  await prepareTypeScript()
  await buildGoPeer()
  const env = { FOREBAY_PEERS: ['node', ...Object.keys(PEERS)].join(',') }
  const files = ['behaviour', 'behaviour-http2'].map(suite => `.ava-build/__test__/integration/${suite}.test.js`)
  await typeScript(tally, { files, env })
  tally.close()
})

function isThere({ commands, asks }) {
  return commands.some(command => spawnSync(command, [asks]).status === 0)
}

/** Of the standard library alone, and with the Go that is there: nothing is downloaded. */
function buildGoPeer() {
  const program = join(root, 'target/peers', process.platform === 'win32' ? 'go-peer.exe' : 'go-peer')
  const env = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', GOPROXY: 'off', GOWORK: 'off' }
  return run('go', ['build', '-o', program, '.'], { cwd: join(root, '__test__/peers/go'), env })
}
