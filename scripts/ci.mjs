// What .ci/run runs after `npm ci`: the stages one after another, all of them even if one fails, and one count at the end.
import { Failures } from './lib/failures.mjs'
import { exitCode } from './lib/run.mjs'

/** Name, and the npm command. In order: first what is quick to fail, then the README's test command, which builds everything. */
const STAGES = [
  ['format and lint, TypeScript', ['run', 'lint:ts']],
  ['edges between crates', ['run', 'check:edges']],
  ['the README\u2019s test command', ['test']],
  ['format and lint, Rust', ['run', 'lint:rust']],
  ['generated files', ['run', 'check:generated']],
  ['conformance', ['run', 'conformance', '--', '--check']],
  ['fuzzer', ['run', 'fuzz', '--', '--seconds', '15']],
  ['other versions of Node', ['run', 'test:nodes']],
  ['servers that are not ours', ['run', 'test:peers']],
  ['demo', ['run', 'demo', '--', '--requests', '5000']],
  ['benchmark', ['run', 'bench', '--', '--quick', '--out', 'build/bench-report']],
]

const total = { passed: 0, failed: 0 }
const stages = []
const times = []

for (const [name, args] of STAGES) {
  console.log(`\n=== ${name}: npm ${args.join(' ')}`)
  const start = performance.now()
  const failures = new Failures()
  const onLine = line => {
    failures.read(line)
    console.log(count(line) ?? line)
  }
  const onError = line => {
    failures.readError(line)
    console.error(line)
  }
  const code = await exitCode('npm', args, { onLine, onError })
  times.push(`${String(Math.round((performance.now() - start) / 1_000)).padStart(5)} s  ${name}`)
  if (code !== 0) stages.push(`${name} (ended with ${code})\n${failures.text}`)
}

console.log(`\n=== time\n${times.join('\n')}`)
if (stages.length > 0) console.log(`\n=== failed\n${stages.join('\n')}`)
console.log(`\n${total.passed} passed, ${total.failed} failed`)
process.exitCode = stages.length > 0 || total.failed > 0 || total.passed === 0 ? 1 : 0

/** Adds up the closing line of a suite, and words it differently: the line of all stages is the only one of its kind. */
function count(line) {
  const found = /^(\d+) passed, (\d+) failed$/.exec(line)
  if (found === null) return null
  total.passed += Number(found[1])
  total.failed += Number(found[2])
  return `in this suite: passed ${found[1]}, failed ${found[2]}`
}
