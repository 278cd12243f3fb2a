// The error that a promise must end with, typed: ava's `instanceOf` takes no abstract class.

import { ForebayError, type PoolResponse } from '../../ts/index.js'

/** Of a request: what it ends with, or reading its body. */
export async function rejection(promise: Promise<unknown>): Promise<ForebayError> {
  const outcome = await promise.then(readBody).then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (outcome instanceof ForebayError) return outcome
  throw outcome
}

async function readBody(result: unknown): Promise<void> {
  if (isResponse(result) && !result.body.used) await result.body.bytes()
}

function isResponse(result: unknown): result is PoolResponse {
  return typeof result === 'object' && result !== null && 'body' in result && 'status' in result
}
