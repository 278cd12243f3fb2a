// Sends a file as it is read, with its length and a sum behind it: node build/examples/upload-file.js http://127.0.0.1:8080 [file]
//
// No more of it is in memory than `bodyBuffer`. If the file cannot be read to its end the exchange is reset: the upstream never takes a
// part of it for the whole.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { BodyError, Pool } from 'forebay'

const pool = new Pool(process.argv[2] ?? 'http://127.0.0.1:8080', { totalTimeout: 60_000 })
const file = process.argv[3] ?? fileURLToPath(import.meta.url)
const { size } = await stat(file)

const response = await pool.request({
  method: 'PUT',
  path: '/inspect',
  headers: { 'content-length': size },
  body: () => createReadStream(file),
})
const { bodyLength } = await response.body.json<{ bodyLength: number }>()
console.log(response.status, bodyLength === size)

try {
  await pool.request({ method: 'PUT', path: '/inspect', body: createReadStream(`${file}.missing`) })
} catch (error) {
  if (!(error instanceof BodyError)) throw error
  console.log(error.code, error.cause instanceof Error && 'code' in error.cause ? error.cause.code : error.cause)
}

await pool.close()
