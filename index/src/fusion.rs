//! Fusion of both arms: a convex combination of normalised scores (Bruch, Gai and Ingber, TOIS 2023). The
//! scores of the document and of the neighbouring passages are added to it.
//!
//! Most dense scores need not be known exactly to decide the ranking. Those that decide are computed from
//! the vectors, and the ranking is the one of exact scores.

use crate::dense::{DenseHit, ScoreEstimate, kth_largest};
use crate::lexical::LexicalHit;
use crate::request::Hit;
use cloister_domain::{PassageId, RevisionId};

/// The dense scores of passages.
pub(crate) trait DenseScores {
    /// The score from the codes in memory.
    fn estimate(&self, passage: i64) -> Option<ScoreEstimate>;

    /// The score from the vector, which is read from the disk.
    fn exact(&self, passage: i64) -> Option<f32>;
}

/// The results of both arms.
#[derive(Clone, Copy)]
pub(crate) struct ArmResults<'a> {
    pub lexical: &'a [LexicalHit],
    pub dense: &'a [DenseHit],
}

/// The weights of the scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FusionWeights {
    /// The share of the dense score, from 0 to 1. The rest is the lexical score's.
    pub dense: f32,
    /// The weight of the document's score.
    pub document: f32,
    /// The weight of the better neighbour's score.
    pub neighbour: f32,
}

/// The inputs of a fusion.
pub(crate) struct Fusion<'a, S, D, O> {
    pub results: ArmResults<'a>,
    pub dense_scores: &'a S,
    /// The score of a document, from 0 to 1, if documents are long.
    pub document_score: D,
    /// Whether a document has only one passage. Such a passage is its own neighbour.
    pub has_one_passage: O,
    pub weights: FusionWeights,
}

impl<S: DenseScores, D: Fn(u32) -> Option<f32>, O: Fn(u32) -> bool> Fusion<'_, S, D, O> {
    /// The `limit` best passages, best first.
    pub(crate) fn rank(self, limit: usize) -> Vec<Hit> {
        let dense_scores = self.dense_scores;
        let lexical_scores = self.results.lexical.iter().map(|hit| hit.score);
        let mut ranking = Ranking {
            passages: join(self.results, dense_scores),
            min_dense: 0.0,
            max_dense: 0.0,
            max_lexical: lexical_scores.fold(0.0, f32::max),
            document_score: self.document_score,
            has_one_passage: self.has_one_passage,
            weights: self.weights,
        };
        ranking.resolve_extremes(dense_scores);
        let candidates = ranking.candidates(limit);
        for index in &candidates {
            ranking.resolve(*index, dense_scores);
            for neighbour in ranking.neighbours(*index) {
                ranking.resolve(neighbour, dense_scores);
            }
        }
        let mut hits: Vec<Hit> = candidates
            .iter()
            .filter_map(|index| ranking.hit(*index))
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        hits.truncate(limit);
        hits
    }
}

/// A passage with its scores of both arms.
#[derive(Clone, Copy)]
struct FusedPassage {
    passage: i64,
    revision: u32,
    lexical: Option<f32>,
    dense: Option<ScoreEstimate>,
}

/// The passages of both arms, and everything that their scores depend on.
struct Ranking<D, O> {
    // INVARIANT: ordered by passage and distinct.
    passages: Vec<FusedPassage>,
    /// The lowest and the highest dense score, for the normalisation.
    min_dense: f32,
    max_dense: f32,
    max_lexical: f32,
    document_score: D,
    has_one_passage: O,
    weights: FusionWeights,
}

impl<D: Fn(u32) -> Option<f32>, O: Fn(u32) -> bool> Ranking<D, O> {
    /// Finds the lowest and the highest exact dense score.
    fn resolve_extremes(&mut self, dense_scores: &impl DenseScores) {
        let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
        for score in self.passages.iter().filter_map(|passage| passage.dense) {
            min = min.min(score.upper_bound());
            max = max.max(score.lower_bound());
        }
        (self.min_dense, self.max_dense) = (f32::INFINITY, f32::NEG_INFINITY);
        for index in 0..self.passages.len() {
            let known = self.passages.get(index).and_then(|passage| passage.dense);
            if let Some(known) = known
                && (known.lower_bound() <= min || known.upper_bound() >= max)
                && let Some(score) = self.resolve(index, dense_scores)
            {
                self.min_dense = self.min_dense.min(score);
                self.max_dense = self.max_dense.max(score);
            }
        }
    }

    /// Makes the dense score of a passage exact.
    fn resolve(&mut self, index: usize, dense_scores: &impl DenseScores) -> Option<f32> {
        let passage = self.passages.get_mut(index)?;
        let score = passage.dense.as_mut()?;
        if score.error > 0.0
            && let Some(exact) = dense_scores.exact(passage.passage)
        {
            *score = ScoreEstimate::exact(exact);
        }
        Some(score.value)
    }

    /// The indices of the passages that can be among the best `limit`.
    fn candidates(&self, limit: usize) -> Vec<usize> {
        let indices = 0..self.passages.len();
        let mut lower_bounds: Vec<f32> = indices
            .clone()
            .map(|index| self.score(index, ScoreEstimate::lower_bound))
            .collect();
        let threshold = kth_largest(&mut lower_bounds, limit);
        indices
            .filter(|index| self.score(*index, ScoreEstimate::upper_bound) >= threshold)
            .collect()
    }

    fn hit(&self, index: usize) -> Option<Hit> {
        let passage = self.passages.get(index)?;
        Some(Hit {
            passage: PassageId(passage.passage),
            revision: RevisionId(i64::from(passage.revision)),
            score: self.score(index, |score| score.value),
            lexical: passage.lexical,
            dense: passage.dense.map(|score| score.value),
        })
    }

    /// The fused score, with the value `of` of the dense scores. It is monotonic in them.
    fn score(&self, index: usize, of: fn(ScoreEstimate) -> f32) -> f32 {
        let Some(passage) = self.passages.get(index) else {
            return 0.0;
        };
        let mut score = self.arm_score(passage, of);
        if let Some(document_score) = (self.document_score)(passage.revision) {
            let neighbour_score = if (self.has_one_passage)(passage.revision) {
                score
            } else {
                let neighbours = self.neighbours(index);
                let neighbours = neighbours.filter_map(|index| self.passages.get(index));
                neighbours
                    .map(|passage| self.arm_score(passage, of))
                    .fold(0.0, f32::max)
            };
            score +=
                self.weights.neighbour * neighbour_score + self.weights.document * document_score;
        }
        score / (1.0 + self.weights.neighbour + self.weights.document)
    }

    /// The score of both arms.
    fn arm_score(&self, passage: &FusedPassage, of: fn(ScoreEstimate) -> f32) -> f32 {
        let dense = passage.dense;
        let dense = dense.map_or(0.0, |s| normalize(of(s), self.min_dense, self.max_dense));
        // The lowest lexical score is known to be 0.
        let lexical = passage.lexical;
        let lexical = lexical.map_or(0.0, |score| normalize(score, 0.0, self.max_lexical));
        self.weights.dense * dense + (1.0 - self.weights.dense) * lexical
    }

    /// The indices of the passages before and after it in its document, if they were found and the
    /// document has a score.
    fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> + use<D, O> {
        let passage = self.passages.get(index);
        let passage = passage.filter(|own| (self.document_score)(own.revision).is_some());
        let adjacent = [index.checked_sub(1), index.checked_add(1)];
        let neighbours = adjacent.map(|index| {
            index.filter(|other| {
                passage
                    .zip(self.passages.get(*other))
                    .is_some_and(|(own, other)| {
                        own.revision == other.revision && own.passage.abs_diff(other.passage) == 1
                    })
            })
        });
        neighbours.into_iter().flatten()
    }
}

/// The passages of both arms, ordered by id.
fn join(results: ArmResults<'_>, dense_scores: &impl DenseScores) -> Vec<FusedPassage> {
    let dense = results.dense.iter().map(|hit| FusedPassage {
        passage: hit.passage,
        revision: hit.revision,
        lexical: None,
        dense: Some(hit.score),
    });
    let mut joined: Vec<FusedPassage> = dense.collect();
    joined.sort_unstable_by_key(|passage| passage.passage);
    let dense_count = joined.len();
    for hit in results.lexical {
        let (dense, _) = joined.split_at_mut(dense_count);
        let index = dense.binary_search_by_key(&hit.passage, |passage| passage.passage);
        match index.ok().and_then(|index| dense.get_mut(index)) {
            Some(passage) => passage.lexical = Some(hit.score),
            None => joined.push(FusedPassage {
                passage: hit.passage,
                revision: hit.revision,
                lexical: Some(hit.score),
                dense: dense_scores.estimate(hit.passage),
            }),
        }
    }
    joined.sort_unstable_by_key(|passage| passage.passage);
    joined
}

/// Min-max normalisation; 1 if both ends are equal.
fn normalize(value: f32, min: f32, max: f32) -> f32 {
    if max > min {
        ((value - min) / (max - min)).clamp(0.0, 1.0)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::collections::{BTreeSet, HashMap};

    /// Scores whose estimates have this error. Records which exact scores are read.
    #[derive(Default)]
    struct TestScores {
        exact: HashMap<i64, f32>,
        error: f32,
        read: RefCell<BTreeSet<i64>>,
    }

    impl DenseScores for TestScores {
        fn estimate(&self, passage: i64) -> Option<ScoreEstimate> {
            Some(ScoreEstimate {
                value: self.exact.get(&passage)? + self.error * 0.9,
                error: self.error,
            })
        }

        fn exact(&self, passage: i64) -> Option<f32> {
            self.read.borrow_mut().insert(passage);
            self.exact.get(&passage).copied()
        }
    }

    fn lexical_hit(passage: i64, revision: u32, score: f32) -> LexicalHit {
        LexicalHit {
            passage,
            revision,
            score,
        }
    }

    fn dense_hit(passage: i64, revision: u32, score: f32) -> DenseHit {
        DenseHit {
            passage,
            revision,
            score: ScoreEstimate::exact(score),
        }
    }

    #[test]
    fn scores_of_both_arms_are_combined() {
        let lexical = [lexical_hit(1, 7, 8.0), lexical_hit(2, 7, 4.0)];
        let dense = [
            dense_hit(3, 7, 0.9),
            dense_hit(1, 7, 0.8),
            dense_hit(4, 7, 0.1),
        ];
        let dense_scores = TestScores {
            exact: HashMap::from([(2, 0.3)]),
            ..TestScores::default()
        };
        let fusion = Fusion {
            results: ArmResults {
                lexical: &lexical,
                dense: &dense,
            },
            dense_scores: &dense_scores,
            document_score: |_| None,
            has_one_passage: |_| false,
            weights: FusionWeights {
                dense: 0.6,
                document: 0.0,
                neighbour: 0.0,
            },
        };
        let hits = fusion.rank(9);
        let order: Vec<i64> = hits.iter().map(|hit| hit.passage.0).collect();
        assert_eq!(order, [1, 3, 2, 4]);
        assert_eq!(hits[2].dense, Some(0.3));
        assert!((hits[0].score - (0.6 * 0.7 / 0.8 + 0.4)).abs() < 1e-6);
        assert!((hits[1].score - 0.6).abs() < 1e-6);
    }

    #[test]
    fn document_scores_and_neighbours_raise_a_passage() {
        let dense = [
            dense_hit(1, 7, 0.9),
            dense_hit(5, 8, 0.8),
            dense_hit(6, 8, 0.7),
            dense_hit(9, 9, 0.1),
        ];
        let first = |document, neighbour| {
            let document_scores = HashMap::from([(8, 1.0), (7, 0.5)]);
            let fusion = Fusion {
                results: ArmResults {
                    lexical: &[],
                    dense: &dense,
                },
                dense_scores: &TestScores::default(),
                document_score: |revision| document_scores.get(&revision).copied(),
                has_one_passage: |_| false,
                weights: FusionWeights {
                    dense: 1.0,
                    document,
                    neighbour,
                },
            };
            let hits = fusion.rank(1);
            hits.first().map(|hit| hit.passage.0)
        };
        assert_eq!(first(0.0, 0.0), Some(1));
        assert_eq!(first(0.4, 0.0), Some(5));
        assert_eq!(first(0.0, 0.5), Some(5));
    }

    proptest! {
        #[test]
        fn the_ranking_is_that_of_exact_scores(
            exact_scores in prop::collection::btree_map(1_i64..60, -0.5_f32..1.0, 1..40),
            lexical_scores in prop::collection::btree_map(1_i64..60, 0.5_f32..9.0, 0..30),
            error in 0.001_f32..0.2,
            limit in 1_usize..12,
            (document, neighbour) in (0.0_f32..0.5, 0.0_f32..0.5),
        ) {
            let revision = |passage: i64| u32::try_from(passage / 4).unwrap();
            let exact: HashMap<i64, f32> = (1..60)
                .map(|p| (p, exact_scores.get(&p).copied().unwrap_or(0.4)))
                .collect();
            let hits = |error: f32| {
                let dense_scores = TestScores {
                    exact: exact.clone(),
                    error,
                    ..TestScores::default()
                };
                let dense: Vec<DenseHit> = exact_scores
                    .keys()
                    .map(|p| DenseHit {
                        passage: *p,
                        revision: revision(*p),
                        score: dense_scores.estimate(*p).unwrap(),
                    })
                    .collect();
                let lexical: Vec<LexicalHit> = lexical_scores
                    .iter()
                    .map(|(p, score)| lexical_hit(*p, revision(*p), *score))
                    .collect();
                let fusion = Fusion {
                    results: ArmResults { lexical: &lexical, dense: &dense },
                    dense_scores: &dense_scores,
                    document_score: |revision: u32| Some((revision % 3) as f32 / 2.0),
                    has_one_passage: |revision: u32| revision.is_multiple_of(5),
                    weights: FusionWeights { dense: 0.6, document, neighbour },
                };
                fusion.rank(limit)
            };
            prop_assert_eq!(hits(error), hits(0.0));
        }
    }

    #[test]
    fn vectors_that_decide_nothing_are_not_read() {
        let dense: Vec<DenseHit> = (0..300)
            .map(|passage| DenseHit {
                passage,
                revision: 7,
                score: ScoreEstimate {
                    value: 0.9 - passage as f32 * 0.002,
                    error: 0.003,
                },
            })
            .collect();
        let exact = dense.iter().map(|hit| (hit.passage, hit.score.value));
        let dense_scores = TestScores {
            exact: exact.collect(),
            ..TestScores::default()
        };
        let fusion = Fusion {
            results: ArmResults {
                lexical: &[],
                dense: &dense,
            },
            dense_scores: &dense_scores,
            document_score: |_| None,
            has_one_passage: |_| false,
            weights: FusionWeights {
                dense: 1.0,
                document: 0.0,
                neighbour: 0.0,
            },
        };
        assert_eq!(fusion.rank(10).len(), 10);
        let read = dense_scores.read.borrow();
        assert!((10..40).contains(&read.len()), "{}", read.len());
    }
}
