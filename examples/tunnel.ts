// Talks to another host through a proxy, and in another protocol to a server: node build/examples/tunnel.js http://127.0.0.1:8080

import { once } from 'node:events'
import { ConnectError, Pool } from 'forebay'

const pool = new Pool(process.argv[2] ?? 'http://127.0.0.1:8080')

const tunnel = await pool.connect({ type: 'tunnel', authority: 'far.test:7' })
tunnel.socket.end('hello, far away')
const [chunk] = await once(tunnel.socket, 'data')
console.log(tunnel.head.status, String(chunk))

const upgrade = await pool.connect({ type: 'upgrade', path: '/upgrade', protocol: 'echo' })
upgrade.socket.write('hello')
console.log(upgrade.head.status, String((await once(upgrade.socket, 'data'))[0]))
upgrade.socket.destroy()

try {
  await pool.connect({ type: 'tunnel', authority: 'refused.test:7' })
} catch (error) {
  if (!(error instanceof ConnectError)) throw error
  console.log(
    error.code,
    error.attempts.map(attempt => (attempt.type === 'response' ? attempt.status : attempt.code)),
  )
}

await pool.close()
