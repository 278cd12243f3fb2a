// fetch and its signal, at every stage. The platform's own is the reference.

import { setTimeout } from 'node:timers/promises'
import { alike, ours, outcome, useFetchServer } from '../support/alike.js'

useFetchServer()

const REASONS: readonly (readonly [what: string, reason: unknown])[] = [
  ['an error', new RangeError('mine')],
  ['a word', 'enough'],
  ['nothing', undefined],
]

for (const [what, reason] of REASONS) {
  alike(`a signal that was aborted before, with ${what}`, ({ fetch, origin }) =>
    outcome(fetch(`${origin}/text`, { signal: AbortSignal.abort(reason) })),
  )

  alike(`a Request whose signal was aborted before, with ${what}`, ({ fetch, origin }) =>
    outcome(fetch(new Request(`${origin}/text`, { signal: AbortSignal.abort(reason), method: 'POST', body: 'x' }))),
  )

  alike(`an abort before the head, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const result = outcome(fetch(`${origin}/hang`, { signal: controller.signal }))
    await setTimeout(20)
    controller.abort(reason)
    return result
  })

  alike(`an abort before the head of a Request, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const request = new Request(`${origin}/hang`, { signal: controller.signal, method: 'POST', body: 'x' })
    const result = outcome(fetch(request))
    await setTimeout(20)
    controller.abort(reason)
    return result
  })

  alike(`an abort while text() reads, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const response = await fetch(`${origin}/stall`, { signal: controller.signal })
    const result = outcome(response.text())
    await setTimeout(20)
    controller.abort(reason)
    return [await result, response.bodyUsed]
  })

  alike(`an abort while a reader reads, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const response = await fetch(`${origin}/stall`, { signal: controller.signal })
    const reader = response.body?.getReader()
    const first = Buffer.from((await reader?.read())?.value ?? []).toString()
    const second = outcome(Promise.resolve(reader?.read()))
    controller.abort(reason)
    return [first, await second, await outcome(Promise.resolve(reader?.closed))]
  })

  // The platform's of Node 20 gives an AbortError of its own here, later ones the reason.
  ours(`an abort after the head and before anybody reads, with ${what}`, async (t, { fetch }) => {
    for (const path of ['/stall', '/text', '/bytes/300000', '/encoded/gzip']) {
      const controller = new AbortController()
      const response = await fetch(path, { signal: controller.signal })
      await setTimeout(20)
      controller.abort(reason)
      const thrown = await response.text().then(
        () => 'nothing',
        error => error,
      )
      t.is(thrown, controller.signal.reason, path)
    }
  })

  alike(`an abort of a body that was looked at, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const response = await fetch(`${origin}/stall`, { signal: controller.signal })
    const reader = response.body?.getReader()
    controller.abort(reason)
    // What came before may be given or dropped; the end is the reason.
    let result = await outcome(Promise.resolve(reader?.read()))
    if ('value' in (result as object)) result = await outcome(Promise.resolve(reader?.read()))
    return result
  })

  alike(`an abort between redirects, with ${what}`, async ({ fetch, origin }) => {
    const controller = new AbortController()
    const result = outcome(fetch(`${origin}/redirect/302?to=/hang`, { signal: controller.signal }))
    await setTimeout(30)
    controller.abort(reason)
    return result
  })
}

alike('an abort after the end changes nothing', async ({ fetch, origin }) => {
  const controller = new AbortController()
  const response = await fetch(`${origin}/text`, { signal: controller.signal })
  const text = await response.text()
  controller.abort()
  return [text, response.status, response.bodyUsed]
})

alike('an abort of an encoded body', async ({ fetch, origin }) => {
  const controller = new AbortController()
  const response = await fetch(`${origin}/encoded/gzip`, { signal: controller.signal })
  const reader = response.body?.getReader()
  await reader?.read()
  controller.abort(new RangeError('mine'))
  for (;;) {
    const result = await outcome(Promise.resolve(reader?.read()))
    if (!('value' in (result as object))) return result
    if ((result as { value: { done: boolean } }).value.done) return 'ended'
  }
})

alike('AbortSignal.timeout', ({ fetch, origin }) =>
  outcome(fetch(`${origin}/hang`, { signal: AbortSignal.timeout(20) }).catch(error => [error.name])),
)

ours('no listener is left on a signal', async (t, { fetch }) => {
  const { signal } = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners += 1
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners -= 1
    removeEventListener.apply(signal, args)
  }
  for (const path of ['/text', '/bytes/300000', '/hops/3', '/encoded/gzip'])
    await (await fetch(path, { signal })).text()
  await (await fetch('/parts', { signal })).body?.cancel()
  t.is(listeners, 0)
})

ours(
  'an aborted fetch gives its place back',
  async (t, { fetch, pool }) => {
    const controller = new AbortController()
    const { signal } = controller
    const both = [fetch('/hang', { signal }), fetch('/hang', { signal })].map(outcome)
    await setTimeout(20)
    controller.abort()
    await Promise.all(both)
    t.is(await (await fetch('/text')).text(), 'hello')
    t.is(pool.stats.rqActive, 0)
  },
  { limits: { maxConnections: 1 } },
)
