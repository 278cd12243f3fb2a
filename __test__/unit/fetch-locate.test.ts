// Where a fetch goes: the short way must give what `URL` gives.

import test from 'ava'
import fc from 'fast-check'
import { locate } from '../../ts/fetch/locate.js'

const BASE = 'http://a.test:8080'

function byUrl(input: string): { origin: string; path: string } {
  const url = new URL(input, BASE)
  url.hash = ''
  return { origin: url.origin, path: url.href.slice(url.origin.length).replace(/#$/, '') }
}

test('paths and URLs go where URL takes them', t => {
  const paths = [
    '/',
    '/a/b',
    '/a?b=c&d',
    '/?',
    '/a?',
    '/a#b',
    '/a?b#',
    '/a/../b',
    '/./a',
    '/a/.',
    '/.a',
    '/a.b/c',
    '/%2e%2e/a',
  ]
  const odd = [
    '/a b',
    "/a?b='c'",
    '/\u00e9',
    '/a\\b',
    '/a|b',
    '/a^b',
    '/{a}',
    '/a//b',
    '',
    'a',
    '?a',
    '#a',
    '../a',
    '\t/a',
    '/a\nb',
    '/~a!$&()*+,;=:@',
  ]
  for (const input of [...paths, ...odd]) {
    t.deepEqual(locate(input, BASE), byUrl(input), input)
    t.deepEqual(
      locate(BASE + (input.startsWith('/') ? input : `/${input}`), BASE),
      byUrl(BASE + (input.startsWith('/') ? input : `/${input}`)),
    )
  }
  for (const input of [
    '//b.test/x',
    'https://a.test:8080/x',
    'HTTP://A.TEST:8080/x',
    'http://a.test:80801/x',
    'http://a.test:8080',
    'http://a.test:8080?x',
  ]) {
    let expected: unknown
    try {
      expected = byUrl(input)
    } catch {
      t.throws(() => locate(input, BASE), { instanceOf: TypeError })
      continue
    }
    t.deepEqual(locate(input, BASE), expected, input)
  }
})

test('any path goes where URL takes it', t => {
  const unit = fc.constantFrom(...'/..%2eE?#&=~a0-_ \'"<>[]|\\^`{}@:;,+*()$!\u00e9\t')
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), units => {
      const path = `/a${units.join('')}`
      t.deepEqual(locate(path, BASE), byUrl(path))
      t.deepEqual(locate(BASE + path, BASE), byUrl(BASE + path))
    }),
    { numRuns: 5_000 },
  )
})

test('without a base a whole URL is needed, and only http goes', t => {
  t.deepEqual(locate('https://b.test/x?y#z', null), { origin: 'https://b.test', path: '/x?y' })
  t.throws(() => locate('/x', null), { instanceOf: TypeError })
  for (const input of [
    'data:,x',
    'file:///x',
    'ftp://a.test/',
    'http://user@a.test/',
    'http://:pass@a.test/',
    'http://',
  ]) {
    t.throws(() => locate(input, BASE), { instanceOf: TypeError }, input)
  }
})
