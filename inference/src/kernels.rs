//! The arithmetic that both models share, on plain slices of `f32`.
//!
//! Every loop runs at the widest vectors of the machine it finds itself on: `pulp` compiles it
//! once for each instruction set and chooses at run time. Sums keep sixteen partial sums, because
//! the compiler may not reorder a float sum by itself.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

const LANES: usize = 16;

/// Runs `work` compiled for the widest instruction set at hand.
#[inline]
fn widest<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    // INVARIANT: every element that the shape and strides reach lies inside `data`.
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// `rows` rows of `cols` neighbouring elements, `row_stride` apart.
    pub(crate) fn rows(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(reach(rows, cols, row_stride) <= data.len());
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }

    /// The same matrix turned over its diagonal.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

const fn reach(rows: usize, cols: usize, row_stride: usize) -> usize {
    match rows {
        0 => 0,
        _ => (rows - 1) * row_stride + cols,
    }
}

/// Where a product goes: rows `row_stride` apart in `data`.
pub(crate) struct Target<'a> {
    /// The elements.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Whether the product is added to what is there.
    pub add: bool,
}

/// `target (+)= scale · left · right` on one thread. Shapes `[m, k] · [k, n]`.
pub(crate) fn matmul(target: &mut Target<'_>, scale: f32, left: View<'_>, right: View<'_>) {
    assert!(left.cols == right.rows);
    assert!(reach(left.rows, right.cols, target.row_stride) <= target.data.len());
    assert!(right.cols <= target.row_stride || left.rows <= 1);
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; the shapes are checked above"
    )]
    // SAFETY: `View` guarantees that its elements lie in its slice, the assertions above that the
    // target's do and that its rows do not overlap, and the borrows that the target is not read
    // through a view.
    unsafe {
        multiply(
            target.data.as_mut_ptr(),
            target.row_stride,
            target.add,
            scale,
            left,
            right,
        );
    }
}

/// Columns of a shared target that only this caller writes.
pub(crate) struct Columns {
    start: *mut f32,
    row_stride: usize,
}

#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: the pointer is only used by `columns_product`, whose caller promises disjoint columns.
unsafe impl Send for Columns {}
#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
// SAFETY: as above.
unsafe impl Sync for Columns {}

impl Columns {
    pub(crate) fn of(data: &mut [f32], row_stride: usize) -> Self {
        Self {
            start: data.as_mut_ptr(),
            row_stride,
        }
    }
}

/// `target[.., first..first + n] = left · right`, where several threads fill one target.
///
/// # Safety
///
/// The target outlives the call and holds `left.rows` rows of at least `first + right.cols`
/// elements, and no other thread touches these columns.
#[expect(
    unsafe_code,
    reason = "threads write disjoint columns of one row-major matrix"
)]
pub(crate) unsafe fn columns_product(
    target: &Columns,
    first: usize,
    left: View<'_>,
    right: View<'_>,
) {
    assert!(left.cols == right.rows);
    // SAFETY: the caller promises that the columns are inside the target and nobody else's.
    unsafe {
        let start = target.start.add(first);
        multiply(start, target.row_stride, false, 1.0, left, right);
    }
}

#[expect(unsafe_code, reason = "gemm takes pointers")]
#[expect(
    clippy::cast_possible_wrap,
    reason = "a slice is at most isize::MAX bytes"
)]
unsafe fn multiply(
    target: *mut f32,
    row_stride: usize,
    add: bool,
    scale: f32,
    left: View<'_>,
    right: View<'_>,
) {
    // SAFETY: the callers promise that target, left and right are in bounds.
    unsafe {
        gemm::gemm(
            left.rows,
            right.cols,
            left.cols,
            target,
            1,
            row_stride as isize,
            add,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `e^x` with a relative error below 2e-7, without branches (Cephes' range reduction and a
/// Taylor polynomial of degree 6 on ±ln 2 / 2).
#[inline(always)]
#[expect(
    clippy::excessive_precision,
    reason = "the two halves of ln 2, exactly"
)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
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

/// The exact GELU, `x · Φ(x)`, in place.
pub(crate) fn gelu(values: &mut [f32]) {
    widest(|| {
        for x in values {
            *x = 0.5 * *x * (1.0 + erf(*x * FRAC_1_SQRT_2));
        }
    });
}

/// `gate · sigmoid(gate) · up` for each row `[gate | up]` of width `2 · inner` (`SwiGLU`).
pub(crate) fn gated_silu(rows: &[f32], inner: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.len() / 2];
    widest(|| {
        for (row, out) in rows
            .chunks_exact(2 * inner)
            .zip(out.chunks_exact_mut(inner))
        {
            let (gates, ups) = row.split_at(inner);
            for ((gate, up), out) in gates.iter().zip(ups).zip(out) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
    });
    out
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
    lanes.iter().sum::<f32>() + rest.iter().map(|x| term(*x)).sum::<f32>()
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
    lanes.into_iter().fold(tail, f32::max)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn softmax_row(row: &mut [f32]) {
    let top = largest(row);
    for x in row.iter_mut() {
        *x = exp(*x - top);
    }
    let share = 1.0 / sum_of(row, |x| x);
    for x in row {
        *x *= share;
    }
}

/// Softmax of each row of width `cols`, in place.
pub(crate) fn softmax(rows: &mut [f32], cols: usize) {
    widest(|| rows.chunks_exact_mut(cols).for_each(softmax_row));
}

/// Softmax of each row over its first `past + i + 1` elements; the rest become 0.
pub(crate) fn causal_softmax(rows: &mut [f32], cols: usize, past: usize) {
    widest(|| {
        for (i, row) in rows.chunks_exact_mut(cols).enumerate() {
            let (seen, unseen) = row.split_at_mut((past + i + 1).min(cols));
            softmax_row(seen);
            unseen.fill(0.0);
        }
    });
}

/// `log P` of `choice` under the softmax of `logits`.
pub(crate) fn log_probability(logits: &[f32], choice: usize) -> f32 {
    let total = widest(|| {
        let top = largest(logits);
        top + sum_of(logits, |x| exp(x - top)).ln()
    });
    logits.get(choice).map_or(f32::NEG_INFINITY, |x| x - total)
}

/// The place of the largest element, the first of equals.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let top = widest(|| largest(values));
    values.iter().position(|x| *x >= top).unwrap_or(0)
}

/// Layer normalisation of each row, in place: `(x − mean) / √(variance + epsilon) · gain + bias`.
pub(crate) fn layer_norm(rows: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
    let width = gain.len();
    widest(|| {
        for row in rows.chunks_exact_mut(width) {
            let mean = sum_of(row, |x| x) / width as f32;
            let variance = sum_of(row, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((x, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
                *x = ((*x - mean) * scale).mul_add(*gain, *bias);
            }
        }
    });
}

/// Root-mean-square normalisation of each row: `x / √(mean x² + epsilon) · gain`.
pub(crate) fn rms_norm(rows: &[f32], gain: &[f32], epsilon: f32) -> Vec<f32> {
    let width = gain.len();
    let mut out = vec![0.0; rows.len()];
    widest(|| {
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let scale = 1.0 / (sum_of(row, |x| x * x) / width as f32 + epsilon).sqrt();
            for ((x, gain), out) in row.iter().zip(gain).zip(out) {
                *out = x * scale * gain;
            }
        }
    });
    out
}

/// `sums += terms`.
pub(crate) fn add(sums: &mut [f32], terms: &[f32]) {
    widest(|| {
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term;
        }
    });
}

/// Scales a vector to length 1; a vector of zeros stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = widest(|| sum_of(vector, |x| x * x)).sqrt();
    if length > 0.0 {
        for x in vector {
            *x /= length;
        }
    }
}

/// `values[i] = scales[i / 32] · quants[i]` for blocks of 34 bytes: a half-float scale, 32 bytes
/// (GGUF's `Q8_0`).
pub(crate) fn dequantise_q8_0(blocks: &[u8], values: &mut [f32]) {
    let (blocks, _) = blocks.as_chunks::<34>();
    let (values, _) = values.as_chunks_mut::<32>();
    widest(|| {
        for (block, values) in blocks.iter().zip(values) {
            let (scale, quants) = block.split_at(2);
            let scale = half::f16::from_le_bytes([scale[0], scale[1]]).to_f32_const();
            for (value, quant) in values.iter_mut().zip(quants) {
                *value = scale * f32::from(quant.cast_signed());
            }
        }
    });
}

/// The reverse of [`dequantise_q8_0`], rounding to the nearest of 255 steps of each 32 values.
pub(crate) fn quantise_q8_0(values: &[f32]) -> Vec<u8> {
    const ROUND: f32 = 12_582_912.0;
    let (values, _) = values.as_chunks::<32>();
    let mut bytes = vec![0_u8; values.len() * 34];
    let (blocks, _) = bytes.as_chunks_mut::<34>();
    widest(|| {
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
    });
    bytes
}
