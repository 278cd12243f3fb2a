// Which pools an agent keeps, on a clock of the test: the bound, who makes room, who is let go with time.

import test from 'ava'
import fc from 'fast-check'
import { type Judge, ORIGIN_IDLE_MS, Origins } from '../../ts/pool/origins.js'
import { FakeClock } from '../support/fake-clock.js'

class FakeKept {
  closed = false
  works = false
  connected = false
  readonly origin: string
  readonly #over: Promise<void>
  end: () => void = () => {}

  constructor(origin: string) {
    this.origin = origin
    this.#over = new Promise(resolve => {
      this.end = resolve
    })
  }

  close(): Promise<void> {
    this.closed = true
    return this.#over
  }
}

const JUDGE: Judge<FakeKept> = {
  hasWork: pool => pool.works,
  isIdle: pool => !pool.works && !pool.connected,
}

function scene(max: number) {
  const clock = new FakeClock()
  const made: FakeKept[] = []
  const origins = new Origins(max, clock, JUDGE, origin => {
    const pool = new FakeKept(origin)
    made.push(pool)
    return pool
  })
  return { clock, made, origins, names: () => [...origins.kept.keys()] }
}

test('a pool is made once and used again', t => {
  const { made, origins } = scene(2)
  t.is(origins.use('a')?.pool, origins.use('a')?.pool)
  t.is(made.length, 1)
})

test('at the bound the one that was used longest ago makes room', t => {
  const { origins, names, made } = scene(2)
  origins.use('a')
  origins.use('b')
  origins.use('a')
  origins.use('c')
  t.deepEqual(names(), ['a', 'c'])
  t.deepEqual(
    made.map(({ closed }) => closed),
    [false, true, false],
  )
})

test('who has work makes no room; if all have, none is made', t => {
  const { origins, names } = scene(2)
  const a = origins.use('a')
  const b = origins.use('b')
  if (a === null || b === null) throw new Error('there is room')
  a.inFlight += 1
  b.pool.works = true
  t.is(origins.use('c'), null)
  t.deepEqual(names(), ['a', 'b'])
  origins.done('a', a)
  t.not(origins.use('c'), null)
  t.deepEqual(names(), ['b', 'c'])
})

test('with a bound of 0 there is never one', t => {
  t.is(scene(0).origins.use('a'), null)
})

test('one that was closed by its user is made anew', t => {
  const { origins, made } = scene(1)
  void origins.use('a')?.pool.close()
  t.false(origins.use('a')?.pool.closed)
  t.is(made.length, 2)
})

test('one that leaves is among all until it is over', async t => {
  const { origins, made } = scene(1)
  origins.use('a')
  origins.use('b')
  t.deepEqual(origins.all.map(({ origin }) => origin).sort(), ['a', 'b'])
  made[0]?.end()
  await Promise.resolve()
  t.deepEqual(
    origins.all.map(({ origin }) => origin),
    ['b'],
  )
})

test('without connections and use a pool is let go in time, and no timer keeps the process alive', async t => {
  const { clock, origins, names } = scene(10)
  origins.use('idle')
  const connected = origins.use('connected')
  if (connected === null) throw new Error('there is room')
  connected.pool.connected = true
  t.deepEqual(clock.waits, { all: 1, alive: 0 })
  await clock.advance(ORIGIN_IDLE_MS - 1)
  origins.use('fresh')
  await clock.advance(1)
  t.deepEqual(names(), ['connected', 'fresh'])
  connected.pool.connected = false
  await clock.advance(ORIGIN_IDLE_MS)
  t.deepEqual(names(), [])
  t.deepEqual(clock.waits, { all: 0, alive: 0 })
  origins.use('again')
  t.is(clock.waits.all, 1)
  origins.stop()
  t.is(clock.waits.all, 0)
})

test('at random: never more than the bound, and none with work is let go', t => {
  const step = fc.record({
    act: fc.constantFrom('use' as const, 'use' as const, 'done' as const, 'work' as const, 'rest' as const),
    which: fc.nat(9),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 100 }), (max, steps) => {
      const { origins, made } = scene(max)
      for (const { act, which } of steps) {
        const name = `o${which}`
        const kept = origins.kept.get(name)
        const busy = [...origins.kept.values()].filter(one => one.inFlight > 0 || one.pool.works)
        if (act === 'use') {
          const used = origins.use(name)
          t.is(used === null, kept === undefined && busy.length === max)
          if (used !== null) used.inFlight += 1
        } else if (kept !== undefined) {
          if (act === 'done' && kept.inFlight > 0) origins.done(name, kept)
          if (act === 'work') kept.pool.works = true
          if (act === 'rest') kept.pool.works = false
        }
        t.true(origins.kept.size <= max)
        t.true(busy.every(one => !one.pool.closed))
        t.is(made.filter(pool => !pool.closed).length, origins.kept.size)
      }
    }),
    { numRuns: 300 },
  )
  t.pass()
})
