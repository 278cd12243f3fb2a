// fetch through a pool, as code written for the platform's uses it: node build/examples/fetch.js http://127.0.0.1:8080

import { exchangeOf, ForebayError, Pool } from 'forebay'

/** Knows nothing of Forebay. */
async function sizeOf(fetch: typeof globalThis.fetch, url: string): Promise<number> {
  const response = await fetch(url, { headers: { accept: 'text/plain' } })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return (await response.text()).length
}

const origin = process.argv[2] ?? 'http://127.0.0.1:8080'
const pool = new Pool(origin)

console.log('bytes', await sizeOf(pool.fetch, `${origin}/bytes/1000`))

const response = await pool.fetch('/bytes/10')
console.log(response instanceof Response, response.status, exchangeOf(response)?.connection.reused)
await response.body?.cancel()

try {
  await pool.fetch('/bytes/10', { forebay: { maxReadSize: 5 } }).then(large => large.text())
} catch (error) {
  if (error instanceof TypeError && error.cause instanceof ForebayError) console.log(error.message, error.cause.code)
  else throw error
}

await pool.close()
