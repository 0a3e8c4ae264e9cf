//! Rows rounded to eight bits, each 32 values with a scale of their own.

use super::{BLOCK, LANES};
use crate::kernels::{ROUND, folded};

/// Rows `[count, width]`, as whole numbers from −127 to 127 times a scale for each 32 of them.
#[derive(Default)]
pub(crate) struct Eights {
    // INVARIANT: `count · width` values; the others one for each block of 32 of them.
    quants: Vec<i8>,
    scales: Vec<f32>,
    /// Less the sum of the block's whole numbers.
    debts: Vec<i32>,
    /// The same for each half of it.
    half_debts: Vec<[i32; 2]>,
    /// The sum of the block's values.
    sums: Vec<f32>,
    count: usize,
    width: usize,
}

/// What the kernels read, from one row on.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    pub quants: &'a [i8],
    pub scales: &'a [f32],
    pub debts: &'a [i32],
    pub half_debts: &'a [[i32; 2]],
    pub sums: &'a [f32],
}

impl Eights {
    /// Rounds `rows`, `[count, width]`; `width` is a multiple of 32.
    #[cfg(test)]
    pub(crate) fn new(rows: &[f32], width: usize) -> Self {
        let mut new = Self::default();
        new.fill(rows, width);
        new
    }

    /// [`Self::new`] in the memory of this one.
    pub(crate) fn fill(&mut self, rows: &[f32], width: usize) {
        assert!(width > 0 && width.is_multiple_of(BLOCK) && rows.len().is_multiple_of(width));
        self.resize(rows.len() / width, width);
        self.round(rows);
    }

    fn resize(&mut self, count: usize, width: usize) {
        let blocks = count * width / BLOCK;
        self.quants.resize(count * width, 0);
        self.scales.resize(blocks, 0.0);
        self.debts.resize(blocks, 0);
        self.half_debts.resize(blocks, [0; 2]);
        self.sums.resize(blocks, 0.0);
        (self.count, self.width) = (count, width);
    }

    #[cfg(target_arch = "x86_64")]
    fn round(&mut self, rows: &[f32]) {
        if crate::kernels::has_512() {
            let (rows, _) = rows.as_chunks();
            let (quants, _) = self.quants.as_chunks_mut();
            #[expect(unsafe_code, reason = "calls what this machine was found to have")]
            // SAFETY: `has_512` found every feature that it is compiled for.
            unsafe {
                super::avx512::round(
                    rows,
                    quants,
                    &mut self.scales,
                    &mut self.debts,
                    &mut self.half_debts,
                    &mut self.sums,
                );
            }
        } else {
            self.round_anywhere(rows);
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn round(&mut self, rows: &[f32]) {
        self.round_anywhere(rows);
    }

    fn round_anywhere(&mut self, rows: &[f32]) {
        round(
            rows,
            &mut self.quants,
            &mut self.scales,
            &mut self.debts,
            &mut self.half_debts,
            &mut self.sums,
        );
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn from(&self, row: usize) -> From<'_> {
        let blocks = self.width / BLOCK;
        From {
            quants: self.quants.get(row * self.width..).unwrap_or_default(),
            scales: self.scales.get(row * blocks..).unwrap_or_default(),
            debts: self.debts.get(row * blocks..).unwrap_or_default(),
            half_debts: self.half_debts.get(row * blocks..).unwrap_or_default(),
            sums: self.sums.get(row * blocks..).unwrap_or_default(),
        }
    }
}

widest! {
    fn round(
        rows: &[f32],
        quants: &mut [i8],
        scales: &mut [f32],
        debts: &mut [i32],
        half_debts: &mut [[i32; 2]],
        sums: &mut [f32],
    ) {
        let (rows, _) = rows.as_chunks::<BLOCK>();
        let (quants, _) = quants.as_chunks_mut::<BLOCK>();
        let facts = scales.iter_mut().zip(debts.iter_mut().zip(half_debts)).zip(sums);
        for ((values, quants), ((scale, (debt, halves)), sum)) in rows.iter().zip(quants).zip(facts) {
            let mut tops = [0.0_f32; LANES];
            for i in 0..LANES {
                tops[i] = values[i].abs().max(values[i + LANES].abs());
            }
            let top = folded(tops, f32::max);
            let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
            let mut bits = [0_i32; BLOCK];
            for i in 0..BLOCK {
                bits[i] = values[i].mul_add(inverse, ROUND).to_bits().cast_signed();
            }
            // The low bits of the shifted sum are the whole number in two's complement.
            for i in 0..BLOCK {
                quants[i] = bits[i].to_le_bytes()[0].cast_signed();
            }
            let shift = ROUND.to_bits().cast_signed().wrapping_mul(16);
            let (low, high) = bits.split_at(LANES);
            for (half, bits) in halves.iter_mut().zip([low, high]) {
                let mut lanes = [0_i32; LANES];
                lanes.copy_from_slice(bits);
                *half = shift.wrapping_sub(folded(lanes, i32::wrapping_add));
            }
            let total = -(halves[0] + halves[1]);
            *scale = top / 127.0;
            *debt = -total;
            *sum = *scale * total as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_rounds_alike() {
        let wave = |i: usize| (i as f32 * 0.37).sin() * (i % 97) as f32;
        let mut rows: Vec<f32> = (0..96 * 7).map(wave).collect();
        rows[64..96].fill(0.0);
        let best = Eights::new(&rows, 96);
        let mut plain = Eights::default();
        plain.resize(7, 96);
        plain.round_anywhere(&rows);
        assert_eq!(best.quants, plain.quants);
        assert_eq!(best.scales, plain.scales);
        assert_eq!(best.debts, plain.debts);
        assert_eq!(best.half_debts, plain.half_debts);
        assert_eq!(best.sums, plain.sums);
        for (index, value) in rows.iter().enumerate() {
            let scale = best.scales[index / BLOCK];
            let back = scale * f32::from(best.quants[index]);
            assert!((back - value).abs() <= 0.501 * scale, "{back} {value}");
        }
    }
}
