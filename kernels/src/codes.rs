//! Comparing a dense query with the codes of stored vectors.
//!
//! Each loop is plain Rust that the compiler vectorises once per instruction set, so the scalar
//! version is the same text. Integers are summed exactly and floats in one fixed order: every
//! version returns the same bits, which the tests check. Sums that cannot overflow are written as
//! wrapping sums, because a check per addition would prevent vectorisation.

/// Rows whose binary codes are interleaved, one per 64-bit lane.
pub const BLOCK: usize = 8;

/// Bits per coordinate of a query that is compared with binary codes.
pub const PLANES: usize = 4;

const LANES: usize = 16;

/// How many rows ahead of the current one the int8 codes are prefetched.
const ROWS_AHEAD: usize = 8;

/// How many blocks ahead of the current one the binary codes are prefetched.
const BLOCKS_AHEAD: usize = 8;

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// Prefetches `values[range]`. Searches are bound by memory latency, not by arithmetic.
#[inline]
pub fn prefetch<T>(values: &[T], range: std::ops::Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    for index in range.step_by((CACHE_LINE / size_of::<T>()).max(1)) {
        let address = values.as_ptr().wrapping_add(index).cast();
        #[expect(unsafe_code, reason = "the standard library has no safe prefetch")]
        // SAFETY: prefetching reads nothing and accepts any address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, range);
}

/// A query in the form that is compared with binary codes: its coordinates in `PLANES` bits of
/// two's complement, and the factors that turn a weighted bit count into a dot product.
#[derive(Clone, Debug)]
pub struct BitPlanes {
    /// `[word][plane]`.
    pub bits: Vec<[u64; PLANES]>,
    /// Twice the quantisation step of the coordinates.
    pub scale: f32,
    /// The quantisation step times the sum of the coordinates.
    pub offset: f32,
}

multiversion! {
    [popcount]
    /// An upper bound of the dot product with `query` for each row of the listed blocks.
    ///
    /// `codes` is `[block][word][lane]`. `corrections` and `error_bounds` hold one value per row of
    /// `codes`, and `out` one per row of `blocks`. A bound holds with the probability that
    /// `error_bounds` were computed for.
    pub fn upper_bounds(
        codes: &[u64],
        corrections: &[f32],
        error_bounds: &[f32],
        blocks: &[usize],
        query: &BitPlanes,
        out: &mut [f32],
    ) {
        let width = query.bits.len() * BLOCK;
        let corrections = corrections.as_chunks::<BLOCK>().0;
        let error_bounds = error_bounds.as_chunks::<BLOCK>().0;
        let mut ahead = blocks.iter().skip(BLOCKS_AHEAD);
        for (block, out) in blocks.iter().copied().zip(out.as_chunks_mut::<BLOCK>().0) {
            // The blocks need not be neighbours, so the hardware cannot predict the next one.
            if let Some(next) = ahead.next() {
                prefetch(codes, next * width..(next + 1) * width);
                prefetch(corrections, *next..next + 1);
                prefetch(error_bounds, *next..next + 1);
            }
            let code = codes.get(block * width..(block + 1) * width);
            if let (Some(code), Some(corrections), Some(error_bounds)) =
                (code, corrections.get(block), error_bounds.get(block))
            {
                *out = block_upper_bounds(code, corrections, error_bounds, query);
            }
        }
    }
}

/// The bounds of one block, `[word][lane]`.
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
#[inline(always)]
fn block_upper_bounds(
    block: &[u64],
    corrections: &[f32; BLOCK],
    error_bounds: &[f32; BLOCK],
    query: &BitPlanes,
) -> [f32; BLOCK] {
    let mut counts = [[0_u64; BLOCK]; PLANES];
    for (word, planes) in block.as_chunks::<BLOCK>().0.iter().zip(&query.bits) {
        for (count, plane) in counts.iter_mut().zip(planes) {
            for lane in 0..BLOCK {
                let ones = u64::from((word[lane] & plane).count_ones());
                count[lane] = count[lane].wrapping_add(ones);
            }
        }
    }
    let mut out = [0.0; BLOCK];
    for lane in 0..BLOCK {
        // The highest bit of two's complement is negative.
        let low = counts[0][lane].wrapping_add(counts[1][lane] << 1);
        let high = (counts[2][lane] << 2).wrapping_sub(counts[3][lane] << 3);
        let sum = low.wrapping_add(high).cast_signed();
        let dot = sum as f32 * query.scale - query.offset;
        out[lane] = dot * corrections[lane] + error_bounds[lane];
    }
    out
}

multiversion! {
    /// The largest value of each block of `BLOCK` values.
    pub fn block_maxima(values: &[f32], out: &mut [f32]) {
        for (values, out) in values.as_chunks::<BLOCK>().0.iter().zip(out) {
            let mut half = [0.0; BLOCK / 2];
            for i in 0..BLOCK / 2 {
                half[i] = if values[i] > values[i + 4] { values[i] } else { values[i + 4] };
            }
            let low = if half[0] > half[2] { half[0] } else { half[2] };
            let high = if half[1] > half[3] { half[1] } else { half[3] };
            *out = if low > high { low } else { high };
        }
    }
}

multiversion! {
    /// The exact integer dot products of `query` with the listed rows of `values`, each as long as
    /// `query`.
    pub fn dots_int8(values: &[i8], rows: &[usize], query: &[i16], out: &mut [i32]) {
        let width = query.len();
        let mut ahead = rows.iter().skip(ROWS_AHEAD);
        for (row, out) in rows.iter().zip(out) {
            if let Some(row) = ahead.next() {
                prefetch(values, row * width..(row + 1) * width);
            }
            let row = values.get(row * width..(row + 1) * width).unwrap_or_default();
            let mut sum = 0_i32;
            for (a, b) in row.iter().zip(query) {
                sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
            }
            *out = sum;
        }
    }
}

multiversion! {
    /// The exact integer dot product of two vectors.
    pub fn dot_int8(a: &[i8], b: &[i8]) -> i32 {
        let mut sum = 0_i32;
        for (a, b) in a.iter().zip(b) {
            sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
        }
        sum
    }
}

multiversion! {
    /// The dot product of each row of `rows` with `query`.
    pub fn dots(rows: &[f32], query: &[f32], out: &mut [f32]) {
        let (query_chunks, query_rest) = query.as_chunks::<LANES>();
        for (row, out) in rows.chunks_exact(query.len().max(1)).zip(out) {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut even = [0.0_f32; LANES];
            let mut odd = [0.0_f32; LANES];
            let mut pairs = chunks.chunks_exact(2).zip(query_chunks.chunks_exact(2));
            for (row, query) in &mut pairs {
                for i in 0..LANES {
                    even[i] += row[0][i] * query[0][i];
                    odd[i] += row[1][i] * query[1][i];
                }
            }
            if chunks.len() % 2 == 1
                && let (Some(row), Some(query)) = (chunks.last(), query_chunks.last())
            {
                for i in 0..LANES {
                    even[i] += row[i] * query[i];
                }
            }
            let mut sum = 0.0;
            for i in 0..LANES {
                sum += even[i] + odd[i];
            }
            *out = sum + rest.iter().zip(query_rest).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}

/// The dot product of two vectors; 0 if their lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    if a.len() == b.len() && !a.is_empty() {
        dots(a, b, &mut out);
    }
    out[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs every version of the function that this machine supports and returns what each wrote.
    macro_rules! every_version {
        ($name:ident($($arg:expr),*; $out:expr)) => {{
            let mut found = Vec::new();
            let mut out = $out;
            $name::plain($($arg,)* &mut out);
            found.push(out);
            #[cfg(target_arch = "x86_64")]
            {
                if crate::simd::has_avx2() {
                    let mut out = $out;
                    #[expect(unsafe_code, reason = "the instruction set was checked")]
                    // SAFETY: `has_avx2` holds.
                    unsafe { $name::at_256($($arg,)* &mut out) };
                    found.push(out);
                }
                if crate::simd::has_avx512_popcount() {
                    let mut out = $out;
                    #[expect(unsafe_code, reason = "the instruction set was checked")]
                    // SAFETY: `has_avx512_popcount` holds, which is the most that any version needs.
                    unsafe { $name::at_512($($arg,)* &mut out) };
                    found.push(out);
                }
            }
            found
        }};
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn every_version_returns_the_same_bits(
            words in 1_usize..9,
            blocks in 1_usize..5,
            seed in prop::collection::vec(any::<u64>(), 512),
            floats in prop::collection::vec(-1.0_f32..1.0, 800),
            bytes in prop::collection::vec(any::<i8>(), 800),
            width in 1_usize..200,
        ) {
            let rows = blocks * BLOCK;
            let planes = seed.as_chunks::<PLANES>().0.get(..words).unwrap().to_vec();
            let query = BitPlanes { bits: planes, scale: 0.03, offset: 0.4 };
            let codes: Vec<u64> = seed.iter().rev().copied().cycle().take(words * rows).collect();
            let (corrections, error_bounds) = (&floats[..rows], &floats[rows..2 * rows]);
            let all: Vec<usize> = (0..blocks).collect();
            let found = every_version!(
                upper_bounds(&codes, corrections, error_bounds, &all, &query; vec![0.0; rows])
            );
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }
            let reversed: Vec<usize> = (0..blocks).rev().collect();
            let again = every_version!(
                upper_bounds(&codes, corrections, error_bounds, &reversed, &query; vec![0.0; rows])
            );
            let expected: Vec<f32> = found[0].chunks(BLOCK).rev().flatten().copied().collect();
            for other in &again {
                prop_assert_eq!(bits(other), bits(&expected));
            }
            // The first row, counted bit by bit.
            let mut sum = 0_i64;
            for (word, planes) in codes.chunks_exact(BLOCK).zip(&query.bits) {
                for bit in (0..64).filter(|bit| word[0] >> bit & 1 == 1) {
                    let digit = |plane: usize| (planes[plane] >> bit & 1).cast_signed();
                    sum += digit(0) + 2 * digit(1) + 4 * digit(2) - 8 * digit(3);
                }
            }
            let expected = (sum as f32 * 0.03 - 0.4) * corrections[0] + error_bounds[0];
            prop_assert_eq!(found[0][0].to_bits(), expected.to_bits());

            let found = every_version!(block_maxima(&floats[..rows]; vec![0.0; blocks]));
            let largest = floats[..BLOCK].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            prop_assert_eq!(found[0][0].to_bits(), largest.to_bits());
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }

            let query: Vec<i16> = bytes[..width].iter().map(|b| i16::from(*b) * 16).collect();
            let listed: Vec<usize> = (0..800 / width).rev().collect();
            let found = every_version!(
                dots_int8(&bytes, &listed, &query; vec![0; listed.len()])
            );
            let last = &bytes[listed[0] * width..][..width];
            let expected: i32 = last.iter().zip(&query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            prop_assert_eq!(found[0][0], expected);
            for other in &found {
                prop_assert_eq!(other, &found[0]);
            }

            let found = every_version!(dots(&floats, &floats[..width]; vec![0.0; 800 / width]));
            let expected: f32 = floats[..width].iter().map(|x| x * x).sum();
            prop_assert!((found[0][0] - expected).abs() < 1e-3);
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }
        }
    }
}
