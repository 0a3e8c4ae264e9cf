//! Products of eight-bit rows with matrices that stay quantised.
//!
//! A matrix is cut into panels of sixteen outputs, one for each lane of a 512-bit vector, and a
//! panel into blocks of 32 inputs. A block's whole numbers are multiplied and summed exactly;
//! only their scales are floats, and these are applied block after block in one order, whatever
//! the machine and however many rows there are. So every kernel gives the same bits as the scalar
//! one, and a row the same bits alone as among others.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod input;
mod pack;
mod scalar;

pub(crate) use input::Eights;

use super::product::Columns;
use pack::Lines;
use std::ops::Range;

/// Inputs that share a scale.
pub(crate) const BLOCK: usize = 32;

/// Outputs that lie beside each other.
pub(crate) const LANES: usize = 16;

/// Blocks that share scales in some formats.
const SHARING: usize = 8;

/// Rows taken through all panels together, so that they stay in the second-level cache.
const ROWS_A_GROUP: usize = 128;

/// How the weights of a panel are stored: as in GGUF, but the sixteen outputs of a panel side by
/// side. A panel is all blocks' whole numbers, then all blocks' scales, then those of each eight
/// blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A byte, 128 too large, times a half-float scale.
    Q8_0,
    /// Four bits, 8 too large, times a half-float scale.
    Q4_0,
    /// Four bits times a half-float scale, plus a half-float minimum.
    Q4_1,
    /// Four bits times a scale of six bits, less a minimum of six bits; eight blocks share the
    /// half floats that scale both.
    Q4K,
    /// Six bits, 32 too large, times a signed byte for each half of a block; eight blocks share
    /// the half float that scales it.
    Q6K,
}

impl Format {
    /// Bytes of the whole numbers of one block of a panel.
    const fn quants(self) -> usize {
        match self {
            Self::Q8_0 => LANES * BLOCK,
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => LANES * BLOCK / 2,
            Self::Q6K => LANES * BLOCK * 3 / 4,
        }
    }

    /// Bytes of the scales of one block of a panel.
    const fn scales(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4K | Self::Q6K => LANES * 2,
            Self::Q4_1 => LANES * 4,
        }
    }

    /// Bytes of the scales that eight blocks of a panel share.
    const fn shared(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 0,
            Self::Q4K => LANES * 4,
            Self::Q6K => LANES * 2,
        }
    }

    /// How much too large the whole numbers are, as a power of two; 0 where they are not.
    const fn raised(self) -> u32 {
        match self {
            Self::Q8_0 => 7,
            Self::Q4_0 => 3,
            Self::Q4_1 | Self::Q4K => 0,
            Self::Q6K => 5,
        }
    }

    /// Inputs that the stored form keeps together.
    pub(crate) const fn together(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => BLOCK,
            Self::Q4K | Self::Q6K => SHARING * BLOCK,
        }
    }
}

/// [`Format`]s where the kernels want constants.
const Q8_0: u8 = 0;
const Q4_0: u8 = 1;
const Q4_1: u8 = 2;
const Q4K: u8 = 3;
const Q6K: u8 = 4;

/// The instructions that a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Scalar,
}

impl Instructions {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_512() && is_x86_feature_detected!("avx512vnni") {
                return Self::Avx512;
            }
            if super::has_256() {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }
}

/// A quantised matrix `[outputs, inputs]`.
pub(crate) struct Tiles {
    // INVARIANT: `panels() * panel_bytes` bytes, where a panel is laid out as `format` says.
    lines: Lines,
    format: Format,
    outputs: usize,
    inputs: usize,
    panel_bytes: usize,
}

/// One panel, as the kernels take it.
#[derive(Clone, Copy)]
struct Panel<'a> {
    // INVARIANT: holds `blocks` blocks of `format`, quants first, then scales.
    bytes: &'a [u8],
    format: Format,
    blocks: usize,
    /// Outputs that count, at most [`LANES`].
    lanes: usize,
}

impl Panel<'_> {
    fn quants(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn scales(&self) -> *const u8 {
        self.quants()
            .wrapping_add(self.blocks * self.format.quants())
    }

    fn shared(&self) -> *const u8 {
        self.scales()
            .wrapping_add(self.blocks * self.format.scales())
    }
}

impl Tiles {
    /// The matrix of `rows`, `[outputs, inputs]`, in `Q8_0`: each 32 values rounded to 255 steps.
    /// `inputs` must be a multiple of 32.
    pub(crate) fn rounded(rows: &[f32], inputs: usize) -> Self {
        let mut blocks = vec![0; rows.len() / BLOCK * 34];
        super::quantise_q8_0(rows, &mut blocks);
        Self::packed(Format::Q8_0, &blocks, rows.len() / inputs, inputs)
    }

    #[cfg(test)]
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The groups of [`LANES`] outputs.
    pub(crate) fn panels(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// Row `index` of the matrix as floats, into `out`.
    pub(crate) fn row(&self, index: usize, out: &mut [f32]) {
        let panel = self.panel(index / LANES);
        let (blocks, _) = out.as_chunks_mut::<BLOCK>();
        for (block, out) in blocks.iter_mut().enumerate() {
            panel.floats(block, index % LANES, out);
        }
    }

    /// `out += input · Wᵀ` on the calling thread; `out` is `[rows, outputs]`.
    pub(crate) fn add_product(&self, input: &Eights, out: &mut [f32]) {
        assert!(out.len() == input.count() * self.outputs);
        let columns = Columns::of(out, self.outputs);
        #[expect(unsafe_code, reason = "the target is checked above")]
        // SAFETY: `out` has `count` rows of `outputs` elements and is borrowed for this call.
        unsafe {
            self.add_panels(input, 0..self.panels(), &columns);
        }
    }

    /// `out += input · Wᵀ` in the columns of these panels, where several threads fill one target.
    ///
    /// # Safety
    ///
    /// The target outlives the call and holds `input.count()` rows of [`Self::outputs`] elements,
    /// and no other thread touches the columns of these panels.
    #[expect(
        unsafe_code,
        reason = "threads write disjoint columns of one row-major matrix"
    )]
    pub(crate) unsafe fn add_panels(&self, input: &Eights, panels: Range<usize>, out: &Columns) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.add_panels_with(Instructions::best(), input, panels, out) }
    }

    #[expect(
        unsafe_code,
        reason = "threads write disjoint columns of one row-major matrix"
    )]
    unsafe fn add_panels_with(
        &self,
        instructions: Instructions,
        input: &Eights,
        panels: Range<usize>,
        out: &Columns,
    ) {
        assert!(input.width() == self.inputs && panels.end <= self.panels());
        for first in (0..input.count()).step_by(ROWS_A_GROUP) {
            let rows = first..input.count().min(first + ROWS_A_GROUP);
            for index in panels.clone() {
                let panel = self.panel(index);
                let target = out.at(first, index * LANES);
                // SAFETY: the caller promises rows and columns; `panel` keeps its invariant, and
                // `best` only names what this machine was found to have.
                unsafe {
                    match instructions {
                        #[cfg(target_arch = "x86_64")]
                        Instructions::Avx512 => avx512::add(panel, input, rows.clone(), target),
                        #[cfg(target_arch = "x86_64")]
                        Instructions::Avx2 => avx2::add(panel, input, rows.clone(), target),
                        Instructions::Scalar => scalar::add(panel, input, rows.clone(), target),
                    }
                }
            }
        }
    }

    fn panel(&self, index: usize) -> Panel<'_> {
        let start = index * self.panel_bytes;
        let bytes = self.lines.bytes();
        Panel {
            bytes: bytes
                .get(start..start + self.panel_bytes)
                .unwrap_or_default(),
            format: self.format,
            blocks: self.inputs / BLOCK,
            lanes: LANES.min(self.outputs - index * LANES),
        }
    }
}

#[cfg(test)]
mod tests;
