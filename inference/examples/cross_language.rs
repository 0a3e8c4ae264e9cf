//! Measures how often embedders find the passage of a question in another language, as a table in Markdown:
//!
//! ```text
//! cargo run --release -p cloister-inference --example cross_language -- MODEL...
//! ```
//!
//! `MODEL` is the folder of an embedder. The questions and passages are in `cross_language.toml`. A question
//! in each of four languages is asked over the English passages, and the English question over the passages
//! of each language: 100 questions in each direction.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_inference::{Embedder, SentenceEncoder};
use std::collections::BTreeMap;
use std::path::Path;

const LANGUAGES: [&str; 4] = ["de", "fr", "es", "it"];

#[derive(serde::Deserialize)]
struct Facts {
    /// A passage and its question by language.
    fact: Vec<BTreeMap<String, [String; 2]>>,
}

/// The vectors of all passages or of all questions of a language.
fn embed(model: &SentenceEncoder, facts: &Facts, language: &str, part: usize) -> Vec<Vec<f32>> {
    let prefixes = model.prefixes();
    let prefix = [prefixes.passage, prefixes.question][part].clone();
    let texts = facts.fact.iter();
    let texts: Vec<String> = texts
        .map(|fact| format!("{prefix}{}", fact[language][part]))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    model.embed(&texts).unwrap()
}

/// How often the own passage is the nearest one, and how often it is among the nearest three, in percent.
fn found(questions: &[Vec<f32>], passages: &[Vec<f32>]) -> [usize; 2] {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut counts = [0; 2];
    for (own, question) in questions.iter().enumerate() {
        let score = dot(question, &passages[own]);
        let better = passages.iter().filter(|other| dot(question, other) > score);
        let rank = better.count();
        counts[0] += usize::from(rank < 1);
        counts[1] += usize::from(rank < 3);
    }
    counts.map(|count| 100 * count / questions.len())
}

fn main() {
    let facts: Facts = toml::from_str(include_str!("cross_language.toml")).unwrap();
    println!("| model | question | passages | first | first three |\n|---|---|---|---|---|");
    for folder in std::env::args().skip(1) {
        let model = SentenceEncoder::open(Path::new(&folder)).unwrap();
        let name = model.identity().name;
        let row = |question: &str, passage: &str| {
            let questions = embed(&model, &facts, question, 1);
            let passages = embed(&model, &facts, passage, 0);
            let [first, three] = found(&questions, &passages);
            println!("| {name} | {question} | {passage} | {first} | {three} |");
        };
        row("en", "en");
        for language in LANGUAGES {
            row(language, language);
            row(language, "en");
            row("en", language);
        }
    }
}
