// Where things lie. Used by every script; knows nothing of what they do.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Cargo's target folder: the user's, if set. */
export const targetDir = process.env.CARGO_TARGET_DIR ?? join(root, 'target')

/** A tool that `npm ci` installed, as a script for `process.execPath` (no shell, also on Windows). */
export const tool = {
  ava: join(root, 'node_modules/ava/entrypoints/cli.mjs'),
  biome: join(root, 'node_modules/@biomejs/biome/bin/biome'),
  tsc: join(root, 'node_modules/typescript/bin/tsc'),
}

/** What Node is to run for ava with TAP as its output. */
export const avaTap = ['--import', new URL('ava-tap.mjs', import.meta.url).href, tool.ava, '--tap']
