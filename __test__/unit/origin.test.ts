// Origins and authorities: one spelling in, or none.

import test from 'ava'
import { parseOrigin } from '../../ts/config/origin.js'
import { ConfigError, RequestError } from '../../ts/errors/errors.js'
import { canonicalAuthority } from '../../ts/request/authority.js'

const GOOD: readonly (readonly [given: string | URL, href: string, host: string, port: number])[] = [
  ['http://a.test', 'http://a.test', 'a.test', 80],
  ['http://a.test/', 'http://a.test', 'a.test', 80],
  ['HTTPS://A.Test', 'https://a.test', 'a.test', 443],
  ['https://a.test:443', 'https://a.test', 'a.test', 443],
  ['https://a.test:80', 'https://a.test:80', 'a.test', 80],
  ['http://a.test:08080', 'http://a.test:8080', 'a.test', 8080],
  ['http://my_service:3000', 'http://my_service:3000', 'my_service', 3000],
  ['http://b\u00fccher.example', 'http://xn--bcher-kva.example', 'xn--bcher-kva.example', 80],
  ['http://127.0.0.1:65535', 'http://127.0.0.1:65535', '127.0.0.1', 65535],
  ['http://[::1]', 'http://[::1]', '::1', 80],
  ['http://[0:0:0:0:0:0:0:1]:81', 'http://[::1]:81', '::1', 81],
  [new URL('https://u.test:444'), 'https://u.test:444', 'u.test', 444],
]

test('an origin becomes canonical', t => {
  for (const [given, href, host, port] of GOOD) {
    const origin = parseOrigin(given)
    t.like(origin, { href, host, port }, String(given))
    t.is(origin.authority, href.slice(href.indexOf('//') + 2))
    t.true(Object.isFrozen(origin))
  }
})

const BAD: readonly unknown[] = [
  ...[
    '',
    'a.test',
    'ftp://a.test',
    'http://',
    'http:a.test',
    'http:///a.test',
    '//a.test',
    'http://a.test/x',
    'http://a.test//',
  ],
  ...[
    'http://a.test?',
    'http://a.test?q',
    'http://a.test#',
    'http://u@a.test',
    'http://u:p@a.test',
    'http://a.test\\x',
  ],
  ...[
    'http://a.test:0',
    'http://a.test:65536',
    'http://a.test:80abc',
    'http://a.test:',
    'http://a.test:+80',
    'http://a b',
  ],
  ...[
    ' http://a.test',
    'http://a.test ',
    'http://a\ttest',
    'http://a\r\nb',
    'http://a\0b',
    'http://a%00b',
    'http://a.test.',
  ],
  ...[
    'http://a..b',
    'http://.a',
    'http://-a',
    'http://a-.b',
    'http://a\u3002test',
    'http://\uff41.test',
    'http://[::1',
    'http://[::1%eth0]',
  ],
  ...[
    'http://127.1',
    'http://0x7f000001',
    'http://2130706433',
    'http://127.0.0.256',
    'http://1.2.3.4.5',
    'http://[127.0.0.1]',
  ],
  ...[`http://${'a'.repeat(64)}.test`, `http://${'a.'.repeat(130)}test`, 'http://*', 'http://a;b', 'http://a,b'],
  ...[
    undefined,
    null,
    5,
    {},
    [],
    ['http://a.test'],
    { href: 'http://a.test' },
    new URL('http://a.test/x'),
    new URL('ftp://a.test'),
  ],
]

test('anything else is refused, and a password is not repeated', t => {
  for (const given of BAD) {
    const error = t.throws(() => parseOrigin(given), { instanceOf: ConfigError }, String(given))
    t.is(error.path, 'origin')
  }
  t.false(t.throws(() => parseOrigin('http://user:hunter2@a.test')).message.includes('hunter2'))
})

test('an authority becomes canonical (R12)', t => {
  t.is(canonicalAuthority('Other.Test', 'http'), 'other.test')
  t.is(canonicalAuthority('other.test:80', 'http'), 'other.test')
  t.is(canonicalAuthority('other.test:80', 'https'), 'other.test:80')
  t.is(canonicalAuthority('[0::1]:8080', 'http'), '[::1]:8080')
  t.is(canonicalAuthority('Other.Test', 'http'), 'other.test', 'the second time as well')
})

test('userinfo, spaces, slashes, bad ports, other full stops and trailing dots in an authority are refused (R12)', t => {
  const bad = [
    ...['', 'u@a.test', 'a b', 'a/b', 'a\\b', 'a\0b', 'a%00b', 'a.test:0', 'a.test:65536', 'a.test:80abc', 'a.test:'],
    ...[
      'a\u3002test',
      'a.test.',
      'a\r\nb',
      'b\u00fccher.example',
      'http://a.test',
      'a.test?',
      'a#b',
      '[::1',
      '::1',
      '127.1',
    ],
    ...[null, 5, {}, ['a.test'], true],
  ]
  for (const given of bad) {
    const error = t.throws(() => canonicalAuthority(given, 'http'), { instanceOf: RequestError }, String(given))
    t.is(error.field, 'authority')
    if (typeof given === 'string' && given.length > 3) t.false(error.message.includes(given))
  }
})

test('more authorities than are remembered are all right', t => {
  for (let i = 0; i < 1_000; i++) t.is(canonicalAuthority(`H${i}.test`, 'http'), `h${i}.test`)
})
