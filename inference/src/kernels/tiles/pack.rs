//! From the blocks of a file to panels.

use super::{BLOCK, Format, LANES, SHARING, Tiles};
use rayon::prelude::*;

/// Bytes that begin at a cache line.
pub(super) struct Lines(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

const LINE: usize = 64;

impl Lines {
    fn zeros(bytes: usize) -> Self {
        Self(vec![Line([0; LINE]); bytes.div_ceil(LINE)])
    }

    pub(super) fn bytes(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "lines are bytes")]
        // SAFETY: `Line` is 64 bytes without padding, and the slice covers exactly the vector.
        unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE)
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        #[expect(unsafe_code, reason = "lines are bytes")]
        // SAFETY: as above, and the vector is borrowed mutably.
        unsafe {
            std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE)
        }
    }
}

/// What one lane of a few blocks holds, unpacked.
struct Unit {
    quants: [u8; SHARING * BLOCK],
    /// For each block the bytes of its scales, as many as [`Format::scales`] gives a lane.
    scales: [[u8; 4]; SHARING],
    shared: [u8; 4],
}

impl Format {
    /// Bytes in which GGUF stores [`Self::together`] inputs.
    const fn stored(self) -> usize {
        match self {
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    fn unpacked(self, stored: &[u8]) -> Unit {
        let mut unit = Unit {
            quants: [0; SHARING * BLOCK],
            scales: [[0; 4]; SHARING],
            shared: [0; 4],
        };
        match self {
            Self::Q8_0 => {
                unit.scales[0][..2].copy_from_slice(&stored[..2]);
                for (quant, byte) in unit.quants.iter_mut().zip(&stored[2..]) {
                    *quant = byte ^ 0x80;
                }
            }
            Self::Q4_0 | Self::Q4_1 => {
                let (scales, halves) = stored.split_at(self.stored() - BLOCK / 2);
                unit.scales[0][..scales.len()].copy_from_slice(scales);
                nibbles(halves, &mut unit.quants[..BLOCK]);
            }
            Self::Q4K => unit.fill_q4k(stored),
            Self::Q6K => unit.fill_q6k(stored),
        }
        unit
    }

    /// Puts the whole numbers of one lane into a panel's block of zeros.
    fn place_quants(self, values: &[u8], lane: usize, quants: &mut [u8]) {
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

    /// Puts the scales of one lane into a panel's block: each kind has sixteen lanes together.
    fn place_scales(self, values: [u8; 4], lane: usize, scales: &mut [u8]) {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => halves(values, lane, scales),
            Self::Q4K | Self::Q6K => {
                scales[lane] = values[0];
                scales[LANES + lane] = values[1];
            }
        }
    }
}

/// Puts half floats, as many as there is room for, into their places.
fn halves(values: [u8; 4], lane: usize, scales: &mut [u8]) {
    let (values, _) = values.as_chunks::<2>();
    for (kind, value) in scales.chunks_exact_mut(LANES * 2).zip(values) {
        kind[lane * 2..lane * 2 + 2].copy_from_slice(value);
    }
}

/// The low halves of the bytes, then the high ones.
fn nibbles(bytes: &[u8], values: &mut [u8]) {
    let (low, high) = values.split_at_mut(bytes.len());
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

impl Unit {
    /// `block_q4_K` of ggml: two half floats, twelve bytes of scales and minima, 128 of nibbles.
    fn fill_q4k(&mut self, stored: &[u8]) {
        let (head, bytes) = stored.split_at(16);
        self.shared.copy_from_slice(&head[..4]);
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
        let couples = self.quants.chunks_exact_mut(2 * BLOCK);
        for (bytes, values) in bytes.chunks_exact(BLOCK).zip(couples) {
            nibbles(bytes, values);
        }
    }

    /// `block_q6_K` of ggml: 128 bytes of low nibbles, 64 of high couples of bits, sixteen signed
    /// scales, a half float.
    fn fill_q6k(&mut self, stored: &[u8]) {
        let (low, rest) = stored.split_at(128);
        let (high, rest) = rest.split_at(64);
        let (scales, shared) = rest.split_at(16);
        self.shared[..2].copy_from_slice(shared);
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

impl Tiles {
    /// Packs the blocks of a matrix `[outputs, inputs]`, row after row as GGUF stores them.
    pub(crate) fn packed(format: Format, stored: &[u8], outputs: usize, inputs: usize) -> Self {
        assert!(inputs > 0 && inputs.is_multiple_of(format.together()));
        let blocks = inputs / BLOCK;
        let row_bytes = inputs / format.together() * format.stored();
        assert!(stored.len() == outputs * row_bytes);
        let shared = blocks / SHARING * format.shared();
        let panel_bytes =
            (blocks * (format.quants() + format.scales()) + shared).next_multiple_of(LINE);
        let mut lines = Lines::zeros(outputs.div_ceil(LANES) * panel_bytes);
        let panels = lines.bytes_mut().par_chunks_exact_mut(panel_bytes);
        panels
            .zip(stored.par_chunks(LANES * row_bytes))
            .for_each(|(panel, rows)| format.fill(panel, rows, blocks));
        Self {
            lines,
            format,
            outputs,
            inputs,
            panel_bytes,
        }
    }
}

impl Format {
    /// Fills a panel of zeros with at most [`LANES`] stored rows of `blocks` blocks.
    fn fill(self, panel: &mut [u8], rows: &[u8], blocks: usize) {
        let (quants, rest) = panel.split_at_mut(blocks * self.quants());
        let (scales, shared) = rest.split_at_mut(blocks * self.scales());
        let row_bytes = blocks * BLOCK / self.together() * self.stored();
        let a_unit = self.together() / BLOCK;
        for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
            for (index, stored) in row.chunks_exact(self.stored()).enumerate() {
                let unit = self.unpacked(stored);
                let values = unit.quants.chunks_exact(BLOCK).zip(unit.scales);
                for (offset, (values, facts)) in values.take(a_unit).enumerate() {
                    let block = index * a_unit + offset;
                    let (from, to) = (block * self.quants(), (block + 1) * self.quants());
                    self.place_quants(values, lane, &mut quants[from..to]);
                    let (from, to) = (block * self.scales(), (block + 1) * self.scales());
                    self.place_scales(facts, lane, &mut scales[from..to]);
                }
                if self.shared() > 0 {
                    let (from, to) = (index * self.shared(), (index + 1) * self.shared());
                    halves(unit.shared, lane, &mut shared[from..to]);
                }
            }
        }
    }
}
