// The error that a promise must end with, typed: ava's `instanceOf` takes no abstract class.

import { ForebayError } from '../../ts/index.js'

export async function rejection(promise: Promise<unknown>): Promise<ForebayError> {
  const outcome = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (outcome instanceof ForebayError) return outcome
  throw outcome
}
