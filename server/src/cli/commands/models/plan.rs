//! `cloister models plan`.

use crate::cli::console;
use cloister_inference::{GgufGenerator, LoadOptions};
use std::path::PathBuf;

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanModel {
    /// The GGUF file.
    file: PathBuf,
    /// The context in tokens. Without it, that of the model, up to 32,768.
    #[arg(long)]
    context: Option<usize>,
    /// The memory budget in megabytes. Without it, what is free.
    #[arg(long)]
    memory_mb: Option<u64>,
    /// The GPU memory budget in megabytes. Without it, what is free.
    #[arg(long)]
    gpu_memory_mb: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the memory that a GGUF file needs, without loading it.
pub fn run(arguments: &PlanModel) -> anyhow::Result<()> {
    let loading = LoadOptions {
        context: arguments.context,
        memory: arguments.memory_mb.map(|megabytes| megabytes << 20),
        gpu_memory: arguments.gpu_memory_mb.map(|megabytes| megabytes << 20),
        ..LoadOptions::default()
    };
    let plan = GgufGenerator::plan(&arguments.file, &loading)?;
    if arguments.json {
        console::line(&serde_json::to_string(&plan)?);
        return Ok(());
    }
    console::line(&format!("device             {}", plan.device));
    if let Some(free) = plan.gpu_available {
        console::line(&format!(
            "on the GPU         {} of {} layers, {} MB with the KV cache, of {} MB",
            plan.gpu_layers,
            plan.layers,
            megabytes(plan.gpu_weights + plan.gpu_kv_cache),
            free >> 20
        ));
    }
    console::line(&format!(
        "weights            {} MB",
        megabytes(plan.weights)
    ));
    console::line(&format!(
        "more while loading {} MB",
        megabytes(plan.peak_scratch_bytes)
    ));
    console::line(&format!("tables             {} MB", megabytes(plan.tables)));
    console::line(&format!(
        "KV cache           {} MB for {} tokens, {} KB per token, shared by up to {} sequences",
        megabytes(plan.kv_cache),
        plan.context,
        plan.kv_bytes_per_token >> 10,
        plan.max_batch
    ));
    console::line(&format!(
        "total              {} MB of {} MB",
        megabytes(plan.total),
        plan.available >> 20
    ));
    for warning in &plan.warnings {
        console::line(&format!("warning: {warning}"));
    }
    Ok(())
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
