// Time for what waits in TypeScript: an argument, so that tests can move it.
//
// Used by `native-pool.ts` and `resolver.ts`. Not here: the timers of requests and connections (the core).

/** A wait that may be given up. */
export interface Timer {
  /** Lets the process end although it waits, or no longer. */
  hold(keepsAlive: boolean): void
  cancel(): void
}

export interface Clock {
  /** Monotonic, in ms. */
  nowMs(): number
  /** Calls `then` once, in `ms`. Keeps the process alive unless told otherwise. */
  after(ms: number, then: () => void): Timer
}

/** The process's own. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, then) => {
    const timeout = setTimeout(then, ms)
    return {
      hold: keepsAlive => {
        if (keepsAlive) timeout.ref()
        else timeout.unref()
      },
      cancel: () => clearTimeout(timeout),
    }
  },
}
