//! How fast and how right an index of [`SyntheticCorpus`] passages is.

use super::synthetic::{SyntheticCorpus, SyntheticQuestion};
use crate::api::Index;
use crate::dense::dot;
use crate::error::Result;
use crate::request::SearchRequest;
use cloister_domain::PassageId;
use rayon::prelude::*;
use roaring::RoaringBitmap;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HITS: usize = 10;
const CLIENTS: usize = 16;

/// The first question that no other part asks.
const RECALL_QUESTIONS: i64 = 1_000_000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions {
    /// Questions of one person, one after the other.
    pub questions: u16,
    /// How long sixteen people ask at once.
    pub concurrent_for: Duration,
    /// Questions whose true neighbours are found by comparing every vector.
    pub recall_questions: u16,
    /// Passages that are added and taken out while others search.
    pub changes: u16,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Passages in the index.
    pub passages: u64,
    /// One person, both arms.
    pub single_client: Latency,
    /// One person, meaning alone.
    pub dense_only: Latency,
    /// Sixteen people at once.
    pub concurrent: Latency,
    /// Their questions answered in a second.
    pub queries_per_second: f64,
    /// Milliseconds until an added passage was found, at most.
    pub add_visible_ms: f64,
    /// Milliseconds until a forgotten revision was gone, at most.
    pub delete_visible_ms: f64,
    /// The true ten nearest that meaning found, by the share of passages that is permitted.
    pub recall: Vec<Recall>,
}

/// Times of answers, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the answers took no longer.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
}

/// How many of the true neighbours were found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Recall {
    /// The share of the revisions that is permitted.
    pub permitted: f64,
    /// Of the ten nearest permitted passages.
    pub at_10: f64,
    /// Times of these searches, both arms.
    pub latency: Latency,
}

/// Measures `index`, which holds `corpus`, once its background has nothing left to do. It is as it was
/// afterwards, but for its sequence.
pub fn measure(
    index: &Index,
    corpus: &SyntheticCorpus,
    wanted: BenchOptions,
) -> Result<BenchReport> {
    let everything = permitted(corpus, 1.0);
    let questions: Vec<SyntheticQuestion> = (0..wanted.questions)
        .map(|number| corpus.question(i64::from(number)))
        .collect();
    for question in questions.iter().take(10) {
        found(index, question, &everything)?;
    }
    index.finish_maintenance()?;
    let single_client = latency(index, &questions, &everything, found)?;
    let dense_only = latency(index, &questions, &everything, nearest_found)?;
    let (crowd, crowd_per_second) = crowd(index, &questions, &everything, wanted.concurrent_for)?;
    let recall = recall(index, corpus, wanted.recall_questions)?;
    let (added, forgotten) = changes(index, corpus, &questions, wanted.changes)?;
    Ok(BenchReport {
        passages: index.passages(),
        single_client,
        dense_only,
        concurrent: crowd,
        queries_per_second: crowd_per_second,
        add_visible_ms: milliseconds(added),
        delete_visible_ms: milliseconds(forgotten),
        recall,
    })
}

/// Asks the questions one after the other.
fn latency(
    index: &Index,
    questions: &[SyntheticQuestion],
    permitted: &RoaringBitmap,
    ask: Ask,
) -> Result<Latency> {
    let times = questions.iter().map(|question| {
        let began = Instant::now();
        ask(index, question, permitted)?;
        Ok(began.elapsed())
    });
    Ok(Latency::of(times.collect::<Result<_>>()?))
}

/// One way to ask.
type Ask = fn(&Index, &SyntheticQuestion, &RoaringBitmap) -> Result<Vec<PassageId>>;

/// Finds by both arms.
fn found(
    index: &Index,
    question: &SyntheticQuestion,
    permitted: &RoaringBitmap,
) -> Result<Vec<PassageId>> {
    search(index, question, &question.text, permitted, None)
}

/// Finds by meaning alone.
fn nearest_found(
    index: &Index,
    question: &SyntheticQuestion,
    permitted: &RoaringBitmap,
) -> Result<Vec<PassageId>> {
    search(index, question, "", permitted, Some(1.0))
}

fn search(
    index: &Index,
    question: &SyntheticQuestion,
    text: &str,
    permitted: &RoaringBitmap,
    dense_weight: Option<f32>,
) -> Result<Vec<PassageId>> {
    let outcome = index.search(&SearchRequest {
        text,
        expansion_terms: "",
        vector: &question.vector,
        permitted,
        limit: HITS,
        dense_weight,
    })?;
    Ok(outcome.hits.iter().map(|hit| hit.passage).collect())
}

fn crowd(
    index: &Index,
    questions: &[SyntheticQuestion],
    permitted: &RoaringBitmap,
    length: Duration,
) -> Result<(Latency, f64)> {
    let began = Instant::now();
    let times: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| {
                let own = questions.iter().cycle().skip(first * 7);
                scope.spawn(move || ask_until(began + length, index, own, permitted))
            })
            .collect();
        clients
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let took = began.elapsed();
    let times = times.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let per_second = times.len() as f64 / took.as_secs_f64();
    Ok((Latency::of(times), per_second))
}

/// Asks one question after the other until this moment. Returns the time of each.
fn ask_until<'a>(
    end: Instant,
    index: &Index,
    questions: impl Iterator<Item = &'a SyntheticQuestion>,
    permitted: &RoaringBitmap,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for question in questions {
        let asked = Instant::now();
        if asked > end {
            break;
        }
        found(index, question, permitted)?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

/// The revisions that are permitted where a `share` of them is, scattered over the corpus.
fn permitted(corpus: &SyntheticCorpus, share: f64) -> RoaringBitmap {
    let last = u32::try_from(SyntheticCorpus::revision(corpus.passages())).unwrap_or(u32::MAX);
    (1..=last)
        .filter(|revision| {
            let place = revision.wrapping_mul(0x9e37_79b9) >> 8;
            f64::from(place) < share * f64::from(1_u32 << 24)
        })
        .collect()
}

fn recall(index: &Index, corpus: &SyntheticCorpus, questions: u16) -> Result<Vec<Recall>> {
    let questions: Vec<SyntheticQuestion> = (0..questions)
        .map(|number| corpus.question(RECALL_QUESTIONS + i64::from(number)))
        .collect();
    let shares = [1.0, 0.5, 0.1, 0.01, 0.001];
    let filters: Vec<RoaringBitmap> = shares.map(|share| permitted(corpus, share)).to_vec();
    let truth = nearest(corpus, &questions, &filters);
    let measured = shares
        .iter()
        .zip(&filters)
        .zip(&truth)
        .map(|((share, filter), truth)| {
            let (mut hit, mut known, mut times) = (0_u32, 0_u32, Vec::new());
            for (question, truth) in questions.iter().zip(truth) {
                let began = Instant::now();
                found(index, question, filter)?;
                times.push(began.elapsed());
                let found = nearest_found(index, question, filter)?;
                for passage in truth {
                    hit += u32::from(found.contains(passage));
                    known += 1;
                }
            }
            Ok(Recall {
                permitted: *share,
                at_10: if known == 0 {
                    1.0
                } else {
                    f64::from(hit) / f64::from(known)
                },
                latency: Latency::of(times),
            })
        });
    measured.collect()
}

/// `[filter][question]`: the ten nearest permitted passages, by comparing every vector.
fn nearest(
    corpus: &SyntheticCorpus,
    questions: &[SyntheticQuestion],
    filters: &[RoaringBitmap],
) -> Vec<Vec<BTreeSet<PassageId>>> {
    const STEP: i64 = 2000;
    type Best = Vec<Vec<Vec<(Reverse<u32>, i64)>>>;
    let none: Best = vec![vec![Vec::new(); questions.len()]; filters.len()];
    let steps: Vec<i64> = (1..=corpus.passages()).step_by(2000).collect();
    let best: Best = steps
        .into_par_iter()
        .map(|first| {
            let mut best = none.clone();
            for passage in first..(first + STEP).min(corpus.passages() + 1) {
                let vector = corpus.vector(passage);
                let revision =
                    u32::try_from(SyntheticCorpus::revision(passage)).unwrap_or(u32::MAX);
                let scores: Vec<f32> = questions.iter().map(|q| dot(&q.vector, &vector)).collect();
                let within = best
                    .iter_mut()
                    .zip(filters)
                    .filter(|(_, f)| f.contains(revision));
                for (best, _) in within {
                    for (best, score) in best.iter_mut().zip(&scores) {
                        // Positive floats are in the order of their bits.
                        best.push((Reverse((score + 2.0).to_bits()), passage));
                    }
                }
            }
            best.iter_mut().flatten().for_each(keep_nearest);
            best
        })
        .reduce(
            || none.clone(),
            |mut a, b| {
                for (a, b) in a.iter_mut().flatten().zip(b.into_iter().flatten()) {
                    a.extend(b);
                    keep_nearest(a);
                }
                a
            },
        );
    best.into_iter()
        .map(|filter| {
            filter
                .into_iter()
                .map(|best| {
                    best.into_iter()
                        .map(|(_, passage)| PassageId(passage))
                        .collect()
                })
                .collect()
        })
        .collect()
}

/// Drops all but the nearest passages.
fn keep_nearest(best: &mut Vec<(Reverse<u32>, i64)>) {
    best.sort_unstable();
    best.truncate(HITS);
}

/// Adds and forgets passages while two others search: the longest time until each change shows.
fn changes(
    index: &Index,
    corpus: &SyntheticCorpus,
    questions: &[SyntheticQuestion],
    count: u16,
) -> Result<(Duration, Duration)> {
    let everything = permitted(corpus, 1.0);
    let done = AtomicBool::new(false);
    let search = || -> Result<()> {
        for question in questions.iter().cycle() {
            if done.load(Ordering::Relaxed) {
                break;
            }
            found(index, question, &everything)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let searching = [scope.spawn(search), scope.spawn(search)];
        let times = (0..count).map(|_| change(index, corpus, &everything));
        let times = times.collect::<Result<Vec<_>>>();
        done.store(true, Ordering::Relaxed);
        for thread in searching {
            if let Ok(searched) = thread.join() {
                searched?;
            }
        }
        Ok(times?.into_iter().fold(
            Default::default(),
            |a: (Duration, Duration), b: (Duration, Duration)| (a.0.max(b.0), a.1.max(b.1)),
        ))
    })
}

/// Adds one passage and forgets it again.
fn change(
    index: &Index,
    corpus: &SyntheticCorpus,
    permitted: &RoaringBitmap,
) -> Result<(Duration, Duration)> {
    let passage = index.sequence().0.max(corpus.passages() + 1) + 1;
    let entry = SyntheticCorpus::new(7, passage, corpus.dimensions()).entry(passage);
    let revision = entry.revision;
    let mut permitted = permitted.clone();
    permitted.insert(u32::try_from(revision.0).unwrap_or(u32::MAX));
    let question = SyntheticQuestion {
        passage: entry.passage,
        text: entry.text.clone(),
        vector: entry.vector.clone(),
    };
    let began = Instant::now();
    index.add(&[entry])?;
    while !nearest_found(index, &question, &permitted)?.contains(&question.passage) {}
    let added = began.elapsed();
    let began = Instant::now();
    index.delete_revisions(&[revision])?;
    while nearest_found(index, &question, &permitted)?.contains(&question.passage) {}
    Ok((added, began.elapsed()))
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let [p50_ms, p99_ms] = [50, 99].map(|share| {
            let place = (times.len() * share / 100).min(times.len().saturating_sub(1));
            milliseconds(times.get(place).copied().unwrap_or_default())
        });
        Self { p50_ms, p99_ms }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::IndexSettings;

    #[test]
    fn a_small_index_is_measured_and_finds_every_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let corpus = SyntheticCorpus::new(3, 12_000, 384);
        let index = Index::open(dir.path(), IndexSettings::default()).unwrap();
        let entries: Vec<_> = (1..=corpus.passages()).map(|p| corpus.entry(p)).collect();
        for entries in entries.chunks(3000) {
            index.add(entries).unwrap();
        }
        let wanted = BenchOptions {
            questions: 20,
            concurrent_for: Duration::from_millis(200),
            recall_questions: 40,
            changes: 2,
        };
        let measured = measure(&index, &corpus, wanted).unwrap();
        assert_eq!(measured.passages, 12_000);
        assert!(measured.queries_per_second > 0.0);
        assert_eq!(measured.recall.len(), 5);
        for recall in measured.recall {
            assert!(recall.at_10 >= 0.995, "{recall:?}");
        }
    }
}
