// Starts a server that says its port in one line of JSON and ends when its standard input closes: hence with its owner.
//
// Used by `http2-peers.ts` for Node's and Go's. Not here: the testkit, which takes commands too (`upstream.ts`).

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface Spoken {
  readonly port: number
  stop(): Promise<void>
}

export async function startSpoken(command: string, args: readonly string[]): Promise<Spoken> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    closed.then(() => Promise.reject(new Error(`${command} ended before it listened`))),
  ])
  const { port }: { port: unknown } = JSON.parse(String(line))
  if (typeof port !== 'number') throw new Error(`${command} said no port: ${line}`)
  return {
    port,
    async stop() {
      child.stdin.end()
      await closed
    },
  }
}
