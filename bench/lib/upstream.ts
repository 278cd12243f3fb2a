// The upstream of a benchmark: nginx where it is installed, else the testkit's server; on a processor of its own where that can be.

import { findNginx, startNginx } from '../../__test__/support/nginx.js'
import { startTestkit } from '../../__test__/support/upstream.js'
import { pinned, UPSTREAM_CPU } from './pin.js'

export interface BenchUpstream {
  readonly name: 'nginx' | 'testkit'
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
  return { name, url: bytes => `${origin}/bytes/${bytes}`, sink: `${origin}/sink`, stop: () => upstream.stop() }
}
