//! One ranking out of two: a convex combination of normalised scores (Bruch, Gai and Ingber,
//! TOIS 2023), which beats reciprocal ranks on 27 of 29 BEIR sets. To it is added what the passage
//! is part of: the document that the question points to, and what stands beside it.

use crate::entry::Hit;
use crate::keyword::KeywordHit;
use crate::vectors::VectorHit;
use cloister_domain::{PassageId, RevisionId};
use std::collections::BTreeMap;

/// What both arms know of one passage.
struct Both {
    revision: u32,
    keyword: Option<f32>,
    semantic: Option<f32>,
}

/// How much each sign counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blend {
    /// The share of meaning, from 0 to 1; the rest is the words'.
    pub meaning: f32,
    /// What the best route adds.
    pub route: f32,
    /// The share of a passage's score that the passages beside it gain.
    pub neighbour: f32,
}

/// Joins the arms. `cosine` fills in the nearness of passages that only the words found; `routes`
/// says how much the question points to each document, from 0 to 1, where documents are long, and
/// which of them are a passage alone, which is its own neighbour.
pub(crate) fn fuse(
    words: &[KeywordHit],
    meaning: &[VectorHit],
    cosine: impl Fn(i64) -> Option<f32>,
    routes: impl Fn(u32) -> Option<f32>,
    alone: impl Fn(u32) -> bool,
    blend: Blend,
) -> Vec<Hit> {
    let found = join(words, meaning, cosine);
    let cosines = || found.values().filter_map(|both| both.semantic);
    let low = cosines().fold(f32::INFINITY, f32::min);
    let high = cosines().fold(f32::NEG_INFINITY, f32::max);
    let best_words = words.iter().map(|hit| hit.score).fold(0.0, f32::max);
    let arms = |both: &Both| {
        let meaning = both.semantic.map_or(0.0, |c| share(c, low, high));
        // BM25's lowest value is known to be 0, so no passage has to stand for it.
        let words = both.keyword.map_or(0.0, |s| share(s, 0.0, best_words));
        blend.meaning * meaning + (1.0 - blend.meaning) * words
    };
    let beside = |passage: i64, revision: u32| {
        let beside = found.get(&passage).filter(|both| both.revision == revision);
        beside.map_or(0.0, arms)
    };
    let most = 1.0 + blend.neighbour + blend.route;
    let mut hits: Vec<Hit> = found
        .iter()
        .map(|(passage, both)| {
            let revision = both.revision;
            let mut score = arms(both);
            if let Some(route) = routes(revision) {
                let neighbour = if alone(revision) {
                    score
                } else {
                    beside(passage - 1, revision).max(beside(passage + 1, revision))
                };
                score += blend.neighbour * neighbour + blend.route * route;
            }
            Hit {
                passage: PassageId(*passage),
                revision: RevisionId(i64::from(revision)),
                score: score / most,
                keyword: both.keyword,
                semantic: both.semantic,
            }
        })
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    hits
}

fn join(
    words: &[KeywordHit],
    meaning: &[VectorHit],
    cosine: impl Fn(i64) -> Option<f32>,
) -> BTreeMap<i64, Both> {
    let mut found: BTreeMap<i64, Both> = BTreeMap::new();
    for hit in meaning {
        let (revision, semantic) = (hit.revision, Some(hit.cosine));
        found.insert(
            hit.passage,
            Both {
                revision,
                keyword: None,
                semantic,
            },
        );
    }
    for hit in words {
        let both = found.entry(hit.passage).or_insert_with(|| Both {
            revision: hit.revision,
            keyword: None,
            semantic: cosine(hit.passage),
        });
        both.keyword = Some(hit.score);
    }
    found
}

/// Where `value` lies between `low` and `high`; 1 where they are one.
fn share(value: f32, low: f32, high: f32) -> f32 {
    if high > low {
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_passage_of_both_arms_is_first_and_one_of_the_words_alone_gets_its_cosine() {
        let word = |passage, score| KeywordHit {
            passage,
            revision: 7,
            score,
        };
        let near = |passage, cosine| VectorHit {
            passage,
            revision: 7,
            cosine,
        };
        let words = [word(1, 8.0), word(2, 4.0)];
        let meaning = [near(3, 0.9), near(1, 0.8), near(4, 0.1)];
        let blend = Blend {
            meaning: 0.6,
            route: 0.0,
            neighbour: 0.0,
        };
        let cosine = |passage| (passage == 2).then_some(0.3);
        let hits = fuse(&words, &meaning, cosine, |_| None, |_| false, blend);
        let order: Vec<i64> = hits.iter().map(|hit| hit.passage.0).collect();
        assert_eq!(order, [1, 3, 2, 4]);
        assert_eq!(hits[2].semantic, Some(0.3));
        assert!((hits[0].score - (0.6 * 0.7 / 0.8 + 0.4)).abs() < 1e-6);
        assert!((hits[1].score - 0.6).abs() < 1e-6);
    }

    #[test]
    fn a_document_that_is_pointed_to_and_a_good_neighbour_lift_a_passage() {
        let near = |passage, revision, cosine| VectorHit {
            passage,
            revision,
            cosine,
        };
        let meaning = [
            near(1, 7, 0.9),
            near(5, 8, 0.8),
            near(6, 8, 0.7),
            near(9, 9, 0.1),
        ];
        let first = |route, neighbour| {
            let blend = Blend {
                meaning: 1.0,
                route,
                neighbour,
            };
            let routes = HashMap::from([(8, 1.0), (7, 0.5)]);
            let route = |revision| routes.get(&revision).copied();
            let hits = fuse(&[], &meaning, |_| None, route, |_| false, blend);
            hits.first().map(|hit| hit.passage.0)
        };
        assert_eq!(first(0.0, 0.0), Some(1));
        assert_eq!(first(0.4, 0.0), Some(5));
        assert_eq!(first(0.0, 0.5), Some(5));
    }
}
