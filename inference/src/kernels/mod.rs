//! The arithmetic that both models share, on plain slices of `f32`.
//!
//! Every loop runs at the widest vectors of the machine it finds itself on: [`widest`]
//! compiles it once for each instruction set and chooses at run time. Sums keep sixteen partial sums, because
//! the compiler may not reorder a float sum by itself.

/// Compiles a function once for each instruction set worth having and calls, at run time, the one
/// for the widest vectors of this machine. Whatever the body calls must be `#[inline(always)]`.
macro_rules! widest {
    ($(#[$doc:meta])* $seen:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        $seen fn $name($($arg: $kind),*) $(-> $out)? {
            #[inline(always)]
            fn plain($($arg: $kind),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn at_512($($arg: $kind),*) $(-> $out)? {
                    plain($($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn at_256($($arg: $kind),*) $(-> $out)? {
                    plain($($arg),*)
                }
                if $crate::kernels::has_512() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: `has_512` found every feature that `at_512` is compiled for.
                    return unsafe { at_512($($arg),*) };
                }
                if $crate::kernels::has_256() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: `has_256` found every feature that `at_256` is compiled for.
                    return unsafe { at_256($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}

mod attention;
mod paged;
mod pool;
mod product;
mod tiles;

pub(crate) use attention::{Head, Scratch};
pub(crate) use paged::{PAGE, PageView, Visible, attend_pages};
pub(crate) use pool::Pool;
pub(crate) use product::{Columns, Target, View, matmul};
pub(crate) use tiles::{Eights, Format, Tiles};

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

const LANES: usize = 16;

/// Adding 1.5 · 2^23 rounds to a whole number and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

#[cfg(target_arch = "x86_64")]
fn has_512() -> bool {
    has_256()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
fn has_256() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

/// `e^x` with a relative error below 2.5e-7, without branches (Cephes' range reduction and a
/// Taylor polynomial of degree 6 on ±ln 2 / 2).
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
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN2_LOW, whole.mul_add(-LN2_HIGH, x));
    let mut sum = 1.0 / 720.0_f32;
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum.mul_add(rest, factor);
    }
    sum * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// The error function with an absolute error below 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / size.mul_add(0.327_591_1, 1.0);
    let mut sum = 1.061_405_4_f32;
    for factor in [-1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        sum = sum.mul_add(t, factor);
    }
    (1.0 - sum * t * exp(-size * size)).copysign(x)
}

/// Folds lanes by halves, which takes four steps where one after the other takes sixteen.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn folded<T: Copy>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
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
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn sum_of(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += term(*x);
        }
    }
    folded(lanes, |a, b| a + b) + rest.iter().map(|x| term(*x)).sum::<f32>()
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(*x);
        }
    }
    let tail = rest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    tail.max(folded(lanes, f32::max))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn softmax_row(row: &mut [f32]) {
    let top = largest(row);
    for x in row.iter_mut() {
        // What is left out must leave nothing behind, so that a row is the same however wide.
        let below = *x - top;
        *x = if below < -87.0 { 0.0 } else { exp(below) };
    }
    let share = 1.0 / sum_of(row, |x| x);
    for x in row {
        *x *= share;
    }
}

/// A finite half float, by its bits.
#[inline(always)]
fn half_to_float(bytes: [u8; 2]) -> f32 {
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

widest! {
    /// The exact GELU, `x · Φ(x)`, in place.
    pub(crate) fn gelu(values: &mut [f32]) {
        for x in values {
            *x = 0.5 * *x * (1.0 + erf(*x * FRAC_1_SQRT_2));
        }
    }
}

widest! {
    /// `gate · sigmoid(gate) · up` of each row `[gate | up]` of width `2 · inner` (`SwiGLU`),
    /// into `out`, `inner` wide.
    pub(crate) fn gated_silu(rows: &[f32], inner: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
    }
}

widest! {
    /// [`gated_silu`] with the tanh form of GELU for the gate (Hendrycks and Gimpel 2016).
    pub(crate) fn gated_gelu(rows: &[f32], inner: usize, out: &mut [f32]) {
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

widest! {
    /// `GELU(gate) · up` of each row `[gate | up]`, with the exact GELU, into `out`.
    pub(crate) fn gated_exact_gelu(rows: &[f32], inner: usize, out: &mut [f32]) {
        for (row, out) in rows.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                *out = 0.5 * gate * (1.0 + erf(gate * FRAC_1_SQRT_2)) * up;
            }
        }
    }
}

widest! {
    /// Root-mean-square normalisation of each row in place, as [`rms_norm`].
    pub(crate) fn rms_norm_in_place(rows: &mut [f32], gain: &[f32], epsilon: f32) {
        let width = gain.len();
        for row in rows.chunks_exact_mut(width) {
            let scale = 1.0 / (sum_of(row, |x| x * x) / width as f32 + epsilon).sqrt();
            for (x, gain) in row.iter_mut().zip(gain) {
                *x = *x * scale * gain;
            }
        }
    }
}

widest! {
    /// `log Σ e^x`.
    fn log_sum_exp(values: &[f32]) -> f32 {
        let top = largest(values);
        top + sum_of(values, |x| exp(x - top)).ln()
    }
}

/// `log P` of `choice` under the softmax of `logits`.
pub(crate) fn log_probability(logits: &[f32], choice: usize) -> f32 {
    let total = log_sum_exp(logits);
    logits.get(choice).map_or(f32::NEG_INFINITY, |x| x - total)
}

widest! {
    /// The largest element.
    fn top(values: &[f32]) -> f32 {
        largest(values)
    }
}

/// The place of the largest element, the first of equals.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let top = top(values);
    values.iter().position(|x| *x >= top).unwrap_or(0)
}

widest! {
    /// Layer normalisation of each row, in place:
    /// `(x − mean) / √(variance + epsilon) · gain + bias`.
    pub(crate) fn layer_norm(rows: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
        let width = gain.len();
        for row in rows.chunks_exact_mut(width) {
            let mean = sum_of(row, |x| x) / width as f32;
            let variance = sum_of(row, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((x, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = ((*x - mean) * scale).mul_add(*gain, *bias);
            }
        }
    }
}

widest! {
    /// Root-mean-square normalisation of each row: `x / √(mean x² + epsilon) · gain`.
    pub(crate) fn rms_norm(rows: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = gain.len();
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let scale = 1.0 / (sum_of(row, |x| x * x) / width as f32 + epsilon).sqrt();
            for ((x, gain), out) in row.iter().zip(gain).zip(out) {
                *out = x * scale * gain;
            }
        }
    }
}

widest! {
    /// `sums += terms`.
    pub(crate) fn add(sums: &mut [f32], terms: &[f32]) {
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term;
        }
    }
}

widest! {
    /// Scales a vector to length 1; a vector of zeros stays as it is.
    pub(crate) fn normalise(vector: &mut [f32]) {
        let length = sum_of(vector, |x| x * x).sqrt();
        if length > 0.0 {
            for x in vector {
                *x /= length;
            }
        }
    }
}

widest! {
    /// Blocks of 34 bytes, a half-float scale and 32 signed bytes (GGUF's `Q8_0`), rounding to the
    /// nearest of 255 steps of each 32 values.
    pub(crate) fn quantise_q8_0(values: &[f32], bytes: &mut [u8]) {
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
                // The low byte of the rounded sum is the whole number in two's complement.
                *quant = x.mul_add(inverse, ROUND).to_bits().to_le_bytes()[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_the_library_within_its_bound() {
        for step in -8600..8700_i16 {
            let x = f32::from(step) / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "{error} at {x}");
        }
    }

    #[test]
    fn gelu_is_that_of_the_error_function_within_its_bound() {
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
    fn a_fold_takes_every_lane_once() {
        let lanes = std::array::from_fn(|i| 1_u32 << i);
        assert_eq!(folded(lanes, |a, b| a + b), 0xffff);
    }
}
