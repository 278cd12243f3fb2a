// The server of a scenario, in a process of its own: `server.js SCENE CERT KEY` says its port, and its statistics when asked.

import { readFileSync } from 'node:fs'
import { startScene } from '../../__test__/support/http2-scene.js'

const [scene = '', cert = '', key = ''] = process.argv.slice(2)
const identity = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
const running = await startScene(JSON.parse(scene), identity)
process.on('message', () => process.send?.(running.stats()))
// It ends with its owner.
process.on('disconnect', () => process.exit())
process.send?.({ port: running.port })
