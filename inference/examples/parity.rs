//! What greedy decoding writes, as ids, for `inference/peers/parity.py` to compare:
//!
//! ```text
//! parity MODEL write PROMPTS.json TOKENS   one JSON line a prompt: {"prompt": ids, "written": ids}
//! parity MODEL scores IDS.json             one JSON line a list of ids: the scores after it
//! parity MODEL exact-write …, exact-scores …   the same in floats of 32 bits, from the same weights
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_inference::{GenerateRequest, GgufGenerator, LoadOptions, Precision};
use std::path::Path;

fn read<T: serde::de::DeserializeOwned>(path: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let precision = match arguments[1].as_str() {
        "exact-scores" | "exact-write" => Precision::F32,
        _ => Precision::Int8,
    };
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    let model = GgufGenerator::open_with(Path::new(&arguments[0]), &options).unwrap();
    if arguments[1].ends_with("scores") {
        for ids in read::<Vec<Vec<u32>>>(&arguments[2]) {
            println!("{}", serde_json::json!(model.scores_after(&ids).unwrap()));
        }
        return;
    }
    let max_tokens = arguments[3].parse().unwrap();
    for user in read::<Vec<String>>(&arguments[2]) {
        let request = GenerateRequest {
            user,
            max_tokens,
            ..GenerateRequest::default()
        };
        let prompt = model.prompt_ids(&request).unwrap();
        let written = model.greedy_ids(&prompt, max_tokens).unwrap();
        println!(
            "{}",
            serde_json::json!({ "prompt": prompt, "written": written })
        );
    }
}
