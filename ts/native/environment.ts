// The channels of this environment (main thread or worker), each made on first use.
//
// Used by `pool/native-pool.ts`; `useBinding` by tests. Not here: what a channel does (`channel.ts`).

import { Channel } from './channel.js'
import type { NativeBinding, Runner } from './dto.js'
import { loadBinding } from './load.js'

const channels: Map<Runner, Channel> = new Map()
let binding: NativeBinding | null = null

/** The addon, loaded on first use. */
export function nativeBinding(): NativeBinding {
  binding ??= loadBinding()
  return binding
}

/** The channel of `runner`. */
export function channelOf(runner: Runner): Channel {
  let channel = channels.get(runner)
  if (channel === undefined) {
    channel = new Channel(nativeBinding(), runner)
    channels.set(runner, channel)
  }
  return channel
}

/** For tests: another binding for the pools made from now on; null for the real one again. */
export function useBinding(other: NativeBinding | null): void {
  binding = other
  channels.clear()
}
