// One line at the bottom of a terminal that is written over; on anything but a terminal a line now and then.

/** Between two lines where there is no terminal, in ms. */
const QUIET_MS = 5_000

let shownAt = 0

export function progress(text: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\u001b[2K${text}`)
    return
  }
  if (performance.now() - shownAt < QUIET_MS && shownAt !== 0) return
  shownAt = performance.now()
  process.stderr.write(`${text}\n`)
}

export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K')
}
