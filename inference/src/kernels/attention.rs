//! Attention of a short sequence to itself, one head at a time, without its score matrix: a few
//! queries' scores are in the first-level cache when they are needed again.

/// Values that are multiplied together: a 512-bit vector, or two halves of one.
pub(super) const LANES: usize = 16;

/// Rows of a tile where 32 wide registers hold its sums, and where 16 narrow ones do.
pub(super) const WIDE_ROWS: usize = 6;
pub(super) const NARROW_ROWS: usize = 2;

/// Where one head's queries, keys and values begin in the rows of `data`, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub count: usize,
    /// Elements of the head: a multiple of 16.
    pub size: usize,
    pub query: usize,
    pub key: usize,
    pub value: usize,
    /// How far before and behind it a query sees.
    pub window: usize,
}

/// Memory that one head after the other uses.
#[derive(Default)]
pub(crate) struct Scratch {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

impl Scratch {
    /// Softmax(scale · queries · keysᵀ) · values of one head, into rows of `out` that are
    /// `out_stride` apart.
    pub(crate) fn attend(
        &mut self,
        head: Head<'_>,
        scale: f32,
        out: &mut [f32],
        out_stride: usize,
    ) {
        assert!(head.size.is_multiple_of(LANES) && head.size > 0);
        self.pack(head, scale);
        let shape = Shape {
            count: head.count,
            size: head.size,
            window: head.window,
        };
        #[cfg(target_arch = "x86_64")]
        if super::has_512() {
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

    /// Queries scaled and filled up with zeros to whole tiles, keys turned over, values together.
    fn pack(&mut self, head: Head<'_>, scale: f32) {
        let Head { count, size, .. } = head;
        let padded = count.next_multiple_of(LANES);
        self.queries.clear();
        self.queries
            .resize(count.next_multiple_of(WIDE_ROWS) * size, 0.0);
        self.keys.clear();
        self.keys.resize(size * padded, 0.0);
        self.values.clear();
        self.scores.resize(WIDE_ROWS * padded, 0.0);
        let rows = head.data.chunks(head.stride).take(count);
        for ((place, row), query) in rows.enumerate().zip(self.queries.chunks_exact_mut(size)) {
            for (to, from) in query.iter_mut().zip(&row[head.query..]) {
                *to = from * scale;
            }
            let keys = self.keys.iter_mut().skip(place).step_by(padded);
            for (to, from) in keys.zip(&row[head.key..]) {
                *to = *from;
            }
            self.values
                .extend_from_slice(&row[head.value..head.value + size]);
        }
    }
}

#[derive(Clone, Copy)]
struct Shape {
    count: usize,
    size: usize,
    window: usize,
}

widest! {
    fn wide(
        shape: Shape, queries: &[f32], keys: &[f32], values: &[f32],
        scores: &mut [f32], out: &mut [f32], out_stride: usize,
    ) {
        attend_tiles::<WIDE_ROWS, 4, 2>(shape, queries, keys, values, scores, out, out_stride);
    }
}

widest! {
    fn narrow(
        shape: Shape, queries: &[f32], keys: &[f32], values: &[f32],
        scores: &mut [f32], out: &mut [f32], out_stride: usize,
    ) {
        attend_tiles::<NARROW_ROWS, 2, 2>(shape, queries, keys, values, scores, out, out_stride);
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
fn attend_tiles<const ROWS: usize, const KEYS: usize, const VALUES: usize>(
    Shape {
        count,
        size,
        window,
    }: Shape,
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
        let mut at = 0;
        while at + KEYS * LANES <= padded {
            let tile = add_tile(
                [[[0.0; LANES]; KEYS]; ROWS],
                queries,
                size,
                size,
                &keys[at..],
                padded,
            );
            store(&tile, &mut scores[at..], padded, ROWS);
            at += KEYS * LANES;
        }
        while at < padded {
            let tile = add_tile(
                [[[0.0; LANES]; 1]; ROWS],
                queries,
                size,
                size,
                &keys[at..],
                padded,
            );
            store(&tile, &mut scores[at..], padded, ROWS);
            at += LANES;
        }
        for (query, row) in (first..).zip(scores.chunks_exact_mut(padded).take(ROWS)) {
            row[count..].fill(f32::NEG_INFINITY);
            let query = query.min(count - 1);
            row[..query.saturating_sub(window)].fill(f32::NEG_INFINITY);
            row[count.min(query.saturating_add(window).saturating_add(1))..]
                .fill(f32::NEG_INFINITY);
            super::softmax_row(row);
        }
        let out = &mut out[first * out_stride..];
        let rows = ROWS.min(count - first);
        let mut at = 0;
        while at + VALUES * LANES <= size {
            let tile = add_tile(
                [[[0.0; LANES]; VALUES]; ROWS],
                scores,
                padded,
                count,
                &values[at..],
                size,
            );
            store(&tile, &mut out[at..], out_stride, rows);
            at += VALUES * LANES;
        }
        while at < size {
            let tile = add_tile(
                [[[0.0; LANES]; 1]; ROWS],
                scores,
                padded,
                count,
                &values[at..],
                size,
            );
            store(&tile, &mut out[at..], out_stride, rows);
            at += LANES;
        }
    }
}

/// Sums of `ROWS` rows and `COLS · 16` columns.
pub(super) type Sums<const ROWS: usize, const COLS: usize> = [[[f32; LANES]; COLS]; ROWS];

/// `ROWS` rows of `left` times `COLS · 16` columns of `right`, over `depth`, added to `sums`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
pub(super) fn add_tile<const ROWS: usize, const COLS: usize>(
    mut sums: Sums<ROWS, COLS>,
    left: &[f32],
    left_stride: usize,
    depth: usize,
    right: &[f32],
    right_stride: usize,
) -> Sums<ROWS, COLS> {
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

#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled into `widest`")]
pub(super) fn store<const ROWS: usize, const COLS: usize>(
    tile: &Sums<ROWS, COLS>,
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
    fn attention_is_the_textbook_formula() {
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
            let head = Head {
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
            Scratch::default().attend(head, 0.2, &mut out, size);
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
                let seen = |key: usize| f64::from(u8::from(key.abs_diff(row) <= window));
                let weights = (0..count).map(|key| score(key).exp() * seen(key));
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
