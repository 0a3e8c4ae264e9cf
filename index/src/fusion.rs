//! One ranking out of two: a convex combination of normalised scores (Bruch, Gai and Ingber,
//! TOIS 2023), which beats reciprocal ranks on 27 of 29 BEIR sets.

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

/// Joins the arms. `cosine` fills in the nearness of passages that only the words found.
pub(crate) fn fuse(
    words: &[KeywordHit],
    meaning: &[VectorHit],
    cosine: impl Fn(i64) -> Option<f32>,
    weight: f32,
) -> Vec<Hit> {
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
    let cosines = || found.values().filter_map(|both| both.semantic);
    let low = cosines().fold(f32::INFINITY, f32::min);
    let high = cosines().fold(f32::NEG_INFINITY, f32::max);
    let best_words = words.iter().map(|hit| hit.score).fold(0.0, f32::max);
    let mut hits: Vec<Hit> = found
        .into_iter()
        .map(|(passage, both)| {
            let meaning = both.semantic.map_or(0.0, |c| share(c, low, high));
            // BM25's lowest value is known to be 0, so no passage has to stand for it.
            let words = both
                .keyword
                .map_or(0.0, |score| share(score, 0.0, best_words));
            Hit {
                passage: PassageId(passage),
                revision: RevisionId(i64::from(both.revision)),
                score: weight * meaning + (1.0 - weight) * words,
                keyword: both.keyword,
                semantic: both.semantic,
            }
        })
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    hits
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
        let hits = fuse(
            &words,
            &meaning,
            |passage| (passage == 2).then_some(0.3),
            0.6,
        );
        let order: Vec<i64> = hits.iter().map(|hit| hit.passage.0).collect();
        assert_eq!(order, [1, 3, 2, 4]);
        assert_eq!(hits[2].semantic, Some(0.3));
        assert!((hits[0].score - (0.6 * 0.7 / 0.8 + 0.4)).abs() < 1e-6);
        assert!((hits[1].score - 0.6).abs() < 1e-6);
    }
}
