// Loaded before ava: its TAP must not end with the first error that has no frames, as those have that come from native code.
//
// ava's TAP writer (supertap) gives such an error `at: undefined`, which its YAML writer refuses with an exception: the run is over,
// and which test failed is not said.
import { createRequire } from 'node:module'
import { tool } from './paths.mjs'

const supertap = createRequire(tool.ava).resolve('supertap')
const yaml = createRequire(supertap)('js-yaml')
const dump = yaml.safeDump
yaml.safeDump = (value, options) => dump(value, { ...options, skipInvalid: true })
