// Breakers against models, on a clock of the test: when they open, whom they let through, how they close again.

import test from 'ava'
import fc from 'fast-check'
import { Breaker, type BreakerHost, REFUSED } from '../../ts/breaker/breaker.js'
import { consecutiveFailures } from '../../ts/breaker/consecutive.js'
import { sampling } from '../../ts/breaker/sampling.js'
import { type BreakerPolicy, type BreakerState, parseBreaker } from '../../ts/config/breaker.js'
import { ConfigError } from '../../ts/errors/errors.js'
import type { Outcome } from '../../ts/errors/outcome.js'

const OK: Outcome = { type: 'response', status: 200, durationMs: 1 }
const BAD: Outcome = { type: 'response', status: 503, durationMs: 1 }
const LOST: Outcome = { type: 'failure', code: 'FB_CONNECTION_RESET', retryable: 'maybe', durationMs: 1 }

/** A breaker whose clock and gate are the test's. */
class Scene implements BreakerHost {
  now = 1_000_000
  shut = false
  readonly changes: string[] = []
  readonly breaker: Breaker

  constructor(policy: BreakerPolicy) {
    this.breaker = new Breaker(policy, this)
  }

  nowMs(): number {
    return this.now
  }

  gate(shut: boolean): void {
    if (shut === this.shut) throw new Error('the gate is told what it knows')
    this.shut = shut
  }

  breakerChanged(from: BreakerState, to: BreakerState): void {
    this.changes.push(`${from.type} > ${to.type}`)
  }

  get type(): BreakerState['type'] {
    return this.breaker.state.type
  }

  /** Admits an attempt that ends at once; false where it is refused. */
  try(outcome: Outcome | null): boolean {
    const admission = this.breaker.admit()
    if (admission === REFUSED) return false
    this.breaker.ended(admission, outcome)
    return true
  }
}

test('it opens at the failure that was too many, and not before', t => {
  const scene = new Scene(consecutiveFailures({ failures: 3 }))
  scene.try(BAD)
  scene.try(LOST)
  t.is(scene.type, 'closed')
  scene.try(BAD)
  t.is(scene.type, 'open')
  t.true(scene.shut)
  t.false(scene.try(OK))
})

test('a success in between starts the count anew; an attempt without an outcome does not', t => {
  const scene = new Scene(consecutiveFailures({ failures: 2 }))
  for (const outcome of [BAD, OK, BAD]) scene.try(outcome)
  t.is(scene.type, 'closed')
  scene.try(null)
  scene.try(BAD)
  t.is(scene.type, 'open')
})

test('at its time it lets one probe through, whose success closes it', t => {
  const scene = new Scene(consecutiveFailures({ failures: 1, openFor: 100 }))
  scene.try(BAD)
  scene.now += 99
  t.is(scene.breaker.admit(), REFUSED)
  scene.now += 1
  const probe = scene.breaker.admit()
  t.not(probe, REFUSED)
  t.false(scene.shut)
  t.is(scene.breaker.admit(), REFUSED)
  scene.breaker.ended(probe, OK)
  t.is(scene.type, 'closed')
  t.deepEqual(scene.changes, ['closed > open', 'open > half-open', 'half-open > closed'])
})

test('the n-th time in a row it stays open n times as long, up to the bound; once closed it counts anew', t => {
  const scene = new Scene(consecutiveFailures({ failures: 1, openFor: 100, maxOpenFor: 250 }))
  const lasts = (): number => {
    const { state } = scene.breaker
    return state.type === 'open' ? state.untilMs - scene.now : 0
  }
  scene.try(BAD)
  const seen = [lasts()]
  for (let n = 0; n < 3; n += 1) {
    scene.now += lasts()
    scene.try(BAD)
    seen.push(lasts())
  }
  t.deepEqual(seen, [100, 200, 250, 250])
  scene.now += 250
  scene.try(OK)
  scene.try(BAD)
  t.is(lasts(), 100)
})

test('all of several probes must succeed; one that fails opens it again', t => {
  const scene = new Scene(consecutiveFailures({ failures: 1, openFor: 100, probes: 2 }))
  scene.try(BAD)
  scene.now += 100
  const probes = [scene.breaker.admit(), scene.breaker.admit()]
  t.is(scene.breaker.admit(), REFUSED)
  scene.breaker.ended(probes[0] ?? REFUSED, OK)
  t.is(scene.type, 'half-open')
  t.is(scene.breaker.admit(), REFUSED)
  scene.breaker.ended(probes[1] ?? REFUSED, BAD)
  t.is(scene.type, 'open')
  scene.now += 200
  t.true(scene.try(OK))
  t.true(scene.try(OK))
  t.is(scene.type, 'closed')
})

test('a probe without an outcome gives its place back', t => {
  const scene = new Scene(consecutiveFailures({ failures: 1, openFor: 100 }))
  scene.try(BAD)
  scene.now += 100
  t.true(scene.try(null))
  t.is(scene.type, 'half-open')
  t.true(scene.try(OK))
  t.is(scene.type, 'closed')
})

test('what was admitted before the breaker changed says nothing afterwards', t => {
  const scene = new Scene(consecutiveFailures({ failures: 1, openFor: 100 }))
  const late = [scene.breaker.admit(), scene.breaker.admit(), scene.breaker.admit()]
  scene.try(BAD)
  scene.now += 100
  const probe = scene.breaker.admit()
  scene.breaker.ended(late[0] ?? REFUSED, OK)
  scene.breaker.ended(late[1] ?? REFUSED, null)
  t.is(scene.type, 'half-open')
  t.is(scene.breaker.admit(), REFUSED)
  scene.breaker.ended(probe, OK)
  scene.breaker.ended(late[2] ?? REFUSED, BAD)
  t.is(scene.type, 'closed')
})

test("what counts as a failure is the user's to say", t => {
  const isFailure = (outcome: Outcome) => outcome.type === 'response' && outcome.status === 429
  const scene = new Scene(consecutiveFailures({ failures: 1, isFailure }))
  scene.try(BAD)
  scene.try(LOST)
  t.is(scene.type, 'closed')
  scene.try({ ...OK, status: 429 })
  t.is(scene.type, 'open')
})

test('too few requests never open a sampling breaker; the share that is reached does', t => {
  const scene = new Scene(sampling({ ratio: 0.5, minRequests: 4 }))
  for (let n = 0; n < 3; n += 1) scene.try(BAD)
  t.is(scene.type, 'closed')
  scene.try(OK)
  t.is(scene.type, 'open')

  const healthy = new Scene(sampling({ ratio: 0.5, minRequests: 4 }))
  for (const outcome of [OK, OK, OK, BAD, BAD]) healthy.try(outcome)
  t.is(healthy.type, 'closed')
  healthy.try(BAD)
  t.is(healthy.type, 'open')
})

test('failures that are older than the window do not count', t => {
  const scene = new Scene(sampling({ ratio: 1, minRequests: 2, window: 1000 }))
  scene.try(BAD)
  scene.now += 1000
  scene.try(BAD)
  t.is(scene.type, 'closed')
  scene.now += 899
  scene.try(BAD)
  t.is(scene.type, 'open')
})

interface Model {
  type: BreakerState['type']
  failures: number
  until: number
  times: number
  probes: number
  missing: number
}

type Step = { readonly type: 'begin' } | { readonly type: 'pass'; readonly ms: number } | End
type End = { readonly type: 'end'; readonly which: number; readonly outcome: 'ok' | 'bad' | 'none' }

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step>({ type: 'begin' }) },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('end' as const),
        which: fc.nat(20),
        outcome: fc.constantFrom('ok' as const, 'bad' as const, 'bad' as const, 'none' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.nat(150) }) },
  ),
  { maxLength: 120 },
)

/** Plays steps on a breaker; after each, `check` sees what was done: an attempt begun (or refused), or one that ended. */
function play(scene: Scene, all: readonly Step[], check: (step: Step, begun: boolean | null, counts: boolean) => void) {
  const open: { readonly admission: number; readonly since: number }[] = []
  for (const step of all) {
    const changes = scene.changes.length
    switch (step.type) {
      case 'begin': {
        const admission = scene.breaker.admit()
        if (admission !== REFUSED) open.push({ admission, since: scene.changes.length })
        check(step, admission !== REFUSED, false)
        break
      }
      case 'end': {
        const [one] = open.splice(step.which % Math.max(open.length, 1), 1)
        if (one === undefined) break
        const outcome = step.outcome === 'none' ? null : step.outcome === 'ok' ? OK : BAD
        scene.breaker.ended(one.admission, outcome)
        check(step, null, one.since === changes)
        break
      }
      case 'pass':
        scene.now += step.ms
        check(step, null, false)
    }
  }
}

test('at random: consecutive failures are as a plain model counts them', t => {
  const options = { failures: 3, openFor: 100, maxOpenFor: 250, probes: 2 }
  fc.assert(
    fc.property(steps, all => {
      const scene = new Scene(consecutiveFailures(options))
      const model: Model = { type: 'closed', failures: 0, until: 0, times: 0, probes: 0, missing: 0 }
      play(scene, all, (step, begun, counts) => {
        if (step.type === 'begin') {
          if (model.type === 'open' && scene.now >= model.until) {
            Object.assign(model, { type: 'half-open', probes: 2, missing: 2 })
          }
          const allowed = model.type === 'closed' || (model.type === 'half-open' && model.probes > 0)
          if (allowed && model.type === 'half-open') model.probes -= 1
          t.is(begun, allowed)
        }
        // `counts`: the breaker has not changed since the attempt began, up to its end.
        if (step.type === 'end' && counts) {
          if (step.outcome === 'none') model.probes += model.type === 'half-open' ? 1 : 0
          else if (step.outcome === 'ok') {
            model.failures = 0
            model.missing -= 1
            if (model.type === 'half-open' && model.missing === 0) Object.assign(model, { type: 'closed', times: 0 })
          } else if (model.type === 'half-open' || model.failures === 2) {
            model.times += 1
            const until = scene.now + Math.min(model.times * 100, 250)
            Object.assign(model, { type: 'open', failures: 0, until })
          } else model.failures += 1
        }
        t.is(scene.type, model.type)
        t.is(scene.shut, model.type === 'open')
      })
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('at random: a sampling breaker opens exactly when the share within the window says so', t => {
  const bucket = 20
  fc.assert(
    fc.property(steps, all => {
      const scene = new Scene(sampling({ ratio: 0.6, window: 10 * bucket, minRequests: 5, openFor: 1_000_000 }))
      const seen: { readonly at: number; readonly bad: boolean }[] = []
      let open = false
      play(scene, all, (step, _begun, counts) => {
        if (step.type === 'end' && counts && step.outcome !== 'none' && !open) {
          const now = Math.floor(scene.now / bucket)
          seen.push({ at: now, bad: step.outcome === 'bad' })
          const counted = seen.filter(({ at }) => at > now - 10)
          open = counted.length >= 5 && counted.filter(({ bad }) => bad).length >= 0.6 * counted.length
        }
        t.is(scene.type, open ? 'open' : 'closed')
      })
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('options out of their range are refused with their path', t => {
  const refused = (make: () => unknown, path: string) => {
    const error = t.throws(make, { instanceOf: ConfigError }, path)
    t.is(error.path, path)
  }
  const NO_COUNT = [0, -1, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null]
  const NO_OPTIONS = [null, 1, 'x', []]
  for (const value of NO_COUNT) {
    refused(() => consecutiveFailures({ failures: value as number }), 'consecutiveFailures.failures')
    refused(() => consecutiveFailures({ openFor: value as number }), 'consecutiveFailures.openFor')
    refused(() => consecutiveFailures({ maxOpenFor: value as number }), 'consecutiveFailures.maxOpenFor')
    refused(() => consecutiveFailures({ probes: value as number }), 'consecutiveFailures.probes')
    refused(() => sampling({ minRequests: value as number }), 'sampling.minRequests')
  }
  for (const value of [0, -0, -0.1, 1.01, Number.NaN, Number.POSITIVE_INFINITY, '0.5', null]) {
    refused(() => sampling({ ratio: value as number }), 'sampling.ratio')
  }
  for (const value of [9, 0, -1, 10.5, Number.NaN, Number.POSITIVE_INFINITY, null]) {
    refused(() => sampling({ window: value as number }), 'sampling.window')
  }
  for (const value of NO_OPTIONS) refused(() => sampling(value as object), 'sampling')
  refused(() => consecutiveFailures({ openFor: 100, maxOpenFor: 99 }), 'consecutiveFailures.maxOpenFor')
  refused(() => consecutiveFailures({ isFailure: null as never }), 'consecutiveFailures.isFailure')
  refused(() => sampling({ typo: 1 } as object), 'sampling.typo')
  t.notThrows(() => sampling({ ratio: 1, window: 10, minRequests: 1, openFor: 2_147_483_647 }))
})

test("a policy of the user's is checked, and keeps its this", t => {
  class Mine implements BreakerPolicy {
    readonly initial: BreakerState = { type: 'closed' }
    readonly #allowed = true
    admit(state: BreakerState) {
      return [this.#allowed, state] as const
    }
    record(state: BreakerState) {
      return state
    }
    release(state: BreakerState) {
      return state
    }
  }
  const parsed = parseBreaker(new Mine())
  t.deepEqual(parsed?.admit({ type: 'closed' }, 0), [true, { type: 'closed' }])
  t.is(parseBreaker(undefined), null)
  t.is(parseBreaker(null), null)
  const whole = { initial: { type: 'closed' }, admit() {}, record() {}, release() {} }
  const bad: readonly (readonly [unknown, string])[] = [
    [1, 'breaker'],
    [{ ...whole, initial: { type: 'shut' } }, 'breaker.initial'],
    [{ ...whole, initial: null }, 'breaker.initial'],
    [{ ...whole, admit: 1 }, 'breaker.admit'],
    [{ ...whole, record: undefined }, 'breaker.record'],
    [{ ...whole, release: null }, 'breaker.release'],
  ]
  for (const [value, path] of bad) t.is(t.throws(() => parseBreaker(value), { instanceOf: ConfigError }).path, path)
})

test('a policy that is open at first shuts the gate at once', t => {
  const policy = consecutiveFailures({ failures: 1 })
  const scene = new Scene({ ...policy, initial: { type: 'open', untilMs: Number.POSITIVE_INFINITY } })
  t.true(scene.shut)
  t.false(scene.try(OK))
})
