//! Measures what people notice, as JSON lines of medians:
//!
//! ```text
//! answering MODEL-FOLDER [ROUNDS]
//! ```
//!
//! - `follow_up`: seconds until the first words of a question over a passage, and of a second
//!   question in the same conversation.
//! - `quoting`: tokens a second of an answer that quotes, with drafts and one token at a time.
//!
//! The two of a pair run in turns. `RAYON_NUM_THREADS` sets the threads.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_inference::{CacheNamespace, ChatTurn, GenerateRequest, Generator, GgufGenerator};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

const SENTENCES: [&str; 8] = [
    "Visitors are welcome on the wards between two and six in the afternoon.",
    "Please wash your hands with soap and water before and after each visit.",
    "Children under the age of twelve may visit when an adult stays with them.",
    "The cafeteria on the ground floor serves warm meals until half past seven.",
    "Mobile telephones must be switched to silent in the intensive care unit.",
    "Flowers are not allowed on the haematology and the transplantation wards.",
    "A chaplain can be called at any hour through the desk at the main entrance.",
    "Parking costs two euros an hour and is free for people with a disability.",
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds until the first piece.
fn first_words(model: &GgufGenerator, request: &GenerateRequest) -> f64 {
    let began = Instant::now();
    let mut first = None;
    model
        .generate(request, &mut |_| {
            first.get_or_insert(began.elapsed());
            ControlFlow::Continue(())
        })
        .unwrap();
    first.unwrap_or(began.elapsed()).as_secs_f64()
}

fn follow_up(model: &GgufGenerator, rounds: usize) {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let ask = |user: String, turns: Vec<ChatTurn>| GenerateRequest {
            user,
            turns,
            max_tokens: 8,
            cache_namespace: Some(CacheNamespace(round.to_string())),
            ..GenerateRequest::default()
        };
        // Another passage each time, so that nothing of it was read before.
        let passage = SENTENCES.join(" ").repeat(4);
        let question = format!("Edition {round}. {passage}\nWhen may I visit my father?");
        let first = ask(question.clone(), Vec::new());
        cold.push(first_words(model, &first));
        let answer = model
            .generate(&first, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let turn = ChatTurn {
            user: question,
            assistant: answer.text,
        };
        warm.push(first_words(
            model,
            &ask("And where can we eat?".into(), vec![turn]),
        ));
    }
    let (cold, warm) = (median(cold), median(warm));
    let report = serde_json::json!({ "cold_s": cold, "follow_up_s": warm, "ratio": warm / cold });
    println!("{}", serde_json::json!({ "follow_up": report }));
}

fn quoting(model: &GgufGenerator, rounds: usize) {
    let request = GenerateRequest {
        user: format!("Repeat this text word for word:\n{}", SENTENCES.join(" ")),
        max_tokens: 120,
        ..GenerateRequest::default()
    };
    let prompt = model.prompt_ids(&request).unwrap();
    let (mut drafted, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut began = None;
        let written = model
            .generate(&request, &mut |_| {
                began.get_or_insert_with(Instant::now);
                ControlFlow::Continue(())
            })
            .unwrap();
        let time = began.unwrap().elapsed().as_secs_f64();
        drafted.push((written.tokens - 1) as f64 / time);
        let (ids, time) = model.greedy_timed(&prompt, request.max_tokens).unwrap();
        plain.push((ids.len() - 1) as f64 / time.as_secs_f64());
    }
    let (drafted, plain) = (median(drafted), median(plain));
    let report = serde_json::json!({
        "with_drafts": drafted, "without": plain, "ratio": drafted / plain,
    });
    println!("{}", serde_json::json!({ "quoting": report }));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = GgufGenerator::open(Path::new(&arguments[0])).unwrap();
    let rounds = arguments.get(1).map_or(5, |rounds| rounds.parse().unwrap());
    follow_up(&model, rounds);
    quoting(&model, rounds);
}
