//! Packing of GGUF blocks into panels.

use super::{BLOCK, BlockFormat, LANES, PackedWeights, SUPERBLOCK};
use rayon::prelude::*;

/// Bytes aligned to a cache line.
pub(super) struct AlignedBytes(Vec<CacheLine>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; LINE]);

const LINE: usize = 64;

impl AlignedBytes {
    fn zeros(bytes: usize) -> Self {
        Self(vec![CacheLine([0; LINE]); bytes.div_ceil(LINE)])
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "cache lines are bytes")]
        // SAFETY: `CacheLine` is 64 bytes without padding, and the slice covers exactly the vector.
        unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE)
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        #[expect(unsafe_code, reason = "cache lines are bytes")]
        // SAFETY: as above, and the vector is borrowed mutably.
        unsafe {
            std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE)
        }
    }
}

/// One lane of one stored block, unpacked.
struct UnpackedBlock {
    quants: [u8; SUPERBLOCK * BLOCK],
    /// Per block of 32 the bytes of its scales: as many as [`BlockFormat::scale_bytes`] has per lane.
    scales: [[u8; 4]; SUPERBLOCK],
    superblock_scales: [u8; 4],
}

impl BlockFormat {
    /// Bytes of one block in GGUF.
    const fn stored_bytes(self) -> usize {
        match self {
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    fn unpack(self, stored: &[u8]) -> UnpackedBlock {
        let mut unpacked = UnpackedBlock {
            quants: [0; SUPERBLOCK * BLOCK],
            scales: [[0; 4]; SUPERBLOCK],
            superblock_scales: [0; 4],
        };
        match self {
            Self::Q8_0 => {
                unpacked.scales[0][..2].copy_from_slice(&stored[..2]);
                for (quant, byte) in unpacked.quants.iter_mut().zip(&stored[2..]) {
                    *quant = byte ^ 0x80;
                }
            }
            Self::Q4_0 | Self::Q4_1 => {
                let (scales, bytes) = stored.split_at(self.stored_bytes() - BLOCK / 2);
                unpacked.scales[0][..scales.len()].copy_from_slice(scales);
                unpack_nibbles(bytes, &mut unpacked.quants[..BLOCK]);
            }
            Self::Q4K => unpacked.unpack_q4k(stored),
            Self::Q6K => unpacked.unpack_q6k(stored),
        }
        unpacked
    }

    /// Writes the integers of one lane to a zeroed block of a panel.
    fn write_quants(self, values: &[u8], lane: usize, quants: &mut [u8]) {
        for (k, value) in values.iter().enumerate() {
            let (four, byte) = (k / 4, lane * 4 + k % 4);
            match self {
                Self::Q8_0 => quants[four * LINE + byte] = *value,
                Self::Q4_0 | Self::Q4_1 | Self::Q4K | Self::Q6K => {
                    quants[four % 4 * LINE + byte] |= (value & 15) << (four / 4 * 4);
                }
            }
            if self == Self::Q6K {
                quants[(4 + four / 4) * LINE + byte] |= (value >> 4) << (four % 4 * 2);
            }
        }
    }

    /// Writes the scales of one lane to a block of a panel, where each kind has its sixteen lanes
    /// together.
    fn write_scales(self, values: [u8; 4], lane: usize, scales: &mut [u8]) {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => write_halves(values, lane, scales),
            Self::Q4K | Self::Q6K => {
                scales[lane] = values[0];
                scales[LANES + lane] = values[1];
            }
        }
    }
}

/// Writes as many half floats of one lane as `scales` has kinds.
fn write_halves(values: [u8; 4], lane: usize, scales: &mut [u8]) {
    let (values, _) = values.as_chunks::<2>();
    for (kind, value) in scales.chunks_exact_mut(LANES * 2).zip(values) {
        kind[lane * 2..lane * 2 + 2].copy_from_slice(value);
    }
}

/// Unpacks the low nibbles of the bytes, then the high ones.
fn unpack_nibbles(bytes: &[u8], values: &mut [u8]) {
    let (low, high) = values.split_at_mut(bytes.len());
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

impl UnpackedBlock {
    /// `block_q4_K` of ggml: two half floats, twelve bytes of scales and minima, 128 of nibbles.
    fn unpack_q4k(&mut self, stored: &[u8]) {
        let (head, bytes) = stored.split_at(16);
        self.superblock_scales.copy_from_slice(&head[..4]);
        let packed = &head[4..];
        for (index, scales) in self.scales.iter_mut().enumerate() {
            let (scale, minimum) = if index < 4 {
                (packed[index] & 63, packed[index + 4] & 63)
            } else {
                (
                    (packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4),
                    (packed[index + 4] >> 4) | (packed[index] >> 6 << 4),
                )
            };
            *scales = [scale, minimum, 0, 0];
        }
        let pairs = self.quants.chunks_exact_mut(2 * BLOCK);
        for (bytes, values) in bytes.chunks_exact(BLOCK).zip(pairs) {
            unpack_nibbles(bytes, values);
        }
    }

    /// `block_q6_K` of ggml: 128 bytes of low nibbles, 64 of high bit pairs, sixteen signed scales, a
    /// half float.
    fn unpack_q6k(&mut self, stored: &[u8]) {
        let (low, rest) = stored.split_at(128);
        let (high, rest) = rest.split_at(64);
        let (scales, superblock_scale) = rest.split_at(16);
        self.superblock_scales[..2].copy_from_slice(superblock_scale);
        for (block, scales) in self.scales.iter_mut().zip(scales.as_chunks::<2>().0) {
            block[..2].copy_from_slice(scales);
        }
        for (at, value) in self.quants.iter_mut().enumerate() {
            let (half, quarter, i) = (at / 128, at % 128 / BLOCK, at % BLOCK);
            let nibble = low[half * 64 + quarter % 2 * BLOCK + i] >> (quarter / 2 * 4) & 15;
            let bits = high[half * BLOCK + i] >> (quarter * 2) & 3;
            *value = nibble | bits << 4;
        }
    }
}

impl PackedWeights {
    /// Packs a matrix `[outputs, inputs]` from the bytes that GGUF stores, row by row.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn from_gguf(format: BlockFormat, stored: &[u8], outputs: usize, inputs: usize) -> Self {
        assert!(inputs > 0 && inputs.is_multiple_of(format.stored_block_inputs()));
        let blocks = inputs / BLOCK;
        let row_bytes = inputs / format.stored_block_inputs() * format.stored_bytes();
        assert!(stored.len() == outputs * row_bytes);
        let superblock_bytes = blocks / SUPERBLOCK * format.superblock_scale_bytes();
        let block_bytes = blocks * (format.quant_bytes() + format.scale_bytes());
        let panel_bytes = (block_bytes + superblock_bytes).next_multiple_of(LINE);
        let mut bytes = AlignedBytes::zeros(outputs.div_ceil(LANES) * panel_bytes);
        let panels = bytes.as_mut_slice().par_chunks_exact_mut(panel_bytes);
        panels
            .zip(stored.par_chunks(LANES * row_bytes))
            .for_each(|(panel, rows)| format.pack_panel(panel, rows, blocks));
        Self {
            bytes,
            format,
            outputs,
            inputs,
            panel_bytes,
        }
    }
}

impl BlockFormat {
    /// Packs at most [`LANES`] stored rows of `blocks` blocks into a zeroed panel.
    fn pack_panel(self, panel: &mut [u8], rows: &[u8], blocks: usize) {
        let (quants, rest) = panel.split_at_mut(blocks * self.quant_bytes());
        let (scales, superblock_scales) = rest.split_at_mut(blocks * self.scale_bytes());
        let row_bytes = blocks * BLOCK / self.stored_block_inputs() * self.stored_bytes();
        let blocks_per_stored = self.stored_block_inputs() / BLOCK;
        for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
            for (index, stored) in row.chunks_exact(self.stored_bytes()).enumerate() {
                let unpacked = self.unpack(stored);
                let values = unpacked.quants.chunks_exact(BLOCK).zip(unpacked.scales);
                for (offset, (values, own_scales)) in values.take(blocks_per_stored).enumerate() {
                    let block = index * blocks_per_stored + offset;
                    let (from, to) = (block * self.quant_bytes(), (block + 1) * self.quant_bytes());
                    self.write_quants(values, lane, &mut quants[from..to]);
                    let (from, to) = (block * self.scale_bytes(), (block + 1) * self.scale_bytes());
                    self.write_scales(own_scales, lane, &mut scales[from..to]);
                }
                let size = self.superblock_scale_bytes();
                if size > 0 {
                    let own = &mut superblock_scales[index * size..(index + 1) * size];
                    write_halves(unpacked.superblock_scales, lane, own);
                }
            }
        }
    }
}
