// nginx as an upstream: its own configuration in a folder of its own, on loopback, ended with its owner.
//
// Promise: nothing outside the folder is read or written; the port is one that was free. Used by the behaviour suite (`peers.ts`) and
// the benchmarks. Not here: installing it.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Identity } from './identity.js'
import { pattern } from './pattern.js'
import { answers, end, freePort, PORT_ATTEMPTS } from './ports.js'

/** Where Debian, Alpine and Homebrew put it, when it is not in the path. */
const PLACES = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx']

/** HTTP/2 streams at once on a connection. nginx's own default is 128. */
export const NGINX_STREAMS = 100

/** Requests on a connection of the origin `retiring`. */
export const NGINX_RETIRES_AFTER = 20

/** Twice what `/slow` passes on in a second, the first of which it holds back. */
const SLOW_BYTES = 16_384

export interface Nginx {
  readonly origin: string
  /** As `origin`, but a connection ends after `NGINX_RETIRES_AFTER` requests. */
  readonly retiring: string
  /** As `origin`, but knows only `/slow`: 16 KB that take two seconds. */
  readonly slow: string
  /** Connections on which `slow` has answered so far. */
  slowConnections(): Promise<number>
  stop(): Promise<void>
}

export interface NginxOptions {
  /** Sizes of the files under `/bytes/`. */
  readonly sizes: readonly number[]
  /** HTTP/2: in clear with prior knowledge, or over TLS as ALPN agrees. Else HTTP/1.1 in clear. */
  readonly http2?: { readonly identity: Identity | null }
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
  await writeFile(join(folder, 'slow.body'), pattern(SLOW_BYTES))
  for (const size of options.sizes) await writeFile(join(folder, 'bytes', String(size)), pattern(size))
  const scheme = options.http2?.identity ? 'https' : 'http'
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const retiring = await freePort()
    const slow = await freePort()
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, { port, retiring, slow }, options.http2))
    const child = start(program, folder, options)
    if ((await answers(port, child)) && (await answers(retiring, child))) {
      return {
        origin: `${scheme}://127.0.0.1:${port}`,
        retiring: `${scheme}://127.0.0.1:${retiring}`,
        slow: `${scheme}://127.0.0.1:${slow}`,
        slowConnections: async () => new Set((await readFile(join(folder, 'slow.log'), 'utf8')).match(/\d+/g)).size,
        stop: () => stop(child, folder),
      }
    }
    if (attempt === PORT_ATTEMPTS) {
      await stop(child, folder)
      throw new Error('nginx does not start')
    }
    await end(child)
  }
}

function start(program: string, folder: string, { wrap }: NginxOptions): ChildProcess {
  const args = ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')]
  const [command, all] = wrap ? wrap(program, args) : [program, args]
  return spawn(command, all, { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  await end(child)
  await rm(folder, { recursive: true, force: true })
}

function configuration(
  folder: string,
  ports: { readonly port: number; readonly retiring: number; readonly slow: number },
  http2: NginxOptions['http2'],
): string {
  const identity = http2?.identity ?? null
  const how = `${identity === null ? '' : ' ssl'}${http2 === undefined ? '' : ' http2'}`
  const fields = Array.from({ length: 60 }, (_, n) => `add_header X-Header-${n} value-${n};`).join(' ')
  const paths = `root ${folder};
    location / { return 200 "hello from the testkit"; }
    location /bytes/ { }
    location /chunked/ { alias ${folder}/bytes/; ssi on; ssi_types *; }
    location /stored/ { dav_methods PUT DELETE; open_file_cache off; }
    location = /sink { client_max_body_size 0; return 200 "hello from the testkit"; }
    location /trailers/ { alias ${folder}/bytes/; add_trailer X-End yes; }
    location = /header { return 200 "$http_x_sent"; }
    location = /authority { return 200 "$http_host"; }
    location = /headers { ${fields} return 200 "hello from the testkit"; }
    location = /close { keepalive_timeout 0; return 200 "hello from the testkit"; }
    location /retire/ { keepalive_requests 10; return 200 "hello from the testkit"; }
    ${[201, 202, 204, 304, 400, 404, 500, 503].map(s => `location = /status/${s} { return ${s}; }`).join('\n    ')}`
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
  log_format connection '$connection';
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
  ${identity === null ? '' : `ssl_certificate ${identity.certFile}; ssl_certificate_key ${identity.keyFile};`}
  ${http2 === undefined ? '' : `http2_max_concurrent_streams ${NGINX_STREAMS};`}
  server {
    listen 127.0.0.1:${ports.port}${how} backlog=4096;
    ${paths}
  }
  server {
    listen 127.0.0.1:${ports.retiring}${how} backlog=4096;
    keepalive_requests ${NGINX_RETIRES_AFTER};
    ${paths}
  }
  server {
    listen 127.0.0.1:${ports.slow}${how} backlog=4096;
    access_log ${folder}/slow.log connection;
    location = /slow { alias ${folder}/slow.body; limit_rate 8k; }
  }
}
`
}
