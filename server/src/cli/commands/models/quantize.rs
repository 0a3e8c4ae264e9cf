//! `cloister models quantize` and `synth`.

use crate::cli::console;
use cloister_inference::{
    QuantFormat, SynthFormat, SynthShape, quantize_model, write_synthetic_model,
};
use std::path::{Path, PathBuf};

/// The format of weight matrices.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WeightFormat {
    /// Eight bits.
    #[value(name = "q8_0")]
    Q8_0,
    /// Four and a half bits.
    #[value(name = "q4_k")]
    Q4K,
}

/// The arguments of `quantize`.
#[derive(Clone, Debug, clap::Args)]
pub struct Quantize {
    /// A GGUF file with 32-bit or 16-bit floats, or a folder with `config.json`, `tokenizer.json`
    /// and safetensors.
    source: PathBuf,
    /// The file to write. It must not exist.
    target: PathBuf,
    /// The format of the weight matrices.
    #[arg(long, value_enum, default_value = "q4_k")]
    format: WeightFormat,
}

/// The arguments of `synth`.
#[derive(Clone, Debug, clap::Args)]
pub struct Synth {
    /// A GGUF file whose tokenizer is copied.
    #[arg(long)]
    tokenizer: PathBuf,
    /// The file to write.
    target: PathBuf,
    /// The format of the weight matrices.
    #[arg(long, value_enum, default_value = "q4_k")]
    format: WeightFormat,
    /// The number of layers.
    #[arg(long, default_value_t = 16)]
    layers: usize,
    /// The hidden size, a multiple of 256.
    #[arg(long, alias = "width", default_value_t = 2048)]
    hidden_size: usize,
    /// The size of the MLP, a multiple of 256.
    #[arg(long, alias = "inner", default_value_t = 8192)]
    intermediate_size: usize,
    /// The number of query heads.
    #[arg(long, default_value_t = 32)]
    heads: usize,
    /// The number of key and value heads.
    #[arg(long, default_value_t = 8)]
    kv_heads: usize,
    /// The context in tokens.
    #[arg(long, default_value_t = 8192)]
    context: usize,
}

/// Quantizes a model.
pub fn quantize(quantize: &Quantize) -> anyhow::Result<()> {
    let format = match quantize.format {
        WeightFormat::Q8_0 => QuantFormat::Q8_0,
        WeightFormat::Q4K => QuantFormat::Q4K,
    };
    let bar = indicatif::ProgressBar::new(0);
    quantize_model(
        &quantize.source,
        &quantize.target,
        format,
        &mut |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        },
    )?;
    bar.finish_and_clear();
    print_written(&quantize.target)
}

/// Writes a model with random weights.
pub fn synth(synth: &Synth) -> anyhow::Result<()> {
    let shape = SynthShape {
        layers: synth.layers,
        hidden_size: synth.hidden_size,
        intermediate_size: synth.intermediate_size,
        heads: synth.heads,
        kv_heads: synth.kv_heads,
        context: synth.context,
    };
    let are_multiples =
        shape.hidden_size.is_multiple_of(256) && shape.intermediate_size.is_multiple_of(256);
    anyhow::ensure!(
        are_multiples,
        "`--hidden-size` and `--intermediate-size` must be multiples of 256"
    );
    let format = match synth.format {
        WeightFormat::Q8_0 => SynthFormat::Q8_0,
        WeightFormat::Q4K => SynthFormat::Q4K,
    };
    write_synthetic_model(shape, format, &synth.tokenizer, &synth.target)?;
    print_written(&synth.target)
}

fn print_written(target: &Path) -> anyhow::Result<()> {
    let size = std::fs::metadata(target)?.len().div_ceil(1 << 20);
    console::line(&format!("wrote {}, {size} MB", target.display()));
    Ok(())
}
