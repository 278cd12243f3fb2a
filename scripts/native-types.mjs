// npm run native-types: writes ts/native/binding.d.cts, the declarations of what crates/forebay-napi exports.
// The macros of napi-derive describe each export in a file while the crate compiles; @napi-rs/cli makes TypeScript of them.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateTypeDef } from '@napi-rs/cli'
import { buildNative } from './lib/native.mjs'
import { root, targetDir } from './lib/paths.mjs'
import { main } from './lib/run.mjs'

const HEADER = '// Generated from crates/forebay-napi by npm run native-types. Do not edit.\n'

main(async () => {
  const typeDefDir = join(targetDir, 'napi-types')
  await rm(typeDefDir, { recursive: true, force: true })
  await mkdir(typeDefDir, { recursive: true })
  // The crate's build script watches the second variable: a new value compiles the crate again.
  const env = { NAPI_TYPE_DEF_TMP_FOLDER: typeDefDir, NAPI_FORCE_BUILD_FOREBAY_NAPI: String(Date.now()) }
  await buildNative({ force: true, env })
  const { dts } = await generateTypeDef({ typeDefDir, cwd: root, noDtsHeader: true })
  await writeFile(join(root, 'ts/native/binding.d.cts'), HEADER + dts)
})
