// Programs that must be told a port, and the end of any program that tests start.
//
// Used by the starters of servers that are not ours. Not here: servers that choose a port and say it (`upstream.ts`, `spoken.ts`).

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Longest wait for a port to answer, in ms. */
const START_MS = 5_000

/** Another process may take the port between our look and the server's bind. */
export const PORT_ATTEMPTS = 5

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Whether the port accepts while the child lives. */
export async function answers(port: number, child: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + START_MS; Date.now() < end; await sleep(10)) {
    if (child.exitCode !== null) return false
    if (await accepts(port)) return true
  }
  return false
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  await closed
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      resolve(true)
      socket.destroy()
    })
  })
}
