//! `cloister models bench`.

use crate::cli::console;
use cloister_inference::{LlamaGguf, Load, Loading};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, clap::Args)]
pub struct Bench {
    /// The GGUF file.
    #[arg(long)]
    model: PathBuf,
    /// Tokens of each prompt.
    #[arg(long, default_value_t = 512)]
    prompt_tokens: usize,
    /// Tokens written after it.
    #[arg(long, default_value_t = 128)]
    generate_tokens: usize,
    /// Threads; one for each processor, if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Texts at once.
    #[arg(long, default_value_t = 1)]
    parallel: usize,
    /// Times it is measured; the median is shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(bench: &Bench) -> anyhow::Result<()> {
    anyhow::ensure!(
        bench.rounds > 0 && bench.parallel > 0 && bench.generate_tokens > 0,
        "nothing would be measured"
    );
    let loading = Loading {
        threads: bench.threads,
        ..Loading::default()
    };
    let began = Instant::now();
    let model = LlamaGguf::open_file(&bench.model, &loading)?;
    let loaded = began.elapsed();
    let load = Load {
        prompt_tokens: bench.prompt_tokens,
        generate_tokens: bench.generate_tokens,
        parallel: bench.parallel,
    };
    let mut paces = Vec::with_capacity(bench.rounds);
    for _ in 0..bench.rounds {
        paces.push(model.pace(load)?);
    }
    let rate =
        |tokens: usize, time: Duration| (tokens * bench.parallel) as f64 / time.as_secs_f64();
    let prefill = median(paces.iter().map(|p| rate(load.prompt_tokens, p.prefill)));
    let decode = median(paces.iter().map(|p| rate(load.generate_tokens, p.decode)));
    let first = median(paces.iter().map(|p| {
        let a_token = p.decode.as_secs_f64() / load.generate_tokens as f64;
        p.prefill.as_secs_f64() / load.parallel as f64 + a_token
    }));
    let peak_mb = peak_memory_kb().map(|kilobytes| kilobytes >> 10);
    if bench.json {
        let report = json!({
            "prefill_tokens_per_s": prefill,
            "decode_tokens_per_s": decode,
            "first_token_s": first,
            "load_s": loaded.as_secs_f64(),
            "peak_memory_mb": peak_mb,
        });
        console::line(&report.to_string());
        return Ok(());
    }
    console::line(&format!("prompt       {prefill:.0} tokens/s"));
    console::line(&format!(
        "writing      {decode:.1} tokens/s, of all texts together"
    ));
    console::line(&format!("first token  {first:.2} s, of one text alone"));
    console::line(&format!("loading      {:.2} s", loaded.as_secs_f64()));
    if let Some(megabytes) = peak_mb {
        console::line(&format!("memory       {megabytes} MB at the highest"));
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The most memory that this process ever had, where the system says it.
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
