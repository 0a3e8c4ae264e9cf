//! Measures an embedder on a JSON list of texts, as one JSON line:
//!
//! ```text
//! cargo run --release -p cloister-inference --example embedding -- MODEL TEXTS.json [WEIGHTS [compare]]
//! ```
//!
//! `WEIGHTS` is `int8` (the default) or `f32`; with `compare` it says how far the vectors are from
//! those of `f32`. `RAYON_NUM_THREADS` sets the threads.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_inference::{Embedder, SentenceEncoder, WeightFormat};
use std::path::Path;
use std::time::Instant;

/// Texts handed over at once, as the appliance does.
const STEP: usize = 64;

fn vectors(model: &SentenceEncoder, texts: &[&str]) -> (Vec<Vec<f32>>, f64) {
    let began = Instant::now();
    let steps = texts.chunks(STEP).map(|part| model.embed(part).unwrap());
    (steps.flatten().collect(), began.elapsed().as_secs_f64())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The ten nearest others of each vector.
fn nearest(vectors: &[Vec<f32>]) -> Vec<Vec<usize>> {
    let order = |(own, vector): (usize, &Vec<f32>)| {
        let mut others: Vec<_> = vectors.iter().map(|v| dot(v, vector)).enumerate().collect();
        others.retain(|(other, _)| *other != own);
        others.sort_by(|a, b| b.1.total_cmp(&a.1));
        others.iter().take(10).map(|(other, _)| *other).collect()
    };
    vectors.iter().enumerate().map(order).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(&arguments[1]).unwrap()).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let weights = match arguments.get(2).map(String::as_str) {
        Some("f32") => WeightFormat::F32,
        _ => WeightFormat::Int8,
    };
    let folder = Path::new(&arguments[0]);
    let model = SentenceEncoder::open_with(folder, weights).unwrap();
    let tokens: usize = texts
        .iter()
        .map(|text| model.count_tokens(text).min(model.max_tokens()))
        .sum();
    vectors(&model, &texts[..texts.len().min(STEP)]);
    let (own, seconds) = vectors(&model, &texts);
    let mut report = serde_json::json!({
        "model": model.identity().name,
        "texts": texts.len(),
        "tokens_a_text": tokens as f64 / texts.len() as f64,
        "texts_a_second": texts.len() as f64 / seconds,
    });
    if arguments.get(3).is_some() {
        let floats = SentenceEncoder::open_with(folder, WeightFormat::F32).unwrap();
        let (other, _) = vectors(&floats, &texts);
        let cosines: Vec<f32> = own.iter().zip(&other).map(|(a, b)| dot(a, b)).collect();
        let shared = nearest(&own).into_iter().zip(nearest(&other));
        let shared: usize = shared
            .map(|(a, b)| a.iter().filter(|place| b.contains(place)).count())
            .sum();
        report["cosine_mean"] = (cosines.iter().sum::<f32>() / cosines.len() as f32).into();
        report["cosine_least"] = cosines.iter().copied().fold(1.0, f32::min).into();
        report["ten_nearest_shared"] = (shared as f64 / (10 * own.len()) as f64).into();
    }
    println!("{report}");
}
