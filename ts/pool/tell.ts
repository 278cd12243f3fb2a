// Tells one thing that happened: to the listeners of a pool, and on its diagnostics channel to those who hold no pool, such as a tracer.
//
// Promise: nothing is made where nobody listens; a listener runs after all that is under way, so one that throws breaks nothing here:
// its error is the process's to know, as with any emitter. Used by `teller.ts` and `agent.ts`. Not here: what the events are (`pool.ts`).

import { type Channel, channel } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import type { PoolEvents } from './pool.js'

/** The channel of each event. The names are part of the API. */
const CHANNELS: { readonly [E in keyof PoolEvents]: Channel } = {
  connection: channel('forebay:connection:ready'),
  drain: channel('forebay:connection:draining'),
  close: channel('forebay:connection:closed'),
  overflow: channel('forebay:request:overflow'),
  repeat: channel('forebay:request:repeat'),
  breaker: channel('forebay:breaker:changed'),
}

/** Both hear the same object; `emitter` is undefined where nobody holds the pool any more. */
export function tell<E extends keyof PoolEvents>(
  emitter: EventEmitter | undefined,
  event: E,
  make: () => PoolEvents[E][0],
): void {
  const channel = CHANNELS[event]
  const listened = emitter !== undefined && emitter.listenerCount(event) > 0
  if (!listened && !channel.hasSubscribers) return
  const payload = make()
  process.nextTick(() => {
    channel.publish(payload)
    emitter?.emit(event, payload)
  })
}
