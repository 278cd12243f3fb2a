// Bytes that a test can verify: the byte at each offset of a body is known from the offset alone (crates/forebay-testkit/src/pattern.rs).

/** The largest prime that fits in a byte: a lost, doubled or moved block of any usual size shows. */
const PERIOD = 251

export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const first = Math.min(length, PERIOD)
  for (let i = 0; i < first; i += 1) bytes[i] = i
  for (let filled = first; filled < length; filled *= 2) bytes.copyWithin(filled, 0, Math.min(filled, length - filled))
  return bytes
}

/** The offset of the first byte that is not the pattern's; -1 where all are. */
export function mismatch(bytes: Uint8Array): number {
  return bytes.findIndex((byte, offset) => byte !== offset % PERIOD)
}
