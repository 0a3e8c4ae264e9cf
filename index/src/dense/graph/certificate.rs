//! The certificate of a graph: its recall, measured against the exact scan before the graph is used.

use super::{BuildOutcome, CertifiedGraph, Graph, walk};
use crate::dense::{self, DenseHit, DenseQuery, Quantizer, Segment};
use crate::request::GraphCertificate;
use crate::revisions::{ReadableRevisions, Revisions};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The minimum of the recall of the ten nearest.
const MIN_RECALL: f32 = 0.99;

/// The recall for which an effort is chosen. The questions of a site are not those of the certificate, so it
/// leaves a margin. A graph that reaches only [`MIN_RECALL`] is used with the largest effort.
const TARGET_RECALL: f32 = 0.995;

/// The nearest passages that are compared.
const HITS: usize = 10;

/// The maximum of questions.
const MAX_QUESTIONS: usize = 200;

/// The lengths of the beam that are tried, in this order.
const EFFORTS: [usize; 11] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/// The weight of another passage's vector in a question's, as in the acceptance test of a generation.
const NOISE_WEIGHT: f32 = 0.6;

/// With a filter, one of this many revisions is permitted. If fewer are, they are scanned exactly: see
/// [`dense::MIN_PERMITTED_SHARE`].
const FILTERED_SHARE: u32 = 3;

/// The questions of a certificate and their answers.
struct Exam<'a> {
    segment: &'a Arc<Segment>,
    queries: Vec<DenseQuery>,
    /// Everything; one of [`FILTERED_SHARE`] revisions; and as many that came one after another, as
    /// those of a department do.
    filters: [ReadableRevisions; 3],
    /// The nearest passages of each question, for each filter.
    truth: [Vec<Vec<i64>>; 3],
}

/// Measures a graph, and drops it if it is not good enough.
pub(super) fn certify(segment: &Arc<Segment>, graph: Graph) -> CertifiedGraph {
    let exam = Exam::new(segment);
    let mut certificate = GraphCertificate {
        passages: segment.rows(),
        ef: 0,
        filtered_ef: 0,
        recall: 0.0,
        filtered_recall: 0.0,
        comparisons: 0,
        refusal: None,
    };
    for ef in EFFORTS {
        let [recall, scattered_recall, adjacent_recall] = exam.recall(&graph, ef);
        let filtered_recall = scattered_recall.min(adjacent_recall);
        if certificate.recall < TARGET_RECALL {
            (certificate.ef, certificate.recall) = (ef, recall);
        }
        if certificate.filtered_recall < TARGET_RECALL {
            (certificate.filtered_ef, certificate.filtered_recall) = (ef, filtered_recall);
        }
        if certificate.recall.min(certificate.filtered_recall) >= TARGET_RECALL {
            break;
        }
    }
    if certificate.recall.min(certificate.filtered_recall) >= MIN_RECALL {
        certificate.comparisons = exam.comparisons(&graph, certificate.ef);
        return CertifiedGraph {
            graph: Some(graph),
            certificate,
        };
    }
    certificate.refusal = Some(format!(
        "its recall is {:.3}, or {:.3} with a filter, and {MIN_RECALL} is required",
        certificate.recall, certificate.filtered_recall
    ));
    CertifiedGraph {
        graph: None,
        certificate,
    }
}

/// Builds and measures the graph of a segment; `None` if the index is closing.
pub(crate) fn build_certified(
    segment: &Arc<Segment>,
    is_closing: &AtomicBool,
) -> Option<CertifiedGraph> {
    match super::build(segment, is_closing) {
        BuildOutcome::Built(graph) => Some(certify(segment, graph)),
        BuildOutcome::Interrupted => None,
        BuildOutcome::Failed(reason) => Some(CertifiedGraph {
            graph: None,
            certificate: GraphCertificate::refused(segment.rows(), reason),
        }),
    }
}

impl GraphCertificate {
    fn refused(passages: usize, reason: String) -> Self {
        Self {
            passages,
            ef: 0,
            filtered_ef: 0,
            recall: 0.0,
            filtered_recall: 0.0,
            comparisons: 0,
            refusal: Some(reason),
        }
    }
}

impl<'a> Exam<'a> {
    fn new(segment: &'a Arc<Segment>) -> Self {
        let revisions = Revisions::from_runs(segment.revisions());
        let count = u32::try_from(revisions.ids().count()).unwrap_or(u32::MAX);
        let permit = |is_permitted: &dyn Fn(u32) -> bool| {
            let numbered = revisions.ids().zip(0_u32..);
            let permitted = numbered.filter(|(_, number)| is_permitted(*number));
            revisions.readable(&permitted.map(|(revision, _)| revision).collect())
        };
        let filters = [
            permit(&|_| true),
            permit(&|number| number % FILTERED_SHARE == 0),
            permit(&|number| number <= count / FILTERED_SHARE),
        ];
        let queries = questions(segment);
        let segments = std::slice::from_ref(segment);
        let truth = filters.each_ref().map(|readable| {
            queries
                .par_iter()
                .map(|query| passages(&dense::scan_exact(segments, query, readable, HITS)))
                .collect()
        });
        Self {
            segment,
            queries,
            filters,
            truth,
        }
    }

    /// The share of the truth that walks find, for each filter.
    fn recall(&self, graph: &Graph, ef: usize) -> [f32; 3] {
        let mut recall = [0.0; 3];
        for ((recall, readable), truth) in recall.iter_mut().zip(&self.filters).zip(&self.truth) {
            let (mut found, mut known) = (0, 0);
            for (query, truth) in self.queries.iter().zip(truth) {
                let nearest = nearest_in_graph(self.segment, graph, query, readable, ef);
                found += truth
                    .iter()
                    .filter(|passage| nearest.contains(passage))
                    .count();
                known += truth.len();
            }
            *recall = found as f32 / known.max(1) as f32;
        }
        recall
    }

    /// The mean number of passages that a walk compares.
    fn comparisons(&self, graph: &Graph, ef: usize) -> usize {
        let walks = self.queries.iter();
        let walks = walks.map(|query| walk(graph, self.segment, query, None, ef).comparisons);
        walks.sum::<usize>() / self.queries.len().max(1)
    }
}

/// The passages of the ten nearest rows by the graph.
fn nearest_in_graph(
    segment: &Segment,
    graph: &Graph,
    query: &DenseQuery,
    readable: &ReadableRevisions,
    ef: usize,
) -> Vec<i64> {
    let permitted = segment.readable_rows(readable);
    let found = walk(graph, segment, query, permitted.filter(), ef);
    passages(&dense::select_nearest(found.candidates, query, HITS))
}

fn passages(hits: &[DenseHit]) -> Vec<i64> {
    hits.iter().map(|hit| hit.passage).collect()
}

/// Vectors of live rows, evenly spaced, each mixed with the one before.
fn questions(segment: &Segment) -> Vec<DenseQuery> {
    let quantizer = Quantizer::new(segment.dimensions());
    let every = (segment.live_rows() / MAX_QUESTIONS).max(1);
    let rows = segment
        .live_row_indices()
        .step_by(every)
        .take(MAX_QUESTIONS);
    let vectors: Vec<Vec<f32>> = rows.map(|row| decoded(segment, row)).collect();
    let others = vectors.iter().cycle().skip(vectors.len().saturating_sub(1));
    let mixed = vectors.iter().zip(others).map(|(own, other)| {
        let mixed: Vec<f32> = own
            .iter()
            .zip(other)
            .map(|(a, b)| a + NOISE_WEIGHT * b)
            .collect();
        let length = dense::dot(&mixed, &mixed).sqrt().max(f32::MIN_POSITIVE);
        let vector: Vec<f32> = mixed.iter().map(|x| x / length).collect();
        quantizer.prepare_query(&vector, false)
    });
    mixed.collect()
}

/// The vector of a row by its int8 code.
fn decoded(segment: &Segment, row: usize) -> Vec<f32> {
    let (code, step) = segment.int8_code(row);
    code.iter().map(|x| f32::from(*x) * step).collect()
}
