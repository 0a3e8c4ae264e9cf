//! The kernel for AVX2, eight lanes at a time.

use super::activations::ActivationsQ8;
use super::{BLOCK, BlockFormat, LANES, Panel, Q4_0, Q4_1, Q4K, Q6K, Q8_0, SUPERBLOCK, for_format};
use crate::matmul::OutputCursor;
use std::arch::x86_64::{
    __m256, __m256i, _mm_loadl_epi64, _mm_loadu_si128, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32,
    _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_sign_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_sub_epi8, _mm256_sub_ps,
    _mm256_xor_si256,
};
use std::ops::Range;

const HALF: usize = LANES / 2;

/// See [`super::PackedWeights::add_panels`].
///
/// # Safety
///
/// The machine has AVX2, FMA and F16C. `target` has these rows, with `panel.lanes` elements each.
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

#[target_feature(enable = "avx2,fma,f16c")]
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
        while rows.end - row >= 4 {
            add_rows::<FORMAT, 4>(panel, input, row, target.below(index));
            (row, index) = (row + 4, index + 4);
        }
        while row < rows.end {
            add_rows::<FORMAT, 1>(panel, input, row, target.below(index));
            (row, index) = (row + 1, index + 1);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_rows<const FORMAT: u8, const ROWS: usize>(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    first: usize,
    target: OutputCursor,
) {
    // SAFETY: the caller's promise; a second half without lanes is masked out.
    unsafe {
        add_half::<FORMAT, ROWS>(panel, input, first, target, 0);
        add_half::<FORMAT, ROWS>(panel, input, first, target, 1);
    }
}

/// Eight lanes of `ROWS` rows, from row `first` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_half<const FORMAT: u8, const ROWS: usize>(
    panel: Panel<'_>,
    input: &ActivationsQ8,
    first: usize,
    target: OutputCursor,
    half: usize,
) {
    let activations = input.rows_from(first);
    let quants = activations.quants.as_ptr();
    let (blocks, width) = (panel.blocks, panel.blocks * BLOCK);
    debug_assert!(activations.quants.len() >= ROWS * width);
    let mask = lane_mask(panel.lanes.saturating_sub(half * HALF));
    // SAFETY: `activations` reaches to the last of these rows, `panel` holds `blocks` blocks, and the
    // caller promises the lanes of the target, which are all that the mask selects.
    unsafe {
        let output = |row: usize| target.row(row).wrapping_add(half * HALF);
        let mut sums = [_mm256_setzero_ps(); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_maskload_ps(output(row), mask);
        }
        for block in 0..blocks {
            let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
            for four in 0..BLOCK / 4 {
                let weights = weights::<FORMAT>(panel.quants(), block, four, half);
                for (row, dots) in dots.iter_mut().enumerate() {
                    let values = quants.add(row * width + block * BLOCK + four * 4);
                    let values = _mm256_set1_epi32(values.cast::<i32>().read_unaligned());
                    let dot = &mut dots[four / 4];
                    *dot = _mm256_add_epi32(*dot, products(weights, values));
                }
            }
            let scales = scales::<FORMAT>(&panel, block, half);
            for (row, (sum, dots)) in sums.iter_mut().zip(dots).enumerate() {
                let at = row * blocks + block;
                let scale = _mm256_set1_ps(*activations.scales.as_ptr().add(at));
                if FORMAT == Q6K {
                    *sum = add_scaled(dots[0], _mm256_mul_ps(scales[0], scale), *sum);
                    *sum = add_scaled(dots[1], _mm256_mul_ps(scales[1], scale), *sum);
                } else {
                    let dot = _mm256_add_epi32(dots[0], dots[1]);
                    *sum = add_scaled(dot, _mm256_mul_ps(scales[0], scale), *sum);
                }
                if FORMAT == Q4_1 || FORMAT == Q4K {
                    let total = _mm256_set1_ps(*activations.value_sums.as_ptr().add(at));
                    *sum = _mm256_fmadd_ps(scales[1], total, *sum);
                }
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm256_maskstore_ps(output(row), mask, *sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_scaled(dot: __m256i, scale: __m256, sum: __m256) -> __m256 {
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, sum)
}

/// Eight lanes of four inputs of a block, as signed bytes.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn weights<const FORMAT: u8>(
    quants: *const u8,
    block: usize,
    four: usize,
    half: usize,
) -> __m256i {
    // SAFETY: the loads below stay inside the block, in the layout of `BlockFormat`.
    let load = |lines: usize, line: usize| unsafe {
        let start = quants.wrapping_add((block * lines + line) * 64 + half * 32);
        _mm256_loadu_si256(start.cast())
    };
    if FORMAT == Q8_0 {
        return _mm256_xor_si256(load(8, four), _mm256_set1_epi8(i8::MIN));
    }
    let both = load(if FORMAT == Q6K { 6 } else { 4 }, four % 4);
    let shifted = if four < 4 {
        both
    } else {
        _mm256_srli_epi16::<4>(both)
    };
    let nibbles = _mm256_and_si256(shifted, _mm256_set1_epi8(15));
    match FORMAT {
        Q4_0 => _mm256_sub_epi8(nibbles, _mm256_set1_epi8(8)),
        Q6K => {
            let bits = load(6, 4 + four / 4);
            let shifted = match four % 4 {
                0 => _mm256_slli_epi16::<4>(bits),
                1 => _mm256_slli_epi16::<2>(bits),
                2 => bits,
                _ => _mm256_srli_epi16::<2>(bits),
            };
            let high = _mm256_and_si256(shifted, _mm256_set1_epi8(0x30));
            _mm256_sub_epi8(_mm256_or_si256(nibbles, high), _mm256_set1_epi8(32))
        }
        _ => nibbles,
    }
}

/// The sums of four products of signed bytes each. Values are never −128, so that no pair of products
/// exceeds 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn products(weights: __m256i, values: __m256i) -> __m256i {
    let signed = _mm256_sign_epi8(values, weights);
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), signed);
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// Eight scales of a block, and its minima or the scales of its second half.
#[inline]
#[target_feature(enable = "avx2,f16c")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn scales<const FORMAT: u8>(panel: &Panel<'_>, block: usize, half: usize) -> [__m256; 2] {
    let zero = _mm256_setzero_ps();
    let lane = half * HALF;
    let halves = |from: *const u8, kind: usize| {
        let start = from.wrapping_add((kind * LANES + lane) * 2);
        // SAFETY: the loads stay inside the panel's scales, in the layout of `BlockFormat`.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(start.cast()) })
    };
    let own = panel
        .scales()
        .wrapping_add(block * panel.format.scale_bytes());
    let shared = panel
        .superblock_scales()
        .wrapping_add(block / SUPERBLOCK * panel.format.superblock_scale_bytes());
    let bytes = |kind: usize| {
        let start = own.wrapping_add(kind * LANES + lane);
        // SAFETY: as above.
        unsafe { _mm_loadl_epi64(start.cast()) }
    };
    match FORMAT {
        Q4_1 => [halves(own, 0), halves(own, 1)],
        Q4K => {
            let parts = [0, 1].map(|part| {
                let small = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes(part)));
                _mm256_mul_ps(halves(shared, part), small)
            });
            [parts[0], _mm256_sub_ps(zero, parts[1])]
        }
        Q6K => [0, 1].map(|part| {
            let small = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes(part)));
            _mm256_mul_ps(halves(shared, 0), small)
        }),
        _ => [halves(own, 0), zero],
    }
}

/// A mask of the first `count` of eight lanes.
fn lane_mask(count: usize) -> __m256i {
    const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let start = HALF - count.min(HALF);
    #[expect(unsafe_code, reason = "vector loads take pointers")]
    // SAFETY: `start` is at most 8, and eight values follow it. The callers promise AVX2.
    unsafe {
        _mm256_loadu_si256(MASKS.as_ptr().add(start).cast())
    }
}
