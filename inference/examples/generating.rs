//! Measures a generator, as one JSON line a round:
//!
//! ```text
//! generating FILE.gguf PROMPT GENERATE PARALLEL ROUNDS
//! generating synth TOKENIZER.gguf FILE.gguf    writes 1.17 billion random weights in Q4_K
//! ```
//!
//! `RAYON_NUM_THREADS` sets the threads.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_inference::{
    BenchLoad, GgufGenerator, LoadOptions, SynthFormat, SynthShape, write_synthetic_model,
};
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments[0] == "synth" {
        let shape = SynthShape {
            layers: 16,
            hidden_size: 2048,
            intermediate_size: 8192,
            heads: 32,
            kv_heads: 8,
            context: 8192,
        };
        let (tokenizer, file) = (Path::new(&arguments[1]), Path::new(&arguments[2]));
        write_synthetic_model(shape, SynthFormat::Q4K, tokenizer, file).unwrap();
        return;
    }
    let number = |index: usize| arguments[index].parse::<usize>().unwrap();
    let model =
        GgufGenerator::open_file(Path::new(&arguments[0]), &LoadOptions::default()).unwrap();
    let load = BenchLoad {
        prompt_tokens: number(1),
        generate_tokens: number(2),
        parallel: number(3),
    };
    for _ in 0..number(4) {
        let times = model.bench(load).unwrap();
        let rate = |tokens: usize, time: std::time::Duration| {
            (tokens * load.parallel) as f64 / time.as_secs_f64()
        };
        let report = serde_json::json!({
            "prefill": rate(load.prompt_tokens, times.prefill),
            "decode": rate(load.generate_tokens, times.decode),
        });
        println!("{report}");
    }
}
