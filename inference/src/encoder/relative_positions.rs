//! Attention with scores for the distance between two tokens: ALiBi (Press et al. 2022), the buckets of T5
//! (Raffel et al. 2020) and MPNet, and the disentangled attention of DeBERTa (He et al. 2021).

use cloister_kernels::{MatrixTarget, MatrixView, float, matmul};

/// How the distance between two tokens changes their attention score.
pub(super) enum RelativePositions {
    /// Not at all.
    None,
    /// ALiBi: the distance times the slope of the head.
    Slopes(Vec<f32>),
    /// A learned score for each bucket of distances and each head: `[buckets, heads]`.
    Buckets {
        scores: Vec<f32>,
        heads: usize,
        max_distance: usize,
    },
    /// Embeddings of buckets of distances, which are compared with queries and keys.
    Disentangled(DistanceBuckets),
}

/// The buckets of DeBERTa: distances up to half of `span` are exact, longer ones logarithmic.
#[derive(Clone, Copy, Debug)]
pub(super) struct DistanceBuckets {
    /// Half the number of buckets.
    pub span: usize,
    pub max_distance: usize,
    /// Whether long distances share buckets.
    pub is_logarithmic: bool,
}

impl DistanceBuckets {
    /// The row of the embeddings for a distance from query to key.
    fn row(self, distance: i64) -> usize {
        let span = i64::try_from(self.span).unwrap_or(i64::MAX);
        let bucket = if self.is_logarithmic {
            self.logarithmic_bucket(distance)
        } else {
            distance
        };
        let row = bucket.saturating_add(span).clamp(0, 2 * span - 1);
        usize::try_from(row).unwrap_or(0)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bucket is smaller than the span"
    )]
    fn logarithmic_bucket(self, distance: i64) -> i64 {
        let middle = (self.span / 2) as f64;
        let size = distance.unsigned_abs() as f64;
        if size <= middle {
            return distance;
        }
        let longest = (self.max_distance as f64 - 1.0) / middle;
        let bucket = ((size / middle).ln() / longest.ln() * (middle - 1.0)).ceil() + middle;
        bucket as i64 * distance.signum()
    }
}

/// A layer's embeddings of distance buckets, projected to keys and to queries: each `[heads, size, 2 · span]`,
/// so that a head's rows are columns.
pub(super) struct PositionProjections {
    /// Compared with the queries of tokens.
    pub keys: Option<Vec<f32>>,
    /// Compared with the keys of tokens.
    pub queries: Option<Vec<f32>>,
}

/// ALiBi's slopes.
pub(super) fn alibi_slopes(heads: usize) -> Vec<f32> {
    let power = if heads.is_power_of_two() {
        heads
    } else {
        heads.next_power_of_two() / 2
    };
    let others = slopes(2 * power).step_by(2);
    slopes(power).chain(others).take(heads).collect()
}

/// The slopes of this many heads, if it is a power of two.
fn slopes(count: usize) -> impl Iterator<Item = f32> {
    (1..=count).map(move |head| (-8.0 * head as f32 / count as f32).exp2())
}

impl RelativePositions {
    /// The scores of a head by distance, for `count` tokens: index `count − 1` is the distance 0, and the key
    /// of larger indices comes later.
    fn scores_by_distance(&self, head: usize, count: usize) -> Vec<f32> {
        let last = i64::try_from(count).unwrap_or(0) - 1;
        let distances = -last..=last;
        match self {
            Self::None | Self::Disentangled(_) => Vec::new(),
            Self::Slopes(slopes) => {
                let slope = slopes.get(head).copied().unwrap_or(0.0);
                distances
                    .map(|distance| -slope * distance.unsigned_abs() as f32)
                    .collect()
            }
            Self::Buckets {
                scores,
                heads,
                max_distance,
            } => {
                let buckets = scores.len() / heads;
                distances
                    .map(|distance| {
                        let bucket = bidirectional_bucket(distance, buckets, *max_distance);
                        let score = scores.get(bucket * heads + head);
                        score.copied().unwrap_or(0.0)
                    })
                    .collect()
            }
        }
    }
}

/// The bucket of T5 for the distance from a query to a key.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bucket is smaller than the number of buckets"
)]
fn bidirectional_bucket(distance: i64, buckets: usize, max_distance: usize) -> usize {
    let half = buckets / 2;
    let first = if distance > 0 { half } else { 0 };
    let size = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
    let exact = half / 2;
    if size < exact {
        return first + size;
    }
    let share = (size as f32 / exact as f32).ln() / (max_distance as f32 / exact as f32).ln();
    let bucket = exact + (share * (half - exact) as f32) as usize;
    first + bucket.min(half.saturating_sub(1))
}

/// One head of one sequence.
#[derive(Clone, Copy)]
pub(super) struct PositionedHead<'a> {
    /// Queries, keys and values of the sequence, `[count, 3 · width]`.
    pub qkv: &'a [f32],
    pub count: usize,
    /// Floats of all queries of a token.
    pub width: usize,
    pub index: usize,
    /// Floats of the head.
    pub size: usize,
    pub scale: f32,
}

impl PositionedHead<'_> {
    /// Softmax(scores) · values, into columns of `out` that start at 0, in rows that are `width` apart.
    pub(super) fn attend(
        self,
        positions: &RelativePositions,
        projections: Option<&PositionProjections>,
        out: &mut [f32],
    ) {
        let Self { count, size, .. } = self;
        let (queries, keys, values) = (self.part(0), self.part(1), self.part(2));
        let mut scores = vec![0.0; count * count];
        self.product(&queries, &transposed(&keys, size), count, &mut scores);
        if let (RelativePositions::Disentangled(buckets), Some(projections)) =
            (positions, projections)
        {
            self.add_disentangled(*buckets, projections, &queries, &keys, &mut scores);
        }
        let by_distance = positions.scores_by_distance(self.index, count);
        for (query, row) in scores.chunks_exact_mut(count).enumerate() {
            let own = by_distance.get(count - 1 - query..).unwrap_or_default();
            for (score, term) in row.iter_mut().zip(own) {
                *score += term;
            }
            float::softmax(row);
        }
        let mut target = MatrixTarget {
            data: out,
            row_stride: self.width,
            add: false,
        };
        let left = MatrixView::from_rows(&scores, count, count, count);
        let right = MatrixView::from_rows(&values, count, size, size);
        matmul(&mut target, 1.0, left, right);
    }

    /// Queries, keys or values of the head, `[count, size]`.
    fn part(self, part: usize) -> Vec<f32> {
        let start = part * self.width + self.index * self.size;
        let rows = self.qkv.chunks_exact(3 * self.width);
        let columns = rows.filter_map(|row| row.get(start..start + self.size));
        columns.flatten().copied().collect()
    }

    /// `out = scale · left · right`, with `left` `[count, size]` and `right` `[size, columns]`.
    fn product(self, left: &[f32], right: &[f32], columns: usize, out: &mut [f32]) {
        let mut target = MatrixTarget {
            data: out,
            row_stride: columns,
            add: false,
        };
        let left = MatrixView::from_rows(left, self.count, self.size, self.size);
        let right = MatrixView::from_rows(right, self.size, columns, columns);
        matmul(&mut target, self.scale, left, right);
    }

    /// Adds the scores of queries with positions and of keys with positions.
    fn add_disentangled(
        self,
        buckets: DistanceBuckets,
        projections: &PositionProjections,
        queries: &[f32],
        keys: &[f32],
        scores: &mut [f32],
    ) {
        let count = self.count;
        let columns = 2 * buckets.span;
        let compare = |tokens: &[f32], positions: &Option<Vec<f32>>| {
            let first = self.index * self.size * columns;
            let own = positions
                .as_ref()?
                .get(first..first + self.size * columns)?;
            let mut products = vec![0.0; count * columns];
            self.product(tokens, own, columns, &mut products);
            Some(products)
        };
        let by_query = compare(queries, &projections.keys);
        let by_key = compare(keys, &projections.queries);
        let last = i64::try_from(count).unwrap_or(0) - 1;
        // Index `count − 1 + query − key`.
        let rows: Vec<usize> = (-last..=last)
            .map(|distance| buckets.row(distance))
            .collect();
        for (query, own) in scores.chunks_exact_mut(count).enumerate() {
            for (key, score) in own.iter_mut().enumerate() {
                let row = rows.get(count - 1 + query - key).copied().unwrap_or(0);
                for (products, token) in [(&by_query, query), (&by_key, key)] {
                    let products = products.as_deref().unwrap_or_default();
                    let term = products.get(token * columns + row);
                    *score += term.copied().unwrap_or(0.0);
                }
            }
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|index| values.iter().skip(index).step_by(columns).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_any_number_of_heads() {
        assert_eq!(alibi_slopes(2), [0.062_5, 0.003_906_25]);
        let twelve = alibi_slopes(12);
        assert_eq!(twelve.len(), 12);
        assert_eq!(twelve[..2], [0.5, 0.25]);
        assert_eq!(twelve[8..9], [0.5_f32.sqrt()]);
    }

    #[test]
    fn buckets_of_distances_are_odd() {
        let buckets = DistanceBuckets {
            span: 256,
            max_distance: 512,
            is_logarithmic: true,
        };
        assert_eq!(buckets.row(0), 256);
        assert_eq!(buckets.row(100), 356);
        assert_eq!(buckets.row(-128), 128);
        assert_eq!(buckets.row(511), 511);
        for distance in 0..600 {
            let (before, after) = (buckets.row(-distance), buckets.row(distance));
            assert!(before + after == 512 || after == 511, "{distance}");
        }
    }
}
