// npm run build:native [-- --force]: the addon of this machine, or of the triple in FOREBAY_TARGET.
import { buildNative } from './lib/native.mjs'
import { main } from './lib/run.mjs'

main(() => buildNative({ force: process.argv.includes('--force') || process.env.FOREBAY_TARGET !== undefined }))
