//! The scalar kernel: the reference for the others, and the fallback for machines without vectors.

use super::activations::ActivationsQ8;
use super::{BLOCK, BlockFormat, LANES, Panel, SUPERBLOCK};
use crate::float::half_to_float;
use crate::matmul::OutputCursor;
use std::ops::Range;

/// See [`super::PackedWeights::add_panels`].
///
/// # Safety
///
/// `target` has these rows, with `panel.lanes` elements each.
#[expect(unsafe_code, reason = "several threads fill one target")]
pub(super) unsafe fn add(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    rows: Range<usize>,
    target: OutputCursor,
) {
    for (index, row) in rows.enumerate() {
        for lane in 0..panel.lanes {
            // SAFETY: the caller promises these elements.
            let out = unsafe { &mut *target.row(index).add(lane) };
            *out = add_dot(panel, lane, input, row, *out);
        }
    }
}

/// `start` plus the dot product of one row and one output. Every kernel keeps this order of float
/// operations.
fn add_dot(panel: Panel<'_>, lane: usize, input: &ActivationsQ8, row: usize, start: f32) -> f32 {
    let rows = input.rows_from(row);
    let (blocks, _) = rows.quants.as_chunks::<BLOCK>();
    let mut sum = start;
    for (block, values) in blocks.iter().enumerate().take(panel.blocks) {
        let weights = panel.weights(block, lane);
        let scales = panel.lane_scales(block, lane);
        let scale = rows.scales[block];
        if panel.format == BlockFormat::Q6K {
            let (low_weights, high_weights) = weights.split_at(BLOCK / 2);
            let (low_values, high_values) = values.split_at(BLOCK / 2);
            sum = dot(low_weights, low_values).mul_add(scales.first * scale, sum);
            sum = dot(high_weights, high_values).mul_add(scales.second * scale, sum);
        } else {
            sum = dot(&weights, values).mul_add(scales.first * scale, sum);
        }
        if matches!(panel.format, BlockFormat::Q4_1 | BlockFormat::Q4K) {
            sum = scales.minimum.mul_add(rows.value_sums[block], sum);
        }
    }
    sum
}

/// The exact integer dot product, as a float.
fn dot(weights: &[i32], values: &[i8]) -> f32 {
    let products = weights.iter().zip(values);
    let dot: i32 = products.map(|(w, x)| w * i32::from(*x)).sum();
    dot as f32
}

/// The scales of the two halves of one lane of a block, and its minimum.
struct LaneScales {
    first: f32,
    second: f32,
    minimum: f32,
}

impl Panel<'_> {
    /// Writes one lane of a block to `out` as floats.
    pub(super) fn dequantize(&self, block: usize, lane: usize, out: &mut [f32; BLOCK]) {
        let scales = self.lane_scales(block, lane);
        let (first, second) = out.split_at_mut(BLOCK / 2);
        let weights = self.weights(block, lane);
        let (low, high) = weights.split_at(BLOCK / 2);
        for (scale, (out, weights)) in [scales.first, scales.second]
            .into_iter()
            .zip([(first, low), (second, high)])
        {
            for (out, weight) in out.iter_mut().zip(weights) {
                *out = (*weight as f32).mul_add(scale, scales.minimum);
            }
        }
    }

    /// The integers of one lane of a block.
    fn weights(&self, block: usize, lane: usize) -> [i32; BLOCK] {
        let size = self.format.quant_bytes();
        let quants = &self.bytes[block * size..(block + 1) * size];
        let offset = match self.format.offset_log2() {
            0 => 0,
            power => 1 << power,
        };
        std::array::from_fn(|k| i32::from(self.format.stored_integer(quants, lane, k)) - offset)
    }

    /// The scales of one lane of a block.
    fn lane_scales(&self, block: usize, lane: usize) -> LaneScales {
        let (_, scales) = self.bytes.split_at(self.blocks * self.format.quant_bytes());
        let (scales, superblocks) = scales.split_at(self.blocks * self.format.scale_bytes());
        let scales = &scales[block * self.format.scale_bytes()..];
        let superblock = block / SUPERBLOCK * self.format.superblock_scale_bytes();
        let superblock = &superblocks[superblock..];
        let half = |bytes: &[u8], kind: usize| {
            let at = (kind * LANES + lane) * 2;
            half_to_float([bytes[at], bytes[at + 1]])
        };
        let (first, second, minimum) = match self.format {
            BlockFormat::Q8_0 | BlockFormat::Q4_0 => (half(scales, 0), half(scales, 0), 0.0),
            BlockFormat::Q4_1 => (half(scales, 0), half(scales, 0), half(scales, 1)),
            BlockFormat::Q4K => {
                let scale = half(superblock, 0) * f32::from(scales[lane]);
                let minimum = half(superblock, 1) * f32::from(scales[LANES + lane]);
                (scale, scale, -minimum)
            }
            BlockFormat::Q6K => {
                let scale = half(superblock, 0);
                let part = |part: usize| f32::from(scales[part * LANES + lane].cast_signed());
                (scale * part(0), scale * part(1), 0.0)
            }
        };
        LaneScales {
            first,
            second,
            minimum,
        }
    }
}

impl BlockFormat {
    /// Integer `k` of one lane of a block of a panel, with its offset.
    fn stored_integer(self, quants: &[u8], lane: usize, k: usize) -> u8 {
        let (four, byte) = (k / 4, lane * 4 + k % 4);
        let nibble = quants[four % 4 * 64 + byte] >> (four / 4 * 4) & 15;
        match self {
            Self::Q8_0 => quants[four * 64 + byte],
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => nibble,
            Self::Q6K => {
                let bits = quants[(4 + four / 4) * 64 + byte] >> (four % 4 * 2) & 3;
                nibble | bits << 4
            }
        }
    }
}
