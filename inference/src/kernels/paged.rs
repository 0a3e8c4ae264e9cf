//! Attention of a few queries to keys and values that lie in pages.
//!
//! Every sum runs over the keys in their order, one after the other, and what a query may not see
//! counts exactly nothing: so a query's result has the same bits whichever queries are beside it.

use super::attention::{LANES, NARROW_ROWS, Sums, WIDE_ROWS, add_tile, store};
use super::softmax_row;

/// Tokens of a page.
pub(crate) const PAGE: usize = 64;

/// Columns of scores that are made together: a page.
const PAGE_LANES: usize = PAGE / LANES;

/// Rows of a tile when there are no more of them.
const FEW_ROWS: usize = 4;

/// One head's part of one page.
#[derive(Clone, Copy)]
pub(crate) struct PageView<'a> {
    /// `[size, PAGE]`.
    pub keys: &'a [f32],
    /// `[PAGE, size]`.
    pub values: &'a [f32],
}

/// How many keys each query sees: query `i` sees the first `first + i / each + 1`, and of these
/// the last `window`.
#[derive(Clone, Copy)]
pub(crate) struct Visible {
    pub first: usize,
    /// Queries that stand at the same position.
    pub each: usize,
    pub window: usize,
}

impl Visible {
    fn keys(self, query: usize) -> usize {
        self.first + query / self.each + 1
    }
}

/// Softmax(queries · keysᵀ) · values for each query of `[count, size]`, into `out` of the same
/// shape; `size` is a multiple of 16 and the queries are scaled already.
pub(crate) fn attend_pages(
    queries: &[f32],
    size: usize,
    pages: &[PageView<'_>],
    visible: Visible,
    out: &mut [f32],
) {
    assert!(size > 0 && size.is_multiple_of(LANES) && queries.len() == out.len());
    let count = queries.len() / size;
    let most = visible.keys(count.saturating_sub(1)).next_multiple_of(PAGE);
    assert!(pages.len() * PAGE >= most);
    let mut padded = Vec::with_capacity(queries.len() + WIDE_ROWS * size);
    padded.extend_from_slice(queries);
    padded.resize(queries.len() + WIDE_ROWS * size, 0.0);
    let mut scores = vec![0.0; WIDE_ROWS * most];
    #[cfg(target_arch = "x86_64")]
    if super::has_512() {
        if count <= FEW_ROWS {
            few(&padded, size, pages, visible, &mut scores, out);
        } else {
            wide(&padded, size, pages, visible, &mut scores, out);
        }
        return;
    }
    narrow(&padded, size, pages, visible, &mut scores, out);
}

widest! {
    fn wide(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visible: Visible,
        scores: &mut [f32], out: &mut [f32],
    ) {
        tiles::<WIDE_ROWS, 2>(queries, size, pages, visible, scores, out);
    }
}

widest! {
    fn few(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visible: Visible,
        scores: &mut [f32], out: &mut [f32],
    ) {
        tiles::<FEW_ROWS, 4>(queries, size, pages, visible, scores, out);
    }
}

widest! {
    fn narrow(
        queries: &[f32], size: usize, pages: &[PageView<'_>], visible: Visible,
        scores: &mut [f32], out: &mut [f32],
    ) {
        tiles::<NARROW_ROWS, 2>(queries, size, pages, visible, scores, out);
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn tiles<const ROWS: usize, const COLS: usize>(
    queries: &[f32],
    size: usize,
    pages: &[PageView<'_>],
    visible: Visible,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let count = out.len() / size;
    for first in (0..count).step_by(ROWS) {
        let rows = ROWS.min(count - first);
        let seen = visible.keys(first + rows - 1);
        let width = seen.next_multiple_of(PAGE);
        let pages = &pages[..width / PAGE];
        for (index, page) in pages.iter().enumerate() {
            let zeros: Sums<ROWS, PAGE_LANES> = [[[0.0; LANES]; PAGE_LANES]; ROWS];
            let queries = &queries[first * size..];
            let tile = add_tile(zeros, queries, size, size, page.keys, PAGE);
            store(&tile, &mut scores[index * PAGE..], width, ROWS);
        }
        for (row, scores) in scores.chunks_exact_mut(width).take(rows).enumerate() {
            let own = visible.keys(first + row);
            scores[own..].fill(f32::NEG_INFINITY);
            scores[..own.saturating_sub(visible.window)].fill(f32::NEG_INFINITY);
            softmax_row(scores);
        }
        let out = &mut out[first * size..];
        let mut column = 0;
        while column + COLS * LANES <= size {
            let tile = mixed::<ROWS, COLS>(scores, width, pages, (size, column), seen);
            store(&tile, &mut out[column..], size, rows);
            column += COLS * LANES;
        }
        while column < size {
            let tile = mixed::<ROWS, 1>(scores, width, pages, (size, column), seen);
            store(&tile, &mut out[column..], size, rows);
            column += LANES;
        }
    }
}

/// The values of the first `seen` keys, mixed as `scores` say: some columns of some rows.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn mixed<const ROWS: usize, const COLS: usize>(
    scores: &[f32],
    width: usize,
    pages: &[PageView<'_>],
    (size, column): (usize, usize),
    seen: usize,
) -> Sums<ROWS, COLS> {
    let mut sums = [[[0.0; LANES]; COLS]; ROWS];
    for (index, page) in pages.iter().enumerate() {
        let depth = PAGE.min(seen - index * PAGE);
        let (scores, values) = (&scores[index * PAGE..], &page.values[column..]);
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

    struct Keys {
        pages: Vec<(Vec<f32>, Vec<f32>)>,
    }

    impl Keys {
        fn of(count: usize, size: usize) -> Self {
            let mut pages = Vec::new();
            for first in (0..count).step_by(PAGE) {
                // What lies behind the last key must not matter.
                let mut page = (vec![9.0; PAGE * size], vec![7.0; PAGE * size]);
                for token in first..count.min(first + PAGE) {
                    for i in 0..size {
                        page.0[i * PAGE + token - first] = wave(token * size + i);
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
    fn it_is_the_textbook_formula() {
        for (past, tokens, each, size, window) in [
            (0, 1, 1, 16, 9),
            (63, 5, 3, 64, usize::MAX),
            (130, 7, 4, 32, 200),
            (130, 7, 4, 32, 70),
            (130, 7, 4, 32, 1),
        ] {
            let keys = Keys::of(past + tokens, size);
            let queries: Vec<f32> = (0..tokens * each * size)
                .map(|i| wave(i * 5) * 0.3)
                .collect();
            let mut out = vec![0.0; queries.len()];
            let visible = Visible {
                first: past,
                each,
                window,
            };
            attend_pages(&queries, size, &keys.views(), visible, &mut out);
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
        let keys = Keys::of(past + tokens, size);
        let queries: Vec<f32> = (0..tokens * each * size).map(|i| wave(i * 5)).collect();
        let mut together = vec![0.0; queries.len()];
        let window = 60;
        let visible = Visible {
            first: past,
            each,
            window,
        };
        attend_pages(&queries, size, &keys.views(), visible, &mut together);
        let step = each * size;
        for (token, (query, expected)) in queries
            .chunks_exact(step)
            .zip(together.chunks_exact(step))
            .enumerate()
        {
            let mut alone = vec![0.0; step];
            let first = past + token;
            let fewer = Keys::of(first + 1, size);
            attend_pages(
                query,
                size,
                &fewer.views(),
                Visible {
                    first,
                    each,
                    window,
                },
                &mut alone,
            );
            assert_eq!(alone, expected, "{token}");
        }
    }
}
