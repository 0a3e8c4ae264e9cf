//! The kernel that says what the others must give, for machines without vectors.

use super::input::Eights;
use super::{BLOCK, Format, LANES, Panel, SHARING};
use crate::kernels::half_to_float;
use crate::kernels::product::Place;
use std::ops::Range;

/// See [`super::Tiles::add_panels`].
///
/// # Safety
///
/// `target` has room for these rows, `panel.lanes` elements each.
#[expect(unsafe_code, reason = "several threads fill one target")]
pub(super) unsafe fn add(panel: Panel<'_>, input: &Eights, rows: Range<usize>, target: Place) {
    for (index, row) in rows.enumerate() {
        for lane in 0..panel.lanes {
            // SAFETY: the caller promises the room.
            let out = unsafe { &mut *target.row(index).add(lane) };
            *out = added(panel, lane, input, row, *out);
        }
    }
}

/// The order of the float operations here is the one that every kernel keeps.
fn added(panel: Panel<'_>, lane: usize, input: &Eights, row: usize, start: f32) -> f32 {
    let from = input.from(row);
    let (blocks, _) = from.quants.as_chunks::<BLOCK>();
    let mut sum = start;
    for (block, values) in blocks.iter().enumerate().take(panel.blocks) {
        let weights = panel.weights(block, lane);
        let scales = panel.scales_of(block, lane);
        let dot = |part: std::ops::Range<usize>| -> f32 {
            let products = weights[part.clone()].iter().zip(&values[part]);
            let dot: i32 = products.map(|(w, x)| w * i32::from(*x)).sum();
            dot as f32
        };
        let scale = from.scales[block];
        if panel.format == Format::Q6K {
            sum = dot(0..BLOCK / 2).mul_add(scales.first * scale, sum);
            sum = dot(BLOCK / 2..BLOCK).mul_add(scales.second * scale, sum);
        } else {
            sum = dot(0..BLOCK).mul_add(scales.first * scale, sum);
        }
        if matches!(panel.format, Format::Q4_1 | Format::Q4K) {
            sum = scales.minimum.mul_add(from.sums[block], sum);
        }
    }
    sum
}

/// What the whole numbers of one lane of a block are multiplied with, half by half, and what is
/// added.
struct Scales {
    first: f32,
    second: f32,
    minimum: f32,
}

impl Panel<'_> {
    /// One lane of a block, as floats.
    pub(super) fn floats(&self, block: usize, lane: usize, out: &mut [f32; BLOCK]) {
        let scales = self.scales_of(block, lane);
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

    /// The whole numbers of one lane of a block.
    fn weights(&self, block: usize, lane: usize) -> [i32; BLOCK] {
        let size = self.format.quants();
        let quants = &self.bytes[block * size..(block + 1) * size];
        let stored = |k: usize| -> u8 {
            let (four, byte) = (k / 4, lane * 4 + k % 4);
            let nibble = || quants[four % 4 * 64 + byte] >> (four / 4 * 4) & 15;
            match self.format {
                Format::Q8_0 => quants[four * 64 + byte],
                Format::Q4_0 | Format::Q4_1 | Format::Q4K => nibble(),
                Format::Q6K => {
                    let bits = quants[(4 + four / 4) * 64 + byte] >> (four % 4 * 2) & 3;
                    nibble() | bits << 4
                }
            }
        };
        let raised = match self.format.raised() {
            0 => 0,
            power => 1 << power,
        };
        std::array::from_fn(|k| i32::from(stored(k)) - raised)
    }

    /// The scales of one lane of a block.
    fn scales_of(&self, block: usize, lane: usize) -> Scales {
        let (_, scales) = self.bytes.split_at(self.blocks * self.format.quants());
        let (scales, shared) = scales.split_at(self.blocks * self.format.scales());
        let scales = &scales[block * self.format.scales()..];
        let shared = &shared[block / SHARING * self.format.shared()..];
        let half = |of: &[u8], kind: usize| {
            let at = (kind * LANES + lane) * 2;
            half_to_float([of[at], of[at + 1]])
        };
        let (first, second, minimum) = match self.format {
            Format::Q8_0 | Format::Q4_0 => (half(scales, 0), half(scales, 0), 0.0),
            Format::Q4_1 => (half(scales, 0), half(scales, 0), half(scales, 1)),
            Format::Q4K => {
                let scale = half(shared, 0) * f32::from(scales[lane]);
                let minimum = half(shared, 1) * f32::from(scales[LANES + lane]);
                (scale, scale, -minimum)
            }
            Format::Q6K => {
                let scale = half(shared, 0);
                let part = |part: usize| f32::from(scales[part * LANES + lane].cast_signed());
                (scale * part(0), scale * part(1), 0.0)
            }
        };
        Scales {
            first,
            second,
            minimum,
        }
    }
}
