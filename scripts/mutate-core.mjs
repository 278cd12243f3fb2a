#!/usr/bin/env node
// Does the simulator notice when the core is wrong? Each mutation below is a plausible mistake. The script copies the core into a
// temporary folder, makes one mistake at a time there, runs the simulator, and expects it to fail; then it puts the original text back.
// The working tree is never touched.
//
//   node scripts/mutate-core.mjs [--seeds N] [--only NAME]
//
// It ends with 1 if a mistake survives, or if one no longer finds its place in the code.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Seeds for each mutation: nearly every one of them dies within a few dozen, the rarest within 500. */
const SEEDS = 2_000

const MUTATIONS = [
  {
    name: 'a connecting connection is not counted',
    file: 'src/connection.rs',
    from: 'free: usable.max(0), connecting: usable, ready: 0',
    to: 'free: 0, connecting: usable, ready: 0',
  },
  {
    name: 'a draining connection becomes ready again',
    file: 'src/connection.rs',
    from: 'State::Draining => State::Draining,',
    to: 'State::Draining => State::Ready,',
  },
  {
    name: 'the queue is served last in, first out',
    file: 'src/group/attach.rs',
    from: 'pool.pending.oldest(&self.streams), pool.ready.pick()',
    to: 'pool.pending.youngest(&self.streams), pool.ready.pick()',
  },
  {
    name: 'a pending place leaks when its stream leaves the queue',
    file: 'src/group/arrival.rs',
    from: 'self.limits.give_back(place);',
    to: 'core::mem::forget(place);',
  },
  {
    name: 'a limit lets one more in',
    file: 'src/limits.rs',
    from: 'count.current < count.max',
    to: 'count.current <= count.max',
  },
  {
    name: 'a busy connection covers the queue for one failure too many',
    file: 'src/group/handshake.rs',
    from: 'const HOPELESS: u32 = 3;',
    to: 'const HOPELESS: u32 = 4;',
  },
  {
    name: 'a connection lost under the queue is not replaced',
    file: 'src/group/closing.rs',
    from: 'self.close(now, id, cause);\n        self.grow_if_waiting(now, pool);',
    to: 'self.close(now, id, cause);\n        let _ = pool;',
  },
  {
    name: 'the idle timer runs on under a stream',
    file: 'src/group/attach.rs',
    from: 'self.timers.disarm(&mut connection.rest_timer);',
    to: '',
  },
  {
    name: 'a stream is sent again although a byte of its response came',
    file: 'src/group/ending.rs',
    from: '&& !answered',
    to: '',
  },
  {
    name: 'a stream that returns goes to the end of the queue',
    file: 'src/group/arrival.rs',
    from: 'self.enqueue(now, id, place, returning);',
    to: 'self.enqueue(now, id, place, false);',
  },
  {
    name: 'the second failure in a row does not wait',
    file: 'src/backoff.rs',
    from: 'const FIRST_TO_WAIT: u32 = 2;',
    to: 'const FIRST_TO_WAIT: u32 = 3;',
  },
  {
    name: 'the limit of a host never sees a connection close',
    file: 'src/group/closing.rs',
    from: 'self.upstreams[upstream].connections -= 1;',
    to: '',
  },
  {
    name: 'a failure is told although its stream was cancelled',
    file: 'src/group/ending.rs',
    from: 'Whereabouts::Failing { .. } => {\n                self.stats.bump(Stat::RqCancelled);\n                self.streams.remove(id);',
    to: 'Whereabouts::Failing { .. } => {\n                self.stats.bump(Stat::RqCancelled);',
  },
  {
    name: 'a deleting pool keeps what is connecting',
    file: 'src/group/drain.rs',
    from: 'if !waiting {\n            while let',
    to: 'if waiting {\n            while let',
  },
  {
    name: 'a stream that is wanted over HTTP/1.1 is sent again over HTTP/2',
    file: 'src/group/ending.rs',
    from: 'stream.pool = other;',
    to: 'let _ = other;',
  },
  {
    name: 'HTTP/2 that answers others loses all of them to one demand for HTTP/1.1',
    file: 'src/fallback.rs',
    from: 'const TRUST: u8 = 8;',
    to: 'const TRUST: u8 = 1;',
  },
  {
    name: 'HTTP/1.1 is remembered for ever',
    file: 'src/fallback.rs',
    from: 'until > now',
    to: 'until > Instant::default() && now > Instant::default()',
  },
  {
    name: 'what a closing pool is to send over HTTP/1.1 outlives it',
    file: 'src/group/arrival.rs',
    from: 'self.drain_and_delete(now, pool);\n        Ok(pool)',
    to: 'Ok(pool)',
  },
  {
    name: 'the wait for SETTINGS is bounded by the connect time-out',
    file: 'src/group/handshake.rs',
    from: 'get_mut(id).filter(|connection| !connection.connected) {\n            self.timers.disarm(&mut connection.life_timer);',
    to: 'get_mut(id).filter(|connection| !connection.connected) {\n            let _ = connection;',
  },
  {
    name: 'a body that has left is sent again',
    file: 'src/group/ending.rs',
    from: 'stream.replayable = false;',
    to: 'let _ = stream;',
  },
  {
    name: 'a lower limit of the peer is not remembered',
    file: 'src/group/retirement.rs',
    from: 'upstream.config.memory.stream_limit = Some(limit);',
    to: 'upstream.config.memory.stream_limit = upstream.config.memory.stream_limit.max(Some(limit));',
  },
  {
    name: 'a raised limit does not serve the queue',
    file: 'src/group/retirement.rs',
    from: 'if after > before {\n            self.gain(now, pool);',
    to: 'if after > before {\n            let _ = pool;',
  },
]

function argument(name) {
  const place = process.argv.indexOf(name)
  return place < 0 ? undefined : process.argv[place + 1]
}

function simulate(folder, target, seeds) {
  const cargo = [
    'run',
    '--quiet',
    '--offline',
    '-p',
    'forebay-core',
    '--example',
    'sim',
    '--',
    '--seeds',
    String(seeds),
  ]
  const env = { ...process.env, CARGO_TARGET_DIR: target, RUSTFLAGS: '-Awarnings', RUST_BACKTRACE: '0' }
  const { status, stdout, stderr } = spawnSync('cargo', cargo, {
    cwd: folder,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const verdict = stdout.split('\n').find(line => line.startsWith('seed ') || line.endsWith('seeds: good'))
  if (verdict === undefined) throw new Error(`the simulator did not run (status ${status}):\n${stderr}`)
  return { caught: status !== 0, verdict }
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'forebay-mutate-'))
const crate = join(folder, 'crates/forebay-core')
const seeds = Number(argument('--seeds') ?? SEEDS)
const only = argument('--only')
let failures = 0
try {
  for (const file of ['Cargo.toml', 'Cargo.lock', 'crates/forebay-core']) {
    cpSync(join(root, file), join(folder, file), { recursive: true })
  }
  const target = join(folder, 'target')
  const original = simulate(folder, target, seeds)
  if (original.caught) throw new Error(`the core fails without a mutation: ${original.verdict}`)
  console.log(`as it is: ${original.verdict}`)
  for (const { name, file, from, to } of MUTATIONS.filter(mutation => only === undefined || mutation.name === only)) {
    const path = join(crate, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(from).length !== 2) {
      console.log(`STALE     ${name}: its text stands ${text.split(from).length - 1} times in ${file}`)
      failures += 1
      continue
    }
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
    const { caught, verdict } = simulate(folder, target, seeds)
    writeFileSync(path, text)
    console.log(`${caught ? 'caught    ' : 'SURVIVED  '}${name}: ${verdict.slice(0, 160)}`)
    if (!caught) failures += 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1
