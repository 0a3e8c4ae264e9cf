//! How fast the real models are on this machine: `cargo bench -p cloister-inference`.
//! Without models it says so and measures nothing.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should stop, and say so"
)]

use cloister_inference::{Embedder, GenerateRequest, Generator, GgufGenerator, SentenceEncoder};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

const SENTENCES: [&str; 8] = [
    "Visitors are welcome between two and six in the afternoon, and at weekends from ten.",
    "Wash your hands with soap and water before and after every contact with a patient.",
    "Transfers above ten thousand euros need the signature of a second officer of the branch.",
    "The dose for adults is five milligrams twice daily, taken with food and plenty of water.",
    "Report every incident within twenty-four hours to the head of the department concerned.",
    "Records are kept for ten years after the account is closed, then destroyed under witness.",
    "A patient may refuse treatment at any time, and the refusal is written into the file.",
    "The alarm is tested on the first Monday of each month at nine in the morning.",
];

fn model(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let dir = PathBuf::from(option_env!("CLOISTER_MODELS").unwrap_or(beside)).join(name);
    if dir.join(cloister_inference::MANIFEST_FILE).exists() {
        return Some(dir);
    }
    println!(
        "skipped: no models at {}, `make models` fetches them",
        dir.display()
    );
    None
}

/// 64 passages of 20 to 240 tokens, about 130 on average.
fn passages() -> Vec<String> {
    let passage = |i: usize| {
        let sentences = (0..=i % 12).map(|j| SENTENCES[(i + j) % SENTENCES.len()]);
        sentences.collect::<Vec<_>>().join(" ")
    };
    (0..64).map(passage).collect()
}

fn embedding(c: &mut Criterion) {
    let Some(dir) = model("minilm") else { return };
    let minilm = SentenceEncoder::open(&dir).unwrap();
    let passages = passages();
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    let tokens: usize = texts.iter().map(|text| minilm.count_tokens(text)).sum();
    println!("{tokens} tokens in {} passages", texts.len());
    let mut group = c.benchmark_group("embedding");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("passages", |b| b.iter(|| minilm.embed(&texts).unwrap()));
    group.throughput(Throughput::Elements(1));
    group.bench_function("question", |b| {
        b.iter(|| {
            minilm
                .embed(&["When may I visit my father in the ward?"])
                .unwrap()
        });
    });
    group.bench_function("open", |b| b.iter(|| SentenceEncoder::open(&dir).unwrap()));
}

fn generation(c: &mut Criterion) {
    let Some(dir) = model("smollm2") else { return };
    let smollm = GgufGenerator::open(&dir).unwrap();
    let mut group = c.benchmark_group("generation");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.measurement_time(Duration::from_secs(8));
    group.bench_function("open", |b| b.iter(|| GgufGenerator::open(&dir).unwrap()));
    let contexts = SENTENCES.map(|sentence| format!("Passage: {sentence}\nQuestion:"));
    let question = " When may I visit my father in the ward?";
    let mut pairs = vec![("Question:", question)];
    pairs.extend(contexts.iter().map(|context| (context.as_str(), question)));
    group.bench_function("judge one question against eight sentences", |b| {
        b.iter(|| smollm.log_likelihoods(&pairs).unwrap());
    });
    let prompt = SENTENCES.join(" ").repeat(3);
    for (name, user, max_tokens) in [
        ("prompt of 450 tokens", prompt.as_str(), 1),
        ("write 64 tokens", "Tell a long story.", 64),
    ] {
        let request = GenerateRequest {
            user: user.into(),
            max_tokens,
            ..GenerateRequest::default()
        };
        group.throughput(Throughput::Elements(max_tokens as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                smollm
                    .generate(&request, &mut |_| ControlFlow::Continue(()))
                    .unwrap()
            });
        });
    }
}

criterion_group!(benches, embedding, generation);
criterion_main!(benches);
