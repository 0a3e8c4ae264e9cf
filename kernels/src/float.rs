//! Element-wise functions, norms and reductions on slices of `f32`.
//!
//! Reductions keep sixteen partial sums, because the compiler may not reorder a float sum by
//! itself.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

const LANES: usize = 16;

/// Adding 1.5 · 2^23 rounds a float to an integer and leaves that in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// `e^x` with a relative error below 2.5e-7 (Cephes' range reduction and a Taylor polynomial of
/// degree 6 on ±ln 2 / 2). It has no branches, so that the compiler can vectorise it; `libm` has.
#[inline(always)]
#[expect(
    clippy::excessive_precision,
    reason = "the two halves of ln 2, exactly"
)]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_375;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(LOG2_E, ROUND);
    let integer = shifted - ROUND;
    let rest = integer.mul_add(-LN2_LOW, integer.mul_add(-LN2_HIGH, x));
    let mut sum = 1.0 / 720.0_f32;
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum.mul_add(rest, factor);
    }
    sum * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// The error function with an absolute error below 2e-7 (Abramowitz and Stegun 7.1.26), without
/// branches.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / size.mul_add(0.327_591_1, 1.0);
    let mut sum = 1.061_405_4_f32;
    for factor in [-1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        sum = sum.mul_add(t, factor);
    }
    (1.0 - sum * t * exp(-size * size)).copysign(x)
}

/// Reduces lanes by halves, in four steps instead of sixteen.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
pub(crate) fn reduce_lanes<T: Copy>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn sum_of(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += term(*x);
        }
    }
    reduce_lanes(lanes, |a, b| a + b) + rest.iter().map(|x| term(*x)).sum::<f32>()
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(*x);
        }
    }
    let tail = rest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    tail.max(reduce_lanes(lanes, f32::max))
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
pub(crate) fn softmax_row(row: &mut [f32]) {
    let top = largest(row);
    for x in row.iter_mut() {
        // Masked scores must become exactly 0, so that padding does not change the sum.
        let below = *x - top;
        *x = if below < -87.0 { 0.0 } else { exp(below) };
    }
    let share = 1.0 / sum_of(row, |x| x);
    for x in row {
        *x *= share;
    }
}

multiversion! {
    /// The softmax of one row, in place. Scores far below the largest become exactly 0.
    pub fn softmax(row: &mut [f32]) {
        softmax_row(row);
    }
}

/// A finite half float from its bytes, without branches, so that the loop around it vectorises.
#[inline(always)]
pub(crate) fn half_to_float(bytes: [u8; 2]) -> f32 {
    const SUBNORMAL_STEP: f32 = 1.0 / 16_777_216.0;
    let bits = u16::from_le_bytes(bytes);
    let size = bits & 0x7fff;
    let value = if size < 0x0400 {
        f32::from(size) * SUBNORMAL_STEP
    } else {
        f32::from_bits((u32::from(size) << 13) + 0x3800_0000)
    };
    f32::from_bits(value.to_bits() | (u32::from(bits & 0x8000) << 16))
}

multiversion! {
    /// The exact GELU, `x · Φ(x)`, in place.
    pub fn gelu(values: &mut [f32]) {
        for x in values {
            *x = 0.5 * *x * (1.0 + erf(*x * FRAC_1_SQRT_2));
        }
    }
}

multiversion! {
    /// `gate · sigmoid(gate) · up` of each row `[gate | up]` of width `2 · inner` (`SwiGLU`),
    /// into `out`, whose rows are `inner` wide.
    pub fn gated_silu(rows: &[f32], inner: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
    }
}

multiversion! {
    /// [`gated_silu`] with the tanh form of GELU for the gate (Hendrycks and Gimpel 2016).
    pub fn gated_gelu(rows: &[f32], inner: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                // x / 2 · (1 + tanh t) is x / (1 + e^(-2t)).
                let t = 0.797_884_6 * (0.044_715 * gate * gate).mul_add(*gate, *gate);
                *out = gate / (1.0 + exp(-2.0 * t)) * up;
            }
        }
    }
}

multiversion! {
    /// `GELU(gate) · up` of each row `[gate | up]`, with the exact GELU, into `out`.
    pub fn gated_exact_gelu(rows: &[f32], inner: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                *out = 0.5 * gate * (1.0 + erf(gate * FRAC_1_SQRT_2)) * up;
            }
        }
    }
}

multiversion! {
    /// Root-mean-square normalisation of each row in place, as [`rms_norm`].
    pub fn rms_norm_in_place(rows: &mut [f32], weight: &[f32], epsilon: f32) {
        let width = weight.len();
        for row in rows.chunks_exact_mut(width) {
            let scale = 1.0 / (sum_of(row, |x| x * x) / width as f32 + epsilon).sqrt();
            for (x, weight) in row.iter_mut().zip(weight) {
                *x = *x * scale * weight;
            }
        }
    }
}

multiversion! {
    /// `log Σ e^x`.
    fn log_sum_exp(values: &[f32]) -> f32 {
        let top = largest(values);
        top + sum_of(values, |x| exp(x - top)).ln()
    }
}

/// `log P` of `choice` under the softmax of `logits`.
pub fn log_probability(logits: &[f32], choice: usize) -> f32 {
    let total = log_sum_exp(logits);
    logits.get(choice).map_or(f32::NEG_INFINITY, |x| x - total)
}

multiversion! {
    fn maximum(values: &[f32]) -> f32 {
        largest(values)
    }
}

/// The index of the largest element; the first one of equals.
pub fn argmax(values: &[f32]) -> usize {
    let top = maximum(values);
    values.iter().position(|x| *x >= top).unwrap_or(0)
}

multiversion! {
    /// Layer normalisation of each row, in place:
    /// `(x − mean) / √(variance + epsilon) · weight + bias`.
    pub fn layer_norm(rows: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        let width = weight.len();
        for row in rows.chunks_exact_mut(width) {
            let mean = sum_of(row, |x| x) / width as f32;
            let variance = sum_of(row, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *x = ((*x - mean) * scale).mul_add(*weight, *bias);
            }
        }
    }
}

multiversion! {
    /// Root-mean-square normalisation of each row: `x / √(mean x² + epsilon) · weight`.
    pub fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let scale = 1.0 / (sum_of(row, |x| x * x) / width as f32 + epsilon).sqrt();
            for ((x, weight), out) in row.iter().zip(weight).zip(out) {
                *out = x * scale * weight;
            }
        }
    }
}

multiversion! {
    /// `sums += terms`.
    pub fn add(sums: &mut [f32], terms: &[f32]) {
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term;
        }
    }
}

multiversion! {
    /// Scales a vector to length 1. A vector of zeros stays unchanged.
    pub fn normalize(vector: &mut [f32]) {
        let length = sum_of(vector, |x| x * x).sqrt();
        if length > 0.0 {
            for x in vector {
                *x /= length;
            }
        }
    }
}

multiversion! {
    /// Quantises to GGUF's `Q8_0`: per 32 values a block of 34 bytes, which is a half-float scale
    /// and 32 signed bytes.
    pub fn quantize_q8_0(values: &[f32], bytes: &mut [u8]) {
        let (values, _) = values.as_chunks::<32>();
        let (blocks, _) = bytes.as_chunks_mut::<34>();
        for (values, block) in values.iter().zip(blocks) {
            let mut top = 0.0_f32;
            for x in values {
                top = top.max(x.abs());
            }
            let step = top / 127.0;
            let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
            let (scale, quants) = block.split_at_mut(2);
            scale.copy_from_slice(&half::f16::from_f32_const(step).to_le_bytes());
            for (quant, x) in quants.iter_mut().zip(values) {
                // The low byte of the rounded sum is the integer in two's complement.
                *quant = x.mul_add(inverse, ROUND).to_bits().to_le_bytes()[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_differs_from_the_library_by_less_than_its_bound() {
        for step in -8600..8700_i16 {
            let x = f32::from(step) / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "{error} at {x}");
        }
    }

    #[test]
    fn gelu_differs_from_the_error_function_by_less_than_its_bound() {
        // Φ(x) by a sum of the normal density in 64 bits.
        let (mut total, step, mut x) = (0.0_f64, 1.0_f64 / 4096.0, -9.0_f64);
        let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        while x < 9.0 {
            #[expect(clippy::cast_possible_truncation, reason = "a multiple of 2^-12")]
            let mut value = [x as f32];
            gelu(&mut value);
            assert!((f64::from(value[0]) - x * total).abs() < 2e-6, "at {x}");
            let middle = density(step.mul_add(0.5, x));
            total += step / 6.0 * (density(x) + 4.0 * middle + density(x + step));
            x += step;
        }
    }

    #[test]
    fn a_reduction_reads_every_lane_once() {
        let lanes = std::array::from_fn(|i| 1_u32 << i);
        assert_eq!(reduce_lanes(lanes, |a, b| a + b), 0xffff);
    }
}
