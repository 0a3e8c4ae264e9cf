//! The exact search: every permitted vector against the question's.

use super::{Segment, VectorHit, sort};
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Rows that one thread compares at a time.
const ROWS: usize = 4096;
const LANES: usize = 16;

/// The dot product of each row with `question`, into `out`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it is compiled once for each vector width"
)]
fn dots_plain(rows: &[f32], question: &[f32], out: &mut [f32]) {
    let (asked, asked_rest) = question.as_chunks::<LANES>();
    for (row, out) in rows.chunks_exact(question.len()).zip(out) {
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn dots_512(rows: &[f32], question: &[f32], out: &mut [f32]) {
    dots_plain(rows, question, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dots_256(rows: &[f32], question: &[f32], out: &mut [f32]) {
    dots_plain(rows, question, out);
}

/// [`dots_plain`] at the widest vectors of this machine.
fn dots(rows: &[f32], question: &[f32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if avx2 && is_x86_feature_detected!("avx512f") {
            #[expect(unsafe_code, reason = "calls what this machine was found to have")]
            // SAFETY: every feature that `dots_512` is compiled for was found above.
            return unsafe { dots_512(rows, question, out) };
        }
        if avx2 {
            #[expect(unsafe_code, reason = "calls what this machine was found to have")]
            // SAFETY: every feature that `dots_256` is compiled for was found above.
            return unsafe { dots_256(rows, question, out) };
        }
    }
    dots_plain(rows, question, out);
}

/// The dot product of two vectors of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    if a.len() == b.len() && !a.is_empty() {
        dots(a, b, &mut out);
    }
    out[0]
}

/// The `limit` nearest permitted rows of all segments with a passage after `after`, best first.
/// No row outside `permitted` is compared.
pub(crate) fn nearest(
    segments: &[Arc<Segment>],
    question: &[f32],
    permitted: &RoaringBitmap,
    after: i64,
    limit: usize,
) -> Vec<VectorHit> {
    let parts: Vec<(&Segment, usize)> = segments
        .iter()
        .flat_map(|segment| {
            (0..segment.len())
                .step_by(ROWS)
                .map(move |row| (segment.as_ref(), row))
        })
        .collect();
    let mut hits: Vec<VectorHit> = parts
        .into_par_iter()
        .flat_map_iter(|(segment, first)| {
            let end = (first + ROWS).min(segment.len());
            part(segment, first..end, question, permitted, after, limit)
        })
        .collect();
    sort(&mut hits);
    hits.truncate(limit);
    hits
}

fn part(
    segment: &Segment,
    rows: std::ops::Range<usize>,
    question: &[f32],
    permitted: &RoaringBitmap,
    after: i64,
    limit: usize,
) -> Vec<VectorHit> {
    let mut hits = Vec::new();
    let mut out = [0.0_f32; ROWS];
    let mut start = rows.start;
    while start < rows.end {
        // A run of neighbours of one revision is permitted or not as a whole.
        let revision = segment.revisions.get(start).copied().unwrap_or(u32::MAX);
        let rest = segment.revisions.get(start..rows.end).unwrap_or_default();
        let length = rest.iter().take_while(|r| **r == revision).count().max(1);
        let run = start..start + length;
        start = run.end;
        let passages = segment.passages.get(run.clone()).unwrap_or_default();
        if !permitted.contains(revision) || passages.last().is_none_or(|last| *last <= after) {
            continue;
        }
        let width = segment.dimensions;
        let values = segment
            .values
            .get(run.start * width..run.end * width)
            .unwrap_or_default();
        dots(values, question, &mut out);
        let scored = passages
            .iter()
            .zip(out)
            .filter(|(passage, _)| **passage > after);
        hits.extend(scored.map(|(passage, cosine)| VectorHit {
            passage: *passage,
            revision,
            cosine,
        }));
    }
    if hits.len() > 2 * limit {
        sort(&mut hits);
        hits.truncate(limit);
    }
    hits
}
