// Which native binary fits this process, by the names that the platform packages have.
//
// Promise: looks at the process only, starts nothing, reads no file. Used by `load.ts`. Not here: loading.

/** What is known of the process. An argument, so that every platform can be tested on one. */
export interface Host {
  readonly platform: string
  readonly arch: string
  /** Version of the C library glibc that runs this process; `null` where it is another one (musl), or none. */
  readonly glibc: string | null
}

/** The platforms that packages are published for. Source: `napi.targets` in package.json; a test compares the two. */
export const SUPPORTED: readonly string[] = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
]

/** Name of the platform as in file and package names, for instance `linux-x64-gnu`. It may be none of `SUPPORTED`. */
export function platformName(host: Host): string {
  const base = `${host.platform}-${host.arch}`
  if (host.platform === 'linux') return `${base}-${host.glibc === null ? 'musl' : 'gnu'}`
  return host.platform === 'win32' ? `${base}-msvc` : base
}

export function packageName(platform: string): string {
  return `@forebay/native-${platform}`
}

/** This process. */
export function currentHost(): Host {
  return { platform: process.platform, arch: process.arch, glibc: process.platform === 'linux' ? glibcVersion() : null }
}

/** Node's diagnostic report knows the C library. Without its network part (Node 20.13): that looks up the names of interfaces. */
function glibcVersion(): string | null {
  const { report } = process
  const before: unknown = Reflect.get(report, 'excludeNetwork')
  Reflect.set(report, 'excludeNetwork', true)
  try {
    return readVersion(report.getReport())
  } finally {
    Reflect.set(report, 'excludeNetwork', before)
  }
}

function readVersion(report: unknown): string | null {
  const header: unknown = typeof report === 'object' && report !== null ? Reflect.get(report, 'header') : undefined
  const version: unknown =
    typeof header === 'object' && header !== null ? Reflect.get(header, 'glibcVersionRuntime') : undefined
  return typeof version === 'string' ? version : null
}
