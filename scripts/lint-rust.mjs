// The Rust half of npm run lint. The release profile, because its build scripts (TLS in C) are built anyway.
import { main, run } from './lib/run.mjs'

main(async () => {
  await run('cargo', ['fmt', '--all', '--check'])
  await run('cargo', ['clippy', '--workspace', '--all-targets', '--release', '--locked', '--', '-D', 'warnings'])
})
