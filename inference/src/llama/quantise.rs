//! Makes a smaller file of a model in floats.

use super::convert::Checkpoint;
use super::{Tensors, open, read_head};
use crate::error::{InferenceError, Result};
use crate::llama::Arithmetic;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// The format of most matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantFormat {
    /// Eight bits: half the size of half floats, and hardly to be told from them.
    Q8_0,
    /// Four bits and a half; embeddings and scores in six.
    Q4K,
}

impl QuantFormat {
    /// The format of a matrix, by its name and the length of its rows.
    fn of(self, name: &str, inputs: usize) -> GgmlDType {
        let whole = inputs.is_multiple_of(256);
        let outside = name.starts_with("token_embd") || name.starts_with("output");
        match self {
            Self::Q4K if whole && outside => GgmlDType::Q6K,
            Self::Q4K if whole => GgmlDType::Q4K,
            Self::Q8_0 | Self::Q4K if inputs.is_multiple_of(32) => GgmlDType::Q8_0,
            Self::Q8_0 | Self::Q4K => GgmlDType::F16,
        }
    }
}

/// Reads a model in floats, a GGUF file or a folder with safetensors, and writes it as a GGUF file
/// in this format at `target`. Vectors stay as they are. A file that is quantised already is
/// refused: it would lose twice. `progress` is told after each tensor how many of how many are done.
pub fn quantise(
    source: &Path,
    target: &Path,
    format: QuantFormat,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<()> {
    if source.is_dir() {
        let checkpoint = Checkpoint::open(source)?;
        let names = checkpoint.names().collect();
        let tensors = all_quantised(names, progress, |name| {
            let (values, dims) = checkpoint.values(name)?;
            quantised(values, dims, GgmlDType::F32, name, format)
        })?;
        return write(target, &checkpoint.metadata, &tensors);
    }
    let file = open(source)?;
    let content = read_head(&file, source)?;
    let tensors = Tensors::of(&content, &file, source, Arithmetic::Exact)?;
    let made = all_quantised(tensors.names().collect(), progress, |name| {
        let (values, found, dims) = tensors.values(name)?;
        if !matches!(found, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16) {
            let reason = format!("`{name}` is quantised already ({found:?})");
            return Err(tensors.head.unsupported(reason));
        }
        quantised(values, dims, found, name, format)
    })?;
    write(target, &content.metadata, &made)
}

fn all_quantised<'a>(
    mut names: Vec<&'a str>,
    progress: &mut dyn FnMut(usize, usize),
    mut one: impl FnMut(&str) -> Result<QTensor>,
) -> Result<Vec<(&'a str, QTensor)>> {
    names.sort_unstable();
    let all = names.len();
    let mut made = Vec::with_capacity(all);
    for name in names {
        made.push((name, one(name)?));
        progress(made.len(), all);
    }
    Ok(made)
}

/// A matrix in its format; anything else as it was stored.
fn quantised(
    values: Vec<f32>,
    dims: Vec<usize>,
    found: GgmlDType,
    name: &str,
    format: QuantFormat,
) -> Result<QTensor> {
    let target = match *dims.as_slice() {
        [_, inputs] => format.of(name, inputs),
        _ => found,
    };
    let tensor = Tensor::from_vec(values, dims, &Device::Cpu)?;
    Ok(QTensor::quantize(&tensor, target)?)
}

/// Writes the file, and takes it away again where that fails.
fn write(
    target: &Path,
    metadata: &HashMap<String, Value>,
    tensors: &[(&str, QTensor)],
) -> Result<()> {
    let file_error = |source| InferenceError::File {
        path: target.to_owned(),
        source,
    };
    let kept = metadata.iter();
    let kept = kept.filter(|(key, _)| *key != "general.file_type" && *key != "general.alignment");
    let mut metadata: Vec<(&str, &Value)> =
        kept.map(|(key, value)| (key.as_str(), value)).collect();
    metadata.sort_unstable_by_key(|(key, _)| *key);
    let tensors: Vec<(&str, &QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let mut file = File::create_new(target).map_err(file_error)?;
    let written = gguf_file::write(&mut file, &metadata, &tensors)
        .map_err(InferenceError::from)
        .and_then(|()| file.sync_all().map_err(file_error));
    if written.is_err() {
        // The error says what went wrong; half a model is of no use to anybody.
        drop(std::fs::remove_file(target));
    }
    written
}
