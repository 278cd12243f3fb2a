// The example of the README: node build/examples/first-request.js http://127.0.0.1:8080

import { Pool } from 'forebay'

const pool = new Pool(process.argv[2] ?? 'http://127.0.0.1:8080')

const response = await pool.request({
  method: 'POST',
  path: '/orders',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ item: 'book' }),
})
console.log(response.status, response.connection.endpoint, (await response.body.bytes()).length)

await pool.close()
