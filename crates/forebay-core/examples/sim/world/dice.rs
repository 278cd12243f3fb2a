//! Where the world's chance comes from.

/// The world's own dice: xorshift64*, apart from the core's generator.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub fn small(&mut self, sides: u32) -> u32 {
        u32::try_from(self.roll(u64::from(sides))).unwrap()
    }

    pub fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let place = self.roll(choices.len() as u64);
        choices[usize::try_from(place).unwrap()].clone()
    }

    pub fn any<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(self.of(choices)) }
    }
}
