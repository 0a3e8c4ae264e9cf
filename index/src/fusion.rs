//! One ranking out of two: a convex combination of normalised scores (Bruch, Gai and Ingber,
//! TOIS 2023), which beats reciprocal ranks on 27 of 29 BEIR sets. To it is added what the passage
//! is part of: the document that the question points to, and what stands beside it.
//!
//! Most cosines need not be known exactly to say which passages are best. Those that decide are
//! read, and the ranking is the one that reading all of them would give.

use crate::entry::Hit;
use crate::keyword::KeywordHit;
use crate::vectors::{Cosine, VectorHit, kth_largest};
use cloister_domain::{PassageId, RevisionId};

/// How near any passage is to the question.
pub(crate) trait Cosines {
    /// As its code in memory says.
    fn about(&self, passage: i64) -> Option<Cosine>;

    /// As its vector says, which is read from the disk.
    fn exactly(&self, passage: i64) -> Option<f32>;
}

/// What the arms found.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub words: &'a [KeywordHit],
    pub meaning: &'a [VectorHit],
}

/// What both arms know of one passage.
#[derive(Clone, Copy)]
struct Both {
    passage: i64,
    revision: u32,
    keyword: Option<f32>,
    semantic: Option<Cosine>,
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

/// The `limit` best of what the arms found, best first. `routes` says how much the question points
/// to each document, from 0 to 1, where documents are long, and `alone` which of them are a passage
/// alone, which is its own neighbour.
pub(crate) fn fuse(
    found: Found<'_>,
    cosines: &impl Cosines,
    routes: impl Fn(u32) -> Option<f32>,
    alone: impl Fn(u32) -> bool,
    blend: Blend,
    limit: usize,
) -> Vec<Hit> {
    let mut joined = Joined {
        passages: join(found, cosines),
        low: 0.0,
        high: 0.0,
        best_words: found.words.iter().map(|hit| hit.score).fold(0.0, f32::max),
        routes,
        alone,
        blend,
    };
    joined.settle_ends(cosines);
    let chosen = joined.reaching(limit);
    for place in &chosen {
        joined.settle(*place, cosines);
        for beside in joined.beside(*place) {
            joined.settle(beside, cosines);
        }
    }
    let mut hits: Vec<Hit> = chosen
        .iter()
        .filter_map(|place| joined.hit(*place))
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    hits.truncate(limit);
    hits
}

/// What was found, and all that a score depends on.
struct Joined<R, A> {
    // INVARIANT: in the order of the passages, none twice.
    passages: Vec<Both>,
    /// The lowest and the highest cosine.
    low: f32,
    high: f32,
    best_words: f32,
    routes: R,
    alone: A,
    blend: Blend,
}

impl<R: Fn(u32) -> Option<f32>, A: Fn(u32) -> bool> Joined<R, A> {
    /// Finds the lowest and the highest cosine, which all others are measured by.
    fn settle_ends(&mut self, cosines: &impl Cosines) {
        let known = || self.passages.iter().filter_map(|both| both.semantic);
        let low = known().map(Cosine::highest).fold(f32::INFINITY, f32::min);
        let high = known().map(Cosine::lowest);
        let high = high.fold(f32::NEG_INFINITY, f32::max);
        let at_an_end = |c: Cosine| c.lowest() <= low || c.highest() >= high;
        (self.low, self.high) = (f32::INFINITY, f32::NEG_INFINITY);
        for place in 0..self.passages.len() {
            let both = self.passages.get(place);
            if both.is_some_and(|both| both.semantic.is_some_and(at_an_end))
                && let Some(cosine) = self.settle(place, cosines)
            {
                self.low = self.low.min(cosine);
                self.high = self.high.max(cosine);
            }
        }
    }

    /// The exact cosine of a passage, read where it is not known yet.
    fn settle(&mut self, place: usize, cosines: &impl Cosines) -> Option<f32> {
        let both = self.passages.get_mut(place)?;
        let known = both.semantic.as_mut()?;
        if known.off > 0.0
            && let Some(exactly) = cosines.exactly(both.passage)
        {
            *known = Cosine::exactly(exactly);
        }
        Some(known.about)
    }

    /// The places of the passages that may be among the best `limit`.
    fn reaching(&self, limit: usize) -> Vec<usize> {
        let scores = |of: fn(Cosine) -> f32| -> Vec<f32> {
            let places = 0..self.passages.len();
            places.map(|place| self.score(place, of)).collect()
        };
        let threshold = kth_largest(&mut scores(Cosine::lowest), limit);
        let highest = scores(Cosine::highest).into_iter().enumerate();
        let reaching = highest.filter(|(_, highest)| *highest >= threshold);
        reaching.map(|(place, _)| place).collect()
    }

    fn hit(&self, place: usize) -> Option<Hit> {
        let both = self.passages.get(place)?;
        Some(Hit {
            passage: PassageId(both.passage),
            revision: RevisionId(i64::from(both.revision)),
            score: self.score(place, |cosine| cosine.about),
            keyword: both.keyword,
            semantic: both.semantic.map(|cosine| cosine.about),
        })
    }

    /// The score, where a cosine is worth what `of` makes of it. No step of it falls where a
    /// cosine rises.
    fn score(&self, place: usize, of: fn(Cosine) -> f32) -> f32 {
        let Some(both) = self.passages.get(place) else {
            return 0.0;
        };
        let mut score = self.arms(both, of);
        if let Some(route) = (self.routes)(both.revision) {
            let neighbour = if (self.alone)(both.revision) {
                score
            } else {
                let beside = self.beside(place);
                let beside = beside.filter_map(|place| self.passages.get(place));
                beside.map(|both| self.arms(both, of)).fold(0.0, f32::max)
            };
            score += self.blend.neighbour * neighbour + self.blend.route * route;
        }
        score / (1.0 + self.blend.neighbour + self.blend.route)
    }

    /// What both arms give a passage.
    fn arms(&self, both: &Both, of: fn(Cosine) -> f32) -> f32 {
        let meaning = both.semantic;
        let meaning = meaning.map_or(0.0, |cosine| share(of(cosine), self.low, self.high));
        // BM25's lowest value is known to be 0, so no passage has to stand for it.
        let words = both.keyword.map_or(0.0, |s| share(s, 0.0, self.best_words));
        self.blend.meaning * meaning + (1.0 - self.blend.meaning) * words
    }

    /// The places of the passages before and after it in its document, where they were found and
    /// count.
    fn beside(&self, place: usize) -> impl Iterator<Item = usize> + use<R, A> {
        let at = |place: usize| self.passages.get(place);
        let it = at(place).filter(|both| (self.routes)(both.revision).is_some());
        let beside = |other: &usize| {
            it.zip(at(*other)).is_some_and(|(it, other)| {
                it.revision == other.revision && it.passage.abs_diff(other.passage) == 1
            })
        };
        let around = [place.checked_sub(1), place.checked_add(1)];
        let beside = around.map(|place| place.filter(beside));
        beside.into_iter().flatten()
    }
}

/// Both arms' passages, in the order of their ids.
fn join(found: Found<'_>, cosines: &impl Cosines) -> Vec<Both> {
    let near = found.meaning.iter().map(|hit| Both {
        passage: hit.passage,
        revision: hit.revision,
        keyword: None,
        semantic: Some(hit.cosine),
    });
    let mut joined: Vec<Both> = near.collect();
    joined.sort_unstable_by_key(|both| both.passage);
    let near = joined.len();
    for hit in found.words {
        let (known, _) = joined.split_at_mut(near);
        let place = known.binary_search_by_key(&hit.passage, |both| both.passage);
        match place.ok().and_then(|place| known.get_mut(place)) {
            Some(both) => both.keyword = Some(hit.score),
            None => joined.push(Both {
                passage: hit.passage,
                revision: hit.revision,
                keyword: Some(hit.score),
                semantic: cosines.about(hit.passage),
            }),
        }
    }
    joined.sort_unstable_by_key(|both| both.passage);
    joined
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
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::collections::{BTreeSet, HashMap};

    /// Exact cosines by passage, as if codes knew them up to `off`; notes what is read.
    #[derive(Default)]
    struct Known {
        exact: HashMap<i64, f32>,
        off: f32,
        read: RefCell<BTreeSet<i64>>,
    }

    impl Cosines for Known {
        fn about(&self, passage: i64) -> Option<Cosine> {
            let about = self.exact.get(&passage)? + self.off * 0.9;
            let off = self.off;
            Some(Cosine { about, off })
        }

        fn exactly(&self, passage: i64) -> Option<f32> {
            self.read.borrow_mut().insert(passage);
            self.exact.get(&passage).copied()
        }
    }

    fn word(passage: i64, revision: u32, score: f32) -> KeywordHit {
        KeywordHit {
            passage,
            revision,
            score,
        }
    }

    fn near(passage: i64, revision: u32, cosine: f32) -> VectorHit {
        VectorHit {
            passage,
            revision,
            cosine: Cosine::exactly(cosine),
        }
    }

    #[test]
    fn a_passage_of_both_arms_is_first_and_one_of_the_words_alone_gets_its_cosine() {
        let words = [word(1, 7, 8.0), word(2, 7, 4.0)];
        let meaning = [near(3, 7, 0.9), near(1, 7, 0.8), near(4, 7, 0.1)];
        let blend = Blend {
            meaning: 0.6,
            route: 0.0,
            neighbour: 0.0,
        };
        let cosines = Known {
            exact: HashMap::from([(2, 0.3)]),
            ..Known::default()
        };
        let found = Found {
            words: &words,
            meaning: &meaning,
        };
        let hits = fuse(found, &cosines, |_| None, |_| false, blend, 9);
        let order: Vec<i64> = hits.iter().map(|hit| hit.passage.0).collect();
        assert_eq!(order, [1, 3, 2, 4]);
        assert_eq!(hits[2].semantic, Some(0.3));
        assert!((hits[0].score - (0.6 * 0.7 / 0.8 + 0.4)).abs() < 1e-6);
        assert!((hits[1].score - 0.6).abs() < 1e-6);
    }

    #[test]
    fn a_document_that_is_pointed_to_and_a_good_neighbour_lift_a_passage() {
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
            let found = Found {
                words: &[],
                meaning: &meaning,
            };
            let hits = fuse(found, &Known::default(), route, |_| false, blend, 1);
            hits.first().map(|hit| hit.passage.0)
        };
        assert_eq!(first(0.0, 0.0), Some(1));
        assert_eq!(first(0.4, 0.0), Some(5));
        assert_eq!(first(0.0, 0.5), Some(5));
    }

    proptest! {
        #[test]
        fn reading_few_vectors_ranks_as_reading_all(
            cosines in prop::collection::btree_map(1_i64..60, -0.5_f32..1.0, 1..40),
            words in prop::collection::btree_map(1_i64..60, 0.5_f32..9.0, 0..30),
            off in 0.001_f32..0.2,
            limit in 1_usize..12,
            (route, neighbour) in (0.0_f32..0.5, 0.0_f32..0.5),
        ) {
            let revision = |passage: i64| u32::try_from(passage / 4).unwrap();
            let exact: HashMap<i64, f32> = (1..60)
                .map(|p| (p, cosines.get(&p).copied().unwrap_or(0.4)))
                .collect();
            let hits = |off: f32| {
                let known = Known { exact: exact.clone(), off, ..Known::default() };
                let meaning: Vec<VectorHit> = cosines
                    .keys()
                    .map(|p| VectorHit {
                        passage: *p,
                        revision: revision(*p),
                        cosine: known.about(*p).unwrap(),
                    })
                    .collect();
                let words: Vec<KeywordHit> =
                    words.iter().map(|(p, score)| word(*p, revision(*p), *score)).collect();
                let found = Found { words: &words, meaning: &meaning };
                let blend = Blend { meaning: 0.6, route, neighbour };
                let routes = |revision: u32| Some((revision % 3) as f32 / 2.0);
                let alone = |revision: u32| revision.is_multiple_of(5);
                fuse(found, &known, routes, alone, blend, limit)
            };
            prop_assert_eq!(hits(off), hits(0.0));
        }
    }

    #[test]
    fn vectors_that_decide_nothing_are_not_read() {
        let meaning: Vec<VectorHit> = (0..300)
            .map(|passage| VectorHit {
                passage,
                revision: 7,
                cosine: Cosine {
                    about: 0.9 - passage as f32 * 0.002,
                    off: 0.003,
                },
            })
            .collect();
        let cosines = Known {
            exact: meaning
                .iter()
                .map(|hit| (hit.passage, hit.cosine.about))
                .collect(),
            ..Known::default()
        };
        let blend = Blend {
            meaning: 1.0,
            route: 0.0,
            neighbour: 0.0,
        };
        let found = Found {
            words: &[],
            meaning: &meaning,
        };
        let hits = fuse(found, &cosines, |_| None, |_| false, blend, 10);
        assert_eq!(hits.len(), 10);
        let read = cosines.read.borrow();
        assert!((10..40).contains(&read.len()), "{}", read.len());
    }
}
