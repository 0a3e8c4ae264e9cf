//! A small random number generator with a documented stream.
//!
//! Index files depend on this stream, and so do sampled texts that an examiner replays. It never
//! changes, which a crate's generator may. It is not for secrets: see [`crate::Entropy`].

/// The increment of the state: 2^64 divided by the golden ratio.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// Vigna's `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of the stream.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        mix(self.state)
    }

    /// A number below `bound`, and 0 if `bound` is 0. Its bias is negligible for small bounds.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let number = self.next_u64();
        if bound == 0 { 0 } else { number % bound }
    }

    /// A number from 0 up to 1, in steps of 2^-53.
    pub const fn unit(&mut self) -> f64 {
        unit_interval(self.next_u64())
    }

    /// Number `index` of the stream of `seed`, counted from 0, without computing those before it.
    pub const fn nth(seed: u64, index: u64) -> u64 {
        mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(INCREMENT)))
    }
}

/// The output function of [`SplitMix64`]: a bijection that spreads every bit of `state`.
pub const fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The highest 53 bits of a number as a fraction from 0 up to 1.
pub const fn unit_interval(number: u64) -> f64 {
    (number >> 11) as f64 / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_reference_implementation() {
        let mut random = SplitMix64::new(1_234_567);
        let found = [0; 3].map(|_| random.next_u64());
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(found, expected);
        for (index, number) in (0..).zip(expected) {
            assert_eq!(SplitMix64::nth(1_234_567, index), number);
        }
    }

    #[test]
    fn numbers_stay_inside_their_bounds() {
        let mut random = SplitMix64::new(7);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
        assert_eq!(random.below(0), 0);
    }
}
