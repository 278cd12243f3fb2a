//! Bytes that a test can verify: the byte at each offset of a body is known from the offset alone.
//!
//! Promise: `byte_at(i)` is `i mod 251`. The period is a prime, so that a lost, doubled or moved block of any usual size shows.
//! Used by both servers for long bodies and by tests on both sides (in JavaScript: `bytes[i] === i % 251`).

/// Length of the period in bytes: the largest prime that fits in a byte.
pub const PERIOD: u64 = 251;

/// Bytes copied at once. A guess: large enough that the copy, not the loop, costs.
const BLOCK: usize = 64 * 1024;

/// The byte at `offset`.
///
/// # Panics
/// Never: the period fits in a byte.
#[must_use]
pub fn byte_at(offset: u64) -> u8 {
    u8::try_from(offset % PERIOD).expect("the period fits in a byte")
}

/// A block that holds every phase of the pattern, so that filling is copying.
fn block() -> &'static [u8] {
    static TABLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| (0..BLOCK as u64 + PERIOD).map(byte_at).collect())
}

/// Appends the bytes of `offset .. offset + len`.
pub fn extend(into: &mut Vec<u8>, mut offset: u64, mut len: usize) {
    let table = block();
    while len > 0 {
        let phase = usize::from(byte_at(offset));
        let take = len.min(BLOCK);
        into.extend_from_slice(&table[phase..phase + take]);
        offset += take as u64;
        len -= take;
    }
}

/// Whether `bytes` are those of `offset ..`.
#[must_use]
pub fn matches(bytes: &[u8], mut offset: u64) -> bool {
    let table = block();
    bytes.chunks(BLOCK).all(|part| {
        let phase = usize::from(byte_at(offset));
        offset += part.len() as u64;
        part == &table[phase..phase + part.len()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_matches_at_its_offset_only() {
        let mut bytes = Vec::new();
        extend(&mut bytes, 1_000, 200_000);
        assert_eq!(bytes.len(), 200_000);
        assert_eq!(bytes[0], byte_at(1_000));
        assert_eq!(bytes[199_999], byte_at(200_999));
        assert!(matches(&bytes, 1_000));
        assert!(!matches(&bytes, 1_001));
        bytes[150_000] ^= 1;
        assert!(!matches(&bytes, 1_000));
    }
}
