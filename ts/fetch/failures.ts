// How a fetch fails: as the platform's does, with what Forebay knows beneath.
//
//   before the head   TypeError: fetch failed, `cause` the ForebayError
//   in the body       TypeError: terminated, `cause` the ForebayError
//   aborted           the signal's reason, as it is
//   a bad argument    TypeError that names it
//
// Used by everything in `fetch/`.

import { ForebayError, RequestError } from '../errors/errors.js'

/** What a fetch rejects with where sending it ended in `error`. */
export function fetchFailed(error: unknown, signal: AbortSignal | null): unknown {
  if (!(error instanceof ForebayError) || isReason(error, signal)) return error
  // What was refused before it was sent is the caller's to correct: say what.
  if (error instanceof RequestError && error.phase === 'admit') return new TypeError(error.message, { cause: error })
  return new TypeError('fetch failed', { cause: error })
}

/** What a reader of a body rejects with where it ended in `error`. */
export function terminated(error: unknown, signal: AbortSignal | null): unknown {
  return error instanceof ForebayError && !isReason(error, signal)
    ? new TypeError('terminated', { cause: error })
    : error
}

function isReason(error: unknown, signal: AbortSignal | null): boolean {
  return signal?.aborted === true && signal.reason === error
}
