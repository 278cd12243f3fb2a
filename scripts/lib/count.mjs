// Runs test suites and counts: one tally over cargo's summaries and ava's TAP, so that CI can end with one line.
import { exitCode } from './run.mjs'

export class Tally {
  passed = 0
  failed = 0

  /** A suite that ended badly without saying which test failed (it did not compile, it crashed) counts as one failure. */
  async #suite(name, command, args, options, readLine) {
    const failedBefore = this.failed
    const passedBefore = this.passed
    const code = await exitCode(command, args, {
      ...options,
      onLine: line => {
        readLine(line)
        console.log(line)
      },
    })
    if (code !== 0 && this.failed === failedBefore) {
      console.log(`${name} ended with ${code}`)
      this.failed += 1
    }
    if (code === 0 && this.passed === passedBefore) {
      console.log(`${name} ran no test`)
      this.failed += 1
    }
  }

  cargo(args, options) {
    return this.#suite(`cargo ${args.join(' ')}`, 'cargo', ['test', ...args], options, line => {
      const found = /^test result: \w+\. (\d+) passed; (\d+) failed;/.exec(line)
      if (!found) return
      this.passed += Number(found[1])
      this.failed += Number(found[2])
    })
  }

  tap(node, args, options) {
    return this.#suite(`${node} ${args.join(' ')}`, node, args, options, line => {
      if (/^ok \d+/.test(line)) this.passed += 1
      else if (/^not ok \d+/.test(line)) this.failed += 1
    })
  }

  /** The last line of a run. CI reads it. */
  close() {
    console.log(`\n${this.passed} passed, ${this.failed} failed`)
    if (this.failed > 0) process.exitCode = 1
  }
}
