// When names are looked up, and what an answer is worth. Time is the test's.

import test from 'ava'
import fc from 'fast-check'
import type { LookupAddress } from '../../ts/config/options.js'
import type { ResolverConfig } from '../../ts/config/parsed.js'
import { ConnectError, TimeoutError } from '../../ts/errors/errors.js'
import { canonicalAddress, usableAddresses } from '../../ts/pool/addresses.js'
import { Resolver } from '../../ts/pool/resolver.js'
import { FakeClock } from '../support/fake-clock.js'

const ORIGIN = 'http://a.test'

type Answer = readonly LookupAddress[] | Error

/** A resolver whose lookups the test answers. */
function scene(config: Partial<ResolverConfig> = {}) {
  const clock = new FakeClock()
  const asked: { answer: (given: Answer) => Promise<void>; signal: AbortSignal }[] = []
  const found: (readonly string[])[] = []
  const owner = {
    origin: ORIGIN,
    host: 'a.test',
    used: false,
    inUse: () => owner.used,
    found: (addresses: readonly string[]) => void found.push(addresses),
  }
  const lookup = (_: string, { signal }: { readonly signal: AbortSignal }) =>
    new Promise<readonly LookupAddress[]>((resolve, reject) => {
      asked.push({
        signal,
        answer: async given => {
          if (given instanceof Error) reject(given)
          else resolve(given)
          await clock.advance(0)
        },
      })
    })
  const settings = { lookup, refresh: 5_000, timeout: 5_000, drainVanished: true, filter: null, ...config }
  return { clock, asked, found, owner, resolver: new Resolver(owner, settings, clock) }
}

const four = (...addresses: readonly string[]): LookupAddress[] => addresses.map(address => ({ address, family: 4 }))

test('nothing is known at first; one lookup serves all who wait', async t => {
  const { asked, found, resolver } = scene()
  t.false(resolver.ready())
  const waits = [resolver.resolve(), resolver.resolve(), resolver.resolve()]
  t.is(asked.length, 1)
  await asked[0]?.answer(four('10.0.0.1'))
  await Promise.all(waits)
  t.true(resolver.ready())
  t.deepEqual(found, [['10.0.0.1']])
})

test('without connections an answer is good for its time, with one it is used on', async t => {
  const { clock, asked, owner, resolver } = scene()
  void resolver.resolve()
  await asked[0]?.answer(four('10.0.0.1'))
  await clock.advance(5_000)
  t.true(resolver.ready())
  await clock.advance(1)
  t.false(resolver.ready())
  owner.used = true
  t.true(resolver.ready())
  t.is(clock.waits.all, 0)
})

test('a pool in use is refreshed in the background, which keeps no process alive', async t => {
  const { clock, asked, found, owner, resolver } = scene()
  void resolver.resolve()
  t.deepEqual(clock.waits, { all: 1, alive: 1 })
  await asked[0]?.answer(four('10.0.0.1'))
  owner.used = true
  resolver.usageChanged()
  t.deepEqual(clock.waits, { all: 1, alive: 0 })
  await clock.advance(4_999)
  t.is(asked.length, 1)
  await clock.advance(1)
  t.is(asked.length, 2)
  t.deepEqual(clock.waits, { all: 1, alive: 0 })
  t.true(resolver.ready(), 'the known answer serves meanwhile')
  await asked[1]?.answer(four('10.0.0.1'))
  t.is(found.length, 1, 'the same set is no news')
  await clock.advance(5_000)
  await asked[2]?.answer(four('10.0.0.2'))
  t.deepEqual(found.at(-1), ['10.0.0.2'])
  owner.used = false
  await clock.advance(5_000)
  t.is(asked.length, 3, 'an unused pool asks no more')
  t.is(clock.waits.all, 0)
})

test('someone who waits for a lookup in the background holds the process', async t => {
  const { clock, asked, owner, resolver } = scene()
  void resolver.resolve()
  await asked[0]?.answer(four('10.0.0.1'))
  owner.used = true
  resolver.usageChanged()
  await clock.advance(5_000)
  owner.used = false
  const wait = resolver.resolve()
  t.is(asked.length, 2)
  t.deepEqual(clock.waits, { all: 1, alive: 1 })
  await asked[1]?.answer(four('10.0.0.3'))
  await t.notThrowsAsync(wait)
})

test('a failed or empty answer takes nothing away', async t => {
  const { clock, asked, found, owner, resolver } = scene()
  void resolver.resolve()
  await asked[0]?.answer(four('10.0.0.1'))
  owner.used = true
  resolver.usageChanged()
  await clock.advance(5_000)
  await asked[1]?.answer(new Error('SERVFAIL'))
  t.true(resolver.ready())
  await clock.advance(1_000)
  await asked[2]?.answer([])
  owner.used = false
  await clock.advance(1_001)
  const wait = resolver.resolve()
  await asked[3]?.answer(new Error('SERVFAIL'))
  await t.notThrowsAsync(wait)
  t.deepEqual(found, [['10.0.0.1']])
})

test("with nothing known the failure is everybody's, and stands for a second", async t => {
  const { clock, asked, resolver } = scene()
  const wait = resolver.resolve()
  await asked[0]?.answer(Object.assign(new Error('x'), { code: 'ENOTFOUND' }))
  await t.throwsAsync(wait, { instanceOf: ConnectError, code: 'FB_DNS_NOT_FOUND' })
  await clock.advance(999)
  await t.throwsAsync(resolver.resolve(), { code: 'FB_DNS_NOT_FOUND' })
  t.is(asked.length, 1)
  await clock.advance(1)
  const again = resolver.resolve()
  t.is(asked.length, 2)
  await asked[1]?.answer(new Error('EAI_AGAIN'))
  const error = await t.throwsAsync(again, { code: 'FB_DNS_FAILED' })
  t.like(error?.cause, { message: 'EAI_AGAIN' })
})

test('a lookup ends at its timeout, and its signal tells', async t => {
  const { clock, asked, resolver } = scene({ timeout: 300 })
  const wait = resolver.resolve()
  await clock.advance(299)
  t.false(asked[0]?.signal.aborted)
  const failed = t.throwsAsync(wait, { instanceOf: TimeoutError })
  await clock.advance(1)
  const error = await failed
  t.like(error, { code: 'FB_DNS_TIMEOUT', timeoutMs: 300, phase: 'dns', retryable: 'yes' })
  t.regex(error?.message ?? '', /resolver\.timeout: 300/)
  t.true(asked[0]?.signal.aborted)
  t.is(clock.waits.all, 0)
  await asked[0]?.answer(four('10.0.0.9'))
  t.false(resolver.ready(), 'a late answer is none')
})

test('stop() ends a lookup and the refreshing', async t => {
  const { clock, asked, resolver } = scene()
  const failed = t.throwsAsync(resolver.resolve())
  resolver.stop()
  await failed
  t.true(asked[0]?.signal.aborted)
  t.is(clock.waits.all, 0)
})

test('refresh 0 asks only where a request finds no connection, a second apart at least', async t => {
  const { clock, asked, owner, resolver } = scene({ refresh: 0 })
  void resolver.resolve()
  await asked[0]?.answer(four('10.0.0.1'))
  owner.used = true
  resolver.usageChanged()
  t.is(clock.waits.all, 0)
  await clock.advance(60_000)
  t.true(resolver.ready())
  owner.used = false
  t.false(resolver.ready())
  void resolver.resolve()
  t.is(asked.length, 2)
  await asked[1]?.answer(four('10.0.0.1'))
  t.true(resolver.ready())
})

test('a ttl counts instead of the configured time, from one second', async t => {
  for (const [ttl, goodForMs] of [
    [30, 30_000],
    [0, 1_000],
  ] as const) {
    const { clock, asked, resolver } = scene()
    void resolver.resolve()
    await asked[0]?.answer([
      { address: '10.0.0.1', family: 4, ttl: 600 },
      { address: '10.0.0.2', family: 4, ttl },
    ])
    await clock.advance(goodForMs)
    t.true(resolver.ready())
    await clock.advance(1)
    t.false(resolver.ready())
  }
})

test('a lookup that throws, or answers nonsense, is a failed lookup', async t => {
  const nonsense: readonly unknown[] = [
    undefined,
    null,
    'x',
    {},
    [null],
    [5],
    [{}],
    [{ address: 5 }],
    [{ address: 'a.test' }],
  ]
  for (const answer of nonsense) {
    const { resolver } = scene({ lookup: () => Promise.resolve(answer as LookupAddress[]) })
    await t.throwsAsync(resolver.resolve(), { code: 'FB_DNS_FAILED' })
  }
  const throwing = scene({
    lookup: () => {
      throw new TypeError('mine')
    },
  })
  const error = await t.throwsAsync(throwing.resolver.resolve(), { code: 'FB_DNS_FAILED' })
  t.true(error?.cause instanceof TypeError)
})

const addresses = (...list: readonly string[]) => four(...list)

test('bad entries are dropped, doubles are one, and the set is capped', t => {
  t.deepEqual(usableAddresses([...addresses('10.0.0.1', 'x', '10.0.0.1', '::ffff:10.0.0.1'), null, {}], null, ORIGIN), [
    '10.0.0.1',
  ])
  const many = Array.from({ length: 1_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`)
  t.deepEqual(usableAddresses(addresses(...many), null, ORIGIN), many.slice(0, 64))
})

test('families alternate, beginning with the first', t => {
  t.deepEqual(usableAddresses(addresses('::1', '::2', '10.0.0.1', '::3', '10.0.0.2'), null, ORIGIN), [
    '::1',
    '10.0.0.1',
    '::2',
    '10.0.0.2',
    '::3',
  ])
  t.deepEqual(usableAddresses(addresses('10.0.0.1', '::1', '::2'), null, ORIGIN), ['10.0.0.1', '::1', '::2'])
})

test('the filter sees each canonical address; only true allows', t => {
  const seen: string[] = []
  const only = (address: string): boolean => {
    seen.push(address)
    return address === '10.0.0.2'
  }
  t.deepEqual(usableAddresses(addresses('::FFFF:169.254.1.1', '10.0.0.2', '0::1'), only, ORIGIN), ['10.0.0.2'])
  t.deepEqual(seen, ['169.254.1.1', '10.0.0.2', '::1'])
  t.throws(() => usableAddresses(addresses('10.0.0.1'), only, ORIGIN), { code: 'FB_ADDRESS_DENIED' })
  t.throws(() => usableAddresses(addresses('10.0.0.1'), () => 1 as unknown as boolean, ORIGIN), {
    code: 'FB_ADDRESS_DENIED',
  })
})

test('an address has one spelling, and what is none has no spelling', t => {
  t.is(canonicalAddress('127.0.0.1'), '127.0.0.1')
  t.is(canonicalAddress('0:0::0:1'), '::1')
  t.is(canonicalAddress('::ffff:127.0.0.1'), '127.0.0.1')
  t.is(canonicalAddress('::FFFF:7f00:1'), '127.0.0.1')
  t.is(canonicalAddress('::ffff:0:7f00:1'), '::ffff:0:7f00:1')
  t.is(canonicalAddress('FE80::A'), 'fe80::a')
  for (const bad of ['', 'a.test', '127.1', '127.0.0.1:80', '[::1]', 'fe80::1%eth0', ' ::1', '0x7f.0.0.1']) {
    t.is(canonicalAddress(bad), null, bad)
  }
  fc.assert(fc.property(fc.ipV4(), address => canonicalAddress(`::ffff:${address}`) === address))
  fc.assert(
    fc.property(fc.ipV6(), address => {
      const once = canonicalAddress(address)
      return once !== null && canonicalAddress(once) === once
    }),
  )
})
