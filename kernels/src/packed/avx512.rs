//! The kernel for AVX-512 with VNNI.

use super::activations::ActivationsQ8;
use super::{BLOCK, BlockFormat, LANES, Panel, Q4_0, Q4_1, Q4K, Q6K, Q8_0, SUPERBLOCK, for_format};
use crate::float::ROUND;
use crate::matmul::OutputCursor;
use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128,
    _mm256_loadu_si256, _mm512_abs_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtph_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi16, _mm512_slli_epi32,
    _mm512_srli_epi16, _mm512_sub_epi32, _mm512_sub_ps, _mm512_ternarylogic_epi32,
};
use std::ops::Range;

/// How many bytes ahead the weights are prefetched.
const PREFETCH_DISTANCE: usize = 12 * 1024;

/// See [`super::PackedWeights::add_panels`].
///
/// # Safety
///
/// The machine has AVX-512 F, BW, DQ, VL and VNNI. `target` has these rows, with `panel.lanes`
/// elements each.
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
pub(super) unsafe fn add(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    rows: Range<usize>,
    target: OutputCursor,
) {
    // SAFETY: the caller's promise, passed on.
    unsafe { for_format!(panel.format, add_format(panel, input, rows, target)) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma,avx2")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_format<const FORMAT: u8>(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    rows: Range<usize>,
    target: OutputCursor,
) {
    let (mut row, mut index) = (rows.start, 0);
    // SAFETY: the steps stay inside `rows`, and the rest is the caller's promise.
    unsafe {
        while rows.end - row >= 8 {
            add_rows::<FORMAT, 8>(panel, input, row, target.below(index), index == 0);
            (row, index) = (row + 8, index + 8);
        }
        match rows.end - row {
            1 => add_rows::<FORMAT, 1>(panel, input, row, target.below(index), index == 0),
            2 => add_rows::<FORMAT, 2>(panel, input, row, target.below(index), index == 0),
            3 => add_rows::<FORMAT, 3>(panel, input, row, target.below(index), index == 0),
            4 => add_rows::<FORMAT, 4>(panel, input, row, target.below(index), index == 0),
            5 => add_rows::<FORMAT, 5>(panel, input, row, target.below(index), index == 0),
            6 => add_rows::<FORMAT, 6>(panel, input, row, target.below(index), index == 0),
            7 => add_rows::<FORMAT, 7>(panel, input, row, target.below(index), index == 0),
            _ => {}
        }
    }
}

/// `ROWS` rows, from row `first` on, with their sums in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma,avx2")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_rows<const FORMAT: u8, const ROWS: usize>(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    first: usize,
    target: OutputCursor,
    prefetch: bool,
) {
    let activations = input.rows_from(first);
    let (blocks, width) = (panel.blocks, panel.blocks * BLOCK);
    debug_assert!(activations.quants.len() >= ROWS * width);
    let mask = u16::MAX >> (LANES - panel.lanes);
    // SAFETY: `activations` reaches to the last of these rows, `panel` holds `blocks` blocks, and the
    // caller promises the target.
    unsafe {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm512_maskz_loadu_ps(mask, target.row(row));
        }
        for block in 0..blocks {
            if prefetch {
                prefetch_block::<FORMAT>(&panel, block);
            }
            let weights = weights::<FORMAT>(panel.quants(), block);
            let scales = scales::<FORMAT>(&panel, block);
            for (row, sum) in sums.iter_mut().enumerate() {
                let at = row * blocks + block;
                let values = activations.quants.as_ptr().add(row * width + block * BLOCK);
                let scale = _mm512_set1_ps(*activations.scales.as_ptr().add(at));
                if FORMAT == Q6K {
                    let [first, second] = *activations.negated_half_sums.as_ptr().add(at);
                    let dot = dot(cancel_offset::<FORMAT>(first), &weights[..4], values);
                    *sum = add_scaled(dot, _mm512_mul_ps(scales[0], scale), *sum);
                    let values = values.add(BLOCK / 2);
                    let dot = self::dot(cancel_offset::<FORMAT>(second), &weights[4..], values);
                    *sum = add_scaled(dot, _mm512_mul_ps(scales[1], scale), *sum);
                } else {
                    let negated_sum = *activations.negated_sums.as_ptr().add(at);
                    let dot = dot(cancel_offset::<FORMAT>(negated_sum), &weights, values);
                    *sum = add_scaled(dot, _mm512_mul_ps(scales[0], scale), *sum);
                }
                if FORMAT == Q4_1 || FORMAT == Q4K {
                    let total = _mm512_set1_ps(*activations.value_sums.as_ptr().add(at));
                    *sum = _mm512_fmadd_ps(scales[1], total, *sum);
                }
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm512_mask_storeu_ps(target.row(row), mask, *sum);
        }
    }
}

/// Prefetches the weights of a later block. The first rows that read a panel are memory-bound, and the
/// hardware prefetcher stops at the end of each panel and each page.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch_block<const FORMAT: u8>(panel: &Panel<'_>, block: usize) {
    let lines = match FORMAT {
        Q8_0 => 8,
        Q6K => 6,
        _ => 4,
    };
    let quants = panel
        .quants()
        .wrapping_add(block * lines * 64 + PREFETCH_DISTANCE);
    for line in 0..lines {
        _mm_prefetch::<_MM_HINT_T0>(quants.wrapping_add(line * 64).cast());
    }
    let scales = if FORMAT == Q4_1 { 64 } else { 32 };
    let scales = panel
        .scales()
        .wrapping_add(block * scales + PREFETCH_DISTANCE / 4);
    _mm_prefetch::<_MM_HINT_T0>(scales.cast());
}

/// Adds to `dot` the products of groups of four inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
#[expect(
    clippy::cast_ptr_alignment,
    reason = "the pointer is only read unaligned"
)]
unsafe fn dot(mut dot: __m512i, weights: &[__m512i], values: *const i8) -> __m512i {
    for (four, weights) in weights.iter().enumerate() {
        // SAFETY: the caller passes as many values as weights.
        let values = unsafe { values.cast::<i32>().add(four).read_unaligned() };
        dot = _mm512_dpbusd_epi32(dot, *weights, _mm512_set1_epi32(values));
    }
    dot
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_scaled(dot: __m512i, scale: __m512, sum: __m512) -> __m512 {
    _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, sum)
}

/// The sixteen lanes of each group of four inputs of a block, as stored.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn weights<const FORMAT: u8>(quants: *const u8, block: usize) -> [__m512i; 8] {
    let mut weights = [_mm512_setzero_si512(); 8];
    // SAFETY: the loads below stay inside the block, and panels are aligned to cache lines.
    let load =
        |from: *const u8, line: usize| unsafe { _mm512_load_si512(from.add(line * 64).cast()) };
    if FORMAT == Q8_0 {
        let start = quants.wrapping_add(block * LANES * BLOCK);
        for (four, weights) in weights.iter_mut().enumerate() {
            *weights = load(start, four);
        }
        return weights;
    }
    let lines = if FORMAT == Q6K { 6 } else { 4 };
    let start = quants.wrapping_add(block * lines * 64);
    let low = _mm512_set1_epi8(15);
    for four in 0..4 {
        let both = load(start, four);
        weights[four] = _mm512_and_si512(both, low);
        weights[four + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
    }
    if FORMAT == Q6K {
        let high = _mm512_set1_epi8(0x30);
        for half in 0..2 {
            let bits = load(start, 4 + half);
            let shifted = [
                _mm512_slli_epi16::<4>(bits),
                _mm512_slli_epi16::<2>(bits),
                bits,
                _mm512_srli_epi16::<2>(bits),
            ];
            for (weights, bits) in weights[half * 4..].iter_mut().zip(shifted) {
                // (bits & high) | weights
                *weights = _mm512_ternarylogic_epi32::<0xea>(bits, high, *weights);
            }
        }
    }
    weights
}

/// The sixteen scales of a block, and its minima or the scales of its second half.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn scales<const FORMAT: u8>(panel: &Panel<'_>, block: usize) -> [__m512; 2] {
    let zero = _mm512_setzero_ps();
    // SAFETY: the loads below stay inside the panel's scales, in the layout of `BlockFormat`.
    let halves = |from: *const u8| _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(from.cast()) });
    // SAFETY: as above.
    let bytes = |from: *const u8| unsafe { _mm_loadu_si128(from.cast()) };
    let own_bytes = if FORMAT == Q4_1 { LANES * 4 } else { LANES * 2 };
    let shared_bytes = if FORMAT == Q4K { LANES * 4 } else { LANES * 2 };
    let own = panel.scales().wrapping_add(block * own_bytes);
    let shared = panel
        .superblock_scales()
        .wrapping_add(block / SUPERBLOCK * shared_bytes);
    match FORMAT {
        Q4_1 => [halves(own), halves(own.wrapping_add(LANES * 2))],
        Q4K => {
            let parts = [0, 1].map(|part| {
                let small = _mm512_cvtepu8_epi32(bytes(own.wrapping_add(part * LANES)));
                let large = halves(shared.wrapping_add(part * LANES * 2));
                _mm512_mul_ps(large, _mm512_cvtepi32_ps(small))
            });
            [parts[0], _mm512_sub_ps(zero, parts[1])]
        }
        Q6K => [0, 1].map(|part| {
            let small = _mm512_cvtepi8_epi32(bytes(own.wrapping_add(part * LANES)));
            _mm512_mul_ps(halves(shared), _mm512_cvtepi32_ps(small))
        }),
        _ => [halves(own), zero],
    }
}

/// The start of a block's sum that cancels the offset of the stored weights.
#[inline]
#[target_feature(enable = "avx512f")]
fn cancel_offset<const FORMAT: u8>(negated_sum: i32) -> __m512i {
    match FORMAT {
        Q8_0 => _mm512_slli_epi32::<7>(_mm512_set1_epi32(negated_sum)),
        Q4_0 => _mm512_slli_epi32::<3>(_mm512_set1_epi32(negated_sum)),
        Q6K => _mm512_slli_epi32::<5>(_mm512_set1_epi32(negated_sum)),
        _ => _mm512_setzero_si512(),
    }
}

/// Quantises blocks to the fields of [`ActivationsQ8`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn quantize_blocks(
    rows: &[[f32; BLOCK]],
    quants: &mut [[i8; BLOCK]],
    scales: &mut [f32],
    negated_sums: &mut [i32],
    negated_half_sums: &mut [[i32; 2]],
    value_sums: &mut [f32],
) {
    let sums = negated_sums
        .iter_mut()
        .zip(negated_half_sums)
        .zip(value_sums);
    let facts = scales.iter_mut().zip(sums);
    for ((values, quants), (scale, ((negated_sum, negated_halves), value_sum))) in
        rows.iter().zip(quants).zip(facts)
    {
        #[expect(unsafe_code, reason = "vector loads take pointers")]
        // SAFETY: a block has two vectors of sixteen floats.
        let (low, high) = unsafe {
            let start = values.as_ptr();
            (_mm512_loadu_ps(start), _mm512_loadu_ps(start.add(LANES)))
        };
        let top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
        let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
        let (low, high) = (round_scaled(low, inverse), round_scaled(high, inverse));
        #[expect(unsafe_code, reason = "vector stores take pointers")]
        // SAFETY: a block has two vectors of sixteen bytes.
        unsafe {
            let start = quants.as_mut_ptr();
            _mm_storeu_si128(start.cast(), _mm512_cvtepi32_epi8(low));
            _mm_storeu_si128(start.add(LANES).cast(), _mm512_cvtepi32_epi8(high));
        }
        *negated_halves = [low, high].map(|half| -_mm512_reduce_add_epi32(half));
        *negated_sum = negated_halves[0] + negated_halves[1];
        *scale = top / 127.0;
        *value_sum = *scale * -*negated_sum as f32;
    }
}

/// `values · factor`, rounded to the nearest integers.
#[inline]
#[target_feature(enable = "avx512f")]
fn round_scaled(values: __m512, factor: f32) -> __m512i {
    let round = _mm512_set1_ps(ROUND);
    let shifted = _mm512_fmadd_ps(values, _mm512_set1_ps(factor), round);
    _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(round))
}
