// npm run check:edges: the normal dependencies between the crates, and those of the pure core, against an allow list.
// A new edge is a decision: it is written down here, in the change that makes it.
import { execFileSync } from 'node:child_process'
import { root } from './lib/paths.mjs'

/** Crate -> the crates of this workspace that it may depend on. */
const ALLOWED = {
  'forebay-core': [],
  'forebay-reactor': [],
  'forebay-h3': [],
  'forebay-transport': ['forebay-core', 'forebay-h3', 'forebay-reactor'],
  'forebay-napi': ['forebay-core', 'forebay-reactor', 'forebay-transport'],
  'forebay-testkit': [],
}

/** Crate -> the outside crates that it may depend on; a crate that is not listed may use any. */
const OUTSIDE = {
  // Pure: nothing that has a clock, a socket, a thread or randomness.
  'forebay-core': ['thiserror', 'slab', 'smallvec'],
  // A codec: bytes and the types of messages, nothing that does I/O.
  'forebay-h3': ['bytes', 'http', 'thiserror'],
  // Knows nothing of HTTP, TLS or Node. hyper and tokio: for their IO traits, which a stream must speak.
  'forebay-reactor': [
    'hyper',
    'mio',
    'libc',
    'slab',
    'smallvec',
    'socket2',
    'thiserror',
    'tokio',
    'tracing',
    'futures-task',
  ],
}

const options = ['metadata', '--locked', '--no-deps', '--format-version', '1']
const metadata = JSON.parse(execFileSync('cargo', options, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }))

const faults = metadata.packages.flatMap(({ name, dependencies }) => {
  const own = ALLOWED[name]
  if (own === undefined) return [`${name}: not in the allow list of scripts/check-edges.mjs`]
  const normal = dependencies.filter(dependency => dependency.kind === null).map(dependency => dependency.name)
  return normal
    .filter(to => (to in ALLOWED ? !own.includes(to) : OUTSIDE[name] !== undefined && !OUTSIDE[name].includes(to)))
    .map(to => `${name} -> ${to}`)
})

if (faults.length > 0) {
  console.error(`Edges that are not allowed:\n  ${faults.join('\n  ')}`)
  process.exitCode = 1
} else {
  console.log(`edges: ${metadata.packages.length} crates, all as allowed`)
}
