//! Clusters of near rows of a segment, so that a search scans only the clusters near the query: an
//! inverted file (Sivic and Zisserman, ICCV 2003) over the codes in memory.
//!
//! Clusters are not stored. They are built in the background from the verified codes, and until then
//! all rows of the segment are scanned.

#[cfg(test)]
mod tests;

use super::Segment;
use super::codes::{BinaryCodes, ReorderedCodes};
use super::rabitq::{DenseQuery, Quantizer, quantize_int8};
use cloister_kernels::codes;
use std::ops::Range;

/// The average number of rows of a cluster.
const ROWS_PER_CLUSTER: usize = 64;

/// Iterations of k-means.
const ITERATIONS: usize = 4;

/// The weight of a cluster's spread in its similarity to the query, because rows can be nearer than their
/// centroid.
const SPREAD_WEIGHT: f32 = 0.15;

/// Scales the error bounds: a search that skips clusters needs no certainty for single rows, and the best
/// hits are far above the threshold.
const ERROR_BOUND_SCALE: f32 = 0.4;

/// The rows of a segment, ordered by cluster.
#[derive(Debug)]
pub(crate) struct Clusters {
    /// The row at each index; the rows of a cluster are in ascending order.
    pub rows: Vec<u32>,
    /// The revision at each index.
    pub revisions: Vec<u32>,
    /// The first index of each cluster, and the end of the last one.
    starts: Vec<usize>,
    centroids: Centroids,
    /// The root mean square of the distances to each centroid.
    spreads: Vec<f32>,
    /// In the order of `rows`.
    codes: ReorderedCodes,
}

/// How near a cluster is to a query.
#[derive(Clone, Copy)]
pub(crate) struct ClusterDistance {
    pub similarity: f32,
    pub cluster: usize,
}

impl Clusters {
    pub(super) fn build(segment: &Segment) -> Self {
        let all: Vec<u32> = (0..u32::MAX).take(segment.rows()).collect();
        let wanted = all.len().div_ceil(ROWS_PER_CLUSTER);
        // Two levels, so that a row is not compared with the centroids of all clusters.
        let mut groups = Vec::new();
        for group in k_means(segment, &all, wanted.isqrt().max(1)) {
            let wanted = (group.len() * wanted / all.len()).max(1);
            groups.extend(k_means(segment, &group, wanted));
        }
        Self::from_groups(segment, &groups)
    }

    fn from_groups(segment: &Segment, groups: &[Vec<u32>]) -> Self {
        let rows = groups.concat();
        let mut starts = vec![0];
        starts.extend(groups.iter().scan(0, |sum, group| {
            *sum += group.len();
            Some(*sum)
        }));
        let (centroids, spreads) = Centroids::of(segment, groups);
        let mut codes = segment.binary_codes().reorder(&rows);
        for error_bound in &mut codes.error_bounds {
            *error_bound *= ERROR_BOUND_SCALE;
        }
        let revisions = &segment.codes().revisions;
        Self {
            revisions: rows
                .iter()
                .map(|row| revisions.get(*row as usize).copied().unwrap_or(0))
                .collect(),
            rows,
            starts,
            centroids,
            spreads,
            codes,
        }
    }

    /// How near each cluster is to a query.
    pub(super) fn distances(&self, query: &DenseQuery) -> impl Iterator<Item = ClusterDistance> {
        let similarities = self.centroids.similarities(query);
        let clusters = similarities.into_iter().zip(&self.spreads).enumerate();
        clusters.map(|(cluster, (similarity, spread))| ClusterDistance {
            similarity: similarity + SPREAD_WEIGHT * spread,
            cluster,
        })
    }

    /// The indices of a cluster's rows.
    pub(super) fn indices(&self, cluster: usize) -> Range<usize> {
        let [start, end] = [cluster, cluster + 1].map(|cluster| {
            let start = self.starts.get(cluster);
            start.copied().unwrap_or(self.rows.len())
        });
        start..end
    }

    pub(super) fn binary_codes(&self, dimensions: usize) -> BinaryCodes<'_> {
        BinaryCodes {
            words: Quantizer::words(dimensions),
            binary: &self.codes.binary,
            corrections: &self.codes.corrections,
            error_bounds: &self.codes.error_bounds,
        }
    }
}

/// The centroids of groups of rows, as int8 codes.
#[derive(Debug)]
struct Centroids {
    codes: Vec<i8>,
    steps: Vec<f32>,
    /// The indices of all centroids.
    all: Vec<usize>,
}

impl Centroids {
    fn of(segment: &Segment, groups: &[Vec<u32>]) -> (Self, Vec<f32>) {
        let width = segment.dimensions();
        let mut centroids = Self {
            codes: vec![0; groups.len() * width],
            steps: Vec::with_capacity(groups.len()),
            all: (0..groups.len()).collect(),
        };
        let mut spreads = Vec::with_capacity(groups.len());
        for (group, code) in groups.iter().zip(centroids.codes.chunks_mut(width.max(1))) {
            let centroid = mean(segment, group);
            let square: f32 = centroid.iter().map(|x| x * x).sum();
            // Rows have length 1.
            spreads.push((1.0 - square).max(0.0).sqrt());
            centroids.steps.push(quantize_int8(&centroid, code));
        }
        (centroids, spreads)
    }

    /// The dot products with a query.
    fn similarities(&self, query: &DenseQuery) -> Vec<f32> {
        let mut dots = vec![0; self.all.len()];
        codes::dots_int8(&self.codes, &self.all, &query.int12, &mut dots);
        let steps = dots.iter().zip(&self.steps);
        steps
            .map(|(dot, step)| query.int8_score(*dot, *step).value)
            .collect()
    }

    /// The centroid with the most similar direction to a row's. `dots` is scratch space.
    fn nearest(&self, code: &[i16], lengths: &[f32], dots: &mut [i32]) -> usize {
        codes::dots_int8(&self.codes, &self.all, code, dots);
        let mut best = (f32::NEG_INFINITY, 0);
        let centroids = dots.iter().zip(&self.steps).zip(lengths).enumerate();
        for (index, ((dot, step), length)) in centroids {
            let cosine = *dot as f32 * step / length;
            if cosine > best.0 {
                best = (cosine, index);
            }
        }
        best.1
    }
}

/// The mean of these rows.
fn mean(segment: &Segment, rows: &[u32]) -> Vec<f32> {
    let mut mean = vec![0.0; segment.dimensions()];
    for row in rows {
        let (code, step) = segment.int8_code(*row as usize);
        for (sum, x) in mean.iter_mut().zip(code) {
            *sum += f32::from(*x) * step;
        }
    }
    let count = rows.len().max(1) as f32;
    for x in &mut mean {
        *x /= count;
    }
    mean
}

/// At most `wanted` groups of near rows, by spherical k-means (Dhillon and Modha, 2001). It is
/// deterministic: the initial centroids are evenly spaced rows.
fn k_means(segment: &Segment, rows: &[u32], wanted: usize) -> Vec<Vec<u32>> {
    let every = (rows.len() / wanted.max(1)).max(1);
    let mut groups: Vec<Vec<u32>> = rows
        .iter()
        .step_by(every)
        .take(wanted)
        .map(|row| vec![*row])
        .collect();
    for _ in 0..ITERATIONS {
        let (centroids, spreads) = Centroids::of(segment, &groups);
        let lengths: Vec<f32> = spreads
            .iter()
            .map(|spread| (1.0 - spread * spread).max(f32::EPSILON).sqrt())
            .collect();
        let mut dots = vec![0; groups.len()];
        let mut next = vec![Vec::new(); groups.len()];
        let mut wide = vec![0; segment.dimensions()];
        for row in rows {
            for (wide, x) in wide.iter_mut().zip(segment.int8_code(*row as usize).0) {
                *wide = i16::from(*x);
            }
            let nearest = centroids.nearest(&wide, &lengths, &mut dots);
            if let Some(group) = next.get_mut(nearest) {
                group.push(*row);
            }
        }
        next.retain(|group: &Vec<u32>| !group.is_empty());
        groups = next;
    }
    groups
}
