// A native side without a binary: it keeps what it is told, and says what the test says. By `records.ts`.

import { CODES, PHASES } from '../../ts/errors/codes.js'
import type { NativeAddress, NativeBinding, NativeChannel, NativePoolConfig, Runner } from '../../ts/native/dto.js'
import { useBinding } from '../../ts/native/environment.js'
import { type Given, poolClosedRecord, readSubmissions, type Submission } from './records.js'

/** Names that the fake counts under; the numbers are the test's. */
const STATS: readonly string[] = [
  'cx_active',
  'rq_total',
  'circuit_breakers.default.cx_open',
  'circuit_breakers.default.remaining_cx',
  'circuit_breakers.high.rq_pending_open',
  'circuit_breakers.high.remaining_pending',
  'rq_queue_ms.le.5',
  'rq_queue_ms.le.inf',
  'rq_queue_ms.sum',
]

export class FakeChannel implements NativeChannel {
  readonly runner: Runner
  readonly configs: NativePoolConfig[] = []
  readonly addresses: NativeAddress[][] = []
  readonly forgotten: number[] = []
  /** Everything that came, in order; and how many bytes each flush had. */
  readonly submissions: Submission[] = []
  readonly flushes: number[] = []
  row: readonly number[] = []
  /** Where readers want bodies, by request. */
  readonly targets: Map<number, Uint8Array> = new Map()
  /** Answers within `flush`, as the event loop does; returns records. */
  answer: ((submission: Submission) => readonly Uint8Array[]) | null = null
  /** Thrown by the next call. */
  failure: Error | null = null
  readonly #submit: Uint8Array
  readonly #slab: Uint8Array
  readonly #deliver: (length: number) => void
  #waiting: (() => void)[] = []
  readonly #given: Given[] = []

  constructor(runner: Runner, submit: Uint8Array, slab: Uint8Array, deliver: (length: number) => void) {
    this.runner = runner
    this.#submit = submit
    this.#slab = slab
    this.#deliver = deliver
  }

  flush(length: number): number {
    this.#fail()
    this.flushes.push(length)
    const came = readSubmissions(this.#submit, length, this.#given)
    this.submissions.push(...came)
    // What was read is gone: nobody may count on it.
    this.#submit.fill(0xee, 0, length)
    for (const wake of this.#waiting.splice(0)) wake()
    if (this.answer === null) return 0
    const { answer } = this
    return this.#fill(came.flatMap(submission => answer(submission)))
  }

  give(request: number, body: Uint8Array): void {
    this.#fail()
    this.#given.push({ request, body: new Uint8Array(body) })
  }

  direct(request: number, into: Uint8Array): void {
    this.targets.set(request, into)
  }

  /** Resolves with the first `count` submissions of this kind, once they are there. */
  async seen<T extends Submission['type']>(type: T, count = 1): Promise<Extract<Submission, { type: T }>[]> {
    for (;;) {
      const found = this.submissions.filter((one): one is Extract<Submission, { type: T }> => one.type === type)
      if (found.length >= count) return found
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #fail(): void {
    const { failure } = this
    this.failure = null
    if (failure !== null) throw failure
  }

  #fill(records: readonly Uint8Array[]): number {
    let at = 0
    for (const one of records) {
      this.#slab.set(one, at)
      at += one.length
    }
    return at
  }

  /** Delivers records in one call. */
  deliver(...records: readonly Uint8Array[]): void {
    const length = this.#fill(records)
    this.#deliver(length)
    // The slab is the native side's again: whoever kept a view sees garbage.
    this.#slab.fill(0xdd, 0, length)
  }

  createPool(config: NativePoolConfig): number {
    this.#fail()
    this.configs.push(config)
    return this.configs.length
  }

  setAddresses(_pool: number, addresses: NativeAddress[]): void {
    this.addresses.push(addresses)
  }

  stats(_pool: number, into: Float64Array): void {
    into.set(this.row)
  }

  forgetPool(pool: number): void {
    this.forgotten.push(pool)
  }

  /** Ends a pool that was told to close. */
  closed(pool = 1): void {
    this.deliver(poolClosedRecord(pool))
  }
}

export class FakeBinding implements NativeBinding {
  readonly channels: FakeChannel[] = []
  readonly #support: string | null
  readonly #codes: readonly string[]

  constructor(support: string | null = null, codes: readonly string[] = CODES.map(entry => entry.code)) {
    this.#support = support
    this.#codes = codes
  }

  readonly Channel: NativeBinding['Channel'] = fakeChannelOf(this)

  eventLoopSupport(): string | null {
    return this.#support
  }

  configureRuntime(): boolean {
    return true
  }

  statNames(): string[] {
    return [...STATS]
  }

  codeNames(): string[] {
    return [...this.#codes]
  }

  phaseNames(): string[] {
    return [...PHASES]
  }

  get channel(): FakeChannel {
    const [channel] = this.channels
    if (channel === undefined) throw new Error('no channel was made yet')
    return channel
  }
}

function fakeChannelOf(binding: FakeBinding): NativeBinding['Channel'] {
  return class extends FakeChannel {
    constructor(runner: Runner, submit: Uint8Array, slab: Uint8Array, deliver: (length: number) => void) {
      super(runner, submit, slab, deliver)
      binding.channels.push(this)
    }
  }
}

/** A fresh fake that the pools made from now on use. */
export function useFake(support: string | null = null): FakeBinding {
  const binding = new FakeBinding(support)
  useBinding(binding)
  return binding
}
