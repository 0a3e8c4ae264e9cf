//! The kernel for AVX2, eight lanes at a time.

use super::input::Eights;
use super::{BLOCK, Format, LANES, Panel};
use crate::kernels::product::Place;
use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_si128, _mm256_abs_epi8, _mm256_add_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_xor_si256,
};
use std::ops::Range;

const HALF: usize = LANES / 2;

/// See [`super::Tiles::add_panels`].
///
/// # Safety
///
/// The machine has AVX2, FMA and F16C; `target` has room for these rows, `panel.lanes` elements
/// each.
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
pub(super) unsafe fn add(panel: Panel<'_>, input: &Eights, rows: Range<usize>, target: Place) {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        match panel.format {
            Format::Q8_0 => add_format::<Q8_0>(panel, input, rows, target),
        }
    }
}

/// [`Format::Q8_0`] where a constant is wanted.
const Q8_0: u8 = 0;

#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_format<const FORMAT: u8>(
    panel: Panel<'_>,
    input: &Eights,
    rows: Range<usize>,
    target: Place,
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
    input: &Eights,
    first: usize,
    target: Place,
) {
    // SAFETY: the caller's promise; a second half without lanes is masked out.
    unsafe {
        add_half::<FORMAT, ROWS>(panel, input, first, target, 0);
        add_half::<FORMAT, ROWS>(panel, input, first, target, 1);
    }
}

/// Eight lanes of `ROWS` rows from `first` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
unsafe fn add_half<const FORMAT: u8, const ROWS: usize>(
    panel: Panel<'_>,
    input: &Eights,
    first: usize,
    target: Place,
    half: usize,
) {
    let from = input.from(first);
    let (quants, scales) = (from.quants.as_ptr(), from.scales.as_ptr());
    let (blocks, width) = (panel.blocks, panel.blocks * BLOCK);
    debug_assert!(from.quants.len() >= ROWS * width);
    let mask = lanes(panel.lanes.saturating_sub(half * HALF));
    // SAFETY: `from` reaches to the last of these rows, `panel` holds `blocks` blocks, and the
    // caller promises the target's lanes, which are all that the mask lets through.
    unsafe {
        let place = |row: usize| target.row(row).wrapping_add(half * HALF);
        let mut sums = [_mm256_setzero_ps(); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_maskload_ps(place(row), mask);
        }
        for block in 0..blocks {
            let mut dots = [_mm256_setzero_si256(); ROWS];
            for four in 0..BLOCK / 4 {
                let weights = weights::<FORMAT>(panel.quants(), block, four, half);
                for (row, dot) in dots.iter_mut().enumerate() {
                    let values = quants.add(row * width + block * BLOCK + four * 4);
                    let values = _mm256_set1_epi32(values.cast::<i32>().read_unaligned());
                    *dot = _mm256_add_epi32(*dot, products(weights, values));
                }
            }
            let scale = scale::<FORMAT>(panel.scales(), block, half);
            for (row, (sum, dot)) in sums.iter_mut().zip(dots).enumerate() {
                let scale = _mm256_mul_ps(scale, _mm256_set1_ps(*scales.add(row * blocks + block)));
                *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, *sum);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm256_maskstore_ps(place(row), mask, *sum);
        }
    }
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
    let start = quants.wrapping_add(block * LANES * BLOCK + four * 64 + half * 32);
    // SAFETY: a block has eight times two vectors.
    let stored = unsafe { _mm256_loadu_si256(start.cast()) };
    _mm256_xor_si256(stored, _mm256_set1_epi8(i8::MIN))
}

/// The sums of each four products of signed bytes; values are never −128, so that no pair of
/// products leaves 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn products(weights: __m256i, values: __m256i) -> __m256i {
    let signed = _mm256_sign_epi8(values, weights);
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), signed);
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// Eight scales of a block.
#[inline]
#[target_feature(enable = "avx2,f16c")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn scale<const FORMAT: u8>(scales: *const u8, block: usize, half: usize) -> __m256 {
    let start = scales.wrapping_add((block * LANES + half * HALF) * 2);
    // SAFETY: a block has sixteen half floats.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(start.cast()) })
}

/// A mask of the first `count` of eight lanes.
fn lanes(count: usize) -> __m256i {
    const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let start = HALF - count.min(HALF);
    #[expect(unsafe_code, reason = "vector loads take pointers")]
    // SAFETY: `start` is at most 8, and eight values follow it; AVX2 is the callers' promise.
    unsafe {
        _mm256_loadu_si256(MASKS.as_ptr().add(start).cast())
    }
}
