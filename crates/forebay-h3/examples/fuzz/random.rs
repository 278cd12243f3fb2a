//! Numbers by seed (`SplitMix64`), and choices that inputs are made of.

use forebay_h3::varint;

pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// `rare` once in `n` times, else `common`.
    pub fn rarely(&mut self, n: usize, rare: usize, common: usize) -> usize {
        if self.once_in(n) { rare } else { common }
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// At most `max` bytes of noise.
    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        (0..self.below(max + 1)).map(|_| self.byte()).collect()
    }

    /// A number near an edge, or any.
    pub fn edge(&mut self) -> u64 {
        const EDGES: [u64; 12] =
            [0, 1, 63, 64, 100, 16_383, 16_384, 65_536, 1 << 30, u32::MAX as u64, varint::MAX - 4, varint::MAX];
        let near = self.pick(&EDGES).wrapping_add(self.pick(&[0, 0, 1, u64::MAX]));
        (if self.once_in(4) { self.next() >> self.below(64) } else { near }) & varint::MAX
    }

    /// Sorted places within `len`.
    pub fn cuts(&mut self, len: usize) -> Vec<usize> {
        let stride = if len > 5_000 { 4_096 } else { self.pick(&[1, 2, 7, 64, 4_096]) };
        let (mut at, mut cuts) = (0, Vec::new());
        loop {
            at += 1 + self.below(stride);
            if at >= len {
                return cuts;
            }
            cuts.push(at);
        }
    }

    /// Spoils `bytes` in some places, or, half of the time, in none.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if self.once_in(2) {
            return;
        }
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            let to = at + self.below((bytes.len() - at).min(40) + 1);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.byte(),
                2 => drop(bytes.drain(at..to)),
                3 => {
                    let again = bytes[at..to].repeat(1 + self.below(3));
                    bytes.splice(at..at, again);
                }
                4 => {
                    let noise = self.bytes(8);
                    bytes.splice(at..at, noise);
                }
                5 => {
                    let mut number = Vec::new();
                    varint::put(&mut number, self.edge());
                    bytes.splice(at..to.min(at + 8), number);
                }
                _ => bytes.truncate(at),
            }
        }
    }
}
