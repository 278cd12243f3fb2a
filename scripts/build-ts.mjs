// npm run build:ts: ts -> dist, with the CommonJS doors.
import { main } from './lib/run.mjs'
import { buildPackage } from './lib/typescript.mjs'

main(buildPackage)
