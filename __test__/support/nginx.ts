// nginx as an upstream: its own configuration in a folder of its own, on loopback, ended with its owner.
//
// Promise: nothing outside the folder is read or written; the port is one that was free. Used by the behaviour suite (`peers.ts`) and
// the benchmarks. Not here: installing it.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pattern } from './pattern.js'

/** Where Debian, Alpine and Homebrew put it, when it is not in the path. */
const PLACES = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx']

/** Longest wait for the port to answer, in ms. */
const START_MS = 5_000

/** Another process may take the port between our look and nginx's bind. */
const ATTEMPTS = 5

export interface Nginx {
  readonly origin: string
  stop(): Promise<void>
}

export interface NginxOptions {
  /** Sizes of the files under `/bytes/`. */
  readonly sizes: readonly number[]
  /** The command that starts it, e.g. one that picks a processor. */
  readonly wrap?: (command: string, args: string[]) => [command: string, args: string[]]
}

/** The program, or `null` where it is not installed. */
export function findNginx(): string | null {
  return PLACES.find(place => spawnSync(place, ['-v']).status === 0) ?? null
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const program = findNginx()
  if (program === null) throw new Error('nginx is not installed')
  const folder = await mkdtemp(join(tmpdir(), 'forebay-nginx-'))
  await mkdir(join(folder, 'bytes'), { recursive: true })
  await mkdir(join(folder, 'stored'))
  for (const size of options.sizes) await writeFile(join(folder, 'bytes', String(size)), pattern(size))
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, port))
    const child = start(program, folder, options)
    if (await answers(port, child)) {
      return { origin: `http://127.0.0.1:${port}`, stop: () => stop(child, folder) }
    }
    if (attempt === ATTEMPTS) {
      await stop(child, folder)
      throw new Error('nginx does not start')
    }
  }
}

function start(program: string, folder: string, { wrap }: NginxOptions): ChildProcess {
  const args = ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')]
  const [command, all] = wrap ? wrap(program, args) : [program, args]
  return spawn(command, all, { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
  }
  await rm(folder, { recursive: true, force: true })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function answers(port: number, child: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + START_MS; Date.now() < end; await sleep(10)) {
    if (child.exitCode !== null) return false
    if (await accepts(port)) return true
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

function configuration(folder: string, port: number): string {
  const fields = Array.from({ length: 60 }, (_, n) => `add_header X-Header-${n} value-${n};`).join(' ')
  return `
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
worker_rlimit_nofile 65536;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  default_type application/octet-stream;
  client_max_body_size 64m;
  large_client_header_buffers 8 64k;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=100;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${folder};
    location / { return 200 "hello from the testkit"; }
    location /bytes/ { }
    location /chunked/ { alias ${folder}/bytes/; ssi on; ssi_types *; }
    location /stored/ { dav_methods PUT DELETE; open_file_cache off; }
    location = /sink { client_max_body_size 0; return 200 "hello from the testkit"; }
    location = /header { return 200 "$http_x_sent"; }
    location = /authority { return 200 "$http_host"; }
    location = /headers { ${fields} return 200 "hello from the testkit"; }
    location = /close { keepalive_timeout 0; return 200 "hello from the testkit"; }
    location /retire/ { keepalive_requests 10; return 200 "hello from the testkit"; }
    ${[201, 202, 204, 304, 400, 404, 500, 503].map(s => `location = /status/${s} { return ${s}; }`).join('\n    ')}
  }
}
`
}
