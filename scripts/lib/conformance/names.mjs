// Which cases a test is about, by its name: the one rule that connects tests and cases.
//
//   Rust   inventory_008_one_active_...   h01_unlike_or_unsound_...   b05_b08_...
//   ava    thread: inventory 8: ...       event-loop: H01: ...        thread: R10, R11: ...

/** Ids at the start of a Rust test's own name; modules before it do not count. */
export function casesOfRust(name) {
  const own = name.slice(name.lastIndexOf(':') + 1)
  const inventory = /^inventory_(\d+)_/.exec(own)
  if (inventory !== null) return [Number(inventory[1])]
  return [...(/^(?:[a-z]\d\d_)+/.exec(own)?.[0].matchAll(/([a-z]\d\d)_/g) ?? [])].map(([, id]) => id.toUpperCase())
}

/** Ids at the start of an ava title, after the runner. */
export function casesOfTitle(title) {
  const own = title.replace(/^(?:thread|event-loop): /, '')
  const inventory = /^inventory (\d+): /.exec(own)
  if (inventory !== null) return [Number(inventory[1])]
  return /^[A-Z]\d\d(?:, [A-Z]\d\d)*(?=: )/.exec(own)?.[0].split(', ') ?? []
}

/** What of a case a test shows, where its title says that it is not the whole. */
export function partOfTitle(title) {
  return /\[in part: (.*)\]$/.exec(title)?.[1] ?? null
}
