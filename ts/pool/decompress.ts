// A request whose response is decoded: asks for what can be undone, and undoes it.
//
// Used by `origin-pool.ts`. Not here: codings and readers (`response/decoded-response.ts`).

import type { PoolConfig } from '../config/parsed.js'
import { withDefault } from '../request/headers.js'
import type { RequestOptions } from '../request/request.js'
import { acceptable } from '../response/codings.js'
import { decodedResponse } from '../response/decoded-response.js'
import type { PoolResponse } from '../response/response.js'

/** What sends a request as it is. */
export interface Sender {
  readonly config: PoolConfig
  request(options: RequestOptions): Promise<PoolResponse>
}

/** `options` with `decompress`. */
export async function decompressed(sender: Sender, options: RequestOptions): Promise<PoolResponse> {
  const { origin, maxReadSize } = sender.config
  const scheme = origin.startsWith('https:') ? 'https' : 'http'
  const headers = withDefault(options.headers, 'accept-encoding', acceptable(scheme))
  const response = await sender.request({ ...options, headers })
  return decodedResponse(response, options.method ?? 'GET', origin, options.maxReadSize ?? maxReadSize)
}
