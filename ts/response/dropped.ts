// The last resort for a body that was dropped without being read: its exchange is reset when the collector finds that out.
//
// Promise: one warning for an environment, since the collector promises no time and the connection is held until then. What is watched
// is held by callers alone: channel, exchange and what came are not allowed to refer to it.
// Used by `stream-body.ts`. Not here: the reset (`incoming.ts`).

/** What goes with a watched object. */
export interface DroppedBody {
  /** Gives up what still comes; whether there was something to give up. */
  dropped(): boolean
}

const registry = new FinalizationRegistry<DroppedBody>(body => {
  if (body.dropped()) warnOnce()
})

/** `holder` is all that leads to `body`: a body that has no reader, or its reader. */
export function watch(holder: object, body: DroppedBody): void {
  registry.register(holder, body, body)
}

/** It is over, or has another holder now. */
export function unwatch(body: DroppedBody): void {
  registry.unregister(body)
}

let warned = false

function warnOnce(): void {
  if (warned) return
  warned = true
  process.emitWarning(
    'The body of a response was dropped before its end, and held its connection until the garbage collector found it. Read bodies, ' +
      'discard() them or use `await using response`. Further ones are reset without a word.',
    { type: 'ForebayWarning', code: 'FB_BODY_DROPPED' },
  )
}
