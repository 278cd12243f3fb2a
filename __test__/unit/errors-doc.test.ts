// docs/errors.md against the table it is made from; every error says all that it must.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ADVICE } from '../../ts/errors/advice.js'
import { CODES, PHASES } from '../../ts/errors/codes.js'
import { makeError } from '../../ts/errors/from-native.js'
import { ROOT } from '../support/packed.js'

const TEXT = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')

test('docs/errors.md has one row for each code, in order, with its meaning and advice', t => {
  const rows = [...TEXT.matchAll(/^\| `(FB_[A-Z_]+)` \|(.*)$/gm)]
  t.deepEqual(
    rows.map(([, code]) => code),
    CODES.map(({ code }) => code),
  )
  for (const [n, entry] of CODES.entries()) {
    const cells = rows[n]?.[2] ?? ''
    t.true(cells.includes(entry.meaning) && cells.includes(ADVICE[entry.code]), entry.code)
  }
})

test('every error has code, phase, origin, endpoint, protocol, retryable, attempts and cause', t => {
  for (const entry of CODES) {
    const cause = new Error('beneath')
    const bare = makeError(entry, 'x', 0, {})
    t.is(bare.code, entry.code)
    t.true(PHASES.includes(bare.phase) && entry.phases.includes(bare.phase), entry.code)
    t.true(entry.retryable.includes(bare.retryable), entry.code)
    t.like(bare, { origin: null, endpoint: null, protocol: null, reused: false, attempts: [] })
    t.is(bare.cause, undefined)
    const full = makeError(entry, 'x', 5, {
      phase: 'send',
      retryable: 'maybe',
      origin: 'http://a.test',
      endpoint: '10.0.0.1:80',
      protocol: 'h1',
      reused: true,
      attempts: [{ type: 'response', endpoint: '10.0.0.1:80', status: 503, durationMs: 1 }],
      cause,
    })
    t.like(full, { origin: 'http://a.test', endpoint: '10.0.0.1:80', protocol: 'h1', reused: true, cause }, entry.code)
    t.like(full, { phase: 'send', retryable: 'maybe' }, entry.code)
    t.is(full.attempts.length, 1)
  }
})
