// What fails for a moment on a network: tried again a few times.
import { setTimeout as sleep } from 'node:timers/promises'

const ATTEMPTS = 4
const PAUSE_MS = 5_000

/** Resolves when `work` does; its last failure where it never does. */
export async function retry(work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      console.log(`${error.message}: once more`)
      await sleep(PAUSE_MS)
    }
  }
}
