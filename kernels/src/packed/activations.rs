//! Activations quantised to eight bits, with one scale per 32 values.

use super::{BLOCK, LANES};
use crate::float::{ROUND, reduce_lanes};

/// Rows `[count, width]` as integers from −127 to 127, times one scale per block of 32.
#[derive(Default)]
pub struct ActivationsQ8 {
    // INVARIANT: `count · width` integers. The other vectors have one element per block of 32.
    quants: Vec<i8>,
    scales: Vec<f32>,
    /// The negated sum of the block's integers, which cancels the offset of the weights.
    negated_sums: Vec<i32>,
    /// The same per half block.
    negated_half_sums: Vec<[i32; 2]>,
    /// The sum of the block's values.
    value_sums: Vec<f32>,
    count: usize,
    width: usize,
}

/// The slices that the kernels read, from one row on.
#[derive(Clone, Copy)]
pub(super) struct ActivationRows<'a> {
    pub quants: &'a [i8],
    pub scales: &'a [f32],
    pub negated_sums: &'a [i32],
    pub negated_half_sums: &'a [[i32; 2]],
    pub value_sums: &'a [f32],
}

impl ActivationsQ8 {
    /// Quantises `rows`, `[count, width]`. `width` must be a multiple of 32.
    pub fn new(rows: &[f32], width: usize) -> Self {
        let mut activations = Self::default();
        activations.quantize(rows, width);
        activations
    }

    /// [`Self::new`] in the buffers of this one.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn quantize(&mut self, rows: &[f32], width: usize) {
        assert!(width > 0 && width.is_multiple_of(BLOCK) && rows.len().is_multiple_of(width));
        self.resize(rows.len() / width, width);
        self.quantize_blocks(rows);
    }

    fn resize(&mut self, count: usize, width: usize) {
        let blocks = count * width / BLOCK;
        self.quants.resize(count * width, 0);
        self.scales.resize(blocks, 0.0);
        self.negated_sums.resize(blocks, 0);
        self.negated_half_sums.resize(blocks, [0; 2]);
        self.value_sums.resize(blocks, 0.0);
        (self.count, self.width) = (count, width);
    }

    #[cfg(target_arch = "x86_64")]
    fn quantize_blocks(&mut self, rows: &[f32]) {
        if crate::simd::has_avx512() {
            let (rows, _) = rows.as_chunks();
            let (quants, _) = self.quants.as_chunks_mut();
            #[expect(unsafe_code, reason = "calls what this machine was found to have")]
            // SAFETY: `has_avx512` found every feature that it is compiled for.
            unsafe {
                super::avx512::quantize_blocks(
                    rows,
                    quants,
                    &mut self.scales,
                    &mut self.negated_sums,
                    &mut self.negated_half_sums,
                    &mut self.value_sums,
                );
            }
        } else {
            self.quantize_blocks_portable(rows);
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn quantize_blocks(&mut self, rows: &[f32]) {
        self.quantize_blocks_portable(rows);
    }

    fn quantize_blocks_portable(&mut self, rows: &[f32]) {
        quantize_blocks(
            rows,
            &mut self.quants,
            &mut self.scales,
            &mut self.negated_sums,
            &mut self.negated_half_sums,
            &mut self.value_sums,
        );
    }

    /// Rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Values per row.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(super) fn rows_from(&self, row: usize) -> ActivationRows<'_> {
        let blocks = self.width / BLOCK;
        ActivationRows {
            quants: self.quants.get(row * self.width..).unwrap_or_default(),
            scales: self.scales.get(row * blocks..).unwrap_or_default(),
            negated_sums: self.negated_sums.get(row * blocks..).unwrap_or_default(),
            negated_half_sums: self
                .negated_half_sums
                .get(row * blocks..)
                .unwrap_or_default(),
            value_sums: self.value_sums.get(row * blocks..).unwrap_or_default(),
        }
    }
}

multiversion! {
    fn quantize_blocks(
        rows: &[f32],
        quants: &mut [i8],
        scales: &mut [f32],
        negated_sums: &mut [i32],
        negated_half_sums: &mut [[i32; 2]],
        value_sums: &mut [f32],
    ) {
        let (rows, _) = rows.as_chunks::<BLOCK>();
        let (quants, _) = quants.as_chunks_mut::<BLOCK>();
        let sums = negated_sums.iter_mut().zip(negated_half_sums).zip(value_sums);
        let facts = scales.iter_mut().zip(sums);
        for ((values, quants), (scale, ((negated_sum, negated_halves), value_sum))) in
            rows.iter().zip(quants).zip(facts)
        {
            let mut tops = [0.0_f32; LANES];
            for i in 0..LANES {
                tops[i] = values[i].abs().max(values[i + LANES].abs());
            }
            let top = reduce_lanes(tops, f32::max);
            let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
            let mut bits = [0_i32; BLOCK];
            for i in 0..BLOCK {
                bits[i] = values[i].mul_add(inverse, ROUND).to_bits().cast_signed();
            }
            // The low bits of the shifted sum are the integer in two's complement.
            for i in 0..BLOCK {
                quants[i] = bits[i].to_le_bytes()[0].cast_signed();
            }
            let shift = ROUND.to_bits().cast_signed().wrapping_mul(16);
            let (low, high) = bits.split_at(LANES);
            for (half, bits) in negated_halves.iter_mut().zip([low, high]) {
                let mut lanes = [0_i32; LANES];
                lanes.copy_from_slice(bits);
                *half = shift.wrapping_sub(reduce_lanes(lanes, i32::wrapping_add));
            }
            let total = -(negated_halves[0] + negated_halves[1]);
            *scale = top / 127.0;
            *negated_sum = -total;
            *value_sum = *scale * total as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_quantizes_alike() {
        let wave = |i: usize| (i as f32 * 0.37).sin() * (i % 97) as f32;
        let mut rows: Vec<f32> = (0..96 * 7).map(wave).collect();
        rows[64..96].fill(0.0);
        let best = ActivationsQ8::new(&rows, 96);
        let mut plain = ActivationsQ8::default();
        plain.resize(7, 96);
        plain.quantize_blocks_portable(&rows);
        assert_eq!(best.quants, plain.quants);
        assert_eq!(best.scales, plain.scales);
        assert_eq!(best.negated_sums, plain.negated_sums);
        assert_eq!(best.negated_half_sums, plain.negated_half_sums);
        assert_eq!(best.value_sums, plain.value_sums);
        for (index, value) in rows.iter().enumerate() {
            let scale = best.scales[index / BLOCK];
            let back = scale * f32::from(best.quants[index]);
            assert!((back - value).abs() <= 0.501 * scale, "{back} {value}");
        }
    }
}
