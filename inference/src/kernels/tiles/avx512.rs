//! The kernel for AVX-512 with VNNI.

use super::input::Eights;
use super::{BLOCK, Format, LANES, Panel};
use crate::kernels::ROUND;
use crate::kernels::product::Place;
use std::arch::x86_64::{
    __m512, __m512i, _mm_storeu_si128, _mm256_loadu_si256, _mm512_abs_ps, _mm512_add_epi32,
    _mm512_castps_si512, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtph_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_sub_epi32,
};
use std::ops::Range;

/// See [`super::Tiles::add_panels`].
///
/// # Safety
///
/// The machine has AVX-512 F, BW, DQ, VL and VNNI; `target` has room for these rows,
/// `panel.lanes` elements each.
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

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma,avx2")]
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
        while rows.end - row >= 8 {
            add_rows::<FORMAT, 8>(panel, input, row, target.below(index));
            (row, index) = (row + 8, index + 8);
        }
        match rows.end - row {
            1 => add_rows::<FORMAT, 1>(panel, input, row, target.below(index)),
            2 => add_rows::<FORMAT, 2>(panel, input, row, target.below(index)),
            3 => add_rows::<FORMAT, 3>(panel, input, row, target.below(index)),
            4 => add_rows::<FORMAT, 4>(panel, input, row, target.below(index)),
            5 => add_rows::<FORMAT, 5>(panel, input, row, target.below(index)),
            6 => add_rows::<FORMAT, 6>(panel, input, row, target.below(index)),
            7 => add_rows::<FORMAT, 7>(panel, input, row, target.below(index)),
            _ => {}
        }
    }
}

/// `ROWS` rows from `first` on, with their sums in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma,avx2")]
#[expect(unsafe_code, reason = "vector loads and stores take pointers")]
#[expect(
    clippy::cast_ptr_alignment,
    reason = "the pointer is only read unaligned"
)]
unsafe fn add_rows<const FORMAT: u8, const ROWS: usize>(
    panel: Panel<'_>,
    input: &Eights,
    first: usize,
    target: Place,
) {
    let from = input.from(first);
    let (quants, scales, debts) = (
        from.quants.as_ptr(),
        from.scales.as_ptr(),
        from.debts.as_ptr(),
    );
    let (blocks, width) = (panel.blocks, panel.blocks * BLOCK);
    debug_assert!(from.quants.len() >= ROWS * width);
    let mask = u16::MAX >> (LANES - panel.lanes);
    // SAFETY: `from` reaches to the last of these rows, `panel` holds `blocks` blocks, and the
    // caller promises the target.
    unsafe {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm512_maskz_loadu_ps(mask, target.row(row));
        }
        for block in 0..blocks {
            let weights = weights::<FORMAT>(panel.quants(), block);
            let scale = scale::<FORMAT>(panel.scales(), block);
            for (row, sum) in sums.iter_mut().enumerate() {
                let at = row * blocks + block;
                let values = quants.add(row * width + block * BLOCK).cast::<i32>();
                let mut dot = raised::<FORMAT>(*debts.add(at));
                for (four, weights) in weights.iter().enumerate() {
                    let values = _mm512_set1_epi32(values.add(four).read_unaligned());
                    dot = _mm512_dpbusd_epi32(dot, *weights, values);
                }
                let scale = _mm512_mul_ps(scale, _mm512_set1_ps(*scales.add(at)));
                *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, *sum);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            _mm512_mask_storeu_ps(target.row(row), mask, *sum);
        }
    }
}

/// The sixteen lanes of each four inputs of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn weights<const FORMAT: u8>(quants: *const u8, block: usize) -> [__m512i; 8] {
    let mut weights = [_mm512_setzero_si512(); 8];
    let start = quants.wrapping_add(block * LANES * BLOCK);
    for (four, weights) in weights.iter_mut().enumerate() {
        // SAFETY: a block has eight vectors, and panels begin at a cache line.
        *weights = unsafe { _mm512_load_si512(start.add(four * 64).cast()) };
    }
    weights
}

/// The sixteen scales of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
#[expect(unsafe_code, reason = "vector loads take pointers")]
unsafe fn scale<const FORMAT: u8>(scales: *const u8, block: usize) -> __m512 {
    let start = scales.wrapping_add(block * LANES * 2);
    // SAFETY: a block has sixteen half floats.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(start.cast()) })
}

/// What a block's sum starts from, so that weights stored too large count as what they are.
#[inline]
#[target_feature(enable = "avx512f")]
fn raised<const FORMAT: u8>(debt: i32) -> __m512i {
    _mm512_slli_epi32::<7>(_mm512_set1_epi32(debt))
}

/// Rounds blocks as [`Eights`] keeps them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn round(
    rows: &[[f32; BLOCK]],
    quants: &mut [[i8; BLOCK]],
    scales: &mut [f32],
    debts: &mut [i32],
) {
    let facts = scales.iter_mut().zip(debts);
    for ((values, quants), (scale, debt)) in rows.iter().zip(quants).zip(facts) {
        #[expect(unsafe_code, reason = "vector loads take pointers")]
        // SAFETY: a block has two vectors of sixteen floats.
        let (low, high) = unsafe {
            let start = values.as_ptr();
            (_mm512_loadu_ps(start), _mm512_loadu_ps(start.add(LANES)))
        };
        let top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
        let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
        let (low, high) = (whole(low, inverse), whole(high, inverse));
        #[expect(unsafe_code, reason = "vector stores take pointers")]
        // SAFETY: a block has two vectors of sixteen bytes.
        unsafe {
            let start = quants.as_mut_ptr();
            _mm_storeu_si128(start.cast(), _mm512_cvtepi32_epi8(low));
            _mm_storeu_si128(start.add(LANES).cast(), _mm512_cvtepi32_epi8(high));
        }
        let total = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
        *scale = top / 127.0;
        *debt = -total;
    }
}

/// `values · factor`, rounded to the nearest whole numbers.
#[inline]
#[target_feature(enable = "avx512f")]
fn whole(values: __m512, factor: f32) -> __m512i {
    let round = _mm512_set1_ps(ROUND);
    let shifted = _mm512_fmadd_ps(values, _mm512_set1_ps(factor), round);
    _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(round))
}
