//! Self-attention of a short sequence, one head at a time, without materialising the score matrix:
//! the scores of a few queries stay in the first-level cache until they are used.

use crate::float::softmax_row;

/// Floats that are processed together: one 512-bit vector, or two 256-bit vectors.
pub(super) const LANES: usize = 16;

/// Rows of a tile whose sums fit into 32 registers of 512 bits, or into 16 registers of 256 bits.
pub(super) const WIDE_ROWS: usize = 6;
pub(super) const NARROW_ROWS: usize = 2;

/// One head of one sequence: where its queries, keys and values are in the rows of `data`.
#[derive(Clone, Copy)]
pub struct AttentionHead<'a> {
    /// `[count, stride]`.
    pub data: &'a [f32],
    /// Floats per row of `data`.
    pub stride: usize,
    /// Tokens of the sequence.
    pub count: usize,
    /// Floats per head: a multiple of 16.
    pub size: usize,
    /// Offset of the query in a row.
    pub query: usize,
    /// Offset of the key in a row.
    pub key: usize,
    /// Offset of the value in a row.
    pub value: usize,
    /// How many tokens a query sees on each side of its own.
    pub window: usize,
}

/// Buffers that are reused from head to head.
#[derive(Default)]
pub struct AttentionScratch {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

impl AttentionScratch {
    /// Softmax(scale · queries · keysᵀ) · values of one head, into rows of `out` that are
    /// `out_stride` apart.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn attend(
        &mut self,
        head: AttentionHead<'_>,
        scale: f32,
        out: &mut [f32],
        out_stride: usize,
    ) {
        assert!(head.size.is_multiple_of(LANES) && head.size > 0);
        self.pack(head, scale);
        let shape = HeadShape {
            count: head.count,
            size: head.size,
            window: head.window,
        };
        #[cfg(target_arch = "x86_64")]
        if crate::simd::has_avx512() {
            return wide(
                shape,
                &self.queries,
                &self.keys,
                &self.values,
                &mut self.scores,
                out,
                out_stride,
            );
        }
        narrow(
            shape,
            &self.queries,
            &self.keys,
            &self.values,
            &mut self.scores,
            out,
            out_stride,
        );
    }

    /// Copies the head: queries scaled and padded with zeros to full tiles, keys transposed, values
    /// contiguous.
    fn pack(&mut self, head: AttentionHead<'_>, scale: f32) {
        let AttentionHead { count, size, .. } = head;
        let padded = count.next_multiple_of(LANES);
        self.queries.clear();
        self.queries
            .resize(count.next_multiple_of(WIDE_ROWS) * size, 0.0);
        self.keys.clear();
        self.keys.resize(size * padded, 0.0);
        self.values.clear();
        self.scores.resize(WIDE_ROWS * padded, 0.0);
        let rows = head.data.chunks(head.stride).take(count);
        for ((index, row), query) in rows.enumerate().zip(self.queries.chunks_exact_mut(size)) {
            for (to, from) in query.iter_mut().zip(&row[head.query..]) {
                *to = from * scale;
            }
            let keys = self.keys.iter_mut().skip(index).step_by(padded);
            for (to, from) in keys.zip(&row[head.key..]) {
                *to = *from;
            }
            self.values
                .extend_from_slice(&row[head.value..head.value + size]);
        }
    }
}

#[derive(Clone, Copy)]
struct HeadShape {
    count: usize,
    size: usize,
    window: usize,
}

multiversion! {
    fn wide(
        shape: HeadShape, queries: &[f32], keys: &[f32], values: &[f32],
        scores: &mut [f32], out: &mut [f32], out_stride: usize,
    ) {
        attend_tiles::<WIDE_ROWS, 4, 2>(shape, queries, keys, values, scores, out, out_stride);
    }
}

multiversion! {
    fn narrow(
        shape: HeadShape, queries: &[f32], keys: &[f32], values: &[f32],
        scores: &mut [f32], out: &mut [f32], out_stride: usize,
    ) {
        attend_tiles::<NARROW_ROWS, 2, 2>(shape, queries, keys, values, scores, out, out_stride);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn attend_tiles<const ROWS: usize, const KEYS: usize, const VALUES: usize>(
    HeadShape {
        count,
        size,
        window,
    }: HeadShape,
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    scores: &mut [f32],
    out: &mut [f32],
    out_stride: usize,
) {
    let padded = count.next_multiple_of(LANES);
    for first in (0..count).step_by(ROWS) {
        let queries = &queries[first * size..];
        let target = (&mut *scores, padded);
        multiply_tiles::<ROWS, KEYS>((queries, size), size, (keys, padded), target, ROWS);
        for (query, row) in (first..).zip(scores.chunks_exact_mut(padded).take(ROWS)) {
            row[count..].fill(f32::NEG_INFINITY);
            let query = query.min(count - 1);
            row[..query.saturating_sub(window)].fill(f32::NEG_INFINITY);
            row[count.min(query.saturating_add(window).saturating_add(1))..]
                .fill(f32::NEG_INFINITY);
            softmax_row(row);
        }
        let out = &mut out[first * out_stride..];
        let rows = ROWS.min(count - first);
        let (left, right) = ((&*scores, padded), (values, size));
        multiply_tiles::<ROWS, VALUES>(left, count, right, (out, out_stride), rows);
    }
}

/// `left · right` over `depth`, written to the first `rows` rows of `target`, in tiles of `ROWS` rows
/// and `COLS · 16` columns. Each matrix comes with its row stride; that of `right` is its width.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
fn multiply_tiles<const ROWS: usize, const COLS: usize>(
    (left, left_stride): (&[f32], usize),
    depth: usize,
    (right, width): (&[f32], usize),
    (target, target_stride): (&mut [f32], usize),
    rows: usize,
) {
    let mut column = 0;
    while column + COLS * LANES <= width {
        let zeros = [[[0.0; LANES]; COLS]; ROWS];
        let tile = add_tile(zeros, left, left_stride, depth, &right[column..], width);
        store(&tile, &mut target[column..], target_stride, rows);
        column += COLS * LANES;
    }
    while column < width {
        let zeros = [[[0.0; LANES]; 1]; ROWS];
        let tile = add_tile(zeros, left, left_stride, depth, &right[column..], width);
        store(&tile, &mut target[column..], target_stride, rows);
        column += LANES;
    }
}

/// A tile of sums: `ROWS` rows of `COLS · 16` columns.
pub(super) type Tile<const ROWS: usize, const COLS: usize> = [[[f32; LANES]; COLS]; ROWS];

/// `ROWS` rows of `left` times `COLS · 16` columns of `right`, over `depth`, added to `sums`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
pub(super) fn add_tile<const ROWS: usize, const COLS: usize>(
    mut sums: Tile<ROWS, COLS>,
    left: &[f32],
    left_stride: usize,
    depth: usize,
    right: &[f32],
    right_stride: usize,
) -> Tile<ROWS, COLS> {
    let left: [&[f32]; ROWS] = std::array::from_fn(|row| &left[row * left_stride..][..depth]);
    for k in 0..depth {
        let (right, _) = right[k * right_stride..][..COLS * LANES].as_chunks::<LANES>();
        let right: [[f32; LANES]; COLS] = std::array::from_fn(|col| right[col]);
        for (sums, left) in sums.iter_mut().zip(left) {
            let x = left[k];
            for (sums, right) in sums.iter_mut().zip(right) {
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = x.mul_add(right, *sum);
                }
            }
        }
    }
    sums
}

/// Writes the first `rows` rows of a tile to rows of `target` that are `stride` apart.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled for the instruction set of its caller"
)]
pub(super) fn store<const ROWS: usize, const COLS: usize>(
    tile: &Tile<ROWS, COLS>,
    target: &mut [f32],
    stride: usize,
    rows: usize,
) {
    for (row, sums) in tile.iter().enumerate().take(rows) {
        target[row * stride..][..COLS * LANES].copy_from_slice(sums.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_equals_the_textbook_formula() {
        for (count, size, window) in [
            (1, 32, 0),
            (5, 16, 9),
            (6, 64, usize::MAX),
            (47, 32, 3),
            (64, 48, usize::MAX),
            (131, 32, 40),
            (131, 32, usize::MAX),
        ] {
            let stride = 3 * size;
            let wave = |i: usize| ((i * 37 % 101) as f32 / 50.0 - 1.0) * 1.7;
            let data: Vec<f32> = (0..count * stride).map(wave).collect();
            let head = AttentionHead {
                data: &data,
                stride,
                count,
                size,
                query: 0,
                key: size,
                value: 2 * size,
                window,
            };
            let mut out = vec![0.0; count * size];
            AttentionScratch::default().attend(head, 0.2, &mut out, size);
            for (row, out) in out.chunks_exact(size).enumerate() {
                let at = |row: usize, part: usize, i: usize| {
                    f64::from(data[row * stride + part * size + i])
                };
                let score = |key: usize| -> f64 {
                    (0..size)
                        .map(|i| at(row, 0, i) * at(key, 1, i))
                        .sum::<f64>()
                        * 0.2
                };
                let visible = |key: usize| f64::from(u8::from(key.abs_diff(row) <= window));
                let weights = (0..count).map(|key| score(key).exp() * visible(key));
                let weights: Vec<f64> = weights.collect();
                let total: f64 = weights.iter().sum();
                for (i, found) in out.iter().enumerate() {
                    let expected: f64 = (0..count)
                        .map(|key| weights[key] * at(key, 2, i))
                        .sum::<f64>()
                        / total;
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "{count} {size}"
                    );
                }
            }
        }
    }
}
