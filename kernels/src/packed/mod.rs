//! Matrix products of int8 activations with quantised weights.
//!
//! A weight matrix is divided into panels of sixteen outputs, one per lane of a 512-bit vector, and a
//! panel into blocks of 32 inputs. The integers of a block are multiplied and summed exactly. Only
//! the scales are floats, and they are applied block by block in one order, on every machine and for
//! every batch size. So every kernel gives the same bits as the scalar one, and a row has the same
//! bits alone and in a batch.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod pack;
mod scalar;

pub use activations::ActivationsQ8;

use crate::matmul::OutputColumns;
use pack::AlignedBytes;
use std::ops::Range;

/// Inputs that share a scale.
const BLOCK: usize = 32;

/// Outputs of a panel, which are interleaved.
const LANES: usize = 16;

/// Blocks of a superblock: the K formats have scales that a superblock shares.
const SUPERBLOCK: usize = 8;

/// Rows that are multiplied with all panels before the next rows, so that they stay in the
/// second-level cache.
const ROWS_PER_GROUP: usize = 128;

/// The quantisation format of a weight matrix: GGUF's, with the sixteen outputs of a panel
/// interleaved. A panel holds the integers of all blocks, then the scales of all blocks, then the
/// scales of all superblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// Eight bits with an offset of 128, times a half-float scale.
    Q8_0,
    /// Four bits with an offset of 8, times a half-float scale.
    Q4_0,
    /// Four bits times a half-float scale, plus a half-float minimum.
    Q4_1,
    /// Four bits times a six-bit scale, minus a six-bit minimum. Two half floats per superblock scale
    /// both.
    Q4K,
    /// Six bits with an offset of 32, times a signed byte per half block. One half float per
    /// superblock scales it.
    Q6K,
}

impl BlockFormat {
    /// Bytes of the integers of one block of a panel.
    const fn quant_bytes(self) -> usize {
        match self {
            Self::Q8_0 => LANES * BLOCK,
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => LANES * BLOCK / 2,
            Self::Q6K => LANES * BLOCK * 3 / 4,
        }
    }

    /// Bytes of the scales of one block of a panel.
    const fn scale_bytes(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4K | Self::Q6K => LANES * 2,
            Self::Q4_1 => LANES * 4,
        }
    }

    /// Bytes of the scales of one superblock of a panel.
    const fn superblock_scale_bytes(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 0,
            Self::Q4K => LANES * 4,
            Self::Q6K => LANES * 2,
        }
    }

    /// The offset of the stored integers, as a power of two; 0 if they have none.
    const fn offset_log2(self) -> u32 {
        match self {
            Self::Q8_0 => 7,
            Self::Q4_0 => 3,
            Self::Q4_1 | Self::Q4K => 0,
            Self::Q6K => 5,
        }
    }

    /// Inputs per stored block: GGUF stores superblocks of the K formats as one.
    pub const fn stored_block_inputs(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => BLOCK,
            Self::Q4K | Self::Q6K => SUPERBLOCK * BLOCK,
        }
    }
}

/// The [`BlockFormat`]s as const parameters of the kernels.
const Q8_0: u8 = 0;
const Q4_0: u8 = 1;
const Q4_1: u8 = 2;
const Q4K: u8 = 3;
const Q6K: u8 = 4;

/// Calls `$kernel` with the const parameter that stands for `$format`.
#[cfg(target_arch = "x86_64")]
macro_rules! for_format {
    ($format:expr, $kernel:ident($($arg:expr),*)) => {
        match $format {
            BlockFormat::Q8_0 => $kernel::<Q8_0>($($arg),*),
            BlockFormat::Q4_0 => $kernel::<Q4_0>($($arg),*),
            BlockFormat::Q4_1 => $kernel::<Q4_1>($($arg),*),
            BlockFormat::Q4K => $kernel::<Q4K>($($arg),*),
            BlockFormat::Q6K => $kernel::<Q6K>($($arg),*),
        }
    };
}
#[cfg(target_arch = "x86_64")]
use for_format;

/// The instruction set that a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InstructionSet {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Scalar,
}

impl InstructionSet {
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if crate::simd::has_avx512() && is_x86_feature_detected!("avx512vnni") {
                return Self::Avx512;
            }
            if crate::simd::has_avx2() {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }
}

/// A quantised weight matrix `[outputs, inputs]`.
pub struct PackedWeights {
    // INVARIANT: `panels() * panel_bytes` bytes, each panel in the layout of `format`.
    bytes: AlignedBytes,
    format: BlockFormat,
    outputs: usize,
    inputs: usize,
    panel_bytes: usize,
}

/// One panel, as the kernels read it.
#[derive(Clone, Copy)]
struct Panel<'a> {
    // INVARIANT: holds `blocks` blocks of `format`: integers, scales, superblock scales.
    bytes: &'a [u8],
    format: BlockFormat,
    blocks: usize,
    /// Outputs of this panel, at most [`LANES`].
    lanes: usize,
}

impl Panel<'_> {
    fn quants(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn scales(&self) -> *const u8 {
        self.quants()
            .wrapping_add(self.blocks * self.format.quant_bytes())
    }

    fn superblock_scales(&self) -> *const u8 {
        self.scales()
            .wrapping_add(self.blocks * self.format.scale_bytes())
    }
}

impl PackedWeights {
    /// Quantises `rows`, `[outputs, inputs]`, to `Q8_0`. `inputs` must be a multiple of 32.
    pub fn quantize_q8_0(rows: &[f32], inputs: usize) -> Self {
        let mut blocks = vec![0; rows.len() / BLOCK * 34];
        crate::float::quantize_q8_0(rows, &mut blocks);
        Self::from_gguf(BlockFormat::Q8_0, &blocks, rows.len() / inputs, inputs)
    }

    /// Outputs of the matrix.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs of the matrix.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Panels of the matrix: groups of sixteen outputs.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// Writes row `index` of the matrix to `out` as floats.
    pub fn dequantize_row(&self, index: usize, out: &mut [f32]) {
        let panel = self.panel(index / LANES);
        let (blocks, _) = out.as_chunks_mut::<BLOCK>();
        for (block, out) in blocks.iter_mut().enumerate() {
            panel.dequantize(block, index % LANES, out);
        }
    }

    /// `out += input · Wᵀ` on the calling thread; `out` is `[rows, outputs]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn add_product(&self, input: &ActivationsQ8, out: &mut [f32]) {
        assert!(out.len() == input.count() * self.outputs);
        let columns = OutputColumns::new(out, self.outputs);
        #[expect(unsafe_code, reason = "the target is checked above")]
        // SAFETY: `out` has `count` rows of `outputs` elements and is borrowed for this call.
        unsafe {
            self.add_panels(input, 0..self.panels(), &columns);
        }
    }

    /// `out += input · Wᵀ` in the columns of these panels, for several threads that fill one target.
    ///
    /// # Safety
    ///
    /// The target outlives the call and holds `input.count()` rows of [`Self::outputs`] elements,
    /// and no other thread accesses the columns of these panels.
    #[expect(
        unsafe_code,
        reason = "threads write disjoint columns of one row-major matrix"
    )]
    pub unsafe fn add_panels(
        &self,
        input: &ActivationsQ8,
        panels: Range<usize>,
        out: &OutputColumns,
    ) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.add_panels_with(InstructionSet::detect(), input, panels, out) }
    }

    #[expect(
        unsafe_code,
        reason = "threads write disjoint columns of one row-major matrix"
    )]
    unsafe fn add_panels_with(
        &self,
        instructions: InstructionSet,
        input: &ActivationsQ8,
        panels: Range<usize>,
        out: &OutputColumns,
    ) {
        assert!(input.width() == self.inputs && panels.end <= self.panels());
        for first in (0..input.count()).step_by(ROWS_PER_GROUP) {
            let rows = first..input.count().min(first + ROWS_PER_GROUP);
            for index in panels.clone() {
                let panel = self.panel(index);
                let target = out.cursor(first, index * LANES);
                // SAFETY: the caller promises rows and columns, `panel` keeps its invariant, and
                // `instructions` were detected on this machine.
                unsafe {
                    match instructions {
                        #[cfg(target_arch = "x86_64")]
                        InstructionSet::Avx512 => avx512::add(panel, input, rows.clone(), target),
                        #[cfg(target_arch = "x86_64")]
                        InstructionSet::Avx2 => avx2::add(panel, input, rows.clone(), target),
                        InstructionSet::Scalar => scalar::add(panel, input, rows.clone(), target),
                    }
                }
            }
        }
    }

    fn panel(&self, index: usize) -> Panel<'_> {
        let start = index * self.panel_bytes;
        Panel {
            bytes: &self.bytes.as_slice()[start..start + self.panel_bytes],
            format: self.format,
            blocks: self.inputs / BLOCK,
            lanes: LANES.min(self.outputs - index * LANES),
        }
    }
}

#[cfg(test)]
mod tests;
