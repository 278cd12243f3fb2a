// What both sides number alike: the codes and phases of the native binary against the tables in TypeScript.

import test from 'ava'
import { CODES, PHASES } from '../../ts/errors/codes.js'
import { nativeBinding } from '../../ts/native/environment.js'

test('native code names the same codes and phases, in the same order', t => {
  const binding = nativeBinding()
  t.deepEqual(
    binding.codeNames(),
    CODES.map(({ code }) => code),
  )
  t.deepEqual(binding.phaseNames(), [...PHASES])
})
