//! Quantisation: one bit per coordinate to exclude most rows, and eight bits to rank the others.
//!
//! The binary code is `RaBitQ`'s (Gao and Long, SIGMOD 2024): the signs of the rotated vector, and a
//! factor that turns the number of equal signs into an unbiased estimate of the dot product, whose error
//! is bounded with a known probability.

use super::ScoreEstimate;
use super::rotation::Rotation;
use cloister_kernels::codes::{BitPlanes, PLANES};

/// The error bound of an estimate in standard deviations: `RaBitQ`'s `epsilon_0`. A row with a larger
/// error can be missed.
const EPSILON_0: f32 = 2.5;

/// The error bound of an eight-bit score in standard deviations.
const INT8_ERROR_BOUND: f32 = 4.0;

/// The largest coordinate of [`DenseQuery::int12`].
const INT12_MAX: f32 = 2047.0;

/// The numbers that turn the two codes of a vector into dot products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CodeFactors {
    /// Turns a sum over equal signs into a dot product.
    pub correction: f32,
    /// The value of 1 in the eight-bit code.
    pub step: f32,
}

/// Encodes vectors of one length.
#[derive(Clone, Debug)]
pub(crate) struct Quantizer {
    rotation: Rotation,
    dimensions: usize,
}

impl Quantizer {
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

    /// Writes the codes of `vector`: [`Self::words`] words to `binary`, and its length to `int8`.
    pub(crate) fn encode(
        &self,
        vector: &[f32],
        binary: &mut [u64],
        int8: &mut [i8],
    ) -> CodeFactors {
        let step = quantize_int8(vector, int8);
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
        CodeFactors {
            correction: square / size,
            step,
        }
    }

    /// The error bound of a row's estimate (theorem 3.2 of `RaBitQ`).
    pub(crate) fn error_bound(&self, correction: f32) -> f32 {
        let dimensions = self.dimensions as f32;
        let spread =
            (correction * correction * dimensions - 1.0).max(0.0) / (dimensions - 1.0).max(1.0);
        EPSILON_0 * spread.sqrt()
    }

    /// A query in all forms that a search needs.
    pub(crate) fn prepare_query(&self, vector: &[f32], all_threads: bool) -> DenseQuery {
        let mut rotated = vector.to_vec();
        self.rotation.apply(&mut rotated);
        let step = largest_magnitude(vector) / INT12_MAX;
        #[expect(clippy::cast_possible_truncation, reason = "between -2047 and 2047")]
        let int12 = vector.iter().map(|x| (x / step).round() as i16).collect();
        DenseQuery {
            vector: vector.to_vec(),
            bit_planes: bit_planes(&rotated),
            int12,
            step,
            all_threads,
        }
    }
}

/// Quantises to eight bits; returns the value of 1.
pub(super) fn quantize_int8(vector: &[f32], out: &mut [i8]) -> f32 {
    let step = largest_magnitude(vector) / 127.0;
    for (code, x) in out.iter_mut().zip(vector) {
        #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127")]
        let rounded = (x / step).round() as i8;
        *code = rounded;
    }
    step
}

fn largest_magnitude(vector: &[f32]) -> f32 {
    vector
        .iter()
        .fold(f32::MIN_POSITIVE, |max, x| max.max(x.abs()))
}

/// The coordinates in four bits of two's complement, as planes of one bit.
fn bit_planes(rotated: &[f32]) -> BitPlanes {
    let step = largest_magnitude(rotated) / 7.5;
    let mut bits = vec![[0; PLANES]; Quantizer::words(rotated.len())];
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
    BitPlanes {
        bits,
        scale: 2.0 * step,
        offset: step * sum as f32,
    }
}

/// A query in all forms that a search needs.
#[derive(Clone, Debug)]
pub(crate) struct DenseQuery {
    pub vector: Vec<f32>,
    /// For binary codes.
    pub bit_planes: BitPlanes,
    /// For int8 codes, and finer than them, so that its own error is negligible.
    pub int12: Vec<i16>,
    step: f32,
    /// Whether the search may use all threads.
    pub all_threads: bool,
}

impl DenseQuery {
    /// The score of a row from the dot product with its int8 code, whose value of 1 is `step`.
    pub(crate) fn int8_score(&self, dot: i32, step: f32) -> ScoreEstimate {
        ScoreEstimate {
            value: self.int8_value(dot, step),
            error: self.int8_error(step),
        }
    }

    /// The value of [`Self::int8_score`].
    pub(super) fn int8_value(&self, dot: i32, step: f32) -> f32 {
        dot as f32 * (step * self.step)
    }

    /// The error of [`Self::int8_score`].
    pub(super) fn int8_error(&self, step: f32) -> f32 {
        let variance = (step * step + self.step * self.step) / 12.0;
        INT8_ERROR_BOUND * variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_kernels::codes::{BLOCK, dot, dots_int8, upper_bounds};

    /// Unit vectors around a few centroids; some have one large coordinate.
    fn vectors(dimensions: usize, count: usize) -> Vec<Vec<f32>> {
        // The bounds hold with high probability, not always: for these numbers they do.
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let centroids: Vec<Vec<f32>> = (0..5)
            .map(|_| (0..dimensions).map(|_| next()).collect())
            .collect();
        (0..count)
            .map(|i| {
                let mut vector: Vec<f32> = centroids[i % 5].iter().map(|c| c + next()).collect();
                vector[i % dimensions] += if i % 7 == 0 { 20.0 } else { 0.0 };
                let length = dot(&vector, &vector).sqrt();
                vector.iter().map(|x| x / length).collect()
            })
            .collect()
    }

    #[test]
    fn estimates_stay_within_their_bounds() {
        let dimensions = 384;
        let words = Quantizer::words(dimensions);
        let quantizer = Quantizer::new(dimensions);
        let vectors = vectors(dimensions, 808);
        let (rows, queries) = vectors.split_at(800);
        let (mut below, mut gap) = (0, 0.0);
        for vector in queries {
            let query = quantizer.prepare_query(vector, false);
            for row in rows {
                let exact = dot(row, vector);
                let (mut binary, mut int8) = (vec![0; words], vec![0; dimensions]);
                let factors = quantizer.encode(row, &mut binary, &mut int8);
                let mut sum = [0];
                dots_int8(&int8, &[0_usize], &query.int12, &mut sum);
                let estimate = query.int8_score(sum[0], factors.step);
                let bounds = estimate.lower_bound()..=estimate.upper_bound();
                assert!(bounds.contains(&exact), "{estimate:?} {exact}");

                let codes: Vec<u64> = binary.iter().flat_map(|word| [*word; BLOCK]).collect();
                let error_bound = quantizer.error_bound(factors.correction);
                let mut bounds = [0.0; BLOCK];
                upper_bounds(
                    &codes,
                    &[factors.correction; BLOCK],
                    &[error_bound; BLOCK],
                    &[0],
                    &query.bit_planes,
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
