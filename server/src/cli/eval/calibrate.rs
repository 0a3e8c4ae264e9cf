//! `cloister eval calibrate`: the weights and thresholds of evidence, fitted to questions whose
//! answers are known.

use crate::app;
use crate::cli::console;
use crate::config::Config;
use anyhow::{Context, bail};
use clap::Args;
use cloister_answer::evidence::{AnswerNeeds, Evidence, SentenceWeights};
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// On what, and to what.
#[derive(Clone, Debug, Args)]
pub struct Calibrate {
    /// Files that `cloister eval answers --signals` wrote. Each counts the same, however long.
    #[arg(required = true)]
    signals: Vec<PathBuf>,
    /// Refuse so many of a hundred questions that could be answered.
    #[arg(long, default_value_t = 3.0)]
    refuse: f64,
    /// Fit the thresholds alone, to the weights in force.
    #[arg(long)]
    keep_weights: bool,
    /// Write the values to this file, for the setting `paths.evidence`; they are printed otherwise.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Quotes that an answer shows.
const QUOTES: usize = 3;
/// The model is asked this far around the border, too.
const DOUBT: f32 = 0.14;
const WORDS: [f32; 7] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
const KIND: [f32; 5] = [0.0, 0.05, 0.1, 0.15, 0.2];
const LIKELIHOOD: [f32; 7] = [0.0, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16];
const SPOKEN: [f32; 7] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const FOUND: [f32; 5] = [0.0, 0.1, 0.2, 0.3, 0.5];
const OUTRANKED: [f32; 6] = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1];

/// One question, and what was known when it was decided.
#[derive(Debug, Deserialize)]
struct Signals {
    case: super::answers::Case,
    verdict: Found,
    candidates: Vec<Signal>,
}

/// The best passage's cosine to the question.
#[derive(Debug, Deserialize)]
struct Found {
    passage: f32,
}

/// One sentence.
#[derive(Debug, Deserialize)]
struct Signal {
    meaning: f32,
    words: f32,
    kind: f32,
    likelihood: Option<f32>,
    covered: f32,
    missing: f32,
    outranked: u16,
    right: bool,
}

/// Weights to be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weights {
    words: f32,
    kind: f32,
    likelihood: f32,
    covered: f32,
    missing: f32,
    found: f32,
    outranked: f32,
}

impl Weights {
    fn of(evidence: &Evidence) -> Self {
        let (sentence, answer) = (&evidence.sentence, &evidence.answer);
        Self {
            words: sentence.words,
            kind: sentence.kind,
            likelihood: sentence.likelihood,
            covered: answer.covered,
            missing: answer.missing,
            found: answer.found,
            outranked: answer.outranked,
        }
    }

    fn sentence(self, signal: &Signal) -> f32 {
        signal.meaning
            + self.words * signal.words
            + self.kind * signal.kind
            + self.likelihood * signal.likelihood.unwrap_or(0.0)
    }

    fn without_model(self) -> Self {
        Self {
            likelihood: 0.0,
            ..self
        }
    }

    fn best(self, question: &Signals) -> Vec<&Signal> {
        let mut all: Vec<&Signal> = question.candidates.iter().collect();
        all.sort_by(|a, b| self.sentence(b).total_cmp(&self.sentence(a)));
        all
    }

    /// The evidence for an answer, as the gate weighs it.
    fn evidence(self, question: &Signals) -> f32 {
        let best = self.best(question);
        best.first().map_or(0.0, |best| {
            self.sentence(best) + self.covered * best.covered - self.missing * best.missing
                + self.found * question.verdict.passage
                - self.outranked * f32::from(best.outranked).ln_1p()
        })
    }

    /// The share of the questions whose best quotes hold an answer, and whose first does.
    fn right(self, set: &[Signals]) -> (f64, f64) {
        let (mut any, mut first, mut all) = (0, 0, 0_usize);
        for question in set.iter().filter(|q| q.case.is_answerable()) {
            let best = self.best(question);
            any += usize::from(best.iter().take(QUOTES).any(|signal| signal.right));
            first += usize::from(best.first().is_some_and(|signal| signal.right));
            all += 1;
        }
        let share = |part: usize| part as f64 / all.max(1) as f64;
        (share(any), share(first))
    }

    /// The chance that a question with an answer has more evidence than one without.
    fn parted(self, set: &[Signals]) -> f64 {
        let of = |answerable: bool| -> Vec<f32> {
            let some = set.iter().filter(|q| q.case.is_answerable() == answerable);
            some.map(|question| self.evidence(question)).collect()
        };
        let (with, mut without) = (of(true), of(false));
        without.sort_by(f32::total_cmp);
        let pairs = with.len() * without.len();
        let above = |evidence: &f32| without.partition_point(|other| other < evidence);
        with.iter().map(above).sum::<usize>() as f64 / pairs.max(1) as f64
    }
}

/// Fits, and prints or writes what was found.
pub fn run(wanted: &Calibrate, config: &Config) -> anyhow::Result<()> {
    let sets: Vec<Vec<Signals>> = wanted
        .signals
        .iter()
        .map(|f| read(f))
        .collect::<Result<_, _>>()?;
    let before = app::evidence(config)?;
    let weights = if wanted.keep_weights {
        Weights::of(&before)
    } else {
        fit(&sets)
    };
    let file = file(wanted, &before, &sets, weights)?;
    match &wanted.write {
        Some(path) => {
            std::fs::write(path, file).with_context(|| path.display().to_string())?;
            console::note(&format!("written to {}", path.display()));
        }
        None => console::line(&file),
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Signals>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().map(serde_json::from_str);
    let set: Vec<Signals> = lines.collect::<Result<_, _>>().with_context(|| {
        format!(
            "{} is not what `eval answers --signals` writes",
            path.display()
        )
    })?;
    if !set.iter().any(|q| q.case.is_answerable()) || set.iter().all(|q| q.case.is_answerable()) {
        bail!(
            "{} needs questions with an answer and without",
            path.display()
        );
    }
    Ok(set)
}

/// The weights of a sentence's signs by the quotes they choose, then those of its passage by how
/// well they part questions with an answer from those without.
fn fit(sets: &[Vec<Signals>]) -> Weights {
    let mean =
        |of: &dyn Fn(&Vec<Signals>) -> f64| sets.iter().map(of).sum::<f64>() / sets.len() as f64;
    let start = Weights {
        words: 0.0,
        kind: 0.0,
        likelihood: 0.0,
        covered: 0.0,
        missing: 0.0,
        found: 0.0,
        outranked: 0.0,
    };
    let sentence =
        combinations(&WORDS, &KIND, &LIKELIHOOD).map(|(words, kind, likelihood)| Weights {
            words,
            kind,
            likelihood,
            ..start
        });
    let chosen = best(sentence, |weights| {
        // A first quote that answers is worth less than any that does, and more than nothing.
        mean(&|set| weights.right(set).0) + 0.1 * mean(&|set| weights.right(set).1)
    });
    let passage = combinations(&SPOKEN, &SPOKEN, &FOUND).flat_map(|(covered, missing, found)| {
        OUTRANKED.map(|outranked| Weights {
            covered,
            missing,
            found,
            outranked,
            ..chosen.unwrap_or(start)
        })
    });
    best(passage, |weights| mean(&|set| weights.parted(set))).unwrap_or(start)
}

fn combinations<'a>(
    one: &'a [f32],
    other: &'a [f32],
    third: &'a [f32],
) -> impl Iterator<Item = (f32, f32, f32)> + 'a {
    let pairs = one
        .iter()
        .flat_map(move |a| other.iter().map(move |b| (*a, *b)));
    pairs.flat_map(move |(a, b)| third.iter().map(move |c| (a, b, *c)))
}

fn best(tried: impl Iterator<Item = Weights>, worth: impl Fn(Weights) -> f64) -> Option<Weights> {
    let valued = tried.map(|weights| (worth(weights), weights));
    valued
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, weights)| weights)
}

/// The evidence below which so many of a hundred answerable questions lie, each set counting the same.
fn refusing(percent: f64, sets: &[Vec<Signals>], weights: Weights) -> f32 {
    let mut known: Vec<(f32, f64)> = Vec::new();
    for set in sets {
        let answerable: Vec<&Signals> = set.iter().filter(|q| q.case.is_answerable()).collect();
        let weight = 1.0 / (answerable.len() * sets.len()) as f64;
        known.extend(answerable.iter().map(|q| (weights.evidence(q), weight)));
    }
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0.0;
    for (evidence, weight) in known {
        if below + weight > percent / 100.0 {
            return evidence;
        }
        below += weight;
    }
    f32::MAX
}

/// The band of fast evidence in which the model is asked: where it decides otherwise more often
/// than once in two hundred times, and [`DOUBT`] around it, where its order of the quotes is better.
fn band(sets: &[Vec<Signals>], weights: Weights, needed: f32) -> (f32, f32) {
    const OTHERWISE: usize = 200;
    let mut all: Vec<(f32, bool)> = sets
        .iter()
        .flatten()
        .map(|question| {
            let fast = weights.without_model().evidence(question);
            (fast, weights.evidence(question) >= needed)
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let spared = all.len() / OTHERWISE;
    let answered = all.iter().filter(|(_, answers)| *answers);
    let surely_not = answered
        .clone()
        .nth(spared)
        .map_or(f32::MAX, |(fast, _)| *fast);
    let refused = all.iter().rev().filter(|(_, answers)| !answers);
    let surely = refused
        .clone()
        .nth(spared)
        .map_or(f32::MIN, |(fast, _)| *fast);
    (surely_not - DOUBT, surely + DOUBT)
}

fn file(
    wanted: &Calibrate,
    before: &Evidence,
    sets: &[Vec<Signals>],
    weights: Weights,
) -> anyhow::Result<String> {
    let needed = refusing(wanted.refuse, sets, weights);
    let (surely_not, surely) = band(sets, weights, needed);
    let sentence = SentenceWeights {
        meaning: 1.0,
        words: weights.words,
        kind: weights.kind,
        likelihood: weights.likelihood,
        nearness: before.sentence.nearness,
    };
    let answer = AnswerNeeds {
        covered: weights.covered,
        missing: weights.missing,
        found: weights.found,
        outranked: weights.outranked,
        evidence_with_model: rounded(needed),
        evidence_without_model: rounded(refusing(wanted.refuse, sets, weights.without_model())),
        passage: before.answer.passage,
        surely: rounded(surely),
        surely_not: rounded(surely_not),
        clear: before.answer.clear,
    };
    let mut text = Evidence::file(&sentence, &answer);
    writeln!(text, "\n# Calibrated by `cloister eval calibrate`, on:")?;
    for (path, set) in wanted.signals.iter().zip(sets) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (any, first) = weights.right(set);
        let refused = |case: fn(super::answers::Case) -> bool| {
            let of: Vec<&Signals> = set.iter().filter(|q| case(q.case)).collect();
            let below = of.iter().filter(|q| weights.evidence(q) < needed).count();
            100 * below / of.len().max(1)
        };
        writeln!(
            text,
            "# {name}: {} questions; refused {} % with an answer, {} % without; an answer in the \
             three best sentences {:.1} %, in the first {:.1} %",
            set.len(),
            refused(super::answers::Case::is_answerable),
            refused(|case| !case.is_answerable()),
            100.0 * any,
            100.0 * first,
        )?;
    }
    Ok(text)
}

fn rounded(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::answers::Case;

    fn question(case: Case, candidates: &[(f32, f32, bool)]) -> Signals {
        let signal = |(meaning, likelihood, right): &(f32, f32, bool)| Signal {
            meaning: *meaning,
            words: 0.0,
            kind: 0.0,
            likelihood: Some(*likelihood),
            covered: 0.5,
            missing: 0.0,
            outranked: 0,
            right: *right,
        };
        Signals {
            case,
            verdict: Found { passage: 0.5 },
            candidates: candidates.iter().map(signal).collect(),
        }
    }

    /// Four near misses that mean much and explain nothing, and the answer below them.
    fn set() -> Vec<Signals> {
        let misses = [(0.9, 0.0, false); 4];
        let with = [&misses[..], &[(0.8, 4.0, true)]].concat();
        let mut set: Vec<Signals> = (0..10).map(|_| question(Case::Answerable, &with)).collect();
        set.extend((0..10).map(|_| question(Case::Near, &misses)));
        set
    }

    #[test]
    fn the_sign_that_tells_is_given_its_weight() {
        let sets = [set()];
        let weights = fit(&sets);
        assert!(weights.likelihood > 0.0);
        assert_eq!(weights.right(&sets[0]), (1.0, 1.0));
        assert!(weights.parted(&sets[0]) > 0.99);
        let needed = refusing(3.0, &sets, weights);
        assert!(
            sets[0]
                .iter()
                .all(|q| (weights.evidence(q) >= needed) == q.case.is_answerable())
        );
    }

    #[test]
    fn what_the_model_decides_otherwise_is_in_the_band() {
        let sets = [set()];
        let weights = fit(&sets);
        let (surely_not, surely) = band(&sets, weights, refusing(3.0, &sets, weights));
        for question in &sets[0] {
            let fast = weights.without_model().evidence(question);
            assert!((surely_not..=surely).contains(&fast));
        }
    }

    #[test]
    fn the_file_is_one_that_can_be_read() {
        let calibrated = Evidence::calibrated().unwrap();
        let text = Evidence::file(&calibrated.sentence, &calibrated.answer);
        let read = Evidence::parse(&text).unwrap();
        assert_eq!(
            (read.sentence, read.answer),
            (calibrated.sentence, calibrated.answer)
        );
    }
}
