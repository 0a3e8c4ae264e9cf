//! `cloister models plan`.

use crate::cli::console;
use cloister_inference::{LlamaGguf, Loading};
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    /// The GGUF file.
    file: PathBuf,
    /// The context wanted, in tokens; the model's own up to 32,768, if not given.
    #[arg(long)]
    context: Option<usize>,
    /// Megabytes that it may take; what the machine has free, if not given.
    #[arg(long)]
    memory_mb: Option<u64>,
    /// Megabytes of a GPU's memory that it may take; what the machine's GPU has free, if not given.
    #[arg(long)]
    gpu_memory_mb: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(plan: &Plan) -> anyhow::Result<()> {
    let loading = Loading {
        context: plan.context,
        memory: plan.memory_mb.map(|megabytes| megabytes << 20),
        gpu_memory: plan.gpu_memory_mb.map(|megabytes| megabytes << 20),
        ..Loading::default()
    };
    let found = LlamaGguf::plan(&plan.file, &loading)?;
    if plan.json {
        console::line(&serde_json::to_string(&found)?);
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    console::line(&format!("device               {}", found.device));
    if let Some(free) = found.gpu_free {
        console::line(&format!(
            "on the GPU           {} of {} layers, {} MB with keys and values of {} MB that may be taken",
            found.gpu_layers,
            found.layers,
            megabytes(found.gpu_weights + found.gpu_keys_and_values),
            free >> 20
        ));
    }
    console::line(&format!(
        "weights              {} MB",
        megabytes(found.weights)
    ));
    console::line(&format!(
        "while loading, more  {} MB",
        megabytes(found.passing)
    ));
    console::line(&format!(
        "tables               {} MB",
        megabytes(found.tables)
    ));
    console::line(&format!(
        "keys and values      {} MB for {} tokens, {} KB a token, shared by up to {} texts",
        megabytes(found.keys_and_values),
        found.context,
        found.a_token >> 10,
        found.seats
    ));
    console::line(&format!(
        "in all               {} MB of {} MB that may be taken",
        megabytes(found.total),
        found.free >> 20
    ));
    for warning in &found.warnings {
        console::line(&format!("warning: {warning}"));
    }
    Ok(())
}
