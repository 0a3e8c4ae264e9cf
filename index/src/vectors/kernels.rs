//! The inner loops of the arm of meaning, at the widest vectors of the machine they run on.
//!
//! Each is plain Rust that the compiler turns into vector instructions once for each instruction
//! set, so the scalar twin is the same text. Whole numbers are summed exactly and floats in one
//! fixed order: every twin returns the same bits, which the tests check. Sums that cannot overflow are
//! written as wrapping ones, because a check for each addition would keep them out of vectors.

/// Rows whose codes lie side by side, one to a 64-bit lane.
pub(crate) const BLOCK: usize = 8;

/// Bits of a question's coordinates.
pub(crate) const PLANES: usize = 4;

const LANES: usize = 16;

/// Compiles a function for each instruction set worth having and calls the widest at run time.
/// Whatever the body calls must be `#[inline(always)]`; what it and the arguments name of this module
/// is listed first.
macro_rules! widest {
    (
        $(use $used:tt;)?
        $(#[$doc:meta])*
        fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $body:block
    ) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            {
                if has_512() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: `has_512` found every feature that `at_512` is compiled for.
                    return unsafe { $name::at_512($($arg),*) };
                }
                if has_256() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: `has_256` found every feature that `at_256` is compiled for.
                    return unsafe { $name::at_256($($arg),*) };
                }
            }
            $name::plain($($arg),*);
        }

        mod $name {
            $(use super::$used;)?

            #[inline(always)]
            pub(super) fn plain($($arg: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(
                enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,fma,popcnt"
            )]
            pub(super) fn at_512($($arg: $kind),*) {
                plain($($arg),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,popcnt")]
            pub(super) fn at_256($($arg: $kind),*) {
                plain($($arg),*);
            }
        }
    };
}

/// Rows of eight-bit codes that are fetched ahead of the one that is compared.
const ROWS_AHEAD: usize = 8;

/// Blocks of binary codes that are fetched ahead of the one that is compared.
const BLOCKS_AHEAD: usize = 8;

/// Bytes of a line of the processor's cache.
const LINE: usize = 64;

/// Asks the memory for `values[range]`, so that it is there once it is read. The scan is bound by how
/// soon memory answers, not by what is computed.
#[inline]
fn fetch<T>(values: &[T], range: std::ops::Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    for place in range.step_by((LINE / size_of::<T>()).max(1)) {
        let address = values.as_ptr().wrapping_add(place).cast();
        #[expect(
            unsafe_code,
            reason = "the standard library has no safe way to fetch ahead"
        )]
        // SAFETY: fetching reads nothing and may be given any address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, range);
}

#[cfg(target_arch = "x86_64")]
fn has_512() -> bool {
    has_256()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

#[cfg(target_arch = "x86_64")]
fn has_256() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("popcnt")
}

/// A question against binary codes: its bits, `PLANES` of each word, and what turns a weighted
/// count into a dot product.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    /// `[word][plane]`.
    pub bits: Vec<[u64; PLANES]>,
    /// Twice the step of the question's coordinates.
    pub scale: f32,
    /// The step times the sum of the coordinates.
    pub offset: f32,
}

widest! {
    use {BLOCK, BLOCKS_AHEAD, Planes, bounds_of_block, fetch};
    /// An upper bound of each row's dot product with the question, for the rows of the named blocks.
    ///
    /// `codes` is `[block][word][lane]`; `reach` and `margin` are one for each of its rows, and `out`
    /// one for each row of `blocks`. The bound holds with the probability that the margins were made
    /// for.
    fn upper_bounds(
        codes: &[u64],
        reach: &[f32],
        margin: &[f32],
        blocks: &[usize],
        question: &Planes,
        out: &mut [f32],
    ) {
        let width = question.bits.len() * BLOCK;
        let (reach, margin) = (reach.as_chunks::<BLOCK>().0, margin.as_chunks::<BLOCK>().0);
        let mut ahead = blocks.iter().skip(BLOCKS_AHEAD);
        for (block, out) in blocks.iter().copied().zip(out.as_chunks_mut::<BLOCK>().0) {
            // What is next need not be what lies behind.
            if let Some(next) = ahead.next() {
                fetch(codes, next * width..(next + 1) * width);
                fetch(reach, *next..next + 1);
                fetch(margin, *next..next + 1);
            }
            let code = codes.get(block * width..(block + 1) * width);
            if let (Some(code), Some(reach), Some(margin)) = (code, reach.get(block), margin.get(block)) {
                *out = bounds_of_block(code, reach, margin, question);
            }
        }
    }
}

/// The bounds of one block, `[word][lane]`.
#[expect(
    clippy::inline_always,
    reason = "it takes the instruction set of the function that it is written into"
)]
#[inline(always)]
fn bounds_of_block(
    block: &[u64],
    reach: &[f32; BLOCK],
    margin: &[f32; BLOCK],
    question: &Planes,
) -> [f32; BLOCK] {
    let mut counts = [[0_u64; BLOCK]; PLANES];
    for (word, planes) in block.as_chunks::<BLOCK>().0.iter().zip(&question.bits) {
        for (count, plane) in counts.iter_mut().zip(planes) {
            for lane in 0..BLOCK {
                let ones = u64::from((word[lane] & plane).count_ones());
                count[lane] = count[lane].wrapping_add(ones);
            }
        }
    }
    let mut out = [0.0; BLOCK];
    for lane in 0..BLOCK {
        // The highest bit of two's complement counts against the others.
        let low = counts[0][lane].wrapping_add(counts[1][lane] << 1);
        let high = (counts[2][lane] << 2).wrapping_sub(counts[3][lane] << 3);
        let sum = low.wrapping_add(high).cast_signed();
        let dot = sum as f32 * question.scale - question.offset;
        out[lane] = dot * reach[lane] + margin[lane];
    }
    out
}

widest! {
    use {BLOCK};
    /// The largest of each block's `BLOCK` values.
    fn block_maxima(values: &[f32], out: &mut [f32]) {
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

widest! {
    use {ROWS_AHEAD, fetch};
    /// The dot products of the named rows of `values`, each as long as `question`, in whole numbers.
    fn dots_int8(values: &[i8], rows: &[usize], question: &[i16], out: &mut [i32]) {
        let width = question.len();
        let mut ahead = rows.iter().skip(ROWS_AHEAD);
        for (row, out) in rows.iter().zip(out) {
            if let Some(row) = ahead.next() {
                fetch(values, row * width..(row + 1) * width);
            }
            let start = row * question.len();
            let row = values.get(start..start + question.len()).unwrap_or_default();
            let mut sum = 0_i32;
            for (a, b) in row.iter().zip(question) {
                sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
            }
            *out = sum;
        }
    }
}

widest! {
    use {LANES};
    /// The dot product of each row of `rows` with `question`.
    fn dots(rows: &[f32], question: &[f32], out: &mut [f32]) {
        let (asked, asked_rest) = question.as_chunks::<LANES>();
        for (row, out) in rows.chunks_exact(question.len().max(1)).zip(out) {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut even = [0.0_f32; LANES];
            let mut odd = [0.0_f32; LANES];
            let mut pairs = chunks.chunks_exact(2).zip(asked.chunks_exact(2));
            for (row, asked) in &mut pairs {
                for i in 0..LANES {
                    even[i] += row[0][i] * asked[0][i];
                    odd[i] += row[1][i] * asked[1][i];
                }
            }
            if chunks.len() % 2 == 1
                && let (Some(row), Some(asked)) = (chunks.last(), asked.last())
            {
                for i in 0..LANES {
                    even[i] += row[i] * asked[i];
                }
            }
            let mut sum = 0.0;
            for i in 0..LANES {
                sum += even[i] + odd[i];
            }
            *out = sum + rest.iter().zip(asked_rest).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}

/// The dot product of two vectors; 0 where their lengths differ.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
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

    /// Calls the function at every width that this machine has and returns what each wrote.
    macro_rules! every_width {
        ($name:ident($($arg:expr),*; $out:expr)) => {{
            let mut found = Vec::new();
            let mut out = $out;
            $name::plain($($arg,)* &mut out);
            found.push(out);
            #[cfg(target_arch = "x86_64")]
            {
                if has_256() {
                    let mut out = $out;
                    #[expect(unsafe_code, reason = "the machine was asked")]
                    // SAFETY: `has_256` holds.
                    unsafe { $name::at_256($($arg,)* &mut out) };
                    found.push(out);
                }
                if has_512() {
                    let mut out = $out;
                    #[expect(unsafe_code, reason = "the machine was asked")]
                    // SAFETY: `has_512` holds.
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
        fn every_width_returns_the_same_bits(
            words in 1_usize..9,
            blocks in 1_usize..5,
            seed in prop::collection::vec(any::<u64>(), 512),
            floats in prop::collection::vec(-1.0_f32..1.0, 800),
            bytes in prop::collection::vec(any::<i8>(), 800),
            width in 1_usize..200,
        ) {
            let rows = blocks * BLOCK;
            let planes = seed.as_chunks::<PLANES>().0.get(..words).unwrap().to_vec();
            let question = Planes { bits: planes, scale: 0.03, offset: 0.4 };
            let codes: Vec<u64> = seed.iter().rev().copied().cycle().take(words * rows).collect();
            let (reach, margin) = (&floats[..rows], &floats[rows..2 * rows]);
            let all: Vec<usize> = (0..blocks).collect();
            let found = every_width!(
                upper_bounds(&codes, reach, margin, &all, &question; vec![0.0; rows])
            );
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }
            let turned: Vec<usize> = (0..blocks).rev().collect();
            let again = every_width!(
                upper_bounds(&codes, reach, margin, &turned, &question; vec![0.0; rows])
            );
            let turned: Vec<f32> = found[0].chunks(BLOCK).rev().flatten().copied().collect();
            for other in &again {
                prop_assert_eq!(bits(other), bits(&turned));
            }
            // The first row, counted bit by bit.
            let mut sum = 0_i64;
            for (word, planes) in codes.chunks_exact(BLOCK).zip(&question.bits) {
                for bit in (0..64).filter(|bit| word[0] >> bit & 1 == 1) {
                    let digit = |plane: usize| (planes[plane] >> bit & 1).cast_signed();
                    sum += digit(0) + 2 * digit(1) + 4 * digit(2) - 8 * digit(3);
                }
            }
            let expected = (sum as f32 * 0.03 - 0.4) * reach[0] + margin[0];
            prop_assert_eq!(found[0][0].to_bits(), expected.to_bits());

            let found = every_width!(block_maxima(&floats[..rows]; vec![0.0; blocks]));
            let largest = floats[..BLOCK].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            prop_assert_eq!(found[0][0].to_bits(), largest.to_bits());
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }

            let asked: Vec<i16> = bytes[..width].iter().map(|b| i16::from(*b) * 16).collect();
            let named: Vec<usize> = (0..800 / width).rev().collect();
            let found = every_width!(
                dots_int8(&bytes, &named, &asked; vec![0; named.len()])
            );
            let last = &bytes[named[0] * width..][..width];
            let expected: i32 = last.iter().zip(&asked).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            prop_assert_eq!(found[0][0], expected);
            for other in &found {
                prop_assert_eq!(other, &found[0]);
            }

            let found = every_width!(dots(&floats, &floats[..width]; vec![0.0; 800 / width]));
            let expected: f32 = floats[..width].iter().map(|x| x * x).sum();
            prop_assert!((found[0][0] - expected).abs() < 1e-3);
            for other in &found {
                prop_assert_eq!(bits(other), bits(&found[0]));
            }
        }
    }
}
