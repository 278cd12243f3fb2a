// The Rust half of npm run lint. In the release profile, because the addon's build has run its build scripts (TLS in C) already.
import { main, run } from './lib/run.mjs'

main(async () => {
  await run('cargo', ['fmt', '--all', '--check'])
  await run('cargo', ['clippy', '--workspace', '--all-targets', '--release', '--locked', '--', '-D', 'warnings'])
})
