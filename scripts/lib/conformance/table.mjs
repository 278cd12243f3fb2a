// The text of docs/conformance.md, from the cases and the tests that name them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../paths.mjs'

const LEVELS = ['core', 'transport', 'end to end']

export async function cases() {
  return JSON.parse(await readFile(join(root, 'docs/conformance/cases.json'), 'utf8')).sections
}

/** `{ text, problems }`: what to write, and what must not be. */
export function table(sections, tests) {
  const problems = tests.filter(({ passed }) => passed === false).map(({ name, level }) => `failed: ${name} (${level})`)
  const known = new Set(sections.flatMap(section => section.cases.map(({ id }) => id)))
  for (const { name, cases: ids } of tests) {
    for (const id of ids) if (!known.has(id)) problems.push(`there is no case ${id}: ${name}`)
  }
  const counts = []
  const parts = sections.map(section => {
    const rows = section.cases.map(entry => row(section, entry, tests))
    for (const { state, id } of rows) if (state === 'missing') problems.push(`no test for ${id}`)
    counts.push({ title: section.title, rows })
    return [`## ${section.title}`, '', ...header(section), ...rows.map(({ text }) => text), ''].join('\n')
  })
  return { text: `${[INTRODUCTION, summary(counts), ...parts].join('\n').trimEnd()}\n`, problems }
}

const INTRODUCTION = `<!-- Generated from docs/conformance/cases.json and the tests by npm run conformance. Do not edit. -->

# Conformance

Every case of the pool's contract (by its number) and every hostile upstream (by its row), with the tests that show it. A test is
connected with its case by its name alone: \`inventory_008_...\` or \`h01_...\` in Rust, \`inventory 8: ...\` or \`H01: ...\` in TypeScript.

Levels: *core*, the state machine alone, on a clock of its own; *transport*, sockets and bytes, in Rust (the reactor and the HTTP/3 codec with it); *end to end*, TypeScript against
a server, on both runners. \`npm run conformance\` runs all of them and writes this file from what they gave; \`npm test\` runs them and skips
none; \`npm run conformance -- --check\` fails where this table is not that of the tests that there are, all of them passing.

State: *passing*; *in part*, passing as far as it goes, and the later subject that completes it is named; *not yet*, it belongs to that
subject as a whole.

Words of the cases: \`cx_total\` and its like are \`pool.stats.cxTotal\` and its like; triples are (active, pending, capacity); r is
\`preconnectRatio\`, C the streams that a connection takes at once, U what it can still take; eject is \`rqPendingFailureEject\`; the classes S, I
and N are \`retryable\` 'yes', 'maybe' and 'no'; X the connection closes, D drains, K is kept, T only the stream ends, - there was none; CL and
TE are Content-Length and Transfer-Encoding. An HTTP/1.1 row starts after \`HTTP/1.1 200 OK\` unless it says otherwise.
`

function summary(counts) {
  const count = (rows, state) => rows.filter(row => row.state === state).length
  const lines = counts.map(
    ({ title, rows }) =>
      `| ${title} | ${rows.length} | ${count(rows, 'passing')} | ${count(rows, 'in part')} | ${count(rows, 'not yet')} | ${count(rows, 'failing') + count(rows, 'missing')} |`,
  )
  return [
    '| | cases | passing | in part | not yet | failing or missing |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n')
}

function header({ kind }) {
  return kind === 'hostile'
    ? [
        '| id | upstream | outcome | core | transport | end to end | state |',
        '| --- | --- | --- | --- | --- | --- | --- |',
      ]
    : ['| case | what must hold | core | transport | end to end | state |', '| --- | --- | --- | --- | --- | --- |']
}

function row({ kind }, { id, text, outcome, later }, tests) {
  const own = tests.filter(({ cases: ids }) => ids.includes(id))
  const state = stateOf(own, later)
  const shown = later === null || state === 'failing' ? state : `${state}: ${later}`
  const cells = [id, text, ...(kind === 'hostile' ? [outcome] : []), ...LEVELS.map(level => cell(own, level)), shown]
  return { id, state, text: `| ${cells.map(value => String(value).replaceAll('|', '\\|')).join(' | ')} |` }
}

function stateOf(tests, later) {
  if (tests.some(({ passed }) => passed === false)) return 'failing'
  if (tests.length === 0) return later === null ? 'missing' : 'not yet'
  return later === null ? 'passing' : 'in part'
}

function cell(tests, level) {
  const own = tests.filter(test => test.level === level)
  if (level !== 'end to end') return own.map(({ name }) => `\`${name}\``).join('<br>')
  const files = new Map()
  for (const { file, name, part } of own) {
    const what = `\`${file.replace(/\.js$/, '.ts')}\`${part === null ? '' : `, in part (${part})`}`
    files.set(what, [...(files.get(what) ?? []), name])
  }
  return [...files].map(([what, names]) => `${what}: ${names.length}`).join('<br>')
}
