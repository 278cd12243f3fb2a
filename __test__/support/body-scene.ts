// A pool on a fake native side, and a response whose body is still to come.

import type { PoolOptions } from '../../ts/config/options.js'
import { Pool } from '../../ts/pool/origin-pool.js'
import type { ExchangeOptions } from '../../ts/request/request.js'
import type { ResponseBody } from '../../ts/response/body.js'
import type { PoolResponse } from '../../ts/response/response.js'
import { type FakeChannel, useFake } from './fake-native.js'
import { connectedRecord, responseRecord } from './records.js'

export function scene(options: PoolOptions = {}): { pool: Pool; native: FakeChannel } {
  const binding = useFake()
  const pool = new Pool('http://127.0.0.1:8080', { runOn: 'thread', ...options })
  binding.channel.deliver(connectedRecord(1, 1, '127.0.0.1', 8080))
  return { pool, native: binding.channel }
}

/** A response whose body is still to come. It is request 0. */
export async function begun(
  options: { readonly pool?: PoolOptions; readonly request?: ExchangeOptions; readonly total?: number } = {},
): Promise<{ pool: Pool; native: FakeChannel; response: PoolResponse; body: ResponseBody }> {
  const { pool, native } = scene(options.pool)
  const promise = pool.request({ path: '/', ...options.request })
  await native.seen('request')
  const fields = [['Content-Type', 'text/plain']] as const
  native.deliver(responseRecord(0, options.total === undefined ? { fields } : { fields, bodyTotal: options.total }))
  const response = await promise
  return { pool, native, response, body: response.body }
}
