//! Vectors in few bits: one bit a coordinate to pass over most of them, eight to rank the rest.
//!
//! The binary code is that of `RaBitQ` (Gao and Long, SIGMOD 2024): the signs of the rotated vector,
//! and one number with which the count of agreeing signs becomes an unbiased estimate of the dot
//! product, whose error is bounded with a known probability.

use super::Cosine;
use super::kernels::{PLANES, Planes};
use super::rotation::Rotation;

/// How many standard deviations an estimate may be off before its row could be passed over. Of the
/// rows that lie exactly at the threshold, 1 in 160 is; of better rows, far fewer.
const SURETY: f32 = 2.5;

/// The same for the rounding of eight bits, where surety costs nothing.
const ROUNDING_SURETY: f32 = 4.0;

/// The largest of a question's coordinates in [`Question::twelve_bits`].
const LARGEST: f32 = 2047.0;

/// What the two roundings of a vector need to be turned back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factors {
    /// Turns a sum over agreeing signs into a dot product.
    pub reach: f32,
    /// The value of 1 in the eight-bit coordinates.
    pub step: f32,
}

/// Makes codes of vectors of one length.
#[derive(Clone, Debug)]
pub(crate) struct Quantiser {
    rotation: Rotation,
    dimensions: usize,
}

impl Quantiser {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self {
            rotation: Rotation::new(dimensions),
            dimensions,
        }
    }

    /// 64-bit words of a binary code.
    pub(crate) fn words(dimensions: usize) -> usize {
        dimensions.div_ceil(64)
    }

    /// Writes the codes of `vector`: `binary` of [`Self::words`], `int8` of its length.
    pub(crate) fn encode(&self, vector: &[f32], binary: &mut [u64], int8: &mut [i8]) -> Factors {
        let step = round_to_int8(vector, int8);
        let mut rotated = vector.to_vec();
        self.rotation.apply(&mut rotated);
        binary.fill(0);
        for (i, x) in rotated.iter().enumerate() {
            if let Some(word) = binary.get_mut(i / 64)
                && *x > 0.0
            {
                *word |= 1 << (i % 64);
            }
        }
        let square: f32 = rotated.iter().map(|x| x * x).sum();
        let size: f32 = rotated.iter().map(|x| x.abs()).sum();
        Factors {
            reach: square / size,
            step,
        }
    }

    /// How far the estimate of a row of `reach` may be off: the bound of `RaBitQ`'s theorem 3.2.
    pub(crate) fn margin(&self, reach: f32) -> f32 {
        let dimensions = self.dimensions as f32;
        let spread = (reach * reach * dimensions - 1.0).max(0.0) / (dimensions - 1.0).max(1.0);
        SURETY * spread.sqrt()
    }

    /// A question in every form that a search compares.
    pub(crate) fn question(&self, vector: &[f32], all_threads: bool) -> Question {
        let mut rotated = vector.to_vec();
        self.rotation.apply(&mut rotated);
        let largest = vector
            .iter()
            .fold(f32::MIN_POSITIVE, |top, x| top.max(x.abs()));
        let step = largest / LARGEST;
        #[expect(clippy::cast_possible_truncation, reason = "between -2047 and 2047")]
        let twelve_bits = vector.iter().map(|x| (x / step).round() as i16).collect();
        Question {
            exact: vector.to_vec(),
            planes: planes(&rotated),
            twelve_bits,
            step,
            all_threads,
        }
    }
}

/// Rounds coordinates to eight bits; returns the value of 1.
pub(super) fn round_to_int8(vector: &[f32], out: &mut [i8]) -> f32 {
    let largest = vector
        .iter()
        .fold(f32::MIN_POSITIVE, |top, x| top.max(x.abs()));
    let step = largest / 127.0;
    for (code, x) in out.iter_mut().zip(vector) {
        #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127")]
        let rounded = (x / step).round() as i8;
        *code = rounded;
    }
    step
}

/// The coordinates of a question in four bits of two's complement, bit by bit.
fn planes(rotated: &[f32]) -> Planes {
    let largest = rotated
        .iter()
        .fold(f32::MIN_POSITIVE, |top, x| top.max(x.abs()));
    let step = largest / 7.5;
    let mut bits = vec![[0; PLANES]; Quantiser::words(rotated.len())];
    let mut sum = 0;
    for (i, x) in rotated.iter().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "between -8 and 7")]
        let value = (x / step).round().clamp(-8.0, 7.0) as i32;
        sum += value;
        if let Some(word) = bits.get_mut(i / 64) {
            for (plane, word) in word.iter_mut().enumerate() {
                *word |= u64::from(value.cast_unsigned() >> plane & 1) << (i % 64);
            }
        }
    }
    Planes {
        bits,
        scale: 2.0 * step,
        offset: step * sum as f32,
    }
}

/// A question, ready to be compared with codes.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The vector itself.
    pub exact: Vec<f32>,
    /// Against binary codes.
    pub planes: Planes,
    /// Against int8 codes: finer than theirs, so that only theirs rounds.
    pub twelve_bits: Vec<i16>,
    step: f32,
    /// Whether the search may take every thread.
    pub all_threads: bool,
}

impl Question {
    /// The dot product that a sum over int8 codes of `step` stands for, and how far it may be off.
    pub(crate) fn dot_of(&self, sum: i32, step: f32) -> Cosine {
        let off = (step * step + self.step * self.step) / 12.0;
        Cosine {
            about: sum as f32 * (step * self.step),
            off: ROUNDING_SURETY * off.sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::{BLOCK, dot, dots_int8, upper_bounds};
    use super::*;

    /// Unit vectors around a few centres, some of them with their weight in few coordinates.
    fn vectors(dimensions: usize, count: usize) -> Vec<Vec<f32>> {
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let centres: Vec<Vec<f32>> = (0..5)
            .map(|_| (0..dimensions).map(|_| next()).collect())
            .collect();
        (0..count)
            .map(|i| {
                let mut vector: Vec<f32> = centres[i % 5].iter().map(|c| c + next()).collect();
                vector[i % dimensions] += if i % 7 == 0 { 20.0 } else { 0.0 };
                let length = dot(&vector, &vector).sqrt();
                vector.iter().map(|x| x / length).collect()
            })
            .collect()
    }

    #[test]
    fn estimates_stay_within_their_bounds() {
        let dimensions = 384;
        let words = Quantiser::words(dimensions);
        let quantiser = Quantiser::new(dimensions);
        let vectors = vectors(dimensions, 808);
        let (rows, questions) = vectors.split_at(800);
        let (mut below, mut gap) = (0, 0.0);
        for question in questions {
            let asked = quantiser.question(question, false);
            for row in rows {
                let exact = dot(row, question);
                let (mut binary, mut int8) = (vec![0; words], vec![0; dimensions]);
                let factors = quantiser.encode(row, &mut binary, &mut int8);
                let mut sum = [0];
                dots_int8(&int8, &[0_usize], &asked.twelve_bits, &mut sum);
                let rounded = asked.dot_of(sum[0], factors.step);
                let within = rounded.lowest()..=rounded.highest();
                assert!(within.contains(&exact), "{rounded:?} {exact}");

                let codes: Vec<u64> = binary.iter().flat_map(|word| [*word; BLOCK]).collect();
                let margin = quantiser.margin(factors.reach);
                let mut bounds = [0.0; BLOCK];
                upper_bounds(
                    &codes,
                    &[factors.reach; BLOCK],
                    &[margin; BLOCK],
                    &[0],
                    &asked.planes,
                    &mut bounds,
                );
                below += usize::from(bounds[0] < exact);
                gap += (bounds[0] - exact) / (800.0 * 8.0);
            }
        }
        assert!(below <= 80, "{below} of 6,400 bounds are too low");
        assert!(
            (0.05..0.20).contains(&gap),
            "the bounds are {gap} too high on average"
        );
    }
}
