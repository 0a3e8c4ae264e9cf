//! From the blocks of a file to panels.

use super::{BLOCK, Format, LANES, Tiles};

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

impl Format {
    /// Bytes of one block of 32 inputs as GGUF stores it.
    const fn stored(self) -> usize {
        match self {
            Self::Q8_0 => 34,
        }
    }

    /// Puts one stored block into its lane of a panel's block.
    fn place(self, block: &[u8], lane: usize, quants: &mut [u8], scales: &mut [u8]) {
        match self {
            Self::Q8_0 => {
                let (scale, weights) = block.split_at(2);
                put(scales, lane * 2, scale);
                for (group, four) in weights.chunks_exact(4).enumerate() {
                    let raised = [four[0], four[1], four[2], four[3]].map(|byte| byte ^ 0x80);
                    put(quants, (group * LANES + lane) * 4, &raised);
                }
            }
        }
    }
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = target.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl Tiles {
    /// Packs the blocks of a matrix `[outputs, inputs]`, row after row as GGUF stores them.
    pub(crate) fn packed(format: Format, stored: &[u8], outputs: usize, inputs: usize) -> Self {
        assert!(inputs > 0 && inputs.is_multiple_of(BLOCK));
        let blocks = inputs / BLOCK;
        let row_bytes = blocks * format.stored();
        assert!(stored.len() == outputs * row_bytes);
        let panel_bytes = (blocks * (format.quants() + format.scales())).next_multiple_of(LINE);
        let mut lines = Lines::zeros(outputs.div_ceil(LANES) * panel_bytes);
        let panels = lines.bytes_mut().chunks_exact_mut(panel_bytes);
        for (panel, rows) in panels.zip(stored.chunks(LANES * row_bytes)) {
            let (quants, scales) = panel.split_at_mut(blocks * format.quants());
            for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                let places = quants
                    .chunks_exact_mut(format.quants())
                    .zip(scales.chunks_exact_mut(format.scales()));
                for (block, (quants, scales)) in row.chunks_exact(format.stored()).zip(places) {
                    format.place(block, lane, quants, scales);
                }
            }
        }
        Self {
            lines,
            format,
            outputs,
            inputs,
            panel_bytes,
        }
    }
}
