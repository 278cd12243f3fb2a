// What failed, told again at the end of a long run: the lines of each failed test, from what the suites printed, and the last words of
// a stage that has no tests.

/** Lines that are kept of one failure. Enough for its assertion and where it stands. */
const LINES = 40

/** Lines that are kept of the end of the standard error output: a script says there why it ends. */
const LAST = 20

export class Failures {
  #lines = []
  #left = 0
  #last = []

  /** Takes the next line of a suite: a failure of TAP with its diagnostics, or cargo's line of a failed test and what it panicked with. */
  read(line) {
    if (/^not ok \d+|^test .* FAILED$|^thread '.*' (\(\d+\) )?panicked at|: ended with \S+, /.test(line))
      this.#left = LINES
    else if (/^ok \d+|^test .* ok$|^ {2}\.\.\.$/.test(line)) this.#left = 0
    if (this.#left === 0) return
    this.#left -= 1
    this.#lines.push(`  ${line}`)
  }

  /** Takes the next line of the stage's standard error output. */
  readError(line) {
    if (/^\s*$|^\s*(Compiling|Downloaded|Downloading|Finished|Running) /.test(line)) return
    this.#last.push(`  ${line}`)
    if (this.#last.length > LAST) this.#last.shift()
  }

  get text() {
    return [...this.#lines, '  last words:', ...this.#last].join('\n')
  }
}
