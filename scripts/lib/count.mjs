// Runs test suites and counts: one tally over cargo's summaries and ava's TAP, so that CI can end with one line.
import { exitCode } from './run.mjs'

export class Tally {
  passed = 0
  failed = 0

  /**
   * A suite that ended badly without saying which test failed (it did not compile, it crashed) counts as one failure, and so does one
   * that did not come to its end. `isWhole` says whether it did, from what `readLine` saw.
   */
  async #suite(name, command, args, options, readLine, isWhole) {
    const failedBefore = this.failed
    const passedBefore = this.passed
    const code = await exitCode(command, args, {
      ...options,
      onLine: line => {
        readLine(line)
        console.log(line)
      },
    })
    const silent = code !== 0 && this.failed === failedBefore
    const empty = code === 0 && this.passed === passedBefore
    if (!silent && !empty && isWhole()) return
    console.log(`${name}: ended with ${code}, ${empty ? 'ran no test' : 'before its last test or without a word'}`)
    this.failed += 1
  }

  cargo(args, options) {
    // All test binaries run, whether or not one fails; one that crashes has no summary.
    let started = 0
    let summed = 0
    const readLine = line => {
      if (/^running \d+ tests?$/.test(line)) started += 1
      const found = /^test result: \w+\. (\d+) passed; (\d+) failed;/.exec(line)
      if (found === null) return
      summed += 1
      this.passed += Number(found[1])
      this.failed += Number(found[2])
    }
    const command = ['test', '--no-fail-fast', ...args]
    return this.#suite(`cargo ${command.join(' ')}`, 'cargo', command, options, readLine, () => started === summed)
  }

  tap(node, args, options) {
    // The plan is the last line of TAP: without it the runner crashed on the way.
    let planned = false
    const readLine = line => {
      if (/^ok \d+/.test(line)) this.passed += 1
      else if (/^not ok \d+/.test(line)) this.failed += 1
      else if (/^1\.\.\d+/.test(line)) planned = true
    }
    return this.#suite(`${node} ${args.join(' ')}`, node, args, options, readLine, () => planned)
  }

  /** The last line of a run. CI reads it. */
  close() {
    console.log(`\n${this.passed} passed, ${this.failed} failed`)
    if (this.failed > 0) process.exitCode = 1
  }
}
