//! Quantises a float model to a GGUF file.

use super::hugging_face::Checkpoint;
use super::tensors::{GgufTensors, Precision, open_gguf, read_header};
use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// The format of most matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantFormat {
    /// Eight bits: half the size of half floats, at practically the same quality.
    Q8_0,
    /// 4.5 bits; embeddings and output projection in six bits.
    Q4K,
}

impl QuantFormat {
    /// The format of a matrix, by its name and the length of its rows.
    fn matrix_format(self, name: &str, inputs: usize) -> GgmlDType {
        let has_superblocks = inputs.is_multiple_of(256);
        let is_embedding = name.starts_with("token_embd") || name.starts_with("output");
        match self {
            Self::Q4K if has_superblocks && is_embedding => GgmlDType::Q6K,
            Self::Q4K if has_superblocks => GgmlDType::Q4K,
            Self::Q8_0 | Self::Q4K if inputs.is_multiple_of(32) => GgmlDType::Q8_0,
            Self::Q8_0 | Self::Q4K => GgmlDType::F16,
        }
    }
}

/// Quantises a float model, which is a GGUF file or a folder with safetensors, to a new GGUF file at
/// `target`. Vectors keep their format. A quantised file is refused, because it would lose precision
/// twice. After each tensor `progress` receives the number of finished tensors and that of all.
pub fn quantize_model(
    source: &Path,
    target: &Path,
    format: QuantFormat,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<()> {
    if source.is_dir() {
        let checkpoint = Checkpoint::open(source)?;
        let names = checkpoint.names().collect();
        let tensors = quantize_tensors(names, progress, |name| {
            let (values, dims) = checkpoint.values(name)?;
            quantize_tensor(values, dims, GgmlDType::F32, name, format)
        })?;
        return write_gguf(target, &checkpoint.metadata, &tensors);
    }
    let file = open_gguf(source)?;
    let content = read_header(&file, source)?;
    let tensors = GgufTensors::new(&content, &file, source, Precision::F32)?;
    let made = quantize_tensors(tensors.names().collect(), progress, |name| {
        let (values, stored, dims) = tensors.values(name)?;
        if !matches!(stored, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16) {
            let reason = format!("`{name}` is quantised already ({stored:?})");
            return Err(tensors.metadata.unsupported(reason));
        }
        quantize_tensor(values, dims, stored, name, format)
    })?;
    write_gguf(target, &content.metadata, &made)
}

fn quantize_tensors<'a>(
    mut names: Vec<&'a str>,
    progress: &mut dyn FnMut(usize, usize),
    mut quantize: impl FnMut(&str) -> Result<QTensor>,
) -> Result<Vec<(&'a str, QTensor)>> {
    names.sort_unstable();
    let all = names.len();
    let mut made = Vec::with_capacity(all);
    for name in names {
        made.push((name, quantize(name)?));
        progress(made.len(), all);
    }
    Ok(made)
}

/// Quantises a matrix. Other tensors keep their format.
fn quantize_tensor(
    values: Vec<f32>,
    dims: Vec<usize>,
    stored: GgmlDType,
    name: &str,
    format: QuantFormat,
) -> Result<QTensor> {
    let target = match *dims.as_slice() {
        [_, inputs] => format.matrix_format(name, inputs),
        _ => stored,
    };
    let tensor = Tensor::from_vec(values, dims, &Device::Cpu)?;
    Ok(QTensor::quantize(&tensor, target)?)
}

/// Writes the file, and removes it again if that fails.
fn write_gguf(
    target: &Path,
    metadata: &HashMap<String, Value>,
    tensors: &[(&str, QTensor)],
) -> Result<()> {
    let mut metadata: Vec<(&str, &Value)> = metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .filter(|(key, _)| !matches!(*key, "general.file_type" | "general.alignment"))
        .collect();
    metadata.sort_unstable_by_key(|(key, _)| *key);
    let tensors: Vec<(&str, &QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let mut file =
        File::create_new(target).map_err(|source| InferenceError::file(target, source))?;
    let written = gguf_file::write(&mut file, &metadata, &tensors)
        .map_err(InferenceError::from)
        .and_then(|()| {
            file.sync_all()
                .map_err(|source| InferenceError::file(target, source))
        });
    if written.is_err() {
        // The error says what went wrong. An incomplete file is of no use.
        drop(std::fs::remove_file(target));
    }
    written
}
