// Time that only tests move.

import type { Clock, Timer } from '../../ts/pool/clock.js'

interface Waiting {
  readonly atMs: number
  readonly then: () => void
  keepsAlive: boolean
}

export class FakeClock implements Clock {
  #nowMs = 1_000_000
  #waiting: Waiting[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(ms: number, then: () => void): Timer {
    const one: Waiting = { atMs: this.#nowMs + ms, then, keepsAlive: true }
    this.#waiting.push(one)
    return {
      hold: keepsAlive => {
        one.keepsAlive = keepsAlive
      },
      cancel: () => {
        this.#waiting = this.#waiting.filter(other => other !== one)
      },
    }
  }

  /** How many waits there are, and how many of them keep the process alive. */
  get waits(): { readonly all: number; readonly alive: number } {
    return { all: this.#waiting.length, alive: this.#waiting.filter(one => one.keepsAlive).length }
  }

  /** Moves on, calls what is due in its order, and lets promises settle. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const [due] = this.#waiting.filter(one => one.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)
      if (due === undefined) break
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      this.#waiting = this.#waiting.filter(one => one !== due)
      due.then()
      await new Promise(resolve => setImmediate(resolve))
    }
    this.#nowMs = untilMs
    await new Promise(resolve => setImmediate(resolve))
  }
}
