//! A fixed random rotation, after which all coordinates of a vector have the same expected magnitude.
//!
//! One bit per coordinate represents a vector badly if a few coordinates dominate. A rotation spreads
//! them and preserves dot products. It is made of random signs and Walsh–Hadamard transforms, without a
//! matrix (Ailon and Chazelle, "The fast Johnson–Lindenstrauss transform", 2009).

use cloister_domain::random::SplitMix64;

/// Rounds of signs and transforms. After three, every coordinate depends on every other.
const ROUNDS: usize = 3;

/// The seed of the signs. It is part of the file format.
const SEED: u64 = 0x636c_6f69_7374_6572;

/// An orthogonal map of `dimensions` coordinates.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// 1 or -1, for each round and coordinate.
    signs: Vec<Vec<f32>>,
    /// The length of the transforms: the largest power of two that fits.
    span: usize,
}

impl Rotation {
    pub(crate) fn new(dimensions: usize) -> Self {
        let mut random = SplitMix64::new(SEED);
        let mut signs = vec![vec![1.0; dimensions]; ROUNDS];
        for sign in signs.iter_mut().flatten() {
            if random.next_u64() & 1 != 0 {
                *sign = -1.0;
            }
        }
        Self {
            signs,
            span: (dimensions / 2 + 1).next_power_of_two(),
        }
    }

    /// Rotates `vector`, of `dimensions` coordinates, in place.
    pub(crate) fn apply(&self, vector: &mut [f32]) {
        let last = vector.len().saturating_sub(self.span);
        for signs in &self.signs {
            for (x, sign) in vector.iter_mut().zip(signs) {
                *x *= sign;
            }
            // Two overlapping transforms cover a length that is not a power of two.
            if let Some(first) = vector.get_mut(..self.span) {
                hadamard(first);
            }
            if let Some(rest) = vector.get_mut(last..)
                && last > 0
            {
                hadamard(rest);
            }
        }
    }
}

/// The orthonormal Walsh–Hadamard transform, in place. The length is a power of two.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (values.len() as f32).sqrt();
    for x in values {
        *x *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_dot_products_and_spreads_a_single_coordinate() {
        for dimensions in [1, 2, 3, 24, 384, 768, 1000] {
            let rotation = Rotation::new(dimensions);
            let mut axis = vec![0.0; dimensions];
            axis[dimensions / 3] = 1.0;
            let mut ramp: Vec<f32> = (0..dimensions).map(|i| i as f32 - 7.0).collect();
            let expected = ramp[dimensions / 3];
            let length: f32 = ramp.iter().map(|x| x * x).sum();
            rotation.apply(&mut axis);
            rotation.apply(&mut ramp);
            let dot: f32 = axis.iter().zip(&ramp).map(|(a, b)| a * b).sum();
            assert!(
                (dot - expected).abs() <= 1e-5 * length.sqrt(),
                "{dimensions}: {dot}"
            );
            let largest = axis.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            if dimensions >= 384 {
                assert!(
                    largest < 6.0 / (dimensions as f32).sqrt(),
                    "{dimensions}: {largest}"
                );
            }
        }
    }
}
