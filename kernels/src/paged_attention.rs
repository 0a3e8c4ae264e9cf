//! Attention of a few queries to keys and values that are stored in pages.
//!
//! Every sum runs over the keys in their order, and a masked key contributes exactly 0. So a query's
//! result has the same bits whichever queries are in the batch with it.

use crate::attention::{LANES, NARROW_ROWS, Tile, WIDE_ROWS, add_tile, store};
use crate::float::softmax_row;

/// Tokens per page.
pub const PAGE_TOKENS: usize = 64;

/// Vectors of scores per page.
const PAGE_LANES: usize = PAGE_TOKENS / LANES;

/// Rows of a tile for batches of at most this many queries.
const FEW_ROWS: usize = 4;

/// One head of one page.
#[derive(Clone, Copy)]
pub struct PageView<'a> {
    /// `[size, PAGE_TOKENS]`.
    pub keys: &'a [f32],
    /// `[PAGE_TOKENS, size]`.
    pub values: &'a [f32],
}

/// Which keys each query sees: query `i` is at position `first + i / queries_per_position` and sees
/// the keys up to its own position, but only the last `window` of them.
#[derive(Clone, Copy)]
pub struct KeyVisibility {
    /// Position of the first query.
    pub first: usize,
    /// Queries at the same position.
    pub queries_per_position: usize,
    /// Keys that a query sees, its own included.
    pub window: usize,
}

impl KeyVisibility {
    /// One past the last key that a query sees.
    fn end(self, query: usize) -> usize {
        self.first + query / self.queries_per_position + 1
    }
}

/// Softmax(queries · keysᵀ) · values for each query of `[count, size]`, into `out` of the same
/// shape. `size` is a multiple of 16, and the queries are scaled already.
///
/// # Panics
///
/// If the shapes do not match.
pub fn attend_pages(
    queries: &[f32],
    size: usize,
    pages: &[PageView<'_>],
    visibility: KeyVisibility,
    out: &mut [f32],
) {
    assert!(size > 0 && size.is_multiple_of(LANES) && queries.len() == out.len());
    let count = queries.len() / size;
    let most = visibility.end(count.saturating_sub(1));
    let most = most.next_multiple_of(PAGE_TOKENS);
    assert!(pages.len() * PAGE_TOKENS >= most);
    let mut padded = Vec::with_capacity(queries.len() + WIDE_ROWS * size);
    padded.extend_from_slice(queries);
    padded.resize(queries.len() + WIDE_ROWS * size, 0.0);
    let mut scores = vec![0.0; WIDE_ROWS * most];
    #[cfg(target_arch = "x86_64")]
    if crate::simd::has_avx512() {
        if count <= FEW_ROWS {
            few(&padded, size, pages, visibility, &mut scores, out);
        } else {
            wide(&padded, size, pages, visibility, &mut scores, out);
        }
        return;
    }
    narrow(&padded, size, pages, visibility, &mut scores, out);
}

multiversion! {
    fn wide(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visibility: KeyVisibility,
        scores: &mut [f32], out: &mut [f32],
    ) {
        attend_tiles::<WIDE_ROWS, 2>(queries, size, pages, visibility, scores, out);
    }
}

multiversion! {
    fn few(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visibility: KeyVisibility,
        scores: &mut [f32], out: &mut [f32],
    ) {
        attend_tiles::<FEW_ROWS, 4>(queries, size, pages, visibility, scores, out);
    }
}

multiversion! {
    fn narrow(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visibility: KeyVisibility,
        scores: &mut [f32], out: &mut [f32],
    ) {
        attend_tiles::<NARROW_ROWS, 2>(queries, size, pages, visibility, scores, out);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn attend_tiles<const ROWS: usize, const COLS: usize>(
    queries: &[f32],
    size: usize,
    pages: &[PageView<'_>],
    visibility: KeyVisibility,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let count = out.len() / size;
    for first in (0..count).step_by(ROWS) {
        let rows = ROWS.min(count - first);
        let end = visibility.end(first + rows - 1);
        let width = end.next_multiple_of(PAGE_TOKENS);
        let pages = &pages[..width / PAGE_TOKENS];
        for (index, page) in pages.iter().enumerate() {
            let zeros: Tile<ROWS, PAGE_LANES> = [[[0.0; LANES]; PAGE_LANES]; ROWS];
            let queries = &queries[first * size..];
            let tile = add_tile(zeros, queries, size, size, page.keys, PAGE_TOKENS);
            store(&tile, &mut scores[index * PAGE_TOKENS..], width, ROWS);
        }
        for (row, scores) in scores.chunks_exact_mut(width).take(rows).enumerate() {
            let own_end = visibility.end(first + row);
            scores[own_end..].fill(f32::NEG_INFINITY);
            scores[..own_end.saturating_sub(visibility.window)].fill(f32::NEG_INFINITY);
            softmax_row(scores);
        }
        let out = &mut out[first * size..];
        let mut column = 0;
        while column + COLS * LANES <= size {
            let tile = weighted_values::<ROWS, COLS>(scores, width, pages, (size, column), end);
            store(&tile, &mut out[column..], size, rows);
            column += COLS * LANES;
        }
        while column < size {
            let tile = weighted_values::<ROWS, 1>(scores, width, pages, (size, column), end);
            store(&tile, &mut out[column..], size, rows);
            column += LANES;
        }
    }
}

/// The values of the first `end` keys, weighted by `scores`: `COLS · 16` columns from `column` on.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn weighted_values<const ROWS: usize, const COLS: usize>(
    scores: &[f32],
    width: usize,
    pages: &[PageView<'_>],
    (size, column): (usize, usize),
    end: usize,
) -> Tile<ROWS, COLS> {
    let mut sums = [[[0.0; LANES]; COLS]; ROWS];
    for (index, page) in pages.iter().enumerate() {
        let depth = PAGE_TOKENS.min(end - index * PAGE_TOKENS);
        let scores = &scores[index * PAGE_TOKENS..];
        let values = &page.values[column..];
        sums = add_tile(sums, scores, width, depth, values, size);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(i: usize) -> f32 {
        ((i * 37 % 101) as f32 / 50.0 - 1.0) * 0.9
    }

    struct TestPages {
        pages: Vec<(Vec<f32>, Vec<f32>)>,
    }

    impl TestPages {
        fn new(count: usize, size: usize) -> Self {
            let mut pages = Vec::new();
            for first in (0..count).step_by(PAGE_TOKENS) {
                // The contents behind the last key must not matter.
                let mut page = (vec![9.0; PAGE_TOKENS * size], vec![7.0; PAGE_TOKENS * size]);
                for token in first..count.min(first + PAGE_TOKENS) {
                    for i in 0..size {
                        page.0[i * PAGE_TOKENS + token - first] = wave(token * size + i);
                        page.1[(token - first) * size + i] = wave(token * 3 + i * 7);
                    }
                }
                pages.push(page);
            }
            Self { pages }
        }

        fn views(&self) -> Vec<PageView<'_>> {
            self.pages
                .iter()
                .map(|(keys, values)| PageView { keys, values })
                .collect()
        }
    }

    #[test]
    fn paged_attention_equals_the_textbook_formula() {
        for (past, tokens, each, size, window) in [
            (0, 1, 1, 16, 9),
            (63, 5, 3, 64, usize::MAX),
            (130, 7, 4, 32, 200),
            (130, 7, 4, 32, 70),
            (130, 7, 4, 32, 1),
        ] {
            let keys = TestPages::new(past + tokens, size);
            let queries: Vec<f32> = (0..tokens * each * size)
                .map(|i| wave(i * 5) * 0.3)
                .collect();
            let mut out = vec![0.0; queries.len()];
            let visibility = KeyVisibility {
                first: past,
                queries_per_position: each,
                window,
            };
            attend_pages(&queries, size, &keys.views(), visibility, &mut out);
            for (index, (query, out)) in queries
                .chunks_exact(size)
                .zip(out.chunks_exact(size))
                .enumerate()
            {
                let seen = past + index / each + 1;
                let score = |key: usize| -> f64 {
                    let pairs = query.iter().enumerate();
                    pairs
                        .map(|(i, q)| f64::from(*q) * f64::from(wave(key * size + i)))
                        .sum()
                };
                let within = |key: usize| f64::from(u8::from(seen - key <= window));
                let weights = (0..seen).map(|key| score(key).exp() * within(key));
                let weights: Vec<f64> = weights.collect();
                let total: f64 = weights.iter().sum();
                for (i, found) in out.iter().enumerate() {
                    let value = |key: usize| f64::from(wave(key * 3 + i * 7));
                    let sum: f64 = weights.iter().enumerate().map(|(k, w)| w * value(k)).sum();
                    assert!((f64::from(*found) - sum / total).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn a_query_has_the_same_bits_alone_and_among_others() {
        let (past, tokens, each, size) = (50, 40, 3, 32);
        let keys = TestPages::new(past + tokens, size);
        let queries: Vec<f32> = (0..tokens * each * size).map(|i| wave(i * 5)).collect();
        let mut together = vec![0.0; queries.len()];
        let window = 60;
        let visibility = KeyVisibility {
            first: past,
            queries_per_position: each,
            window,
        };
        attend_pages(&queries, size, &keys.views(), visibility, &mut together);
        let step = each * size;
        for (token, (query, expected)) in queries
            .chunks_exact(step)
            .zip(together.chunks_exact(step))
            .enumerate()
        {
            let mut alone = vec![0.0; step];
            let first = past + token;
            let own_keys = TestPages::new(first + 1, size);
            attend_pages(
                query,
                size,
                &own_keys.views(),
                KeyVisibility {
                    first,
                    queries_per_position: each,
                    window,
                },
                &mut alone,
            );
            assert_eq!(alone, expected, "{token}");
        }
    }
}
