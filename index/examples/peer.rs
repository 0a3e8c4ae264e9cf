//! Cloister's side of `make bench-peers-index`: writes a synthetic corpus that the peers read, and
//! searches the same corpus on request.
//!
//! `peer export FOLDER PASSAGES` writes `base.f32`, `questions.f32` and `texts.json`.
//! `peer measure FOLDER PASSAGES` does the same as `cloister-eval synthesize-index` and `bench-index`.
//! `peer serve FOLDER PASSAGES` builds both indexes, prints the build times, then answers each line of
//! standard input, `meaning` or `words`, with queries per second and the passages found.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "an example that cannot go on should stop, and prints"
)]

use cloister_domain::PassageId;
use cloister_index::bench::{BenchOptions, SyntheticCorpus, SyntheticQuestion, measure};
use cloister_index::{DenseMethod, Index, IndexEntry, IndexSettings, SearchOutcome, SearchRequest};
use roaring::RoaringBitmap;
use serde_json::json;
use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

const QUESTIONS: i64 = 1000;
const DIMENSIONS: usize = 384;
/// Vectors of the words' index, so short that its other arm costs nothing.
const SHORT: usize = 8;
const STEP: i64 = 4096;
const HITS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, command, folder, passages] = &arguments[..] else {
        panic!("peer export|measure|serve FOLDER PASSAGES");
    };
    let (folder, passages) = (Path::new(folder), passages.parse().unwrap());
    match command.as_str() {
        "export" => export(folder, passages),
        "measure" => measured(folder, passages),
        _ => serve(folder, passages),
    }
}

fn export(folder: &Path, passages: i64) {
    let corpus = SyntheticCorpus::new(1, passages, DIMENSIONS);
    let bytes = |vector: Vec<f32>| vector.into_iter().flat_map(f32::to_le_bytes);
    let base: Vec<u8> = (1..=passages)
        .flat_map(|p| bytes(corpus.vector(p)))
        .collect();
    std::fs::write(folder.join("base.f32"), base).unwrap();
    let questions: Vec<SyntheticQuestion> = (0..QUESTIONS).map(|n| corpus.question(n)).collect();
    let asked: Vec<u8> = questions
        .iter()
        .flat_map(|q| bytes(q.vector.clone()))
        .collect();
    std::fs::write(folder.join("questions.f32"), asked).unwrap();
    let texts: Vec<String> = (1..=passages).map(|p| corpus.entry(p).text).collect();
    let asked: Vec<String> = questions.into_iter().map(|q| q.text).collect();
    let texts = json!({ "passages": texts, "questions": asked });
    std::fs::write(folder.join("texts.json"), texts.to_string()).unwrap();
}

/// One arm's index, and how its questions are asked.
struct Arm {
    index: Index,
    questions: Vec<SyntheticQuestion>,
    text: fn(&SyntheticQuestion) -> &str,
    weight: f32,
}

impl Arm {
    fn build(folder: &Path, corpus: &SyntheticCorpus, entry: impl Fn(i64) -> IndexEntry) -> Index {
        let defaults = IndexSettings::default();
        let settings = IndexSettings {
            dimensions: corpus.dimensions(),
            depth: HITS,
            // The short vectors of the words' index need no graph.
            graph_from: if corpus.dimensions() == SHORT {
                usize::MAX
            } else {
                defaults.graph_from
            },
            ..defaults
        };
        let index = Index::open(folder, settings).unwrap();
        for first in (1..=corpus.passages()).step_by(usize::try_from(STEP).unwrap()) {
            let last = (first + STEP - 1).min(corpus.passages());
            index
                .add(&(first..=last).map(&entry).collect::<Vec<_>>())
                .unwrap();
        }
        index.finish_maintenance().unwrap();
        index
    }

    /// Asks every question once, one after the other; returns the questions per second, the passages found,
    /// and how the last search found them.
    fn ask(&self, permitted: &RoaringBitmap) -> (f64, Vec<Vec<i64>>, DenseMethod) {
        let began = Instant::now();
        let mut found = Vec::with_capacity(self.questions.len());
        let mut method = DenseMethod::Exact;
        for question in &self.questions {
            let outcome = self.search(question, permitted);
            method = outcome.method;
            let passages = outcome.hits.iter().map(|hit| hit.passage.0 - 1);
            found.push(passages.collect());
        }
        let per_second = self.questions.len() as f64 / began.elapsed().as_secs_f64();
        (per_second, found, method)
    }

    fn search(&self, question: &SyntheticQuestion, permitted: &RoaringBitmap) -> SearchOutcome {
        let request = SearchRequest {
            text: (self.text)(question),
            expansion_terms: "",
            vector: &question.vector,
            permitted,
            limit: HITS,
            dense_weight: Some(self.weight),
        };
        self.index.search(&request).unwrap()
    }
}

/// Builds what is missing, then measures.
fn measured(folder: &Path, passages: i64) {
    let corpus = SyntheticCorpus::new(1, passages, DIMENSIONS);
    let began = Instant::now();
    let mut index = Index::open(folder, IndexSettings::default()).unwrap();
    if index.sequence().0 < passages {
        drop(index);
        drop(Arm::build(folder, &corpus, |passage| corpus.entry(passage)));
        index = Index::open(folder, IndexSettings::default()).unwrap();
        println!(
            "built in {:.1} s, {} MB",
            began.elapsed().as_secs_f64(),
            memory()
        );
    }
    let question = corpus.question(0);
    let permitted = (0..=u32::try_from(passages).unwrap()).collect();
    let request = SearchRequest {
        text: &question.text,
        expansion_terms: "",
        vector: &question.vector,
        permitted: &permitted,
        limit: HITS,
        dense_weight: None,
    };
    index.search(&request).unwrap();
    println!(
        "open and first answer: {:.2} s",
        began.elapsed().as_secs_f64()
    );
    let wanted = BenchOptions {
        questions: 300,
        concurrent_for: Duration::from_secs(5),
        recall_questions: 50,
        changes: 5,
    };
    println!("{:#?}", measure(&index, &corpus, wanted).unwrap());
    println!("{} MB", memory());
}

fn serve(folder: &Path, passages: i64) {
    let place = tempfile::tempdir_in(folder).unwrap();
    let corpus = SyntheticCorpus::new(1, passages, DIMENSIONS);
    let began = Instant::now();
    let without_text = |passage: i64| IndexEntry {
        title: String::new(),
        headings: Vec::new(),
        text: String::new(),
        passage: PassageId(passage),
        vector: corpus.vector(passage),
        revision: cloister_domain::RevisionId(SyntheticCorpus::revision(passage)),
        ..corpus.entry(1)
    };
    let meaning = Arm {
        index: Arm::build(&place.path().join("meaning"), &corpus, without_text),
        questions: (0..QUESTIONS).map(|n| corpus.question(n)).collect(),
        text: |_| "",
        weight: 1.0,
    };
    let built_meaning = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let short = SyntheticCorpus::new(1, passages, SHORT);
    let words = Arm {
        index: Arm::build(&place.path().join("words"), &short, |passage| IndexEntry {
            title: String::new(),
            headings: Vec::new(),
            ..short.entry(passage)
        }),
        questions: (0..QUESTIONS).map(|n| short.question(n)).collect(),
        text: |question| &question.text,
        weight: 0.0,
    };
    let built_words = began.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "meaning": built_meaning, "words": built_words, "memory": memory(),
            "graphs": meaning.index.status().graphs,
        })
    );
    let last = u32::try_from(SyntheticCorpus::revision(passages)).unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let arm = if line.starts_with("words") {
            &words
        } else {
            &meaning
        };
        // `meaning 10` permits every tenth document.
        let every: u32 = line.split(' ').nth(1).map_or(1, |n| n.parse().unwrap());
        let permitted = (1..=last)
            .filter(|revision| revision % every == 0)
            .collect();
        let (a_second, found, method) = arm.ask(&permitted);
        println!(
            "{}",
            json!({ "a_second": a_second, "found": found, "method": method })
        );
    }
}

/// Memory of this process now, in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes / 1024
}
