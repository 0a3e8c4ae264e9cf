//! The kernel that says what the others must give, for machines without vectors.

use super::input::Eights;
use super::{BLOCK, Format, LANES, Panel};
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

fn added(panel: Panel<'_>, lane: usize, input: &Eights, row: usize, start: f32) -> f32 {
    let from = input.from(row);
    let facts = from.scales.iter().zip(from.debts);
    let (blocks, _) = from.quants.as_chunks::<BLOCK>();
    let mut sum = start;
    for (index, (values, (scale, debt))) in blocks.iter().zip(facts).enumerate().take(panel.blocks)
    {
        let weights = panel.weights(index, lane);
        let products = weights.iter().zip(values);
        let dot: i32 = products.map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
        let dot = dot + (debt << panel.format.raised());
        sum = (dot as f32).mul_add(panel.scale(index, lane) * scale, sum);
    }
    sum
}

impl Format {
    /// Weights are stored larger by two to this power.
    const fn raised(self) -> u32 {
        match self {
            Self::Q8_0 => 7,
        }
    }
}

impl Panel<'_> {
    /// The stored whole numbers of one lane of a block.
    fn weights(&self, block: usize, lane: usize) -> [u8; BLOCK] {
        let size = self.format.quants();
        let quants = self.bytes.get(block * size..).unwrap_or_default();
        let at = |k: usize| (k / 4 * LANES + lane) * 4 + k % 4;
        let byte = |at: usize| quants.get(at).copied().unwrap_or_default();
        match self.format {
            Format::Q8_0 => std::array::from_fn(|k| byte(at(k))),
        }
    }

    /// The scale of one lane of a block.
    fn scale(&self, block: usize, lane: usize) -> f32 {
        let start = self.blocks * self.format.quants() + block * self.format.scales();
        let scales = self.bytes.get(start..).unwrap_or_default();
        let half = |at: usize| match scales.get(at..at + 2) {
            Some(&[low, high]) => half_to_float([low, high]),
            _ => 0.0,
        };
        match self.format {
            Format::Q8_0 => half(lane * 2),
        }
    }
}
