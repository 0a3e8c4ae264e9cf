//! `cloister models bench`.

use crate::cli::console;
use cloister_inference::{BenchLoad, GgufGenerator, LoadOptions};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchModel {
    /// The GGUF file.
    #[arg(long)]
    model: PathBuf,
    /// Tokens of each prompt.
    #[arg(long, default_value_t = 512)]
    prompt_tokens: usize,
    /// Tokens generated after each prompt.
    #[arg(long, default_value_t = 128)]
    generate_tokens: usize,
    /// Threads. Without it, one for each processor.
    #[arg(long)]
    threads: Option<usize>,
    /// The GPU memory budget in megabytes. Without it, what is free.
    #[arg(long)]
    gpu_memory_mb: Option<u64>,
    /// Sequences generated at once.
    #[arg(long, default_value_t = 1)]
    parallel: usize,
    /// Rounds, of which the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Measures the speed and memory of a GGUF file.
pub fn run(arguments: &BenchModel) -> anyhow::Result<()> {
    anyhow::ensure!(
        arguments.rounds > 0 && arguments.parallel > 0 && arguments.generate_tokens > 0,
        "`--rounds`, `--parallel` and `--generate-tokens` must be at least 1"
    );
    let loading = LoadOptions {
        threads: arguments.threads,
        gpu_memory: arguments.gpu_memory_mb.map(|megabytes| megabytes << 20),
        ..LoadOptions::default()
    };
    let started = Instant::now();
    let model = GgufGenerator::open_file(&arguments.model, &loading)?;
    let load_s = started.elapsed().as_secs_f64();
    let load = BenchLoad {
        prompt_tokens: arguments.prompt_tokens,
        generate_tokens: arguments.generate_tokens,
        parallel: arguments.parallel,
    };
    let (mut prefill, mut decode, mut first_token) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let times = model.bench(load)?;
        let (prefill_s, decode_s) = (times.prefill.as_secs_f64(), times.decode.as_secs_f64());
        prefill.push((load.prompt_tokens * load.parallel) as f64 / prefill_s);
        decode.push((load.generate_tokens * load.parallel) as f64 / decode_s);
        let token_s = decode_s / load.generate_tokens as f64;
        first_token.push(prefill_s / load.parallel as f64 + token_s);
    }
    let (prefill, decode, first_token) = (median(prefill), median(decode), median(first_token));
    let peak_mb = peak_memory_kb().map(|kilobytes| kilobytes >> 10);
    if arguments.json {
        let report = json!({
            "prefill_tokens_per_s": prefill,
            "decode_tokens_per_s": decode,
            "first_token_s": first_token,
            "load_s": load_s,
            "peak_memory_mb": peak_mb,
        });
        console::line(&report.to_string());
        return Ok(());
    }
    console::line(&format!("prefill      {prefill:.0} tokens/s"));
    console::line(&format!(
        "decode       {decode:.1} tokens/s over all sequences"
    ));
    console::line(&format!("first token  {first_token:.2} s for one sequence"));
    console::line(&format!("load         {load_s:.2} s"));
    if let Some(megabytes) = peak_mb {
        console::line(&format!("peak memory  {megabytes} MB"));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The peak resident memory of this process. `None` if the kernel does not report it.
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
