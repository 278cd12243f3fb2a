// The upstream of a benchmark: nginx where it is installed, else the testkit's server; on a processor of its own where that can be.

import { makeIdentity } from '../../__test__/support/identity.js'
import { findNginx, startNginx } from '../../__test__/support/nginx.js'
import { startHttp2, startTestkit } from '../../__test__/support/upstream.js'
import { pinned, UPSTREAM_CPU } from './pin.js'

export interface BenchUpstream {
  readonly name: 'nginx' | 'testkit'
  /** The root of its certificate, PEM; null without TLS. */
  readonly ca: string | null
  /** Where a body of so many bytes is. */
  url(bytes: number): string
  /** What reads a request's body of any length and answers shortly. */
  readonly sink: string
  stop(): Promise<void>
}

const wrap = (command: string, args: readonly string[]): [string, string[]] => pinned(UPSTREAM_CPU, command, args)

export async function startUpstream(
  sizes: readonly number[],
  wanted: 'nginx' | 'testkit' | null,
): Promise<BenchUpstream> {
  const name = wanted ?? (findNginx() === null ? 'testkit' : 'nginx')
  const upstream = name === 'nginx' ? await startNginx({ sizes, wrap }) : await startTestkit({ wrap })
  const { origin } = upstream
  return { name, ca: null, ...places(origin), stop: () => upstream.stop() }
}

/** HTTP/2 over TLS. */
export async function startHttp2Upstream(
  sizes: readonly number[],
  wanted: 'nginx' | 'testkit' | null,
): Promise<BenchUpstream> {
  const name = wanted ?? (findNginx() === null ? 'testkit' : 'nginx')
  if (name === 'testkit') {
    const upstream = await startHttp2('--tls')
    return { name, ca: upstream.ca, ...places(upstream.origin), stop: () => upstream.stop() }
  }
  const identity = await makeIdentity()
  const upstream = await startNginx({ sizes, http2: { identity }, wrap })
  const stop = async () => {
    await upstream.stop()
    await identity.remove()
  }
  return { name, ca: identity.ca, ...places(upstream.origin), stop }
}

function places(origin: string): Pick<BenchUpstream, 'url' | 'sink'> {
  return { url: bytes => `${origin}/bytes/${bytes}`, sink: `${origin}/sink` }
}
