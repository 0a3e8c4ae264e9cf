//! Writes a model with random weights, to measure the speed of a size and a format without a real
//! model. Its text is meaningless.

use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Distinct rows per matrix. A longer matrix repeats them, which does not change the speed.
const DISTINCT_ROWS: usize = 256;

/// The sizes of a llama model.
#[derive(Clone, Copy, Debug)]
pub struct SynthShape {
    /// Layers.
    pub layers: usize,
    /// Elements of a token's state: a multiple of 256.
    pub hidden_size: usize,
    /// Elements of an MLP's intermediate state: a multiple of 256.
    pub intermediate_size: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// The context, in tokens.
    pub context: usize,
}

/// The formats of its matrices.
#[derive(Clone, Copy, Debug)]
pub enum SynthFormat {
    /// `Q4_K`, and `Q6_K` for the output projection.
    Q4K,
    /// `Q8_0`.
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
pub fn write_synthetic_model(
    shape: SynthShape,
    format: SynthFormat,
    tokenizer: &Path,
    path: &Path,
) -> Result<()> {
    let opened = File::open(tokenizer).map_err(|source| InferenceError::file(tokenizer, source))?;
    let content = Content::read(&mut BufReader::new(opened))?;
    let vocabulary = content
        .metadata
        .get("tokenizer.ggml.tokens")
        .and_then(|tokens| tokens.to_vec().ok())
        .map_or(0, Vec::len);
    let mut metadata: Vec<(String, Value)> = content
        .metadata
        .into_iter()
        .filter(|(key, _)| key.starts_with("tokenizer."))
        .collect();
    metadata.extend(shape_metadata(shape));
    let tensors = random_tensors(shape, format, vocabulary)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = File::create(path).map_err(|source| InferenceError::file(path, source))?;
    gguf_file::write(&mut file, &metadata, &tensors)?;
    file.sync_all()
        .map_err(|source| InferenceError::file(path, source))
}

fn shape_metadata(shape: SynthShape) -> Vec<(String, Value)> {
    let architecture = Value::String("llama".to_owned());
    vec![
        ("general.architecture".to_owned(), architecture),
        llama("context_length", number(shape.context)),
        llama("embedding_length", number(shape.hidden_size)),
        llama("block_count", number(shape.layers)),
        llama("feed_forward_length", number(shape.intermediate_size)),
        llama("attention.head_count", number(shape.heads)),
        llama("attention.head_count_kv", number(shape.kv_heads)),
        llama("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        llama(
            "rope.dimension_count",
            number(shape.hidden_size / shape.heads.max(1)),
        ),
        llama("rope.freq_base", Value::F32(100_000.0)),
    ]
}

fn llama(key: &str, value: Value) -> (String, Value) {
    (format!("llama.{key}"), value)
}

fn number(n: usize) -> Value {
    Value::U32(u32::try_from(n).unwrap_or(u32::MAX))
}

fn random_tensors(
    shape: SynthShape,
    format: SynthFormat,
    vocabulary: usize,
) -> Result<Vec<(String, QTensor)>> {
    let SynthShape {
        hidden_size: width,
        intermediate_size: inner,
        ..
    } = shape;
    let kv = width / shape.heads.max(1) * shape.kv_heads;
    let mut all = vec![
        (
            "token_embd.weight".to_owned(),
            random_matrix(vocabulary, width, format.layers())?,
        ),
        (
            "output.weight".to_owned(),
            random_matrix(vocabulary, width, format.output())?,
        ),
        ("output_norm.weight".to_owned(), ones(width)?),
    ];
    for layer in 0..shape.layers {
        for part in ["attn_norm", "ffn_norm"] {
            all.push((format!("blk.{layer}.{part}.weight"), ones(width)?));
        }
        for (part, rows, columns) in [
            ("attn_q", width, width),
            ("attn_k", kv, width),
            ("attn_v", kv, width),
            ("attn_output", width, width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ] {
            let name = format!("blk.{layer}.{part}.weight");
            all.push((name, random_matrix(rows, columns, format.layers())?));
        }
    }
    Ok(all)
}

fn ones(width: usize) -> Result<QTensor> {
    let ones = Tensor::ones(width, candle_core::DType::F32, &Device::Cpu)?;
    Ok(QTensor::quantize(&ones, GgmlDType::F32)?)
}

/// A matrix of small random numbers.
fn random_matrix(rows: usize, columns: usize, format: GgmlDType) -> Result<QTensor> {
    // Marsaglia's xorshift, as in the files of earlier measurements.
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let made = rows.min(DISTINCT_ROWS);
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
