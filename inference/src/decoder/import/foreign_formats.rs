//! ggml's tensor formats that candle does not read, as floats
//! (<https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c>).

use half::f16;

/// A format by its number in GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignFormat {
    /// Blocks of 32 values: a scale, and four bits a value that select one of sixteen levels.
    Iq4Nl,
    /// Blocks of 256 values: a scale for each 32 values.
    Iq4Xs,
    /// Blocks of 32 floats of four bits with one exponent (Open Compute Project, Microscaling Formats 1.0).
    Mxfp4,
}

/// The levels of `IQ4_NL` and `IQ4_XS`.
const IQ4_LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// Twice the values of floats with two bits of exponent and one of mantissa.
const MXFP4_LEVELS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

impl ForeignFormat {
    /// The format with this number.
    pub(super) fn from_id(id: u32) -> Option<Self> {
        match id {
            20 => Some(Self::Iq4Nl),
            23 => Some(Self::Iq4Xs),
            39 => Some(Self::Mxfp4),
            _ => None,
        }
    }

    /// Values of a block.
    pub(super) fn block_values(self) -> usize {
        match self {
            Self::Iq4Nl | Self::Mxfp4 => 32,
            Self::Iq4Xs => 256,
        }
    }

    /// Bytes of a block.
    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::Iq4Nl => 18,
            Self::Mxfp4 => 17,
            Self::Iq4Xs => 136,
        }
    }

    /// The values of whole blocks.
    pub(super) fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::with_capacity(bytes.len() / self.block_bytes() * self.block_values());
        for block in bytes.chunks_exact(self.block_bytes()) {
            match self {
                Self::Iq4Nl => {
                    let (scale, nibbles) = block.split_at(2);
                    push_levels(&mut values, &IQ4_LEVELS, half(scale), nibbles);
                }
                Self::Mxfp4 => {
                    let (exponent, nibbles) = block.split_at(1);
                    let scale = half_power_of_two(exponent.first().copied().unwrap_or(0));
                    push_levels(&mut values, &MXFP4_LEVELS, scale, nibbles);
                }
                Self::Iq4Xs => push_iq4_xs(&mut values, block),
            }
        }
        values
    }
}

/// A block of `IQ4_XS`: a scale in 16 bits, the high two bits of eight block scales, their low four bits, and
/// the values.
fn push_iq4_xs(values: &mut Vec<f32>, block: &[u8]) {
    let (head, nibbles) = block.split_at(8);
    let (scale, head) = head.split_at(2);
    let (high, low) = head.split_at(2);
    let high = high
        .iter()
        .rev()
        .fold(0_u16, |bits, byte| bits << 8 | u16::from(*byte));
    for (index, nibbles) in nibbles.chunks_exact(16).enumerate() {
        let low = low
            .get(index / 2)
            .map_or(0, |byte| byte >> (4 * (index % 2)) & 15);
        let high = high >> (2 * index) & 3;
        let block_scale = f32::from(low) + f32::from(high << 4) - 32.0;
        push_levels(values, &IQ4_LEVELS, half(scale) * block_scale, nibbles);
    }
}

/// Sixteen bytes: the low four bits of each are the first sixteen values.
fn push_levels(values: &mut Vec<f32>, levels: &[i8; 16], scale: f32, nibbles: &[u8]) {
    let low = nibbles.iter().map(|byte| byte & 15);
    let high = nibbles.iter().map(|byte| byte >> 4);
    values.extend(low.chain(high).map(|nibble| {
        let level = levels.get(usize::from(nibble)).copied().unwrap_or(0);
        scale * f32::from(level)
    }));
}

fn half(bytes: &[u8]) -> f32 {
    bytes
        .first_chunk()
        .map_or(0.0, |bytes| f16::from_le_bytes(*bytes).to_f32())
}

/// 2^(exponent − 128).
fn half_power_of_two(exponent: u8) -> f32 {
    if exponent < 2 {
        return f32::from_bits(0x0020_0000 << exponent);
    }
    f32::from_bits((u32::from(exponent) - 1) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks and their values, by the Python package gguf: see `tests/golden/make_formats.py`.
    #[derive(serde::Deserialize)]
    struct Golden {
        format: u32,
        bytes: String,
        values: Vec<f32>,
    }

    #[test]
    fn values_are_those_of_the_package_gguf() {
        let golden: Vec<Golden> =
            serde_json::from_str(include_str!("../../../tests/golden/formats.json")).unwrap();
        assert_eq!(golden.len(), 3);
        for golden in golden {
            let format = ForeignFormat::from_id(golden.format).unwrap();
            let found = format.dequantize(&hex::decode(&golden.bytes).unwrap());
            assert_eq!(found.len(), golden.values.len());
            for (found, expected) in found.iter().zip(&golden.values) {
                let error = (found - expected).abs();
                assert!(
                    error <= 1e-5 * expected.abs(),
                    "{format:?}: {found}, not {expected}"
                );
            }
        }
    }
}
