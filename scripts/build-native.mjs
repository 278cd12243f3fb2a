// npm run build:native [-- --force]: build/forebay.<platform>.node for this machine.
import { buildNative } from './lib/native.mjs'
import { main } from './lib/run.mjs'

main(() => buildNative({ force: process.argv.includes('--force') }))
