//! Writes a model of random weights, to measure how fast a size and format run before anyone has
//! such a model. It answers nonsense.

use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Rows that are made; a longer matrix repeats them, which no kernel is faster for.
const ROWS: usize = 256;

/// The sizes of a llama model.
#[derive(Clone, Copy, Debug)]
pub struct SynthShape {
    /// Layers.
    pub layers: usize,
    /// Elements of a token's state: a multiple of 256.
    pub width: usize,
    /// Elements between the two halves of a layer's second part: a multiple of 256.
    pub inner: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// The most tokens.
    pub context: usize,
}

/// The formats of its matrices.
#[derive(Clone, Copy, Debug)]
pub enum SynthFormat {
    /// All of them `Q4_K`, the last one `Q6_K`.
    Q4K,
    /// All of them `Q8_0`.
    Q8_0,
}

impl SynthFormat {
    fn layers(self) -> GgmlDType {
        match self {
            Self::Q4K => GgmlDType::Q4K,
            Self::Q8_0 => GgmlDType::Q8_0,
        }
    }

    fn output(self) -> GgmlDType {
        match self {
            Self::Q4K => GgmlDType::Q6K,
            Self::Q8_0 => GgmlDType::Q8_0,
        }
    }
}

/// Writes a GGUF file at `path`, with the tokenizer of the GGUF file `tokenizer`.
pub fn synthesise(
    shape: SynthShape,
    format: SynthFormat,
    tokenizer: &Path,
    path: &Path,
) -> Result<()> {
    let opened = File::open(tokenizer).map_err(|source| file_error(tokenizer, source))?;
    let content = Content::read(&mut BufReader::new(opened))?;
    let words = content
        .metadata
        .get("tokenizer.ggml.tokens")
        .and_then(|tokens| tokens.to_vec().ok())
        .map_or(0, Vec::len);
    let mut metadata: Vec<(String, Value)> = content
        .metadata
        .into_iter()
        .filter(|(key, _)| key.starts_with("tokenizer."))
        .collect();
    metadata.extend(head(shape));
    let tensors = tensors(shape, format, words)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = File::create(path).map_err(|source| file_error(path, source))?;
    gguf_file::write(&mut file, &metadata, &tensors)?;
    file.sync_all().map_err(|source| file_error(path, source))
}

fn head(shape: SynthShape) -> Vec<(String, Value)> {
    let number = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
    let llama = |key: &str, value: Value| (format!("llama.{key}"), value);
    vec![
        (
            "general.architecture".to_owned(),
            Value::String("llama".to_owned()),
        ),
        llama("context_length", number(shape.context)),
        llama("embedding_length", number(shape.width)),
        llama("block_count", number(shape.layers)),
        llama("feed_forward_length", number(shape.inner)),
        llama("attention.head_count", number(shape.heads)),
        llama("attention.head_count_kv", number(shape.kv_heads)),
        llama("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        llama(
            "rope.dimension_count",
            number(shape.width / shape.heads.max(1)),
        ),
        llama("rope.freq_base", Value::F32(100_000.0)),
    ]
}

fn tensors(shape: SynthShape, format: SynthFormat, words: usize) -> Result<Vec<(String, QTensor)>> {
    let SynthShape { width, inner, .. } = shape;
    let kv = width / shape.heads.max(1) * shape.kv_heads;
    let matrix = |rows, columns| random(rows, columns, format.layers());
    let ones = || -> Result<QTensor> {
        let ones = Tensor::ones(width, candle_core::DType::F32, &Device::Cpu)?;
        Ok(QTensor::quantize(&ones, GgmlDType::F32)?)
    };
    let mut all = vec![
        ("token_embd.weight".to_owned(), matrix(words, width)?),
        (
            "output.weight".to_owned(),
            random(words, width, format.output())?,
        ),
        ("output_norm.weight".to_owned(), ones()?),
    ];
    for layer in 0..shape.layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        all.push((name("attn_norm"), ones()?));
        all.push((name("ffn_norm"), ones()?));
        for (part, rows, columns) in [
            ("attn_q", width, width),
            ("attn_k", kv, width),
            ("attn_v", kv, width),
            ("attn_output", width, width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ] {
            all.push((name(part), matrix(rows, columns)?));
        }
    }
    Ok(all)
}

/// A matrix of small numbers that follow no pattern.
fn random(rows: usize, columns: usize, format: GgmlDType) -> Result<QTensor> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let made = rows.min(ROWS);
    let values: Vec<f32> = (0..made * columns).map(|_| next() * 0.07).collect();
    let made = QTensor::quantize(
        &Tensor::from_vec(values, (made, columns), &Device::Cpu)?,
        format,
    )?;
    let bytes = made.data()?;
    let row = bytes.len() / made.shape().dims().first().copied().unwrap_or(1).max(1);
    let repeated: Vec<u8> = bytes.iter().copied().cycle().take(row * rows).collect();
    let storage = QStorage::from_data(Cow::Owned(repeated), &Device::Cpu, format)?;
    Ok(QTensor::new(storage, (rows, columns))?)
}

fn file_error(path: &Path, source: std::io::Error) -> InferenceError {
    InferenceError::File {
        path: path.to_owned(),
        source,
    }
}
