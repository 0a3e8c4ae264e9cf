//! `cloister models quantize` and `synth`.

use crate::cli::console;
use cloister_inference::{QuantFormat, SynthFormat, SynthShape, quantise, synthesise};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Eight bits.
    #[value(name = "q8_0")]
    Q8_0,
    /// Four and a half bits.
    #[value(name = "q4_k")]
    Q4K,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Quantize {
    /// The GGUF file, in floats of 32 or 16 bits, or a folder with `config.json`, `tokenizer.json`
    /// and safetensors.
    source: PathBuf,
    /// The file to write; it must not be there yet.
    target: PathBuf,
    /// The format of its matrices.
    #[arg(long, value_enum, default_value = "q4_k")]
    format: Format,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Synth {
    /// A GGUF file whose tokenizer is taken.
    #[arg(long)]
    tokenizer: PathBuf,
    /// The file to write.
    target: PathBuf,
    /// The format of its matrices.
    #[arg(long, value_enum, default_value = "q4_k")]
    format: Format,
    /// Layers.
    #[arg(long, default_value_t = 16)]
    layers: usize,
    /// Elements of a token's state, a multiple of 256.
    #[arg(long, default_value_t = 2048)]
    width: usize,
    /// Elements inside a layer's second part, a multiple of 256.
    #[arg(long, default_value_t = 8192)]
    inner: usize,
    /// Heads of queries.
    #[arg(long, default_value_t = 32)]
    heads: usize,
    /// Heads of keys and values.
    #[arg(long, default_value_t = 8)]
    kv_heads: usize,
    /// The most tokens.
    #[arg(long, default_value_t = 8192)]
    context: usize,
}

pub fn quantize(quantize: &Quantize) -> anyhow::Result<()> {
    let format = match quantize.format {
        Format::Q8_0 => QuantFormat::Q8_0,
        Format::Q4K => QuantFormat::Q4K,
    };
    let bar = indicatif::ProgressBar::new(0);
    quantise(
        &quantize.source,
        &quantize.target,
        format,
        &mut |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        },
    )?;
    bar.finish_and_clear();
    written(&quantize.target)
}

pub fn synth(synth: &Synth) -> anyhow::Result<()> {
    let shape = SynthShape {
        layers: synth.layers,
        width: synth.width,
        inner: synth.inner,
        heads: synth.heads,
        kv_heads: synth.kv_heads,
        context: synth.context,
    };
    let multiples = shape.width.is_multiple_of(256) && shape.inner.is_multiple_of(256);
    anyhow::ensure!(multiples, "width and inner are multiples of 256");
    let format = match synth.format {
        Format::Q8_0 => SynthFormat::Q8_0,
        Format::Q4K => SynthFormat::Q4K,
    };
    synthesise(shape, format, &synth.tokenizer, &synth.target)?;
    written(&synth.target)
}

fn written(target: &Path) -> anyhow::Result<()> {
    let size = std::fs::metadata(target)?.len().div_ceil(1 << 20);
    console::line(&format!("{} was written, {size} MB", target.display()));
    Ok(())
}
