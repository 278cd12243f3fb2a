// npm run docs:errors: writes docs/errors.md from ts/errors/codes.ts and ts/errors/advice.ts.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './lib/paths.mjs'
import { main } from './lib/run.mjs'
import { buildPackage } from './lib/typescript.mjs'

const FILE = join(root, 'docs/errors.md')

const HEAD = `<!-- Generated from ts/errors/codes.ts and ts/errors/advice.ts by npm run docs:errors. Do not edit. -->

# Errors

Everything that Forebay rejects with, but for a caller's own \`signal.reason\`, is a \`ForebayError\` of a class for its kind. \`code\` is stable; texts are not.

| field | what it says |
| --- | --- |
| \`code\`, \`kind\` | what happened (below), and the class as a word |
| \`phase\` | how far the request had come: \`setup\`, \`admit\`, \`queue\`, \`dns\`, \`connect\`, \`tls\`, \`send\`, \`head\`, \`body\` |
| \`retryable\` | \`yes\`: not processed, any request may be sent again; \`maybe\`: only an idempotent one; \`no\`: none |
| \`origin\`, \`endpoint\` | where it was to go; the address that was reached or tried last, or null |
| \`protocol\`, \`reused\` | of its connection, or null; whether that had answered before |
| \`attempts\` | every try, in order, with its end and its time |
| \`flags\` | Envoy's response flags |
| \`cause\` | what lies beneath, where something does |

Some classes say more: \`OverflowError\` \`limit\` and \`max\`, \`TimeoutError\` \`timeoutMs\`, \`RequestError\` \`field\`, \`ConfigError\` \`path\`. \`fetch\` rejects
as the platform does, with \`TypeError: fetch failed\` before the head and \`TypeError: terminated\` after it; \`cause\` is the error of this table.

`

main(async () => {
  await buildPackage()
  const { CODES } = await load('codes')
  const { ADVICE } = await load('advice')
  const rows = CODES.map(entry => row(entry, ADVICE[entry.code]))
  const head = ['code', 'what happened', 'class', 'phase', 'retryable', 'flag', 'bound', 'what to do']
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
  await writeFile(FILE, `${HEAD}${table}\n`)
})

function row(entry, advice) {
  return [
    `\`${entry.code}\``,
    entry.meaning,
    `\`${className(entry.kind)}\``,
    entry.phases.length === 8 ? 'any but setup' : entry.phases.join(', '),
    retryable(entry),
    entry.flags.join(', ') || '-',
    entry.option === null ? '-' : entry.option.replaceAll(/[\w.]+/g, word => (word === 'or' ? word : `\`${word}\``)),
    advice,
  ]
}

/** The words, and where there are several the circumstance: S, I and N of the table are yes, maybe and no. */
function retryable({ retryable: words, class: circumstance }) {
  if (words.length === 1) return words[0]
  const spelt = { S: 'yes', I: 'maybe', N: 'no', 'N/I': 'no for the request that broke it, maybe for others' }
  return circumstance.replaceAll(/\bN\/I\b|\b[SIN]\b/g, letter => spelt[letter])
}

function className(kind) {
  return `${kind[0].toUpperCase()}${kind.slice(1)}Error`
}

function line(cells) {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function load(name) {
  return import(pathToFileURL(join(root, `dist/errors/${name}.js`)).href)
}
