// A pool on a fake native side, with one connection.

import type { PoolOptions } from '../../ts/config/options.js'
import { CODES } from '../../ts/errors/codes.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import { type FakeChannel, useFake } from './fake-native.js'
import { connectedRecord, type Submission } from './records.js'

export type Sent<T extends Submission['type']> = Extract<Submission, { type: T }>

/** The loop's next turn. */
export const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Several: what is handed over may wait for one, and what it causes for the next. */
export async function turns(count = 4): Promise<void> {
  for (let n = 0; n < count; n += 1) await turn()
}

/** The index of a code, as records have it. */
export const codeIndex = (name: string): number => CODES.findIndex(entry => entry.code === name)

/** `address` is that of connection 1. */
export function fakePool(options: PoolOptions = {}): { pool: Pool; native: FakeChannel } {
  const binding = useFake()
  const pool = new Pool('http://127.0.0.1:8080', { runOn: 'thread', ...options })
  binding.channel.deliver(connectedRecord(1, 1, '127.0.0.1', 8080))
  return { pool, native: binding.channel }
}

/** Parts of the body of request `id`, so far. */
export function parts(native: FakeChannel, id = 0): Sent<'body'>[] {
  return native.submissions.filter((one): one is Sent<'body'> => one.type === 'body' && one.id === id)
}

/** All of them, joined, as text. */
export function bodyText(native: FakeChannel, id = 0): string {
  return Buffer.concat(parts(native, id).map(one => one.bytes)).toString()
}
