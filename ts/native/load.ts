// Finds and loads the native binary: the one built in this checkout, else the one of the platform package.
//
// Promise: nothing is loaded at import; the first call loads, later ones give the same binding. If there is none, one error says
// which package is missing, what platform was found and how to build.
// Used by `channel.ts`. Not here: what the binding does (`dto.ts`), which platforms there are (`platform.ts`).

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { UnavailableError } from '../errors/errors.js'
import type { NativeBinding } from './dto.js'
import { currentHost, packageName, platformName, SUPPORTED } from './platform.js'

type Generated = typeof import('./binding.cjs')

const require = createRequire(import.meta.url)

let loaded: NativeBinding | null = null

/** The binding of this environment (main thread or worker). */
export function loadBinding(): NativeBinding {
  loaded ??= load(platformName(currentHost()))
  return loaded
}

function load(platform: string): NativeBinding {
  const built = builtBinary(platform)
  const name = packageName(platform)
  try {
    // The generated declarations and `dto.ts` are compared here, by the compiler.
    const binding: Generated = require(built ?? name)
    return binding
  } catch (cause) {
    throw missing(platform, name, cause, built !== null || !isAbsent(cause, name))
  }
}

/** `npm run build:native` puts it into `build/` of the package's folder; a published package has no such folder. */
function builtBinary(platform: string): string | null {
  const root = dirname(require.resolve('forebay/package.json'))
  const file = join(root, 'build', `forebay.${platform}.node`)
  return existsSync(file) ? file : null
}

/** Whether the package itself is not installed, unlike a package whose binary cannot be loaded. */
function isAbsent(cause: unknown, name: string): boolean {
  return cause instanceof Error && Reflect.get(cause, 'code') === 'MODULE_NOT_FOUND' && cause.message.includes(name)
}

function missing(platform: string, name: string, cause: unknown, found: boolean): UnavailableError {
  const build = 'or build it in a checkout of forebay: npm ci && npm run build:native (needs cargo and a C compiler)'
  const text = found
    ? `The native binary for ${platform} is there but cannot be loaded (see cause). Install ${name} again, ${build}.`
    : SUPPORTED.includes(platform)
      ? `No native binary for ${platform}: the package ${name} is not installed. Install it (it is an optional dependency of forebay: not with --omit=optional), ${build}.`
      : `No native binary for ${platform}, and no package is published for it (${name}). Supported: ${SUPPORTED.join(', ')}. Use one of these, ${build}.`
  return new UnavailableError('FB_BINARY_MISSING', text, { cause })
}
